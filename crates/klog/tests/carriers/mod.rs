//! Every form in which a log reaches us: the same records, printed as each carrier prints them.

use virtopsy_klog::{Record, Splat};

/// Ordinary lines around a report, as records.
pub(crate) fn surrounded(records: &[String]) -> Vec<String> {
    let mut all = vec![
        "usb 2-1: new high-speed USB device".to_owned(),
        "systemd[1]: Started x.".to_owned(),
    ];
    all.extend(records.iter().cloned());
    all.extend([
        "EXT4-fs (vda1): mounted".to_owned(),
        "random: crng init done".to_owned(),
    ]);
    all
}

pub(crate) const TIME: &str = "[   11.776041]";

/// Every line of every record with a prefix, as a console prints them.
pub(crate) fn each(records: &[String], prefix: &str, end: &str) -> String {
    records
        .iter()
        .flat_map(|r| r.split('\n'))
        .map(|l| format!("{prefix}{l}{end}"))
        .collect()
}

/// A prefix on the first line, the others indented to its width (dmesg, journald).
fn indented(records: &[String], prefix: &str) -> String {
    let blanks = " ".repeat(prefix.len());
    records
        .iter()
        .flat_map(|r| r.split('\n').enumerate())
        .map(|(i, l)| format!("{}{l}\n", if i == 0 { prefix } else { &blanks }))
        .collect()
}

fn escaped_json(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The carriers: name, text, whether indentation is lost.
pub(crate) fn carriers(records: &[String]) -> Vec<(&'static str, String, bool)> {
    let json: String = records
        .iter()
        .map(|r| format!("      }},{{\n         \"pri\": 4,\n         \"time\":    11.776041,\n         \"caller\": \"T107\",\n         \"msg\": \"{}\"\n", escaped_json(r)))
        .collect();
    let journal_json: String = records
        .iter()
        .map(|r| format!("{{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"{}\",\"PRIORITY\":\"4\",\"_SOURCE_MONOTONIC_TIMESTAMP\":\"11776041\"}}\n", escaped_json(r)))
        .collect();
    let kmsg: String = records
        .iter()
        .enumerate()
        .map(|(i, r)| {
            format!(
                "4,{i},11776041,-,caller=T107;{}\n",
                r.replace('\n', "\\x0a")
            )
        })
        .collect();
    let rsyslog: String = records
        .iter()
        .map(|r| {
            format!(
                "Dec 14 06:35:48 host kernel: {}\n",
                r.trim_start_matches(' ').replace('\n', "#012")
            )
        })
        .collect();
    let mail: String = records
        .iter()
        .flat_map(|r| r.split('\n'))
        .map(|l| format!("> {}\n", l.trim_start()))
        .collect();
    vec![
        ("console", each(records, &format!("{TIME} "), "\n"), false),
        (
            "console with caller",
            each(records, &format!("{TIME}[ T107] "), "\n"),
            false,
        ),
        (
            "serial with CR LF",
            each(records, &format!("{TIME}[ T107] "), "\r\n"),
            false,
        ),
        (
            "coloured",
            each(records, &format!("\x1b[32m{TIME} \x1b[0m"), "\x1b[0m\n"),
            false,
        ),
        ("pstore", each(records, &format!("<4>{TIME} "), "\n"), false),
        ("without time", each(records, "[ T107] ", "\n"), false),
        ("bare", each(records, "", "\n"), false),
        ("dmesg", indented(records, &format!("{TIME} ")), false),
        (
            "dmesg -T",
            indented(records, "[Thu May  7 18:00:00 2026] "),
            false,
        ),
        (
            "dmesg -x",
            indented(records, &format!("kern  :warn  : {TIME} ")),
            false,
        ),
        (
            "dmesg --time-format=iso",
            indented(records, "2026-05-07T18:00:00,123456+00:00 "),
            false,
        ),
        ("dmesg --json", json, false),
        (
            "journalctl",
            indented(records, "Dec 14 06:35:48 host kernel: "),
            false,
        ),
        (
            "journalctl -o short-monotonic",
            indented(records, &format!("{TIME} host kernel: ")),
            false,
        ),
        ("journalctl -o json", journal_json, false),
        ("rsyslog", rsyslog, true),
        ("/dev/kmsg", kmsg, false),
        ("mail", mail, true),
        (
            "quoted twice with time",
            each(records, &format!("> > {TIME} "), "\n"),
            false,
        ),
        (
            "CI",
            each(records, &format!("2026-05-07T18:00:00.123Z {TIME} "), "\n"),
            false,
        ),
    ]
}

/// A report without what depends on the carrier: clock, caller, line numbers, lost indentation.
pub(crate) fn essence(splat: &Splat, flat: bool) -> Splat {
    let mut s = splat.clone();
    s.timestamp = None;
    s.caller = None;
    s.first_line = 0;
    s.last_line = 0;
    s.attachments.iter_mut().for_each(|a| a.line = 0);
    if flat {
        s.scenario
            .iter_mut()
            .flat_map(|t| t.steps.iter_mut())
            .for_each(|step| step.cpu = None);
        s.classes.iter_mut().for_each(|c| c.depth = 0);
    }
    s
}

pub(crate) fn as_records(records: &[String]) -> Vec<Record<'_>> {
    records
        .iter()
        .enumerate()
        .map(|(i, text)| Record {
            text: text.as_bytes(),
            timestamp_ns: Some(11_776_041_000),
            caller: Some("T107".to_owned()),
            level: Some(4),
            seq: i as u64,
            cont: false,
            newline: true,
        })
        .collect()
}
