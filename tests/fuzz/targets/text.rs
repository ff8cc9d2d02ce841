//! Text: logs and what a user types.

use virtopsy::klog::{Input, Record, Splat, graph, print, scan, scan_log, scan_records};

use super::number;

/// A text log.
pub fn splats(data: &[u8]) {
    if let Ok(log) = scan_log(data) {
        shown(&log.splats);
    }
    // The same as a file, which may be packed or encoded.
    if let Ok(Ok(log)) = Input::open(data).map(scan) {
        shown(&log.splats);
    }
}

/// A text log again, for why the kernel died: what a terminal is shown has nothing that it would obey,
/// and each report is within the log.
pub fn crashes(data: &[u8]) {
    let Ok(log) = scan_log(data) else { return };
    for crash in &log.crashes {
        assert!(crash.first_line <= crash.last_line, "{crash:?}");
        assert!(!crash.sentence.contains(char::is_control), "{crash:?}");
        assert!(!crash.signature.contains(char::is_control), "{crash:?}");
        let first = crash.follows.map_or(0, |at| at as usize);
        assert!(first < log.crashes.len(), "{crash:?}");
    }
}

/// What is shown of reports: printed again and drawn, with nothing in it that a terminal would obey.
fn shown(splats: &[Splat]) {
    for splat in splats {
        for line in print::lines(splat, true) {
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
    drop(graph::dot(splats));
}

/// Records of a ring buffer: each line's first byte chooses caller, flags and level.
pub fn records(data: &[u8]) {
    let lines = data.split(|b| *b == b'\n').enumerate();
    let record = |(number_of, line): (usize, &'_ [u8])| {
        let flags = number(line, 0) as u8;
        (
            number_of as u64,
            flags,
            line.get(1..).unwrap_or_default().to_vec(),
        )
    };
    let lines: Vec<(u64, u8, Vec<u8>)> = lines.map(record).collect();
    let splats = scan_records(lines.iter().map(|(seq, flags, text)| Record {
        text,
        timestamp_ns: Some(seq * 1000),
        caller: (flags & 1 == 0).then(|| format!("T{}", flags >> 5)),
        level: Some(flags & 7),
        seq: *seq,
        cont: flags & 8 != 0,
        newline: flags & 16 == 0,
    }));
    shown(&splats);
}

/// A peek expression.
pub fn peek(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(expression) = virtopsy_kernel::parse_expression(text)
    {
        let _ = format!("{expression:?}");
    }
}
