//! What the ids of checks, of known issues and of crash reports mean: the library's texts, under one roof.

use virtopsy::klog::CrashKind;
use virtopsy::{CheckId, KnownIssueId};

/// What an id means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explanation {
    /// The id of a check, of a known issue or of a kind of crash report.
    pub(crate) id: &'static str,
    /// One line.
    pub(crate) title: &'static str,
    /// Paragraphs, separated by empty lines.
    pub(crate) text: &'static str,
    /// For a known issue, the first release that has it.
    pub(crate) since: Option<&'static str>,
    /// For a known issue, the first release without it.
    pub(crate) until: Option<&'static str>,
    /// For a known issue, the commit that brought it.
    pub(crate) caused_by: Option<&'static str>,
    /// For a known issue, the commit that mends it.
    pub(crate) fixed_by: Option<&'static str>,
    /// For a kind of crash report, what to look at next.
    pub(crate) next: Option<&'static str>,
}

/// The ids of all checks, in the order in which results show them.
pub(crate) fn check_ids() -> impl Iterator<Item = &'static str> {
    CheckId::ALL.iter().map(|check| check.id())
}

/// The ids of all known issues.
pub(crate) fn issue_ids() -> impl Iterator<Item = &'static str> {
    KnownIssueId::ALL.iter().map(|issue| issue.id())
}

/// The ids of all kinds of crash report.
pub(crate) fn crash_ids() -> impl Iterator<Item = &'static str> {
    CrashKind::all().map(CrashKind::name)
}

/// The explanation of a check.
pub(crate) fn of_check(id: CheckId) -> Explanation {
    let check = id.described();
    Explanation {
        id: id.id(),
        title: check.title,
        text: check.text,
        since: None,
        until: None,
        caused_by: None,
        fixed_by: None,
        next: None,
    }
}

fn of_issue(id: KnownIssueId) -> Explanation {
    let issue = id.described();
    Explanation {
        id: id.id(),
        title: issue.title,
        text: issue.text,
        since: issue.since,
        until: issue.until,
        caused_by: issue.caused_by,
        fixed_by: issue.fixed_by,
        next: None,
    }
}

/// The explanation of `id`, where there is one.
pub(crate) fn find(id: &str) -> Option<Explanation> {
    let of_issue = || id.parse().ok().map(of_issue);
    let of_crash = || {
        CrashKind::named(id).map(|kind| Explanation {
            id: kind.name(),
            title: kind.title(),
            text: kind.means(),
            since: None,
            until: None,
            caused_by: None,
            fixed_by: None,
            next: Some(kind.next()),
        })
    };
    let of_check = id.parse().ok().map(of_check);
    of_check.or_else(of_issue).or_else(of_crash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_of_the_contract_are_there_in_its_order() {
        let contract = [
            "virt-disabled-all-cpus",
            "emergency-callback-sound",
            "crash-shutdown-complete",
            "no-lock-splats",
            "no-known-issues",
            "dump-complete",
        ];
        assert_eq!(check_ids().collect::<Vec<_>>(), contract);
    }

    #[test]
    fn every_id_is_explained_and_no_other() {
        assert!(
            check_ids()
                .chain(issue_ids())
                .chain(crash_ids())
                .all(|id| find(id).is_some_and(|e| e.id == id))
        );
        assert!(find("nope").is_none());
    }
}
