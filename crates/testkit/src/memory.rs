//! A machine's memory, as a test tells it.

use std::collections::BTreeMap;

/// A page of RAM. Whatever is not described is a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Its bytes.
    Data(Vec<u8>),
    /// Left out of the dump.
    Excluded,
    /// Lost when the dump was written.
    Incomplete,
}

/// Pages by their frame numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in a page.
    pub page_size: u64,
    /// The pages of RAM.
    pub pages: BTreeMap<u64, Page>,
}

impl Memory {
    /// No memory, pages of `page_size` bytes.
    #[must_use]
    pub fn new(page_size: u64) -> Memory {
        Memory {
            page_size,
            pages: BTreeMap::new(),
        }
    }

    /// Reads a description with pages of 4096 bytes: statements between semicolons or lines,
    ///
    /// ```text
    /// page 0x100 data 41         every byte 0x41
    /// page 0x101 count 7         bytes that count up from 7, u32 by u32: compressible
    /// page 0x102 random 9        bytes that no codec makes smaller, from the seed 9
    /// page 0x103 zero
    /// page 0x104 excluded
    /// page 0x105 incomplete
    /// pages 0x200..0x210 count 1 the same for each page; `count` goes on from page to page
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Memory {
        Memory::parse_with(4096, text)
    }

    /// Reads a description with pages of `page_size` bytes.
    #[must_use]
    pub fn parse_with(page_size: u64, text: &str) -> Memory {
        let mut memory = Memory::new(page_size);
        let statements = text.split([';', '\n']).map(str::trim);
        for statement in statements.filter(|s| !s.is_empty() && !s.starts_with('#')) {
            memory.statement(statement);
        }
        memory
    }

    fn statement(&mut self, statement: &str) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let pfns = match words[..] {
            ["page", pfn, ..] => number(pfn)..number(pfn) + 1,
            ["pages", range, ..] => {
                let (from, to) = range.split_once("..").expect(statement);
                number(from)..number(to)
            }
            _ => panic!("not understood: {statement}"),
        };
        for (index, pfn) in pfns.enumerate() {
            let page = self.page(&words[2..], index as u64);
            self.pages.insert(pfn, page);
        }
    }

    fn page(&self, words: &[&str], index: u64) -> Page {
        let len = self.page_size as usize;
        match words {
            ["data", byte] => Page::Data(vec![u8::from_str_radix(byte, 16).unwrap(); len]),
            ["count", from] => {
                let from = number(from) + index * (self.page_size / 4);
                let words = (from..).map(|n| (n as u32).to_le_bytes());
                Page::Data(words.flatten().take(len).collect())
            }
            ["random", seed] => Page::Data(random(number(seed) + index, len)),
            ["zero"] => Page::Data(vec![0; len]),
            ["excluded"] => Page::Excluded,
            ["incomplete"] => Page::Incomplete,
            _ => panic!("not understood: {words:?}"),
        }
    }

    /// The bytes of a page; `None`: it has none.
    #[must_use]
    pub fn bytes(&self, pfn: u64) -> Option<&[u8]> {
        match self.pages.get(&pfn)? {
            Page::Data(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of pages that follow each other.
    ///
    /// # Panics
    /// Where one has none.
    #[must_use]
    pub fn run(&self, pages: std::ops::Range<u64>) -> Vec<u8> {
        pages
            .flat_map(|pfn| self.bytes(pfn).unwrap().to_vec())
            .collect()
    }

    /// One past the last page of RAM.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.pages.last_key_value().map_or(0, |(pfn, _)| pfn + 1)
    }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).expect(text),
        None => text.parse().expect(text),
    }
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
