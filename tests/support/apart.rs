//! A dump taken apart into its pages and notes, so that it can be written again in another form
//! or with a change.

use std::path::Path;

use virtopsy_testkit::{Memory, Note, Page};
use virtopsy_vmcore::{Dump, OpenOptions, PageState, Pfn};

/// Pages and notes of the dump at `path`.
pub(crate) fn take_apart(path: &Path) -> (Memory, Vec<Note>) {
    let dump = Dump::open(&[path.to_path_buf()], &OpenOptions::default()).unwrap();
    let mut memory = Memory::new(dump.page_size());
    for pfn in (0..dump.max_pfn().0).map(Pfn) {
        let page = match dump.page_state(pfn) {
            PageState::Hole => continue,
            PageState::Excluded => Page::Excluded,
            _ => Page::Data(dump.page(pfn).unwrap().to_vec()),
        };
        memory.pages.insert(pfn.0, page);
    }
    let note = |n: &virtopsy_vmcore::Note| Note::new(&n.name, n.kind, n.desc.clone());
    (memory, dump.notes().iter().map(note).collect())
}
