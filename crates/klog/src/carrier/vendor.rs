//! What the makers of phones and boards put between the time and the text: which CPU and task
//! printed the line. It serves as the caller id that stock kernels have with PRINTK_CALLER.
//!
//! | form | seen with |
//! |---|---|
//! | `[0:      swapper/0:    1] text`, `I[0:  swapper/0:    1] text` | Samsung |
//! | ` (1)[264:kworker/u8:4]text` | MediaTek |
//! | `[pid:264,cpu1,kworker/u8:4]text` | HiSilicon |
//! | `c1    264 text` | Spreadtrum |

use super::Caller;
use super::stamp::{Prefix, enclosed, is_hours};
use crate::text::{head, number};

/// Strips such a part behind a time, once.
pub(super) fn execution<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    if prefix.time.is_none() || prefix.caller.is_some() || prefix.syslog {
        return None;
    }
    let (pid, rest) = samsung(s)
        .or_else(|| mediatek(s))
        .or_else(|| hisilicon(s))
        .or_else(|| spreadtrum(s))?;
    prefix.caller = Some(Caller {
        cpu: false,
        id: pid,
    });
    Some(rest)
}

/// A whole word that is one number.
fn whole(s: &str) -> Option<u64> {
    number(s).filter(|(_, r)| r.is_empty()).map(|(n, _)| n)
}

/// `[CPU:COMM:PID] `, with blanks before the comm and the PID, and maybe a letter in front.
fn samsung(s: &str) -> Option<(u64, &str)> {
    let t = s.strip_prefix(' ').unwrap_or(s);
    let t = t
        .strip_prefix(|c: char| c.is_ascii_uppercase())
        .filter(|r| r.starts_with('['))
        .unwrap_or(t);
    let (inside, rest) = enclosed(t, '[', ']')?;
    let (cpu, task) = inside.split_once(':')?;
    let (_, pid) = task.rsplit_once(':')?;
    whole(cpu.trim())?;
    Some((whole(pid.trim())?, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// `(CPU)[PID:COMM]`.
fn mediatek(s: &str) -> Option<(u64, &str)> {
    let t = s.trim_start_matches(' ');
    let (cpu, rest) = enclosed(t, '(', ')')?;
    whole(cpu)?;
    let (task, rest) = enclosed(rest, '[', ']')?;
    Some((whole(task.split_once(':')?.0)?, rest))
}

/// `[pid:PID,cpuCPU,COMM[,in irq]]`.
fn hisilicon(s: &str) -> Option<(u64, &str)> {
    let t = s.strip_prefix(' ').unwrap_or(s);
    let (inside, rest) = enclosed(t, '[', ']')?;
    let (pid, tail) = inside.strip_prefix("pid:")?.split_once(',')?;
    tail.strip_prefix("cpu")?;
    Some((whole(pid)?, rest))
}

/// `cCPU PID text`, the PID right-aligned.
fn spreadtrum(s: &str) -> Option<(u64, &str)> {
    let t = s.strip_prefix(' ').unwrap_or(s);
    let (_, rest) = number(t.strip_prefix('c')?)?;
    let (pid, rest) = number(rest.strip_prefix(' ')?.trim_start())?;
    Some((pid, rest.strip_prefix(' ')?))
}

/// `05-07 18:00:00.123     0     0 W kernel  : text` of Android's `logcat -b kernel`.
pub(super) fn logcat<'a>(s: &'a str, prefix: &mut Prefix) -> Option<&'a str> {
    let (date, rest) = s.split_at_checked(5)?;
    let day = date.bytes().enumerate().all(|(i, b)| match i {
        2 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    let rest = rest.strip_prefix(' ')?;
    let (time, rest) = rest.split_at_checked(head(rest, 20).find(' ')?)?;
    if !day || !is_hours(time) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("root").unwrap_or(rest).trim_start();
    let (pid, rest) = number(rest)?;
    let (_tid, rest) = number(rest.trim_start())?;
    let rest = rest.trim_start();
    let (level, rest) = rest.split_at_checked(1)?;
    if !["V", "D", "I", "W", "E", "F"].contains(&level) {
        return None;
    }
    let (tag, body) = rest.split_once(": ")?;
    prefix.stamped = true;
    prefix.foreign |= pid != 0 || !matches!(tag.trim(), "" | "kernel" | "KERNEL");
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::super::prefix::strip;

    #[test]
    fn the_task_that_a_vendor_prints_is_the_caller() {
        for (line, caller) in [
            ("[   11.776041]  [0:      swapper/0:    1]  x y", "T1"),
            ("<4>[   11.776041] I[0:      swapper/0:    1]  x y", "T1"),
            ("<4>[   11.776041]  (1)[264:kworker/u8:4] x y", "T264"),
            (
                "[   11.776041s][pid:264,cpu1,kworker/u8:4,in irq] x y",
                "T264",
            ),
            ("[   11.776041] c1    264  x y", "T264"),
        ] {
            let (prefix, text) = strip(line);
            assert_eq!(
                (
                    prefix.time,
                    text,
                    prefix.caller.map(|c| c.to_string()).as_deref()
                ),
                (Some(11.776041), " x y", Some(caller)),
                "{line}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_vendors_prefix_is_text() {
        for text in [
            "[ INFO: possible recursive locking detected ]",
            "(&a){+.+.}, at: f+0x1/0x2",
            "[<ffffffff81ca45ed>] f+0x1/0x2",
            "c1 is a word",
        ] {
            assert_eq!(strip(&format!("[   11.776041] {text}")).1, text);
        }
    }

    #[test]
    fn the_kernel_buffer_of_logcat_is_read_and_the_others_are_not() {
        let (prefix, text) = strip("05-07 18:00:00.123     0     0 W kernel  :  x y");
        assert_eq!((prefix.foreign, text), (false, " x y"));
        assert!(
            strip("05-07 18:00:00.123  1234  1240 W Zygote  : x")
                .0
                .foreign
        );
    }
}
