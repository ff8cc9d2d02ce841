//! Names to BTF types, variables and enumerators.

use crate::model::Variable;
use crate::name_index::{NameIndex, NameIndexBuilder};
use crate::{Error, Tag, TypeId, VirtAddr};

use super::Btf;
use super::record::{Kind, Record};

impl Btf {
    /// A module's own definition comes before the kernel's.
    pub(super) fn find_here_or_below(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        let index = self.index_of(tag)?;
        let found = self.find_own(index, name, |record| Self::kind_has_tag(record, tag))?;
        match (found, &self.base) {
            (None, Some(base)) => base.find_here_or_below(tag, name),
            (found, _) => Ok(found.map(|(id, _)| TypeId(id.into()))),
        }
    }

    /// Names of structures, unions, enums and typedefs, the base's too.
    pub(super) fn names_of_types(&self) -> Result<Vec<String>, Error> {
        const NAMED: [u8; 5] = [
            Kind::STRUCT,
            Kind::UNION,
            Kind::ENUM,
            Kind::ENUM64,
            Kind::TYPEDEF,
        ];
        let mut names = match &self.base {
            Some(base) => base.names_of_types()?,
            None => Vec::new(),
        };
        for id in self.first_id..self.end_id() {
            let record = self.own_record(id);
            if let Some(record) = record.filter(|r| r.name != 0 && NAMED.contains(&r.kind)) {
                names.push(self.text(record.name)?);
            }
        }
        Ok(names)
    }

    /// All definitions of `name`, this BTF's before the base's: structures of
    /// one name may differ between files of the kernel.
    pub fn find_all(&self, tag: Tag, name: &str) -> Result<Vec<TypeId>, Error> {
        let mut found = Vec::new();
        let mut source = Some(self);
        while let Some(btf) = source {
            for id in btf.index_of(tag)?.candidates(name.as_bytes()) {
                let matches = btf
                    .own_record(id)
                    .filter(|record| Self::kind_has_tag(*record, tag));
                if let Some(record) = matches
                    && btf.string(record.name)? == name.as_bytes()
                {
                    found.push(TypeId(id.into()));
                }
            }
            source = btf.base.as_deref();
        }
        Ok(found)
    }

    fn find_own(
        &self,
        index: &NameIndex,
        name: &str,
        wanted: impl Fn(Record) -> bool,
    ) -> Result<Option<(u32, Record)>, Error> {
        for id in index.candidates(name.as_bytes()) {
            let Some(record) = self.own_record(id).filter(|record| wanted(*record)) else {
                continue;
            };
            if self.string(record.name)? == name.as_bytes() {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    fn kind_has_tag(record: Record, tag: Tag) -> bool {
        match tag {
            Tag::Struct => record.kind == Kind::STRUCT,
            Tag::Union => record.kind == Kind::UNION,
            // An enum without enumerators is BTF's way to only declare one.
            Tag::Enum => matches!(record.kind, Kind::ENUM | Kind::ENUM64) && record.vlen > 0,
            Tag::Typedef => record.kind == Kind::TYPEDEF,
            Tag::Base => matches!(record.kind, Kind::INT | Kind::FLOAT),
            Tag::Func => record.kind == Kind::FUNC,
        }
    }

    fn index_of(&self, tag: Tag) -> Result<&NameIndex, Error> {
        match tag {
            Tag::Func => self
                .functions
                .get_or_init(|| self.build_index(|kind| kind == Kind::FUNC))
                .as_ref()
                .map_err(Clone::clone),
            _ => self.type_index(),
        }
    }

    /// Types and variables.
    fn type_index(&self) -> Result<&NameIndex, Error> {
        let named = |kind| {
            matches!(
                kind,
                Kind::INT
                    | Kind::FLOAT
                    | Kind::STRUCT
                    | Kind::UNION
                    | Kind::ENUM
                    | Kind::ENUM64
                    | Kind::TYPEDEF
                    | Kind::VAR
            )
        };
        self.names
            .get_or_init(|| self.build_index(named))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn build_index(&self, wanted: impl Fn(u8) -> bool) -> Result<NameIndex, Error> {
        let mut index = NameIndexBuilder::with_capacity(self.starts.len() / 8);
        for id in self.first_id..self.end_id() {
            let Some(record) = self.own_record(id) else {
                continue;
            };
            if wanted(record.kind) && record.name != 0 {
                index.insert(self.string(record.name)?, id);
            }
        }
        Ok(index.build())
    }

    pub(super) fn find_enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        let index = self
            .enumerators
            .get_or_init(|| self.build_enumerator_index());
        for id in index
            .as_ref()
            .map_err(Clone::clone)?
            .candidates(name.as_bytes())
        {
            let Some(record) = self.own_record(id) else {
                continue;
            };
            for (at, value) in self.enumerator_values(record)? {
                if self.string(at)? == name.as_bytes() {
                    return Ok(Some(value));
                }
            }
        }
        self.base
            .as_ref()
            .map_or(Ok(None), |base| base.find_enumerator(name))
    }

    fn build_enumerator_index(&self) -> Result<NameIndex, Error> {
        let mut index = NameIndexBuilder::default();
        for id in self.first_id..self.end_id() {
            let Some(record) = self.own_record(id) else {
                continue;
            };
            if matches!(record.kind, Kind::ENUM | Kind::ENUM64) {
                for (name, _) in self.enumerator_values(record)? {
                    index.insert(self.string(name)?, id);
                }
            }
        }
        Ok(index.build())
    }

    /// A `VAR`; BTF holds per-CPU variables (`DATASEC .data..percpu`).
    pub(super) fn find_variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        let found = self.find_own(self.type_index()?, name, |record| record.kind == Kind::VAR)?;
        match (found, &self.base) {
            (Some((_, record)), _) => {
                // The section's offsets are relative to its start, which BTF does
                // not know: the address is a symbol table's to say.
                Ok(Some(Variable {
                    type_id: self.refer(record.size_or_type),
                    address: None,
                }))
            }
            (None, Some(base)) => base.find_variable(name),
            (None, None) => Ok(None),
        }
    }

    /// Where a variable lies in its section: the section's name, the offset and
    /// the size in bytes, as `DATASEC` states them. For `.data..percpu` the
    /// offset is relative to the start of the section (`__per_cpu_start`).
    pub fn section_of_variable(
        &self,
        name: &str,
    ) -> Result<Option<(String, VirtAddr, u64)>, Error> {
        let Some((variable, _)) =
            self.find_own(self.type_index()?, name, |record| record.kind == Kind::VAR)?
        else {
            return self
                .base
                .as_ref()
                .map_or(Ok(None), |base| base.section_of_variable(name));
        };
        for id in self.first_id..self.end_id() {
            let Some(record) = self
                .own_record(id)
                .filter(|record| record.kind == Kind::DATASEC)
            else {
                continue;
            };
            for n in 0..record.vlen {
                let at = record.own + n * 12;
                if self.word(at)? == variable {
                    let offset = VirtAddr(self.word(at + 4)?.into());
                    return Ok(Some((
                        self.text(record.name)?,
                        offset,
                        self.word(at + 8)?.into(),
                    )));
                }
            }
        }
        Ok(None)
    }
}
