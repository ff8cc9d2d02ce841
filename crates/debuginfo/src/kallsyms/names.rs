//! The compressed names of kallsyms.

use crate::model::MAX_NAME;
use crate::read::{u8_at, u16_at};
use crate::{Error, FileBytes};

const PLACE: &str = "kallsyms_names";
const TABLE: &str = "kallsyms_token_table";
const TOKENS: usize = 256;
/// The offset of every 16th name is kept. (The kernel keeps that of every 256th,
/// `kallsyms_markers`; bisection steps over fewer names here.)
const MARK_EVERY: u32 = 16;
/// The most symbols of one kernel. Real ones have a few hundred thousand.
const MAX_SYMBOLS: u32 = 1 << 24;

/// Places at which the order of names is held against the names.
const SAMPLES: u32 = 512;
/// Names on both sides of where a name should stand that are looked at too.
const AROUND: u32 = 8;

/// The names of all symbols of a kernel, compressed as they are in memory.
#[derive(Debug)]
pub struct KallsymsNames {
    count: u32,
    names: FileBytes,
    token_table: FileBytes,
    /// Start and length of each token in `token_table`.
    tokens: Box<[(u16, u16)]>,
    marks: Box<[u32]>,
    /// `kallsyms_seqs_of_names`, if it was found and holds what it should.
    by_name: Option<FileBytes>,
}

impl KallsymsNames {
    /// Checks the tables, and marks some of the names.
    pub fn parse(
        num_syms: u32,
        names: FileBytes,
        token_table: FileBytes,
        token_index: FileBytes,
    ) -> Result<Self, Error> {
        let tokens = tokens(&token_table, &token_index)?;
        let mut marks = Vec::new();
        let bytes: &[u8] = &names;
        let len = walk(num_syms, bytes, |number, at| {
            if number % MARK_EVERY == 0 {
                marks.push(at as u32);
            }
        })?;
        let names = names.slice(0, len).unwrap_or_default();
        Ok(Self {
            count: num_syms,
            names,
            token_table,
            tokens,
            marks: marks.into_boxed_slice(),
            by_name: None,
        })
    }

    /// Takes what may be `kallsyms_seqs_of_names` (since 6.2): the symbols' numbers
    /// in the order of their names, three bytes each, the highest first. With it a
    /// name is found by bisection. `false`: it is something else, and not taken.
    pub fn sort_by(&mut self, numbers: FileBytes) -> bool {
        let fits = numbers.len() / 3 >= self.count as usize;
        self.by_name = Some(numbers);
        let fits = fits && self.count > 1 && self.looks_sorted();
        if !fits {
            self.by_name = None;
        }
        fits
    }

    /// Whether names are found by bisection.
    #[must_use]
    pub fn is_sorted(&self) -> bool {
        self.by_name.is_some()
    }

    /// Holds neighbours against each other at places all over the table.
    fn looks_sorted(&self) -> bool {
        let step = (self.count / SAMPLES).max(1);
        let mut before = Vec::new();
        let mut text = Vec::new();
        (0..self.count - 1).step_by(step as usize).all(|position| {
            [position, position + 1].into_iter().all(|position| {
                let known = self.name_in_order(position, &mut text).is_some();
                let sorted = known && key_of(&before) <= key_of(&text);
                std::mem::swap(&mut before, &mut text);
                sorted
            })
        })
    }

    /// The number at a position of the order of names.
    fn number_in_order(&self, position: u32) -> Option<u32> {
        let at = usize::try_from(position).ok()?.checked_mul(3)?;
        match self.by_name.as_ref()?.get(at..at.checked_add(3)?)? {
            [high, middle, low] => Some(u32::from_be_bytes([0, *high, *middle, *low])),
            _ => None,
        }
    }

    /// Puts the name at a position of the order into `name`; gives its number.
    fn name_in_order(&self, position: u32, name: &mut Vec<u8>) -> Option<u32> {
        let number = self.number_in_order(position)?;
        name.clear();
        self.expand(self.compressed(number)?, name)?;
        name.drain(..name.len().min(1)); // the letter
        Some(number)
    }

    /// The numbers of all symbols of this name by bisection; `None` where the
    /// order cannot be read.
    fn bisect(&self, name: &[u8]) -> Option<Vec<u32>> {
        let mut text = Vec::with_capacity(64);
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            self.name_in_order(middle, &mut text)?;
            if key_of(&text) < key_of(name) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut found = Vec::new();
        // Names that the kernel's build took for equal stand in no order of their own.
        let mut position = low.saturating_sub(AROUND);
        while position < self.count {
            let number = self.number_in_order(position)?;
            if self.matches(self.compressed(number)?, name) {
                found.push(number);
            } else if position > low.saturating_add(AROUND) {
                self.name_in_order(position, &mut text)?;
                if key_of(&text) != key_of(name) {
                    break;
                }
            }
            position += 1;
        }
        found.sort_unstable();
        Some(found)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Letter and name of a symbol; `None` past the end or if the name is too long.
    pub(super) fn text(&self, number: u32) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        self.expand(self.compressed(number)?, &mut text)?;
        Some(text)
    }

    /// Whether the symbol `number` has this name.
    pub(super) fn is(&self, number: u32, name: &[u8]) -> bool {
        self.compressed(number)
            .is_some_and(|ids| self.matches(ids, name))
    }

    /// The numbers of all symbols of this name: by bisection, else by one pass
    /// that gives up on each name at its first difference.
    #[must_use]
    pub fn search(&self, name: &[u8]) -> Vec<u32> {
        if let Some(found) = self.by_name.as_ref().and_then(|_| self.bisect(name)) {
            return found;
        }
        let mut found = Vec::new();
        self.for_each_compressed(|number, ids| {
            if self.matches(ids, name) {
                found.push(number);
            }
        });
        found
    }

    /// Calls `visit` with the number and the text (letter, then name) of each.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, &[u8])) {
        let mut text = Vec::with_capacity(64);
        self.for_each_compressed(|number, ids| {
            text.clear();
            if self.expand(ids, &mut text).is_some() {
                visit(number, &text);
            }
        });
    }

    fn for_each_compressed(&self, mut visit: impl FnMut(u32, &[u8])) {
        let names: &[u8] = &self.names;
        let mut at = 0;
        for number in 0..self.count {
            // parse() walked the same way.
            let Some((ids, next)) = name_at(names, at) else {
                return;
            };
            visit(number, ids);
            at = next;
        }
    }

    /// The token ids of a symbol: from the nearest mark, name by name.
    fn compressed(&self, number: u32) -> Option<&[u8]> {
        if number >= self.count {
            return None;
        }
        let names: &[u8] = &self.names;
        let mut at = *self.marks.get((number / MARK_EVERY) as usize)? as usize;
        for _ in 0..number % MARK_EVERY {
            at = name_at(names, at)?.1;
        }
        name_at(names, at).map(|(ids, _)| ids)
    }

    fn token<'t>(&self, table: &'t [u8], id: u8) -> &'t [u8] {
        let (start, len) = self
            .tokens
            .get(usize::from(id))
            .copied()
            .unwrap_or_default();
        let start = usize::from(start);
        table
            .get(start..start + usize::from(len))
            .unwrap_or_default()
    }

    fn expand(&self, ids: &[u8], text: &mut Vec<u8>) -> Option<()> {
        let table: &[u8] = &self.token_table;
        for id in ids {
            text.extend_from_slice(self.token(table, *id));
            if text.len() > MAX_NAME {
                return None;
            }
        }
        Some(())
    }

    /// Compares token by token; the first byte of the text is the letter.
    fn matches(&self, ids: &[u8], name: &[u8]) -> bool {
        let table: &[u8] = &self.token_table;
        let mut rest = name;
        let mut letter_seen = false;
        for id in ids {
            let mut token = self.token(table, *id);
            if !letter_seen && !token.is_empty() {
                letter_seen = true;
                token = token.get(1..).unwrap_or_default();
            }
            match rest.strip_prefix(token) {
                Some(more) => rest = more,
                None => return false,
            }
        }
        letter_seen && rest.is_empty()
    }
}

/// What names are sorted by: clang's LTO appends `.llvm.` and a number to what it
/// makes global, and scripts/kallsyms.c sorts by what stands before.
fn key_of(name: &[u8]) -> &[u8] {
    match memchr::memmem::find(name, b".llvm.") {
        Some(end) => name.get(..end).unwrap_or(name),
        None => name,
    }
}

/// The token ids of the name at `at`, and where the next name starts. A length
/// of 128 or more has a second byte (6.1, commit 73bbb94466fd).
fn name_at(names: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = u8_at(names, at)?;
    let (len, start) = if first & 0x80 == 0 {
        (usize::from(first), at + 1)
    } else {
        let second = u8_at(names, at + 1)?;
        (usize::from(first & 0x7f) | usize::from(second) << 7, at + 2)
    };
    let end = start + len;
    names.get(start..end).map(|ids| (ids, end))
}

/// Steps over `count` names, telling where each starts; returns where they end.
pub(super) fn walk(
    count: u32,
    names: &[u8],
    mut mark: impl FnMut(u32, usize),
) -> Result<usize, Error> {
    if count > MAX_SYMBOLS {
        return Err(Error::malformed(
            "kallsyms_num_syms",
            0,
            "at most 2^24 symbols",
            count.to_string(),
        ));
    }
    if u32::try_from(names.len()).is_err() {
        let found = format!("{} bytes", names.len());
        return Err(Error::malformed(
            PLACE,
            0,
            "less than 4 GiB of names",
            found,
        ));
    }
    let mut at = 0usize;
    for number in 0..count {
        mark(number, at);
        at = match name_at(names, at) {
            Some((_, next)) => next,
            None => {
                let missing = (count - number) as usize;
                return Err(Error::truncated(PLACE, names, at, missing));
            }
        };
    }
    Ok(at)
}

/// Start and length of each of the 256 tokens.
fn tokens(table: &[u8], index: &[u8]) -> Result<Box<[(u16, u16)]>, Error> {
    (0..TOKENS)
        .map(|id| {
            let start = u16_at(index, id * 2)
                .ok_or_else(|| Error::truncated("kallsyms_token_index", index, id * 2, 2))?;
            let text = table.get(usize::from(start)..).unwrap_or_default();
            let window = text.get(..=MAX_NAME).unwrap_or(text);
            let len = memchr::memchr(0, window).and_then(|len| u16::try_from(len).ok());
            len.map(|len| (start, len)).ok_or_else(|| {
                Error::malformed(
                    TABLE,
                    start.into(),
                    "a token that ends",
                    format!("token {id} does not"),
                )
            })
        })
        .collect()
}

pub(super) fn token_table_len(bytes: &[u8]) -> Result<usize, Error> {
    let mut ends = memchr::memchr_iter(0, bytes);
    match ends.nth(TOKENS - 1) {
        Some(last) => Ok(last + 1),
        None => Err(Error::truncated(TABLE, bytes, bytes.len(), 1)),
    }
}
