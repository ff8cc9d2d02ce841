//! A small ELF file from its sections.

pub(crate) struct MadeElf {
    elf_type: u16,
    sections: Vec<Made>,
}

struct Made {
    name: String,
    kind: u32,
    flags: u64,
    address: u64,
    bytes: Vec<u8>,
    link: u32,
    info: u32,
}

impl MadeElf {
    pub(crate) fn new(elf_type: u16) -> Self {
        let mut made = Self {
            elf_type,
            sections: Vec::new(),
        };
        made = made.section("", 0, b"");
        made
    }

    pub(crate) fn section(self, name: &str, kind: u32, bytes: &[u8]) -> Self {
        self.full(name, kind, (0, 0), bytes, (0, 0))
    }

    /// `place` is flags and address, `ties` are link and info.
    pub(crate) fn full(
        mut self,
        name: &str,
        kind: u32,
        place: (u64, u64),
        bytes: &[u8],
        ties: (u32, u32),
    ) -> Self {
        let (flags, address) = place;
        let (link, info) = ties;
        self.sections.push(Made {
            name: name.to_owned(),
            kind,
            flags,
            address,
            bytes: bytes.to_vec(),
            link,
            info,
        });
        self
    }

    pub(crate) fn build_id(self, hex: &str) -> Self {
        let id: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let mut note = Vec::new();
        for word in [4, id.len() as u32, 3] {
            note.extend_from_slice(&word.to_le_bytes());
        }
        note.extend_from_slice(b"GNU\0");
        note.extend_from_slice(&id);
        self.section(".notes", 7, &note)
    }

    pub(crate) fn build(mut self) -> Vec<u8> {
        self = self.section(".shstrtab", 3, b"");
        let mut names = vec![0];
        let mut offsets = Vec::new();
        for section in &self.sections {
            offsets.push(names.len() as u32);
            names.extend_from_slice(section.name.as_bytes());
            names.push(0);
        }
        self.sections.last_mut().unwrap().bytes = names;
        let mut file = vec![0u8; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16..18].copy_from_slice(&self.elf_type.to_le_bytes());
        file[18..20].copy_from_slice(&62u16.to_le_bytes());
        let mut headers = Vec::new();
        for (section, name) in self.sections.iter().zip(offsets) {
            let at = file.len() as u64;
            file.extend_from_slice(&section.bytes);
            headers.extend_from_slice(&name.to_le_bytes());
            headers.extend_from_slice(&section.kind.to_le_bytes());
            for long in [
                section.flags,
                section.address,
                at,
                section.bytes.len() as u64,
            ] {
                headers.extend_from_slice(&long.to_le_bytes());
            }
            headers.extend_from_slice(&section.link.to_le_bytes());
            headers.extend_from_slice(&section.info.to_le_bytes());
            headers.extend_from_slice(&[0; 16]);
        }
        let table = file.len() as u64;
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58..60].copy_from_slice(&64u16.to_le_bytes());
        file[60..62].copy_from_slice(&(self.sections.len() as u16).to_le_bytes());
        file[62..64].copy_from_slice(&(self.sections.len() as u16 - 1).to_le_bytes());
        file.extend_from_slice(&headers);
        file
    }
}

/// One `Elf64_Sym`.
pub(crate) fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[info, 0]);
    bytes.extend_from_slice(&section.to_le_bytes());
    bytes.extend_from_slice(&value.to_le_bytes());
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes
}
