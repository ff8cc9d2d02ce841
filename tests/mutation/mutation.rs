//! Damage to a dump's file, chosen by a seed, and its undoing.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use fastrand::Rng;

use crate::subject::{Stretch, Subject};

const PAGE: usize = 4096;

/// Damage that was done to a file.
pub(crate) struct Damage<'a> {
    subject: &'a Subject,
    pristine: &'a File,
    file: &'a File,
    rng: Rng,
    undo: Vec<(u64, usize)>,
    /// What was done, in words.
    pub(crate) said: Vec<String>,
}

type Kind = fn(&mut Damage<'_>);

/// What can be done to any file.
const TO_FILES: [Kind; 6] = [
    |d| d.flip_anywhere(),
    |d| d.flip_in_head(),
    |d| d.number_in_head(),
    |d| d.garbage_anywhere(),
    |d| d.swap_blocks(),
    |d| d.cut_end(),
];

/// What can be done where each page has its place; those that aim at proof stand more than once.
const TO_PLAIN: [Kind; 24] = [
    |d| d.flip_anywhere(),
    |d| d.flip_in_head(),
    |d| d.number_in_head(),
    |d| d.cut_end(),
    |d| d.flip_in_hot_page(),
    |d| d.swap_hot_pages(),
    |d| d.copy_hot_page(),
    |d| d.blank_hot_page(),
    |d| d.descriptor(),
    |d| d.table_entry(),
    |d| d.table_entry(),
    |d| d.pointer_in_hot_page(),
    |d| d.pointer_in_hot_page(),
    |d| d.proof_word(),
    |d| d.proof_word(),
    |d| d.swap_proof_words(),
    |d| d.number_in_area(),
    |d| d.number_in_area(),
    |d| d.pointer_in_area(),
    |d| d.pointer_in_area(),
    |d| d.garbage_in_area(),
    |d| d.area_over_area(),
    |d| d.cpu_over_cpu(),
    |d| d.cpu_over_cpu(),
];

impl<'a> Damage<'a> {
    /// Damages `file`, a copy of `pristine`. The same seed does the same.
    pub(crate) fn new(
        subject: &'a Subject,
        pristine: &'a File,
        file: &'a File,
        seed: u64,
    ) -> Damage<'a> {
        let mut damage = Damage {
            subject,
            pristine,
            file,
            rng: Rng::with_seed(seed),
            undo: Vec::new(),
            said: Vec::new(),
        };
        let kinds: &[Kind] = if subject.hot.is_empty() {
            &TO_FILES
        } else {
            &TO_PLAIN
        };
        // Mostly one wound, so that a finding speaks; sometimes many.
        let wounds = *damage.rng.choice([1, 1, 1, 2, 3, 8].iter()).unwrap();
        for _ in 0..wounds {
            let kind = *damage.rng.choice(kinds.iter()).unwrap();
            kind(&mut damage);
        }
        damage
    }

    /// Makes the file what it was.
    pub(crate) fn undo(self) {
        self.put_back_end();
        for (at, len) in &self.undo {
            let mut bytes = vec![0; *len];
            self.pristine.read_exact_at(&mut bytes, *at).unwrap();
            self.file.write_all_at(&bytes, *at).unwrap();
        }
    }

    fn put_back_end(&self) {
        let (len, mut have) = (self.len(), self.file.metadata().unwrap().len());
        let mut bytes = vec![0; 1 << 20];
        while have < len {
            let part = (len - have).min(1 << 20) as usize;
            self.pristine
                .read_exact_at(&mut bytes[..part], have)
                .unwrap();
            self.file.write_all_at(&bytes[..part], have).unwrap();
            have += part as u64;
        }
    }

    fn len(&self) -> u64 {
        self.pristine.metadata().unwrap().len()
    }

    /// Bytes as they are now; zeros where a cut took them.
    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let _ = self.file.read_exact_at(&mut bytes, at);
        bytes
    }

    fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.read(at, 8).try_into().unwrap())
    }

    fn write(&mut self, what: &str, at: u64, bytes: &[u8]) {
        let end = self.file.metadata().unwrap().len();
        let fits = (bytes.len() as u64).min(end.saturating_sub(at)) as usize;
        let shown: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        self.said.push(format!(
            "{what}: {} bytes at {at:#x}: {}",
            bytes.len(),
            shown.concat()
        ));
        self.undo.push((at, fits));
        self.file.write_all_at(&bytes[..fits], at).unwrap();
    }

    fn pick(&mut self, from: fn(&Subject) -> &Vec<u64>) -> Option<u64> {
        let list = from(self.subject);
        self.rng.choice(list.iter()).copied()
    }

    fn area(&mut self) -> Option<(String, Stretch)> {
        let index = self.rng.usize(0..self.subject.areas.len().max(1));
        let (name, stretches) = self.subject.areas.iter().nth(index)?;
        let stretch = self.rng.choice(stretches.iter())?;
        Some((name.clone(), *stretch))
    }

    fn word_in(&mut self, stretch: Stretch) -> u64 {
        stretch.at + self.rng.u64(0..(stretch.len / 8).max(1)) * 8
    }

    /// A number that somebody may take for a size, a count or an index.
    fn number(&mut self, was: u64) -> u64 {
        match self.rng.u8(0..13) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.rng.u32(0..64),
            3 => was.wrapping_add(1),
            4 => was.wrapping_sub(1),
            5 => (1 << self.rng.u32(0..64)) - 1,
            6 => was.wrapping_add(PAGE as u64),
            7 => u64::from(self.rng.u32(..)),
            8 => self.rng.u64(0..256),
            // A number of a CPU.
            11 => self.rng.u64(0..4),
            9 => was ^ 1 << self.rng.u32(0..64),
            10 => 0xffff_8880_0000_0000 | self.rng.u64(0..1 << 32),
            _ => self.rng.u64(..),
        }
    }

    fn flip(&mut self, what: &str, at: u64) {
        let byte = self.read(at, 1)[0] ^ 1 << self.rng.u32(0..8);
        self.write(what, at, &[byte]);
    }

    fn flip_anywhere(&mut self) {
        let at = self.rng.u64(0..self.len());
        self.flip("bit", at);
    }

    fn flip_in_head(&mut self) {
        let end = if self.rng.bool() {
            8192
        } else {
            self.subject.head
        };
        let at = self.rng.u64(0..end.min(self.len()));
        self.flip("bit in the head", at);
    }

    fn number_in_head(&mut self) {
        let end = if self.rng.bool() {
            8192
        } else {
            self.subject.head
        };
        let at = self.rng.u64(0..end.min(self.len()) / 4) * 4;
        let was = self.word(at);
        let number = self.number(was).to_le_bytes();
        let len = *self.rng.choice([2, 4, 8].iter()).unwrap();
        self.write("number in the head", at, &number[..len]);
    }

    fn garbage_anywhere(&mut self) {
        let at = self.rng.u64(0..self.len());
        let mut bytes = vec![0; self.rng.usize(1..256)];
        self.rng.fill(&mut bytes);
        self.write("garbage", at, &bytes);
    }

    fn swap_blocks(&mut self) {
        let blocks = self.len() / PAGE as u64;
        let at = |rng: &mut Rng| rng.u64(0..blocks.max(1)) * PAGE as u64;
        let (a, b) = (at(&mut self.rng), at(&mut self.rng));
        let (x, y) = (self.read(a, PAGE), self.read(b, PAGE));
        self.write("swapped block", a, &y);
        self.write("swapped block", b, &x);
    }

    fn cut_end(&mut self) {
        let len = self.len();
        let most = if self.rng.bool() {
            len.min(1 << 16)
        } else {
            len
        };
        // Of large files only the last tenth: putting it back takes its time.
        let most = if len > 100 << 20 {
            most.min(len / 10)
        } else {
            most
        };
        let keep = len - self.rng.u64(0..most);
        self.said.push(format!("cut to {keep} of {len} bytes"));
        self.file.set_len(keep).unwrap();
    }

    fn flip_in_hot_page(&mut self) {
        let Some(page) = self.pick(|s| &s.hot) else {
            return;
        };
        let at = page + self.rng.u64(0..PAGE as u64);
        self.flip("bit in a page that is read", at);
    }

    fn swap_hot_pages(&mut self) {
        let (Some(a), Some(b)) = (self.pick(|s| &s.hot), self.pick(|s| &s.hot)) else {
            return;
        };
        let (x, y) = (self.read(a, PAGE), self.read(b, PAGE));
        self.write("swapped page", a, &y);
        self.write("swapped page", b, &x);
    }

    fn copy_hot_page(&mut self) {
        let (Some(a), Some(b)) = (self.pick(|s| &s.hot), self.pick(|s| &s.hot)) else {
            return;
        };
        let bytes = self.read(a, PAGE);
        self.write("copied page", b, &bytes);
    }

    fn blank_hot_page(&mut self) {
        let Some(page) = self.pick(|s| &s.hot) else {
            return;
        };
        let mut bytes = vec![*self.rng.choice([0, 0, 0xff, 0x41].iter()).unwrap(); PAGE];
        if self.rng.u8(0..4) == 0 {
            self.rng.fill(&mut bytes);
        }
        self.write("overwritten page", page, &bytes);
    }

    fn descriptor(&mut self) {
        let Some(at) = self.pick(|s| &s.descriptors) else {
            return;
        };
        match self.rng.u8(0..4) {
            0 => self.write("no descriptor", at, &[0; 24]),
            1 => {
                let Some(other) = self.pick(|s| &s.descriptors) else {
                    return;
                };
                let bytes = self.read(other, 24);
                self.write("descriptor of another page", at, &bytes);
            }
            _ => {
                let field = at + *self.rng.choice([0, 8, 12, 16].iter()).unwrap();
                let was = self.word(field);
                let number = self.number(was).to_le_bytes();
                self.write("field of a descriptor", field, &number[..4]);
            }
        }
    }

    /// An entry that is there is made to lead elsewhere.
    fn table_entry(&mut self) {
        let Some(table) = self.pick(|s| &s.tables) else {
            return;
        };
        let used: Vec<u64> = (0..512)
            .map(|i| table + i * 8)
            .filter(|at| self.word(*at) & 1 == 1)
            .collect();
        let Some(at) = self.rng.choice(used.iter()).copied() else {
            return;
        };
        let was = self.word(at);
        let frame = 0x000f_ffff_ffff_f000;
        let Some(other) = self.rng.choice(used.iter()).copied() else {
            return;
        };
        let elsewhere = self.word(other);
        let now = match self.rng.u8(0..6) {
            0 => 0,
            1 => was ^ 0x80,
            2 => was & !frame | elsewhere & frame,
            3 => was & !frame | self.rng.u64(..) & frame,
            4 => was & !frame | self.rng.u64(0..1 << 20) << 12,
            _ => was ^ 1 << self.rng.u32(0..64),
        };
        self.write("page-table entry", at, &now.to_le_bytes());
    }

    /// Offsets of words that look like kernel pointers.
    fn pointers(&self, at: u64, len: u64) -> Vec<u64> {
        let bytes = self.read(at, len as usize);
        let words = bytes.chunks_exact(8).enumerate();
        words
            .filter(|(_, w)| w[6..] == [0xff, 0xff] && w[5] >= 0x80 && w[..5] != [0xff; 5])
            .map(|(i, _)| at + i as u64 * 8)
            .collect()
    }

    fn replace_pointer(&mut self, what: &str, at: u64, len: u64) {
        let pointers = self.pointers(at, len);
        let Some(victim) = self.rng.choice(pointers.iter()).copied() else {
            return;
        };
        let Some(other) = self.rng.choice(pointers.iter()).copied() else {
            return;
        };
        let was = self.word(victim);
        let now = match self.rng.u8(0..6) {
            0 => self.word(other),
            1 => was.wrapping_add(8),
            2 => was & !0xfff,
            3 => 0xffff_8880_0000_0000 | self.rng.u64(0..1 << 29),
            4 => 0,
            _ => self.number(was),
        };
        self.write(what, victim, &now.to_le_bytes());
    }

    fn pointer_in_hot_page(&mut self) {
        let Some(page) = self.pick(|s| &s.hot) else {
            return;
        };
        self.replace_pointer("pointer in a page that is read", page, PAGE as u64);
    }

    fn pointer_in_area(&mut self) {
        let Some((name, stretch)) = self.area() else {
            return;
        };
        self.replace_pointer(&format!("pointer in {name}"), stretch.at, stretch.len);
    }

    fn number_in_area(&mut self) {
        let Some((name, stretch)) = self.area() else {
            return;
        };
        let at = self.word_in(stretch) + 4 * self.rng.u64(0..2);
        let was = self.word(at);
        let number = self.number(was).to_le_bytes();
        let len = *self.rng.choice([1, 2, 4, 8].iter()).unwrap();
        self.write(&format!("number in {name}"), at, &number[..len]);
    }

    fn garbage_in_area(&mut self) {
        let Some((name, stretch)) = self.area() else {
            return;
        };
        let at = self.word_in(stretch);
        let mut bytes = vec![0; self.rng.usize(1..512)];
        self.rng.fill(&mut bytes);
        self.write(&format!("garbage in {name}"), at, &bytes);
    }

    /// One CPU's area over another's, one table over another.
    fn area_over_area(&mut self) {
        let (Some((from, a)), Some((to, b))) = (self.area(), self.area()) else {
            return;
        };
        let bytes = self.read(a.at, a.len.min(b.len) as usize);
        self.write(&format!("{from} over {to}"), b.at, &bytes);
    }

    /// What one CPU left, whole, over what another left: its stack, its note, its copy of a variable.
    fn cpu_over_cpu(&mut self) {
        let subject = self.subject;
        let of_cpu = |name: &String| Some(name.rsplit_once(" of ")?.0.to_owned());
        let names: Vec<&String> = subject
            .areas
            .keys()
            .filter(|n| of_cpu(n).is_some())
            .collect();
        let Some(to) = self.rng.choice(names.iter()).copied() else {
            return;
        };
        let like: Vec<&&String> = names.iter().filter(|n| of_cpu(n) == of_cpu(to)).collect();
        let Some(from) = self.rng.choice(like.iter()).copied() else {
            return;
        };
        let bytes: Vec<u8> = subject.areas[*from]
            .iter()
            .flat_map(|s| self.read(s.at, s.len as usize))
            .collect();
        let mut left = bytes.as_slice();
        for stretch in &subject.areas[to] {
            let (now, later) = left.split_at(left.len().min(stretch.len as usize));
            self.write(&format!("{from} over {to}"), stretch.at, now);
            left = later;
        }
    }

    fn proof_word(&mut self) {
        let Some(at) = self.pick(|s| &s.words) else {
            return;
        };
        let was = self.word(at);
        let number = self.number(was).to_le_bytes();
        let len = *self.rng.choice([1, 4, 8].iter()).unwrap();
        self.write("word of proof", at, &number[..len]);
    }

    fn swap_proof_words(&mut self) {
        let (Some(a), Some(b)) = (self.pick(|s| &s.words), self.pick(|s| &s.words)) else {
            return;
        };
        let (x, y) = (self.read(a, 8), self.read(b, 8));
        self.write("swapped word of proof", a, &y);
        self.write("swapped word of proof", b, &x);
    }
}
