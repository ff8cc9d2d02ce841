use std::io::Write as _;

use super::*;

const LOG: &str = "[    1.000000] usb 1-1: new device\n[    2.000000] BUG: scheduling while atomic: a/1/0x00000002\n[    2.000001] Call Trace:\n[    2.000002]  f+0x1/0x2\n";

fn read(file: &[u8]) -> (String, LogFacts) {
    let mut input = Input::open(file).unwrap();
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    let facts = input.facts();
    (text, facts)
}

fn form(file: &[u8]) -> Form {
    match Input::open(file) {
        Err(InputError::NotText(form)) => form,
        other => panic!("{other:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (n, three) in bytes.chunks(3).enumerate() {
        let mut bits = 0u32;
        for i in 0..3 {
            bits = bits << 8 | u32::from(three.get(i).copied().unwrap_or(0));
        }
        for i in 0..4u32 {
            let digit = DIGITS[usize::try_from(bits >> (18 - 6 * i) & 63).unwrap()];
            out.push(if i as usize > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
        if n % 19 == 18 {
            out.push('\n');
        }
    }
    out
}

#[test]
fn what_is_packed_in_any_way_reads_as_the_text_itself() {
    let mut xz =
        lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(LOG.as_bytes()).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(LOG.as_bytes()).unwrap();
    let legacy = lz4_flex::frame::FrameInfo::new().legacy_frame(true);
    let mut old_lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(legacy, Vec::new());
    old_lz4.write_all(LOG.as_bytes()).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(LOG.as_bytes()).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    for (packing, bytes) in [
        (Packing::Gzip, gzip(LOG.as_bytes())),
        (Packing::Xz, xz.finish().unwrap()),
        (Packing::Lz4, lz4.finish().unwrap()),
        (Packing::Lz4, old_lz4.finish().unwrap()),
        (Packing::Bzip2, bzip2.finish().unwrap()),
        (
            Packing::Zstd,
            ruzstd::encoding::compress_to_vec(LOG.as_bytes(), level),
        ),
    ] {
        let twice = [bytes.clone(), bytes.clone()].concat();
        let (text, facts) = read(&bytes);
        assert_eq!((text.as_str(), facts.kernel_lines), (LOG, 4), "{packing}");
        assert_eq!((facts.packed, facts.damage), (vec![packing], None));
        assert_eq!(read(&twice).0, LOG.repeat(2), "{packing}, two in one file");
        let (_, facts) = read(&bytes[..bytes.len() - 6]);
        assert!(facts.damage.is_some(), "{packing}, cut");
    }
    let (text, facts) = read(&gzip(&gzip(LOG.as_bytes())));
    assert_eq!((text.as_str(), facts.packed.len()), (LOG, 2));
}

#[test]
fn a_text_in_two_bytes_a_character_or_in_base64_is_decoded() {
    let with = |mark: bool, big: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(
            LOG.replace("usb", "üsb 🦀")
                .encode_utf16()
                .collect::<Vec<_>>(),
        );
        units
            .flat_map(|u| {
                if big {
                    u.to_be_bytes()
                } else {
                    u.to_le_bytes()
                }
            })
            .collect()
    };
    for (mark, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let (text, facts) = read(&with(mark, big));
        assert_eq!(text, LOG.replace("usb", "üsb 🦀"));
        assert_eq!((facts.utf16, facts.kernel_lines), (true, 4));
    }
    let (text, facts) = read(base64_of(LOG.as_bytes()).as_bytes());
    assert_eq!(
        (text.as_str(), facts.base64, facts.kernel_lines),
        (LOG, true, 4)
    );
    let (text, _) = read(base64_of(&gzip(LOG.repeat(40).as_bytes())).as_bytes());
    assert_eq!(text, LOG.repeat(40));
    assert_eq!(read(&["\u{feff}", LOG].concat().into_bytes()).0, LOG);
}

#[test]
fn what_is_not_a_text_is_refused_by_name() {
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let elf = |kind: u8| {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        head[16] = kind;
        head
    };
    assert_eq!(form(&tar), Form::Archive("a tar archive"));
    assert_eq!(form(&gzip(&tar)), Form::Archive("a tar archive"));
    assert_eq!(
        form(b"PK\x03\x04..........."),
        Form::Archive("a zip archive")
    );
    assert_eq!(form(b"KDUMP   \x06\0\0\0"), Form::Dump("a kdump dump"));
    assert_eq!(
        form(b"makedumpfile\0\0\0\0"),
        Form::Dump("a flattened dump")
    );
    assert_eq!(form(b"EMiL\x01\0\0\0"), Form::Dump("a LiME dump"));
    assert_eq!(form(b"LPKSHHRH\0\0\0\0"), Form::Journal);
    assert_eq!(form(&elf(4)), Form::ElfCore);
    assert_eq!(form(&elf(3)), Form::Program("an ELF executable or library"));
    assert_eq!(
        form(b"MZ\x90\0\x03\0\0\0"),
        Form::Program("a PE executable")
    );
    let noise: Vec<u8> = (0..4096u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x1f)
        .collect();
    assert_eq!(form(&noise), Form::Binary);
    let error = Input::open(&elf(4)[..]).unwrap_err().to_string();
    assert!(
        error.contains("ELF core") && error.contains("without --log"),
        "{error}"
    );
}

#[test]
fn lines_of_a_kernel_are_told_from_those_of_other_programs() {
    for (line, medium) in [
        ("[    1.000000] x", Medium::Console),
        ("[  +0,000003] x", Medium::Console),
        ("<6>[    1.000000] x", Medium::Console),
        ("<6>x", Medium::Console),
        ("kern  :warn  : x", Medium::Console),
        ("2026-05-07T18:00:00.123Z [    1.000000] x", Medium::Console),
        ("host | [12345.000000][  T12] x", Medium::Console),
        ("juil. 25 12:45:43 host kernel: x", Medium::Syslog),
        ("7月 25 12:45:43 host kernel: x", Medium::Syslog),
        ("6,1,100,-,caller=T1;x", Medium::Kmsg),
        ("Mar 31 19:37:52 host 4,1073,209927862,-;x", Medium::Kmsg),
        ("> > [    1.000000] x", Medium::Mail),
        (
            r#"{"log":"[    1.000000] x\n","stream":"stdout"}"#,
            Medium::Json,
        ),
        (r#"{"_TRANSPORT":"kernel","MESSAGE":"x"}"#, Medium::Json),
        ("CPU: 1 PID: 2 Comm: x Not tainted 4.4.0 #1", Medium::Bare),
        (" ? f+0x1/0x2", Medium::Bare),
        (
            "[Thu May  7 18:00:00 2026] usb 1-1: new high-speed USB device",
            Medium::Clock,
        ),
    ] {
        let facts = read(line.as_bytes()).1;
        assert_eq!(
            (facts.lines, facts.kernel_lines, facts.carrier),
            (1, 1, medium),
            "{line}"
        );
    }
    for line in [
        "",
        "x",
        "May  7 18:00:00 host sshd[1234]: Accepted publickey for root",
        "[    1.000000] host sshd[1234]: Accepted publickey for root",
        "[   24.563] (II) LoadModule: \"glx\"",
        "192.168.1.1 - - [07/May/2026:18:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
        "2026-05-07 18:00:00 INFO main.c:12 started",
        r#"{"level":"info","msg":"started"}"#,
        "   Compiling virtopsy v0.1.0",
        "BUG: the invoice is wrong",
        "<html><body>14,1,2</body></html>",
        "14,1,2,-;user space",
    ] {
        let facts = read(line.as_bytes()).1;
        assert_eq!(
            (facts.kernel_lines, facts.carrier),
            (0, Medium::None),
            "{line}"
        );
    }
}

#[test]
fn lines_that_share_the_clock_of_a_kernels_line_are_counted_with_it() {
    let log = "[Thu May  7 18:00:00 2026] Loading compiled-in X.509 certificates\n\
               [Fri May 15 18:00:00 2026] Freeing unused kernel image memory: 2048K\n\
               18:00:00 something else\n\
               last [Fri May 15 18:00:00 2026] of another";
    let facts = read(log.as_bytes()).1;
    assert_eq!(
        (facts.lines, facts.kernel_lines, facts.carrier),
        (4, 2, Medium::Clock)
    );
}

#[test]
fn lines_are_counted_the_same_however_they_come_in() {
    let log = LOG.repeat(50) + "no kernel\n\nusb 1-1: x\nCall Trace:";
    let whole = read(log.as_bytes()).1;
    assert_eq!((whole.lines, whole.kernel_lines), (204, 202));
    for size in [1, 7, 64, 1000] {
        let mut tally = Tally::default();
        log.as_bytes()
            .chunks(size)
            .for_each(|piece| tally.feed(piece));
        let mut facts = LogFacts::default();
        tally.tell(&mut facts);
        assert_eq!(facts, whole);
    }
}
