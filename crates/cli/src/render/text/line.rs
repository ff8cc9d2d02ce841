//! A batch for reading: one line for each dump, with path, verdict, why, and the checks that did not
//! pass.

use std::io::Write;

use virtopsy::report::{CheckVerdict, Summary};

use crate::judge::Judged;
use crate::page::{Page, clean};
use crate::policy::Applied;
use crate::render::Render;
use crate::terminal::Look;
use crate::words;

/// One line for each dump: path, verdict, why, and the checks that did not pass.
#[derive(Debug)]
pub(crate) struct Lines {
    look: Look,
}

impl Lines {
    pub(crate) fn new(look: Look) -> Lines {
        Lines { look }
    }
}

impl Render for Lines {
    fn dump(&mut self, out: &mut dyn Write, judged: &Judged) -> anyhow::Result<()> {
        let mut page = Page::new(self.look);
        let (tone, mark) = words::check(judged.counted);
        let line = format!(
            "{}: {mark}: {}{}",
            judged.report.path,
            why(judged),
            others(judged)
        );
        page.line(0, tone, &line);
        out.write_all(page.finish().as_bytes())?;
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        let Summary {
            dumps,
            pass,
            fail,
            inconclusive,
            error,
        } = summary;
        if *dumps != 1 {
            let line = format!(
                "{dumps} dumps: {pass} pass, {fail} fail, {inconclusive} inconclusive, {error} error"
            );
            writeln!(out, "{}", clean(&line, self.look.unicode))?;
        }
        Ok(())
    }
}

/// The sentence that goes with what a dump counts as.
fn why(judged: &Judged) -> String {
    let report = &judged.report;
    if let Some(error) = &report.error {
        let message = error.message.to_string();
        // The line opens with the path already.
        let message = message
            .strip_prefix(&format!("{}: ", report.path))
            .unwrap_or(&message);
        return format!("{}: {message}", error.kind);
    }
    let first = report
        .checks
        .iter()
        .find(|c| c.verdict == judged.counted && !judged.advisory.contains(&c.id));
    let summary = first
        .or(report.checks.first())
        .map_or("no check was selected", |check| &check.summary);
    let summary = summary.trim_end_matches('.');
    match words::failed_beside(report) {
        Some(both) if judged.counted == CheckVerdict::Fail => format!("{both}: {summary}"),
        _ => summary.to_owned(),
    }
}

/// ` [fail: a, b; inconclusive: c]`
fn others(judged: &Judged) -> String {
    let group = |name: &str, pick: &dyn Fn(CheckVerdict, bool) -> bool| {
        let checks = judged.report.checks.iter();
        let ids = checks
            .filter(|c| pick(c.verdict, judged.advisory.contains(&c.id)))
            .map(|c| c.id.id());
        let ids = ids.collect::<Vec<_>>().join(", ");
        (!ids.is_empty()).then(|| format!("{name}: {ids}"))
    };
    let groups = [
        group("error", &|verdict, _| verdict == CheckVerdict::Error),
        group("fail", &|verdict, advisory| {
            verdict == CheckVerdict::Fail && !advisory
        }),
        group("inconclusive", &|verdict, advisory| {
            verdict == CheckVerdict::Inconclusive && !advisory
        }),
        group("warning", &|verdict, advisory| {
            advisory && matches!(verdict, CheckVerdict::Fail | CheckVerdict::Inconclusive)
        }),
    ];
    // What does not count is among the checks already.
    let told = |did: &&Applied| !matches!(did, Applied::Warning { .. });
    let policy: Vec<String> = judged
        .policy
        .iter()
        .filter(told)
        .map(ToString::to_string)
        .collect();
    let policy = (!policy.is_empty()).then(|| format!("policy: {}", policy.join(", ")));
    let groups: Vec<String> = groups.into_iter().flatten().chain(policy).collect();
    if groups.is_empty() {
        String::new()
    } else {
        format!(" [{}]", groups.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_batch_prints_one_line_for_each_dump() {
        let mut out = Vec::new();
        let mut lines = Lines::new(Look::of_file());
        for judged in samples::all() {
            lines.dump(&mut out, &judged).unwrap();
        }
        lines
            .end(
                &mut out,
                &Summary {
                    dumps: 3,
                    pass: 1,
                    fail: 1,
                    inconclusive: 0,
                    error: 1,
                },
            )
            .unwrap();
        let expected = "\
/dumps/good: ✓ pass: says \\x1b[31mvirt-disabled-all-cpus
/dumps/bad: ✗ fail: says \\x1b[31mvirt-disabled-all-cpus [fail: virt-disabled-all-cpus; inconclusive: crash-shutdown-complete]
/dumps/\\xff\\x1b[2J<&\">]]>: ! error: not-a-dump: not a dump: \\x1b]0;owned\\x07 </failure> \\u{202e}
3 dumps: 1 pass, 1 fail, 0 inconclusive, 1 error
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
