//! Sources of types and symbols that remember their answers: the same is asked for each CPU, task
//! and module.
//!
//! "There is none" is an answer too; an error is not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    Error, Place, Symbol, SymbolOrigin, SymbolSource, Tag, Type, TypeId, TypeOrigin, TypeSource,
    Variable, VirtAddr,
};

/// The most answers of each kind that are kept. Some hundred are usual.
const MAX_ANSWERS: usize = 20_000;

/// Answers to one kind of question.
type Answers<K, V> = HashMap<K, V>;

/// Keeps an answer, if there is room.
fn keep<K: Eq + Hash, V: Clone>(answers: &Mutex<Answers<K, V>>, question: K, answer: &V) {
    let mut answers = lock(answers);
    if answers.len() < MAX_ANSWERS {
        answers.insert(question, answer.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Types that are remembered.
#[derive(Debug)]
pub struct RememberedTypes {
    source: Arc<dyn TypeSource>,
    found: Mutex<HashMap<Tag, Answers<String, Option<TypeId>>>>,
    types: Mutex<Answers<TypeId, Type>>,
    variables: Mutex<Answers<String, Option<Variable>>>,
    enumerators: Mutex<Answers<String, Option<i64>>>,
    /// Where paths lead, by the type that they start from.
    places: Mutex<HashMap<TypeId, Answers<String, Place>>>,
}

impl RememberedTypes {
    /// Types of a source, of which nothing has been asked yet.
    #[must_use]
    pub fn of(source: Arc<dyn TypeSource>) -> Self {
        Self {
            source,
            found: Mutex::default(),
            types: Mutex::default(),
            variables: Mutex::default(),
            enumerators: Mutex::default(),
            places: Mutex::default(),
        }
    }
}

impl TypeSource for RememberedTypes {
    fn origin(&self) -> TypeOrigin {
        self.source.origin()
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        let known = lock(&self.found)
            .get(&tag)
            .and_then(|of_tag| of_tag.get(name).copied());
        if let Some(answer) = known {
            return Ok(answer);
        }
        let answer = self.source.find(tag, name)?;
        let mut found = lock(&self.found);
        let of_tag = found.entry(tag).or_default();
        if of_tag.len() < MAX_ANSWERS {
            of_tag.insert(name.to_owned(), answer);
        }
        Ok(answer)
    }

    fn describe(&self, id: TypeId) -> Result<Type, Error> {
        if let Some(answer) = lock(&self.types).get(&id) {
            return Ok(answer.clone());
        }
        let answer = self.source.describe(id)?;
        keep(&self.types, id, &answer);
        Ok(answer)
    }

    fn variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        if let Some(answer) = lock(&self.variables).get(name) {
            return Ok(answer.clone());
        }
        let answer = self.source.variable(name)?;
        keep(&self.variables, name.to_owned(), &answer);
        Ok(answer)
    }

    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        if let Some(answer) = lock(&self.enumerators).get(name) {
            return Ok(*answer);
        }
        let answer = self.source.enumerator(name)?;
        keep(&self.enumerators, name.to_owned(), &answer);
        Ok(answer)
    }

    fn type_names(&self) -> Result<Vec<String>, Error> {
        self.source.type_names()
    }

    fn known_place(&self, id: TypeId, path: &str) -> Option<Place> {
        lock(&self.places).get(&id)?.get(path).copied()
    }

    fn keep_place(&self, id: TypeId, path: &str, place: Place) {
        let mut places = lock(&self.places);
        if places.len() >= MAX_ANSWERS && !places.contains_key(&id) {
            return;
        }
        let of_type = places.entry(id).or_default();
        if of_type.len() < MAX_ANSWERS {
            of_type.insert(path.to_owned(), place);
        }
    }
}

/// Symbols that are remembered by their names.
#[derive(Debug)]
pub struct RememberedSymbols {
    source: Arc<dyn SymbolSource>,
    named: Mutex<Answers<String, Vec<Symbol>>>,
}

impl RememberedSymbols {
    /// Symbols of a table, of which nothing has been asked yet.
    #[must_use]
    pub fn of(source: Arc<dyn SymbolSource>) -> Self {
        Self {
            source,
            named: Mutex::default(),
        }
    }
}

impl SymbolSource for RememberedSymbols {
    fn origin(&self) -> SymbolOrigin {
        self.source.origin()
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        if let Some(answer) = lock(&self.named).get(name) {
            return answer.clone();
        }
        let answer = self.source.lookup(name);
        keep(&self.named, name.to_owned(), &answer);
        answer
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        self.source.at(address)
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        self.source.for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A source that counts questions; it has `struct known` and nothing else.
    #[derive(Debug, Default)]
    struct Counted(AtomicUsize);

    impl TypeSource for Counted {
        fn origin(&self) -> TypeOrigin {
            TypeOrigin::Dwarf
        }

        fn find(&self, _: Tag, name: &str) -> Result<Option<TypeId>, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match name {
                "known" => Ok(Some(TypeId(1))),
                "damaged" => Err(Error::unsupported("a type", "damage")),
                _ => Ok(None),
            }
        }

        fn describe(&self, _: TypeId) -> Result<Type, Error> {
            Ok(Type::Void)
        }

        fn variable(&self, _: &str) -> Result<Option<Variable>, Error> {
            Ok(None)
        }

        fn enumerator(&self, _: &str) -> Result<Option<i64>, Error> {
            Ok(None)
        }
    }

    #[test]
    fn a_source_is_asked_once_for_what_it_has_and_what_it_lacks_and_again_after_an_error() {
        let source = Arc::new(Counted::default());
        let types = RememberedTypes::of(source.clone());
        for _ in 0..3 {
            assert_eq!(types.find(Tag::Struct, "known").unwrap(), Some(TypeId(1)));
            assert_eq!(types.find(Tag::Struct, "none").unwrap(), None);
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
        for _ in 0..3 {
            assert!(types.find(Tag::Struct, "damaged").is_err());
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 5);
        // Another kind of definition is another question.
        types.find(Tag::Union, "known").unwrap();
        assert_eq!(source.0.load(Ordering::Relaxed), 6);
    }
}
