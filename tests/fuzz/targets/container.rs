//! Files: headers, notes, compressed pages.

use std::sync::atomic::AtomicBool;

use virtopsy_testkit::{Kdump, Memory};
use virtopsy_vmcore::{Dump, Pfn, PhysAddr, VmcoreInfo};

use super::{number, rest};

/// Asks a dump everything.
fn ask(dump: &Dump) {
    dump.completeness();
    dump.prstatus();
    dump.qemu_cpus();
    dump.erase_info();
    dump.kdump_header();
    dump.elf_header();
    dump.vmcoreinfo();
    for note in dump.notes() {
        note.device_dump();
    }
    let ranges = dump.physical_ranges();
    let places = ranges
        .iter()
        .take(16)
        .flat_map(|r| [r.start.0, r.end.0.wrapping_sub(1)]);
    for at in places.chain([0, 0xfff, 0x10_0000, u64::MAX]) {
        let _ = dump.read_at(PhysAddr(at), &mut [0; 24]);
    }
    for pfn in (0..64).chain([dump.max_pfn().0.wrapping_sub(1), dump.max_pfn().0, u64::MAX]) {
        dump.page_state(Pfn(pfn));
        let _ = dump.page(Pfn(pfn));
    }
    // A header may speak of any number of pages; those who scan ask for that.
    if dump.max_pfn().0 < 1 << 12 {
        let never = AtomicBool::new(false);
        dump.count_pages(&never);
        dump.find_vmcoreinfo(&never);
    }
}

/// A file of any format.
pub fn dump(data: &[u8]) {
    if let Ok(dump) = Dump::from_bytes(data.to_vec()) {
        ask(&dump);
    }
}

/// The records of a flattened file.
pub fn flattened(data: &[u8]) {
    let mut file = b"makedumpfile\0\0\0\0".to_vec();
    file.extend(1_u64.to_be_bytes());
    file.extend(1_u64.to_be_bytes());
    file.resize(4096, 0);
    file.extend(data);
    dump(&file);
}

/// Two parts of a split dump: the length of the first in two bytes, then both.
pub fn split(data: &[u8]) {
    let bytes = rest(data, 2);
    let first = (number(data, 0) as usize & 0xffff).min(bytes.len());
    let (a, b) = bytes.split_at(first);
    if let Ok(dump) = Dump::from_parts(vec![a.to_vec(), b.to_vec()]) {
        ask(&dump);
    }
}

/// The notes of an ELF dump.
pub fn notes(data: &[u8]) {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([4, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0_u64, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    let len = data.len() as u64;
    for word in [120, 0, 0, len, len, 4] {
        file.extend(word.to_le_bytes());
    }
    file.extend(data);
    dump(&file);
}

/// A page in a kdump file: its flags in one byte, then what is stored for it.
pub fn page(data: &[u8]) {
    let mut built = Kdump::new(Memory::parse("page 0x0 data 41; page 0x1 data 42")).build();
    let Some(place) = built.places.get(&1).copied() else {
        return;
    };
    let stored = rest(data, 1);
    let at = built.bytes.len() as u64;
    let mut descriptor = at.to_le_bytes().to_vec();
    descriptor.extend((stored.len() as u32).to_le_bytes());
    descriptor.extend((number(data, 0) as u32 & 0xff).to_le_bytes());
    let room = built.bytes.get_mut(place.descriptor..place.descriptor + 16);
    if let Some(room) = room {
        room.copy_from_slice(&descriptor);
    }
    built.bytes.extend(stored);
    if let Ok(dump) = Dump::from_bytes(built.bytes) {
        let _ = dump.page(Pfn(1));
    }
}

/// VMCOREINFO's text.
pub fn vmcoreinfo(data: &[u8]) {
    let info = VmcoreInfo::parse(data);
    info.os_release();
    info.build_id();
    info.kernel_offset();
    info.crash_time();
    info.page_size();
    let keys: Vec<String> = info.keys().map(str::to_owned).collect();
    for key in keys.iter().take(64) {
        info.get(key);
        let name = key.split(['(', ')']).nth(1).unwrap_or(key);
        info.symbol(name);
        info.number(name);
        info.size(name);
        info.offset(name);
        info.length(name);
    }
}
