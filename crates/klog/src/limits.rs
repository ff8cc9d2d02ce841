//! Every bound of the scanner in one place. A log is hostile input: whatever it says, one open
//! report and the scanner itself stay within these sizes. A report that hits a bound is delivered
//! with what was kept, marked [`cut`](super::Splat::cut), and `missing` says which bound it was.

/// Bytes kept of one line of a text log; what follows up to the newline is read over.
pub const LINE_BYTES: usize = 16 << 10;
/// Block that a text log is read and searched in.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Lines before a header that may still matter to it: the message of a WARN, the owner of a
/// backtrace that is being printed, the prefix that an indented continuation belongs to.
pub const LOOKBACK_LINES: u64 = 32;
/// Bytes searched backwards for those lines.
pub const LOOKBACK_BYTES: usize = 64 << 10;
/// Pieces that one line may fall into at prefixes spliced into it, at `#012` and at escaped newlines.
pub const PIECES_PER_LINE: usize = 256;
/// Reports kept of one log; those beyond are counted ([`Log::left_out`](super::Log::left_out)).
pub const REPORTS: usize = 4_096;
/// Lines that the reports kept may take together: some 400 bytes of memory each.
pub const KEPT_LINES: u64 = 65_536;
/// Reports that may be open at once; the one that was silent longest is closed first.
pub const OPEN_REPORTS: usize = 8;
/// Lines that one report may take; the longest seen, class dumps of irq reports, have some hundreds.
pub const REPORT_LINES: u64 = 8_192;
/// Lines of the log without one line of the report before it is given up.
pub const SILENT_LINES: u64 = 4_096;
/// Lines that fit nowhere in a report whose backtrace has begun, before it counts as ended: without
/// caller ids, when other CPUs print in between.
pub const GRACE_LINES: u64 = 64;
/// The same when caller ids tell the lines of other CPUs apart.
pub const GRACE_LINES_CALLER: u64 = 8;
/// Frames kept of one trace (the kernel stores 64, and prints up to a stack's worth).
pub const FRAMES: usize = 512;
/// Inlined functions kept for one frame (symbolized logs).
pub const INLINED: usize = 32;
/// Lines at the start of a wrapped ring that the rest of a report is looked for in.
pub const HEADLESS_LINES: u64 = 512;
/// Held locks kept of one report (`MAX_LOCK_DEPTH` is 48).
pub const HELD: usize = 256;
/// Entries kept of a dependency chain, and of `Chain exists of:`.
pub const CHAIN: usize = 256;
/// Lock classes kept of the dumps of one irq report.
pub const CLASSES: usize = 1_024;
/// Stored traces kept of one lock class (10 usage bits since 5.10, 13 when RECLAIM_FS existed).
pub const USAGES: usize = 16;
/// Steps kept of a scenario table.
pub const SCENARIO: usize = 64;
/// Attachments kept: of one report, and of the log.
pub const ATTACHMENTS: usize = 256;
/// Other remarks kept of one report (notes, what is missing).
pub const REMARKS: usize = 32;
/// Bytes kept of one name, message or symbol (`KSYM_NAME_LEN` is 512).
pub const NAME_BYTES: usize = 512;
/// Lines that may lie between the pieces of one lock printed in fragments.
pub const FRAGMENT_LINES: u64 = 64;
/// Bytes of a pstore dump that are held back to turn its parts around (`kmsg_bytes` is 10 KiB unless
/// set otherwise).
pub const PSTORE_BYTES: usize = 1 << 20;
/// Callers whose unfinished record (no newline yet) is kept while reading the ring buffer.
pub const UNFINISHED_RECORDS: usize = 64;
/// WARN messages remembered until their `WARNING:` line comes.
pub const WARN_CONTEXTS: usize = 8;
/// Bytes of a tag of HTML.
pub const TAG_BYTES: usize = 256;
/// Lines that one line may have been wrapped into.
pub const WRAPPED_LINES: usize = 6;
/// Bytes at the start of a file that tell what it is.
pub const HEAD_BYTES: u64 = 64 << 10;
/// Packings one inside the other that are undone.
pub const PACKINGS: usize = 4;
/// Bytes that a packed file may hold; what follows is left out, and that is said.
pub const UNPACKED_BYTES: u64 = 1 << 40;
/// Bytes of a packed file that are read at a time.
pub const PACKED_BLOCK_BYTES: usize = 64 << 10;
/// The most that a zstd frame may ask for: what `zstd -d` allows without being told to.
pub const ZSTD_WINDOW_BYTES: u64 = 128 << 20;
/// The largest xz dictionary, in KiB: `xz -9` takes 64 MiB.
pub const XZ_DICTIONARY_KIB: u32 = 128 << 10;
/// Bytes at the start of a line that a carrier's prefix is looked for in, for counting.
pub const TALLY_HEAD: usize = 224;
/// Bytes kept of a line that goes over the end of a block, for counting.
pub const TALLY_BYTES: usize = 1 << 10;
/// Bytes at the start of a line that a clock is looked for in.
pub const CLOCK_BYTES: usize = 64;
/// Shapes of clocks that are told apart.
pub const CLOCKS: usize = 16;
/// Lines that the head of a report may take before its dump: the text, the oops line, page tables.
pub const HEAD_LINES: u64 = 24;
/// Registers kept of one report (arm64 has 33 and riscv 35).
pub const REGISTERS: usize = 64;
/// Words kept of a `Code:` line (x86 prints 64 bytes).
pub const CODE_WORDS: usize = 128;
/// Modules kept of `Modules linked in:`.
pub const MODULES: usize = 512;
/// Further stacks kept of one report (an NMI backtrace of every CPU).
pub const TRACES: usize = 512;
/// Other CPUs that may print into one report.
pub const GUESTS: usize = 4_096;
/// Reports of one signature that are listed; further ones that are not fatal are counted.
pub const SAME_REPORTS: usize = 16;
