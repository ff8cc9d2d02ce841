//! Sources of types and symbols that answer from what is known, ask the real source otherwise, and
//! remember its answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::model::{TypeOrigin, Variable};
use crate::{
    Error, Place, Symbol, SymbolOrigin, SymbolSource, Tag, Type, TypeId, TypeSource, VirtAddr,
};

use super::answers::{SymbolAnswers, TypeAnswers, keep};

/// Paths that are kept of each type: some dozens are usual.
const PLACES_KEPT: usize = 1024;

/// What opens the real source, when it is first needed.
type Open<S> = Box<dyn Fn() -> Result<Arc<S>, Error> + Send + Sync>;

/// A real source that is opened when it is first needed.
struct Lazy<S: ?Sized> {
    open: Open<S>,
    opened: OnceLock<Result<Arc<S>, Error>>,
}

impl<S: ?Sized> Lazy<S> {
    fn new(open: Open<S>) -> Self {
        Self {
            open,
            opened: OnceLock::new(),
        }
    }

    fn get(&self) -> Result<&S, Error> {
        let opened = self.opened.get_or_init(|| (self.open)());
        opened.as_deref().map_err(Clone::clone)
    }

    /// Whether it was needed and could not be opened.
    fn failed(&self) -> bool {
        self.opened.get().is_some_and(Result::is_err)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Types that are remembered.
pub struct RecordedTypes {
    origin: TypeOrigin,
    known: Mutex<TypeAnswers>,
    /// Where paths lead, by the type that they start from.
    places: Mutex<HashMap<TypeId, HashMap<String, Place>>>,
    grown: AtomicBool,
    real: Lazy<dyn TypeSource>,
}

impl std::fmt::Debug for RecordedTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedTypes")
            .field("origin", &self.origin)
            .field("real", &self.real.opened)
            .finish_non_exhaustive()
    }
}

impl RecordedTypes {
    /// Types of which `known` is known; `open` opens the source that all of it came from.
    pub fn new(
        origin: TypeOrigin,
        known: TypeAnswers,
        open: impl Fn() -> Result<Arc<dyn TypeSource>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            origin,
            known: Mutex::new(known),
            places: Mutex::default(),
            grown: AtomicBool::new(false),
            real: Lazy::new(Box::new(open)),
        }
    }

    /// Types of an open source, of which nothing is known yet.
    #[must_use]
    pub fn of(source: Arc<dyn TypeSource>) -> Self {
        let origin = source.origin();
        Self::new(origin, TypeAnswers::default(), move || Ok(source.clone()))
    }

    /// What is known by now.
    #[must_use]
    pub fn answers(&self) -> TypeAnswers {
        lock(&self.known).clone()
    }

    /// Whether more is known than at first.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// Whether something was asked that is not known, and the real source could not be opened.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.real.failed()
    }

    fn learned(&self, new: bool) {
        if new {
            self.grown.store(true, Ordering::Relaxed);
        }
    }
}

impl TypeSource for RecordedTypes {
    fn origin(&self) -> TypeOrigin {
        self.origin
    }

    fn known_place(&self, id: TypeId, path: &str) -> Option<Place> {
        lock(&self.places).get(&id)?.get(path).copied()
    }

    fn keep_place(&self, id: TypeId, path: &str, place: Place) {
        let mut places = lock(&self.places);
        let of_type = places.entry(id).or_default();
        if of_type.len() < PLACES_KEPT {
            of_type.insert(path.to_owned(), place);
        }
    }

    fn find(&self, tag: Tag, name: &str) -> Result<Option<TypeId>, Error> {
        let known = |answers: &TypeAnswers| answers.found.get(&tag)?.get(name).copied();
        if let Some(answer) = known(&lock(&self.known)) {
            return Ok(answer);
        }
        let answer = self.real.get()?.find(tag, name)?;
        let mut answers = lock(&self.known);
        let found = answers.found.entry(tag).or_default();
        self.learned(keep(found, name.to_owned(), answer));
        Ok(answer)
    }

    fn describe(&self, id: TypeId) -> Result<Type, Error> {
        if let Some(answer) = lock(&self.known).types.get(&id) {
            return Ok(answer.clone());
        }
        let answer = self.real.get()?.describe(id)?;
        self.learned(keep(&mut lock(&self.known).types, id, answer.clone()));
        Ok(answer)
    }

    fn variable(&self, name: &str) -> Result<Option<Variable>, Error> {
        if let Some(answer) = lock(&self.known).variables.get(name) {
            return Ok(answer.clone());
        }
        let answer = self.real.get()?.variable(name)?;
        let mut answers = lock(&self.known);
        self.learned(keep(
            &mut answers.variables,
            name.to_owned(),
            answer.clone(),
        ));
        Ok(answer)
    }

    fn enumerator(&self, name: &str) -> Result<Option<i64>, Error> {
        if let Some(answer) = lock(&self.known).enumerators.get(name) {
            return Ok(*answer);
        }
        let answer = self.real.get()?.enumerator(name)?;
        let mut answers = lock(&self.known);
        self.learned(keep(&mut answers.enumerators, name.to_owned(), answer));
        Ok(answer)
    }
}

/// Symbols that are remembered, at their addresses before KASLR.
///
/// A table that cannot be opened when it is first needed has no symbols. Who makes statements from
/// what is missing has to ask [`Self::has_failed`] then.
pub struct RecordedSymbols {
    origin: SymbolOrigin,
    /// What the real table's addresses have on top: KASLR's offset, or 0.
    bias: u64,
    /// Addresses from here on are moved by KASLR.
    image: VirtAddr,
    known: Mutex<SymbolAnswers>,
    /// Whether a name is known that was not at first.
    grown: AtomicBool,
    /// How many ranges of addresses are known that were not at first.
    new_ranges: AtomicUsize,
    /// Whether a name was asked that is not known, and there is no table.
    missed: AtomicBool,
    /// `None`: what is not known stays so.
    real: Option<Lazy<dyn SymbolSource>>,
}

impl std::fmt::Debug for RecordedSymbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedSymbols")
            .field("origin", &self.origin)
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl RecordedSymbols {
    /// Symbols of which `known` is known; `open` opens the table that all of it came from, whose
    /// addresses from `image` on lie `bias` above those before KASLR.
    pub fn new(
        (origin, image, bias): (SymbolOrigin, VirtAddr, u64),
        known: SymbolAnswers,
        open: impl Fn() -> Result<Arc<dyn SymbolSource>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            origin,
            bias,
            image,
            known: Mutex::new(known),
            grown: AtomicBool::new(false),
            new_ranges: AtomicUsize::new(0),
            missed: AtomicBool::new(false),
            real: Some(Lazy::new(Box::new(open))),
        }
    }

    /// Symbols of which no more than `known` is known. An address that is not is one without a
    /// symbol.
    #[must_use]
    pub fn closed(origin: SymbolOrigin, known: SymbolAnswers) -> Self {
        let nothing = || Err(Error::unsupported("a table of symbols", ""));
        let mut closed = Self::new((origin, VirtAddr(0), 0), known, nothing);
        closed.real = None;
        closed
    }

    /// Symbols of an open table, of which nothing is known yet.
    #[must_use]
    pub fn of(source: Arc<dyn SymbolSource>, image: VirtAddr, bias: u64) -> Self {
        let count = source.len();
        let known = SymbolAnswers {
            count,
            ..SymbolAnswers::default()
        };
        let of = (source.origin(), image, bias);
        Self::new(of, known, move || Ok(source.clone()))
    }

    /// What is known by now.
    #[must_use]
    pub fn answers(&self) -> SymbolAnswers {
        lock(&self.known).clone()
    }

    /// Whether so much more is known than at first that it is worth keeping: a name, or an eighth
    /// of the addresses. Each dump has some addresses of its own.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        let ranges = lock(&self.known).ranges.len();
        let new = self.new_ranges.load(Ordering::Relaxed);
        self.grown.load(Ordering::Relaxed) || new > 0 && new.saturating_mul(8) >= ranges
    }

    /// Whether something was asked that is not known, and the real table could not be opened; for
    /// symbols without one, whether a name was asked that is not known.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.missed.load(Ordering::Relaxed) || self.real.as_ref().is_some_and(Lazy::failed)
    }

    fn real(&self) -> Option<&dyn SymbolSource> {
        match self.real.as_ref()?.get() {
            Ok(source) => Some(source),
            Err(error) => {
                tracing::debug!(%error, "the table of symbols can't be read");
                None
            }
        }
    }

    fn before_kaslr(&self, address: VirtAddr) -> VirtAddr {
        match address.0 >= self.image.0 {
            true => VirtAddr(address.0.wrapping_sub(self.bias)),
            false => address,
        }
    }

    fn moved(&self, mut symbol: Symbol) -> Symbol {
        symbol.address = self.before_kaslr(symbol.address);
        symbol
    }

    /// The addresses around `address` that the same symbol answers for. Between two symbols of
    /// kallsyms there is none; one of an ELF file may have others inside.
    fn range(&self, address: u64, found: Option<&Symbol>) -> (u64, u64) {
        match found {
            Some(symbol) if self.origin == SymbolOrigin::Kallsyms => {
                let end = symbol
                    .size
                    .and_then(|size| symbol.address.0.checked_add(size));
                (
                    symbol.address.0,
                    end.unwrap_or(0).max(address.saturating_add(1)),
                )
            }
            _ => (address, address.saturating_add(1)),
        }
    }
}

impl SymbolSource for RecordedSymbols {
    fn origin(&self) -> SymbolOrigin {
        self.origin
    }

    fn lookup(&self, name: &str) -> Vec<Symbol> {
        if let Some(answer) = lock(&self.known).named.get(name) {
            return answer.clone();
        }
        let Some(real) = self.real() else {
            self.missed.store(true, Ordering::Relaxed);
            return Vec::new();
        };
        let answer: Vec<_> = real
            .lookup(name)
            .into_iter()
            .map(|symbol| self.moved(symbol))
            .collect();
        let new = keep(
            &mut lock(&self.known).named,
            name.to_owned(),
            answer.clone(),
        );
        if new {
            self.grown.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn at(&self, address: VirtAddr) -> Option<(Symbol, u64)> {
        let offset = |symbol: Symbol| {
            let offset = address.0.wrapping_sub(symbol.address.0);
            (symbol, offset)
        };
        if let Some(answer) = lock(&self.known).at(address.0) {
            return answer.cloned().map(offset);
        }
        let at_run_time = match address.0 >= self.image.0 {
            true => VirtAddr(address.0.wrapping_add(self.bias)),
            false => address,
        };
        let answer = self
            .real()?
            .at(at_run_time)
            .map(|(symbol, _)| self.moved(symbol));
        let (start, end) = self.range(address.0, answer.as_ref());
        let mut known = lock(&self.known);
        // Ranges lie apart: one that overlaps another is not kept.
        let next = known.ranges.range(start..).next().map(|(next, _)| *next);
        let before = known
            .ranges
            .range(..start)
            .next_back()
            .map(|(_, (end, _))| *end);
        if next.is_none_or(|next| end <= next)
            && before.is_none_or(|before| before <= start)
            && keep(&mut known.ranges, start, (end, answer.clone()))
        {
            self.new_ranges.fetch_add(1, Ordering::Relaxed);
        }
        answer.map(offset)
    }

    fn len(&self) -> usize {
        lock(&self.known).count
    }

    fn for_each(&self, visit: &mut dyn FnMut(&str, VirtAddr, char)) {
        if let Some(real) = self.real() {
            real.for_each(&mut |name, address, kind| {
                visit(name, self.before_kaslr(address), kind);
            });
        }
    }
}
