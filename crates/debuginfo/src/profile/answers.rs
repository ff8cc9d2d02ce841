//! Questions and their answers. "There is none" is an answer too; an error is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{MAX_MEMBERS, MAX_NAME};
use crate::{Error, Symbol, Tag, Type, TypeId, Variable};

use super::PLACE;

/// The most answers of each kind that are kept. Some hundred are usual.
const MAX_ANSWERS: usize = 20_000;

/// What was asked of a source of types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeAnswers {
    pub(super) found: BTreeMap<Tag, BTreeMap<String, Option<TypeId>>>,
    pub(super) types: BTreeMap<TypeId, Type>,
    pub(super) variables: BTreeMap<String, Option<Variable>>,
    pub(super) enumerators: BTreeMap<String, Option<i64>>,
}

/// What was asked of a table of symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolAnswers {
    /// How many symbols the table has.
    pub(super) count: usize,
    pub(super) named: BTreeMap<String, Vec<Symbol>>,
    /// By the first address of a range: the address behind its last, and the symbol there.
    pub(super) ranges: BTreeMap<u64, (u64, Option<Symbol>)>,
}

/// Puts an answer in, if there is room.
pub(super) fn keep<K: Ord, V>(answers: &mut BTreeMap<K, V>, question: K, answer: V) -> bool {
    if answers.len() >= MAX_ANSWERS {
        return false;
    }
    answers.insert(question, answer).is_none()
}

fn add<K: Ord + Clone, V: Clone>(answers: &mut BTreeMap<K, V>, others: &BTreeMap<K, V>) {
    for (question, answer) in others {
        if answers.len() < MAX_ANSWERS && !answers.contains_key(question) {
            answers.insert(question.clone(), answer.clone());
        }
    }
}

fn check_count(count: usize, limit: usize, what: &'static str) -> Result<(), Error> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::malformed(PLACE, 0, what, format!("{count}")))
}

fn check_name(name: &str) -> Result<(), Error> {
    check_count(name.len(), MAX_NAME, "names of at most 2048 bytes")
}

impl TypeAnswers {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let found: usize = self.found.values().map(BTreeMap::len).sum();
        found + self.types.len() + self.variables.len() + self.enumerators.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (tag, found) in &other.found {
            add(self.found.entry(*tag).or_default(), found);
        }
        add(&mut self.types, &other.types);
        add(&mut self.variables, &other.variables);
        add(&mut self.enumerators, &other.enumerators);
    }

    /// Holds it to the bounds that sources of types keep.
    pub(super) fn check(&self) -> Result<(), Error> {
        check_count(self.len(), 4 * MAX_ANSWERS, "at most 80000 answers")?;
        let names = self.found.values().flat_map(BTreeMap::keys);
        for name in names
            .chain(self.variables.keys())
            .chain(self.enumerators.keys())
        {
            check_name(name)?;
        }
        for ty in self.types.values() {
            match ty {
                Type::Struct { members, .. } => {
                    check_count(members.len(), MAX_MEMBERS, "at most 65535 members")?;
                }
                Type::Enum { enumerators, .. } => {
                    check_count(enumerators.len(), MAX_MEMBERS, "at most 65535 enumerators")?;
                }
                Type::Func { params, .. } => {
                    check_count(params.len(), MAX_MEMBERS, "at most 65535 parameters")?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl SymbolAnswers {
    /// The symbols of a name, if it was asked for.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&[Symbol]> {
        self.named.get(name).map(Vec::as_slice)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        add(&mut self.named, &other.named);
        add(&mut self.ranges, &other.ranges);
    }

    /// The symbol at an address, if an address in the same range was asked for.
    pub(super) fn at(&self, address: u64) -> Option<Option<&Symbol>> {
        let (_, (end, symbol)) = self.ranges.range(..=address).next_back()?;
        (address < *end).then_some(symbol.as_ref())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_count(self.named.len(), MAX_ANSWERS, "at most 20000 names")?;
        check_count(self.ranges.len(), MAX_ANSWERS, "at most 20000 addresses")?;
        let symbols = self.named.values().flatten();
        for symbol in symbols.chain(
            self.ranges
                .values()
                .filter_map(|(_, symbol)| symbol.as_ref()),
        ) {
            check_name(&symbol.name)?;
        }
        let ordered = self.ranges.iter().all(|(start, (end, symbol))| {
            start < end
                && symbol
                    .as_ref()
                    .is_none_or(|symbol| symbol.address.0 <= *start)
        });
        let apart = self
            .ranges
            .iter()
            .zip(self.ranges.keys().skip(1))
            .all(|((_, (end, _)), next)| end <= next);
        if ordered && apart {
            return Ok(());
        }
        let expected = "ranges of addresses that lie apart, with symbols at or below them";
        Err(Error::malformed(PLACE, 0, expected, "others"))
    }
}
