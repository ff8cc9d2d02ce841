//! What many reports add up to: grouped by kernel, verdict, known issue and kind of lock report.

mod csv;
mod html;
mod read;
mod text;

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;
use virtopsy::report::{CheckVerdict, Summary, Text};

pub(crate) use csv::print as print_csv;
pub(crate) use html::page as html_page;
pub(crate) use read::{Problem, Reader};
pub(crate) use text::page as text_page;

/// Everything that the runs say together.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Fleet {
    /// The files that were read.
    pub(crate) files: Vec<File>,
    /// All dumps; each counts once, by what it counted as in its run.
    pub(crate) summary: Summary,
    /// By release and build-id.
    pub(crate) kernels: Vec<Group>,
    /// By the verdict on VMX/SVM over all CPUs.
    pub(crate) virtualization: Vec<Group>,
    /// By state of the emergency callback.
    pub(crate) callbacks: Vec<Group>,
    /// By check; the counts are those of the check's own verdicts.
    pub(crate) checks: Vec<Group>,
    /// By known issue; dumps that have it.
    pub(crate) known_issues: Vec<Group>,
    /// By signature of the lock reports; dumps that have one.
    pub(crate) splats: Vec<Group>,
    /// By signature of what took the kernel down.
    pub(crate) crashes: Vec<Group>,
    /// By what kept a dump from being examined.
    pub(crate) errors: Vec<Group>,
}

/// A file of results.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct File {
    /// As it was named.
    pub(crate) path: Text,
    /// Dumps in it.
    pub(crate) dumps: u64,
    /// Whether it ends with its summary: the run was neither stopped nor is it still going on.
    pub(crate) complete: bool,
}

/// Dumps that have something in common.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Group {
    /// What they have in common.
    pub(crate) name: Text,
    /// More about it.
    pub(crate) detail: Option<Text>,
    /// How often it was seen; more than `dumps.dumps` where one dump has it several times.
    pub(crate) times: u64,
    /// The dumps.
    pub(crate) dumps: Summary,
    /// One of them, the first that was read.
    pub(crate) example: Text,
}

/// What is kept of one dump.
#[derive(Debug, Default)]
struct Dump {
    path: Text,
    counts_as: CheckVerdict,
    /// Kind of the error, and its message.
    error: Option<(Text, Text)>,
    /// Release and build-id.
    kernel: (Text, Option<Text>),
    /// Verdict and feature.
    virtualization: (Text, Option<Text>),
    callback: (Text, Option<Text>),
    checks: Vec<(Text, CheckVerdict)>,
    /// Id and title.
    known_issues: Vec<(Text, Option<Text>)>,
    /// Signature and title, one for each report.
    splats: Vec<(Text, Option<Text>)>,
    /// Signature and kind of the cause of the crash, where it is known.
    cause: Option<(Text, Option<Text>)>,
}

/// Groups in the making, by name and detail.
#[derive(Default)]
struct Groups(HashMap<(Text, Option<Text>), Group>);

impl Groups {
    fn add(&mut self, key: &(Text, Option<Text>), times: u64, path: &Text, verdict: CheckVerdict) {
        let group = self.0.entry(key.clone()).or_insert_with(|| Group {
            name: key.0.clone(),
            detail: key.1.clone(),
            example: path.clone(),
            ..Group::default()
        });
        group.times = group.times.saturating_add(times);
        group.dumps.add(verdict);
    }

    /// Adds a dump to the group of each of `keys` once, whatever how often one is there.
    fn add_all(&mut self, keys: &[(Text, Option<Text>)], dump: &Dump) {
        let mut seen: Vec<(&(Text, Option<Text>), u64)> = Vec::new();
        for key in keys {
            match seen.iter_mut().find(|(other, _)| *other == key) {
                Some((_, times)) => *times = times.saturating_add(1),
                None => seen.push((key, 1)),
            }
        }
        for (key, times) in seen {
            self.add(key, times, &dump.path, dump.counts_as);
        }
    }

    /// The largest first; equals by name.
    fn sorted(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.0.into_values().collect();
        groups.sort_by(|a, b| {
            let key = |g: &Group| (Reverse(g.dumps.dumps), Reverse(g.times));
            key(a)
                .cmp(&key(b))
                .then_with(|| (&a.name, &a.detail).cmp(&(&b.name, &b.detail)))
        });
        groups
    }
}

impl Fleet {
    fn of(files: Vec<File>, dumps: &[Dump]) -> Fleet {
        let mut summary = Summary::default();
        let [mut kernels, mut virtualization, mut callbacks, mut checks] =
            std::array::from_fn(|_| Groups::default());
        let [mut known_issues, mut splats, mut crashes, mut errors] =
            std::array::from_fn(|_| Groups::default());
        for dump in dumps {
            summary.add(dump.counts_as);
            if let Some((kind, _)) = &dump.error {
                errors.add(&(kind.clone(), None), 1, &dump.path, dump.counts_as);
                continue;
            }
            for (groups, key) in [
                (&mut kernels, &dump.kernel),
                (&mut virtualization, &dump.virtualization),
                (&mut callbacks, &dump.callback),
            ] {
                groups.add(key, 1, &dump.path, dump.counts_as);
            }
            for (id, verdict) in &dump.checks {
                checks.add(&(id.clone(), None), 1, &dump.path, *verdict);
            }
            known_issues.add_all(&dump.known_issues, dump);
            splats.add_all(&dump.splats, dump);
            if let Some(cause) = &dump.cause {
                crashes.add(cause, 1, &dump.path, dump.counts_as);
            }
        }
        let mut errors = errors.sorted();
        for group in &mut errors {
            let first = dumps.iter().find(|dump| dump.path == group.example);
            group.detail = first
                .and_then(|dump| dump.error.as_ref())
                .map(|(_, message)| message.clone());
        }
        Fleet {
            files,
            summary,
            kernels: kernels.sorted(),
            virtualization: virtualization.sorted(),
            callbacks: callbacks.sorted(),
            checks: in_their_order(checks.sorted()),
            known_issues: known_issues.sorted(),
            splats: splats.sorted(),
            crashes: crashes.sorted(),
            errors,
        }
    }

    /// Every list of groups with its name, the column head of its groups, and what one of them
    /// being there means.
    fn sections(&self) -> [Section<'_>; 8] {
        let section = |id, title, head, groups| Section {
            id,
            title,
            head,
            groups,
        };
        [
            section(
                "virtualization",
                "VMX/SVM at the crash",
                "verdict",
                &self.virtualization,
            ),
            section("kernel", "Kernels", "release", &self.kernels),
            section("check", "Checks", "check", &self.checks),
            section("known-issue", "Known issues", "issue", &self.known_issues),
            section("lock-report", "Lock reports", "signature", &self.splats),
            section("crash", "Why they died", "signature", &self.crashes),
            section("callback", "Emergency callback", "state", &self.callbacks),
            section("error", "Not examined", "error", &self.errors),
        ]
    }
}

/// A list of groups.
struct Section<'a> {
    /// A stable name.
    id: &'static str,
    title: &'static str,
    /// What the groups' names are.
    head: &'static str,
    groups: &'a [Group],
}

/// Checks in the order in which `check` runs them; ones that this version does not know go last.
fn in_their_order(mut checks: Vec<Group>) -> Vec<Group> {
    let place = |group: &Group| {
        crate::explain::check_ids()
            .position(|id| group.name.as_str() == Some(id))
            .unwrap_or(usize::MAX)
    };
    checks.sort_by_key(place);
    checks
}

/// The verdicts that a dump can count as, with their number in a summary.
fn shares(summary: &Summary) -> [(CheckVerdict, u64); 4] {
    [
        (CheckVerdict::Fail, summary.fail),
        (CheckVerdict::Inconclusive, summary.inconclusive),
        (CheckVerdict::Error, summary.error),
        (CheckVerdict::Pass, summary.pass),
    ]
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::judge::Judge;
    use crate::render::{Render as _, jsonl, samples};

    /// The results of a small fleet, as JSONL: five good dumps, three bad ones, one that is none.
    pub(crate) fn lines() -> Vec<u8> {
        let mut out = Vec::new();
        let mut summary = Summary::default();
        let mut number = 0;
        for (count, report) in [
            (5, samples::good()),
            (3, samples::bad()),
            (1, samples::broken()),
        ] {
            for _ in 0..count {
                number += 1;
                let mut report = report.clone();
                report.path = Text::new(
                    [
                        format!("/dumps/{number}/").as_bytes(),
                        report.path.as_bytes(),
                    ]
                    .concat(),
                );
                let judged = Judge::default().judge(report);
                summary.add(judged.counted);
                jsonl::Lines.dump(&mut out, &judged).unwrap();
            }
        }
        jsonl::Lines.end(&mut out, &summary).unwrap();
        out
    }

    pub(crate) fn fleet() -> Fleet {
        let mut reader = Reader::default();
        reader
            .read("fleet.jsonl".into(), &mut lines().as_slice())
            .unwrap();
        reader.finish().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_grouped_by_what_they_have_in_common() {
        let fleet = samples::fleet();
        let expected = Summary {
            dumps: 9,
            pass: 5,
            fail: 3,
            inconclusive: 0,
            error: 1,
        };
        assert_eq!(fleet.summary, expected);
        let brief = |groups: &[Group]| -> Vec<(String, u64)> {
            groups
                .iter()
                .map(|group| (group.name.to_string(), group.dumps.dumps))
                .collect()
        };
        assert_eq!(
            brief(&fleet.virtualization),
            [("all-off".to_owned(), 5), ("not-all-off".to_owned(), 3)]
        );
        assert_eq!(brief(&fleet.errors), [("not-a-dump".to_owned(), 1)]);
        assert_eq!(fleet.known_issues.len(), 1);
        assert_eq!(fleet.known_issues[0].dumps.dumps, 3);
        assert_eq!(
            fleet.known_issues[0].example.to_string(),
            "/dumps/6//dumps/bad"
        );
        assert_eq!(fleet.splats[0].times, 3);
        assert_eq!(
            brief(&fleet.crashes),
            [("sysrq-crash|sysrq_handle_crash".to_owned(), 8)]
        );
        let ids: Vec<String> = fleet.checks.iter().map(|g| g.name.to_string()).collect();
        assert_eq!(ids, crate::explain::check_ids().collect::<Vec<_>>());
        assert_eq!(
            (fleet.checks[0].dumps.pass, fleet.checks[0].dumps.fail),
            (5, 3)
        );
    }

    #[test]
    fn a_dump_that_has_a_report_twice_counts_once() {
        let key = (Text::from("sig"), None);
        let dump = Dump {
            path: "a".into(),
            splats: vec![key.clone(), key],
            counts_as: CheckVerdict::Fail,
            ..Dump::default()
        };
        let fleet = Fleet::of(Vec::new(), &[dump]);
        assert_eq!((fleet.splats[0].times, fleet.splats[0].dumps.dumps), (2, 1));
    }
}
