//! A kernel's profile: what earlier runs asked of its symbols and types.
//!
//! A profile belongs to a build-id and to what its answers were read from: the dump's own tables,
//! or one vmlinux. With it a run reads neither; a question that is new goes to where the others
//! were answered. So the report is the same with and without, also where it says what symbols and
//! types came from: the profile keeps their origin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use virtopsy_debuginfo::profile::{
    ModuleProfile, Profile, ProfileKey, ProfileStore, RecordedSymbols, RecordedTypes,
};
use virtopsy_debuginfo::{Error as DebugError, SymbolOrigin as TableOrigin, TypeSource, VirtAddr};
use virtopsy_vmcore::VmcoreInfo;

use crate::build_id;
use crate::error::Result;
use crate::kernel::{Kernel, TypesOrigin};
use crate::open::{Parts, Profiles, TypesChoice};
use crate::paging::KERNEL_IMAGE_BASE;
use crate::symbols::{KernelSymbols, SymbolOrigin};
use crate::tables::Tables;

/// Symbols that VMCOREINFO and a profile both know: they tell whether the one fits the other.
const WITNESSES: [&str; 4] = ["_stext", "swapper_pg_dir", "init_uts_ns", "prb"];

/// What a run asks, for itself (the same is asked for each CPU and task) and for the profile.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Where the profile is kept, and which it is. `None`: answers are remembered for this run only.
    kept: Option<(ProfileStore, ProfileKey)>,
    /// Whether answers of a dump's own tables are kept too.
    of_dumps: bool,
    origins: (SymbolOrigin, TypesOrigin),
    symbols: Arc<RecordedSymbols>,
    types: Arc<RecordedTypes>,
    /// What was known of modules before.
    known: BTreeMap<String, ModuleProfile>,
    modules: Mutex<BTreeMap<String, OfModule>>,
}

/// Where something was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    /// The dump, which may claim to be of any kernel.
    Dump,
    /// A file that the user named or the machine has.
    File,
}

/// The key of the kernel's profile. `None` where it has no build-id that can be believed, or where
/// its addresses before KASLR are not known.
fn key(info: &VmcoreInfo, tables: &Tables) -> Option<ProfileKey> {
    info.kernel_offset()?;
    let choice = match tables.choice() {
        TypesChoice::Auto => "auto",
        TypesChoice::Btf => "btf",
        TypesChoice::Dwarf => "dwarf",
    };
    let source = match tables.vmlinux() {
        Some(elf) => format!("vmlinux-{:016x}-{choice}", elf.identity()),
        None => format!("dump-{choice}"),
    };
    ProfileKey::new(&build_id::expected(info)?, &source)
}

/// Whether a profile's symbols are where VMCOREINFO has them.
fn fits(profile: &Profile, info: &VmcoreInfo) -> bool {
    let bias = info.kernel_offset().unwrap_or(0);
    let mut witnesses = 0;
    for name in WITNESSES {
        let (Some(at), Some(symbols)) = (info.symbol(name), profile.symbols.named(name)) else {
            continue;
        };
        if symbols.is_empty() {
            continue;
        }
        if !symbols
            .iter()
            .any(|symbol| symbol.address.0.wrapping_add(bias) == at)
        {
            tracing::debug!(
                name,
                "the profile has this symbol elsewhere: it is not used"
            );
            return false;
        }
        witnesses += 1;
    }
    witnesses > 0
}

fn types_origin(word: &str) -> Option<TypesOrigin> {
    [TypesOrigin::Btf, TypesOrigin::BtfInDump, TypesOrigin::Dwarf]
        .into_iter()
        .find(|origin| origin.to_string() == word)
}

fn symbols_origin(word: &str) -> Option<SymbolOrigin> {
    [SymbolOrigin::Vmlinux, SymbolOrigin::KallsymsInDump]
        .into_iter()
        .find(|origin| origin.to_string() == word)
}

/// An error of this crate, where one of the other's is wanted.
fn lazily(what: &str, e: &crate::Error) -> DebugError {
    DebugError::NotInProfile {
        what: what.to_owned(),
        why: e.to_string(),
    }
}

/// What is asked of a module's types.
#[derive(Clone, Debug)]
struct OfModule {
    /// What tells its types from those of another build.
    identity: u64,
    from: ReadFrom,
    types: Arc<RecordedTypes>,
}

/// Where the weaker of symbols and types were read from.
fn read_from((symbols, types): (SymbolOrigin, TypesOrigin)) -> ReadFrom {
    if symbols == SymbolOrigin::KallsymsInDump || types == TypesOrigin::BtfInDump {
        ReadFrom::Dump
    } else {
        ReadFrom::File
    }
}

impl Recording {
    /// Answers from the kernel's profile where there is one that fits, else begins one.
    pub(crate) fn begin(
        profiles: &Profiles,
        info: &VmcoreInfo,
        tables: &Arc<Tables>,
    ) -> Option<Recording> {
        let (store, key) = (ProfileStore::new(&profiles.folder), key(info, tables)?);
        let only_by_hand = !profiles.of_dumps && tables.vmlinux().is_none();
        let profile = match only_by_hand {
            true => store.load_installed(&key),
            false => store.load(&key),
        };
        let profile = profile.filter(|profile| fits(profile, info));
        if only_by_hand {
            // To what was put in by hand nothing is added.
            return Recording::known(profile?, tables);
        }
        let mut recording = match profile {
            Some(profile) => Recording::known(profile, tables)?,
            None => Recording::fresh(tables)?,
        };
        recording.of_dumps = profiles.of_dumps;
        recording.kept = Some((store, key));
        recording
            .keeps(read_from(recording.origins))
            .then_some(recording)
    }

    /// Whether answers that were read from there are kept.
    pub(crate) fn keeps(&self, from: ReadFrom) -> bool {
        self.of_dumps || from == ReadFrom::File
    }

    /// Answers from a profile, and from the tables where it has none. `None` where the profile
    /// names an origin that there is not.
    fn known(profile: Profile, tables: &Arc<Tables>) -> Option<Recording> {
        let origins = (
            symbols_origin(&profile.symbols_from)?,
            types_origin(&profile.types_from)?,
        );
        let of = symbols_place(origins.0, tables.bias());
        let for_symbols = tables.clone();
        let symbols = RecordedSymbols::new(of, profile.symbols, move || {
            let table = for_symbols
                .symbol_table()
                .map_err(|e| lazily("symbol", &e))?;
            Ok(table.source.clone())
        });
        let for_types = tables.clone();
        let types = RecordedTypes::new(profile.origin, profile.types, move || {
            let types = for_types.types().map_err(|e| lazily("type", &e))?;
            Ok(types.source.clone())
        });
        Some(Recording {
            kept: None,
            of_dumps: false,
            origins,
            symbols: Arc::new(symbols),
            types: Arc::new(types),
            known: profile.modules,
            modules: Mutex::default(),
        })
    }

    /// Tables that are open, of which nothing is known yet. `None` where they are not as they
    /// should be: then a profile would leave out why.
    pub(crate) fn fresh(tables: &Tables) -> Option<Recording> {
        let (table, types) = (tables.symbol_table().ok()?, tables.types().ok()?);
        if table.note.is_some() {
            return None;
        }
        let (_, image, bias) = symbols_place(table.origin, tables.bias());
        let symbols = RecordedSymbols::of(table.source.clone(), image, bias);
        let recording = Recording {
            kept: None,
            of_dumps: false,
            origins: (table.origin, types.origin),
            symbols: Arc::new(symbols),
            types: Arc::new(RecordedTypes::of(types.source.clone())),
            known: BTreeMap::new(),
            modules: Mutex::default(),
        };
        let symbols = recording.symbols(tables.bias());
        for name in WITNESSES {
            symbols.get(name);
        }
        Some(recording)
    }

    /// The kernel's symbols, remembered.
    pub(crate) fn symbols(&self, bias: u64) -> KernelSymbols {
        KernelSymbols::recorded(self.symbols.clone(), self.origins.0, bias)
    }

    /// The kernel's types, remembered.
    pub(crate) fn types(&self) -> (Arc<dyn TypeSource>, TypesOrigin) {
        (self.types.clone(), self.origins.1)
    }

    /// A module's types, remembered: from the profile if its types are those that the profile
    /// knows, else opened now.
    pub(crate) fn module(
        &self,
        name: &str,
        (identity, from): (u64, ReadFrom),
        open: impl Fn() -> Result<Arc<dyn TypeSource>> + Send + Sync + 'static,
    ) -> Result<Arc<dyn TypeSource>> {
        let known = self
            .known
            .get(name)
            .filter(|known| known.identity == identity && self.keeps(from));
        let types = match known {
            Some(known) => RecordedTypes::new(known.origin, known.types.clone(), move || {
                open().map_err(|e| lazily("type", &e))
            }),
            None => RecordedTypes::of(open()?),
        };
        let types = Arc::new(types);
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let of_module = OfModule {
            identity,
            from,
            types: types.clone(),
        };
        modules.insert(name.to_owned(), of_module);
        Ok(types)
    }

    /// The modules that the profile may tell of.
    fn module_sources(&self) -> Vec<(String, OfModule)> {
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let each = modules.iter().filter(|(_, of)| self.keeps(of.from));
        each.map(|(name, of)| (name.clone(), of.clone())).collect()
    }

    fn has_grown(&self) -> bool {
        self.symbols.has_grown() || self.any_types(RecordedTypes::has_grown)
    }

    fn has_failed(&self) -> bool {
        self.symbols.has_failed() || self.any_types(RecordedTypes::has_failed)
    }

    /// Whether something holds of the kernel's types or of some module's.
    fn any_types(&self, holds: impl Fn(&RecordedTypes) -> bool) -> bool {
        let modules = self.module_sources();
        holds(&self.types) || modules.iter().any(|(_, of)| holds(&of.types))
    }

    fn profile(&self, key: &ProfileKey, release: &str) -> Profile {
        let mut modules = self.known.clone();
        for (name, of) in self.module_sources() {
            let module = ModuleProfile {
                identity: of.identity,
                origin: of.types.origin(),
                types: of.types.answers(),
            };
            modules.insert(name, module);
        }
        Profile {
            key: key.clone(),
            tool: Profile::current_tool(),
            release: release.to_owned(),
            symbols_from: self.origins.0.to_string(),
            types_from: self.origins.1.to_string(),
            symbols: self.symbols.answers(),
            origin: self.types.origin(),
            types: self.types.answers(),
            modules,
        }
    }
}

/// Which table it is, from where on KASLR moves addresses, and by how much its own are moved.
fn symbols_place(origin: SymbolOrigin, bias: u64) -> (TableOrigin, VirtAddr, u64) {
    let image = VirtAddr(KERNEL_IMAGE_BASE);
    match origin {
        SymbolOrigin::Vmlinux => (TableOrigin::ElfSymtab, image, 0),
        SymbolOrigin::KallsymsInDump => (TableOrigin::Kallsyms, image, bias),
    }
}

impl Parts {
    /// Types of a profile that was put in by hand, for a dump that has none of its own and no
    /// vmlinux. What the profile does not know is not known then.
    pub(crate) fn take_installed(&mut self, store: &ProfileStore) {
        let Some(build_id) = build_id::expected(&self.vmcoreinfo) else {
            return;
        };
        let Some(profile) = store.installed(&build_id) else {
            return;
        };
        if self.vmcoreinfo.kernel_offset().is_none() || !fits(&profile, &self.vmcoreinfo) {
            return;
        }
        let bias = self.vmcoreinfo.kernel_offset().unwrap_or(0);
        let (Some(symbols_from), Some(types_from)) = (
            symbols_origin(&profile.symbols_from),
            types_origin(&profile.types_from),
        ) else {
            return;
        };
        self.notes.push(format!(
            "what the dump lacks is taken from an installed profile of {}",
            profile.release
        ));
        if self.types.is_err() {
            let types = RecordedTypes::new(profile.origin, profile.types, || {
                Err(DebugError::NotInProfile {
                    what: "type".to_owned(),
                    why: "there is no vmlinux to read it from (give one with --vmlinux)".to_owned(),
                })
            });
            self.types = Ok((Arc::new(types), types_from));
        }
        if self.symbols.is_err() {
            let (table, ..) = symbols_place(symbols_from, bias);
            let symbols = Arc::new(RecordedSymbols::closed(table, profile.symbols));
            self.installed = Some(symbols.clone());
            self.symbols = Ok(KernelSymbols::recorded(symbols, symbols_from, bias));
        }
    }
}

impl Kernel {
    /// The profile of what was asked until now. `None`: no profiles are used, or the kernel has no
    /// build-id.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        let recording = self.parts.recording.as_ref()?;
        let (_, key) = recording.kept.as_ref()?;
        Some(recording.profile(key, self.release()))
    }

    /// Writes what was asked to the folder of profiles, if more was asked than is known there.
    pub fn keep_profile(&self) {
        let Some(recording) = &self.parts.recording else {
            return;
        };
        let Some((store, key)) = &recording.kept else {
            return;
        };
        if !recording.has_grown() || recording.has_failed() {
            return;
        }
        match store.save(&recording.profile(key, self.release())) {
            Ok(path) => tracing::debug!(path = %path.display(), "profile written"),
            Err(error) => tracing::debug!(%error, "profile not written"),
        }
    }

    /// Whether a question was not in the profile, and what it was made from can't be read: then
    /// statements may lack something that they would have had without the profile.
    #[must_use]
    pub fn profile_failed(&self) -> bool {
        let installed = self.parts.installed.as_ref();
        self.parts
            .recording
            .as_ref()
            .is_some_and(Recording::has_failed)
            || installed.is_some_and(|symbols| symbols.has_failed())
    }
}
