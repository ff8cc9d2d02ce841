//! BTF from a list of records.

#[derive(Default)]
pub(crate) struct MadeBtf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// What string offsets count from, for split BTF.
    first_string: u32,
    next: u32,
}

impl MadeBtf {
    pub(crate) fn new() -> Self {
        Self {
            strings: vec![0],
            next: 1,
            ..Self::default()
        }
    }

    /// On top of a base with this many types (void counted) and string bytes.
    pub(crate) fn split(first_id: u32, first_string: u32) -> Self {
        Self {
            first_string,
            next: first_id,
            ..Self::default()
        }
    }

    pub(crate) fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.first_string + self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    pub(crate) fn string_bytes(&self) -> u32 {
        self.strings.len() as u32
    }

    pub(crate) fn next_id(&self) -> u32 {
        self.next
    }

    /// A record: kind, flag, name, size or type, and vlen with the words behind.
    pub(crate) fn add(
        &mut self,
        kind: u32,
        flag: bool,
        name: &str,
        size: u32,
        vlen: u32,
        words: &[u32],
    ) -> u32 {
        let name = self.name(name);
        for word in [name, u32::from(flag) << 31 | kind << 24 | vlen, size] {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        for word in words {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.add(1, false, name, size, 0, &[(encoding << 24) | (size * 8)])
    }

    /// Members are name, type, offset word.
    pub(crate) fn structure(
        &mut self,
        kind: u32,
        flag: bool,
        name: &str,
        size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let words: Vec<u32> = members
            .iter()
            .flat_map(|(name, ty, offset)| [self.name(name), *ty, *offset])
            .collect();
        self.add(kind, flag, name, size, members.len() as u32, &words)
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let types = self.types.len() as u32;
        for word in [24, 0, types, types, self.strings.len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}
