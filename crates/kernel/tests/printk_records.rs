//! The log of 3.5 to 5.9: records of their own length in one buffer, in all its layouts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::{Machine, TinyKernel};
use virtopsy_kernel::{Kernel, KernelOptions, Log};
use virtopsy_testkit::Note;

const VIRT: u64 = 0xffff_ffff_9d60_0000;
const PHYS: u64 = 0x100_0000;
const POINTER: u64 = 0x10_000;
const BUFFER: u64 = 0x11_000;
const SIZE: u64 = 256;

/// How a release lays out a record.
#[derive(Clone, Copy)]
struct Layout {
    /// `log` until 3.10, `printk_log` since 3.11.
    name: &'static str,
    /// VMCOREINFO names `dict_len` since 4.20.
    names_dict_len: bool,
    /// `caller_id` with CONFIG_PRINTK_CALLER, since 5.1.
    caller: bool,
}

impl Layout {
    fn head(self) -> usize {
        if self.caller { 20 } else { 16 }
    }

    fn vmcoreinfo(self, first: u64, next: u64) -> String {
        let (name, head) = (self.name, self.head());
        let dict = match self.names_dict_len {
            true => format!("OFFSET({name}.dict_len)=12\n"),
            false => String::new(),
        };
        assert!(first < SIZE && next < SIZE);
        format!(
            "SYMBOL(log_buf)={:x}\nSYMBOL(log_buf_len)={:x}\nSYMBOL(log_first_idx)={:x}\n\
             SYMBOL(log_next_idx)={:x}\nSIZE({name})={head}\nOFFSET({name}.ts_nsec)=0\n\
             OFFSET({name}.len)=8\nOFFSET({name}.text_len)=10\n{dict}",
            VIRT + POINTER,
            VIRT + POINTER + 8,
            VIRT + POINTER + 12,
            VIRT + POINTER + 16,
        )
    }

    /// A record, padded to a multiple of 4.
    fn record(self, at: u64, text: &str, dictionary: &str) -> Vec<u8> {
        let mut bytes = at.to_le_bytes().to_vec();
        let len = (self.head() + text.len() + dictionary.len()).next_multiple_of(4);
        for short in [len, text.len(), dictionary.len()] {
            bytes.extend_from_slice(&(short as u16).to_le_bytes());
        }
        bytes.extend_from_slice(&[3, 0xc2]); // facility 3, level 6, LOG_NEWLINE
        if self.caller {
            bytes.extend_from_slice(&0x8000_0005_u32.to_le_bytes());
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(dictionary.as_bytes());
        bytes.resize(len, 0);
        bytes
    }
}

/// Reads a log whose buffer holds these bytes.
fn read(layout: Layout, buffer: &[u8], first: u64, next: u64) -> Log {
    let mut machine = Machine::new();
    let kernel = TinyKernel::put(&mut machine, VIRT, PHYS, "4.19.0-test");
    machine.write(PHYS + BUFFER, buffer);
    machine.write(PHYS + POINTER, &(VIRT + BUFFER).to_le_bytes());
    for (offset, value) in [(8, SIZE), (12, first), (16, next)] {
        machine.write(PHYS + POINTER + offset, &(value as u32).to_le_bytes());
    }
    let text = kernel.text(&layout.vmcoreinfo(first, next));
    let dump = machine.dump(vec![Note::vmcoreinfo(&text)]);
    let kernel = Kernel::open(dump, &KernelOptions::default()).unwrap();
    kernel.log().unwrap()
}

fn texts(log: &Log) -> Vec<&str> {
    let text = |record: &'_ virtopsy_kernel::Record| std::str::from_utf8(&record.text).is_ok();
    assert!(log.records.iter().all(text));
    let records = log.records.iter();
    records
        .map(|r| std::str::from_utf8(&r.text).unwrap())
        .collect()
}

const LAYOUTS: [Layout; 4] = [
    Layout {
        name: "log",
        names_dict_len: false,
        caller: false,
    },
    Layout {
        name: "printk_log",
        names_dict_len: false,
        caller: false,
    },
    Layout {
        name: "printk_log",
        names_dict_len: true,
        caller: false,
    },
    Layout {
        name: "printk_log",
        names_dict_len: true,
        caller: true,
    },
];

#[test]
fn records_are_read_in_every_layout() {
    for layout in LAYOUTS {
        let mut buffer = layout.record(1_000, "first", "");
        buffer.extend(layout.record(2_000, "second", "SUBSYSTEM=usb\0DEVICE=+usb:1-1"));
        let next = buffer.len() as u64;
        let log = read(layout, &buffer, 0, next);
        assert_eq!(texts(&log), ["first", "second"]);
        let second = &log.records[1];
        assert_eq!((second.level, second.facility), (Some(6), Some(3)));
        assert_eq!((second.timestamp_ns, second.newline), (2_000, true));
        let caller = second.caller.map(|caller| caller.to_string());
        assert_eq!(caller.as_deref(), layout.caller.then_some("C5"));
        let device = [
            ("SUBSYSTEM".to_owned(), b"usb".to_vec()),
            ("DEVICE".to_owned(), b"+usb:1-1".to_vec()),
        ];
        assert_eq!(second.dictionary, device);
        assert!(log.broken.is_none());
    }
}

#[test]
fn a_record_of_length_0_says_that_the_next_one_is_at_the_start() {
    let layout = LAYOUTS[1];
    let newest = layout.record(3_000, "newest", "");
    let mut buffer = newest.clone();
    buffer.resize(100, 0xee);
    let first = buffer.len() as u64;
    buffer.extend(layout.record(1_000, "oldest", ""));
    buffer.extend(layout.record(2_000, "older", ""));
    buffer.extend([0; 16]);
    let log = read(layout, &buffer, first, newest.len() as u64);
    assert_eq!(texts(&log), ["oldest", "older", "newest"]);
}

#[test]
fn a_record_that_ends_exactly_at_the_buffers_end_is_followed_by_the_one_at_its_start() {
    let layout = LAYOUTS[1];
    let newest = layout.record(3_000, "newest", "");
    let last = layout.record(1_000, "to the very end.", "");
    let first = SIZE - last.len() as u64;
    let mut buffer = newest.clone();
    buffer.resize(first as usize, 0xee);
    buffer.extend(&last);
    assert_eq!(buffer.len() as u64, SIZE);
    let log = read(layout, &buffer, first, newest.len() as u64);
    assert_eq!(texts(&log), ["to the very end.", "newest"]);
}

#[test]
fn a_text_that_claims_more_than_its_record_is_cut_and_a_log_without_end_ends() {
    let layout = LAYOUTS[1];
    let mut buffer = layout.record(1_000, "whole", "");
    let mut lies = layout.record(2_000, "liar", "");
    lies[10..12].copy_from_slice(&u16::MAX.to_le_bytes());
    buffer.extend(lies);
    // next points at no record's end: reading stops at the second start of the buffer.
    let log = read(layout, &buffer, 0, 2);
    assert_eq!(texts(&log)[..2], ["whole", "liar"]);
    assert!(log.records.len() < 64);
}
