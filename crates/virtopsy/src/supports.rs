//! What could be answered of a kernel, told without a crash: by its symbols and types alone.
//!
//! The rows are made of the declarations that the reading code reads by
//! ([`virtopsy_kernel::declared`]) and of the era's [`Layout`](crate::era::Layout).

mod needs;
mod subject;

use serde::Serialize;

use crate::era::{Era, Names};
use crate::error::Result;
use crate::{Options, Session};
use needs::{Need, Source, Weight};
use subject::Subject;

/// Whether there would be a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupportedVerdict {
    /// On every CPU.
    EveryCpu,
    /// Not always: some CPUs may stay unknown.
    NotAlways,
    /// On none.
    Never,
}

/// What could be answered of a kernel.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SupportsFacts {
    /// Which kernel layout it has.
    pub era: String,
    /// Whether a verdict would be possible.
    pub verdict: SupportedVerdict,
    /// Where types come from; `None`: there are none.
    pub types_from: Option<String>,
    /// Where symbols come from; `None`: there are none.
    pub symbols_from: Option<String>,
    /// What would help, where something as a whole is missing.
    pub hint: Option<&'static str>,
    /// Each fact, in the order of what it is needed for.
    pub facts: Vec<SupportedFact>,
}

/// One fact and where it would be read.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SupportedFact {
    /// What it is needed for: `verdict`, `callback`, `log`, `stacks`, `tasks`, `vms`, `locks`.
    pub needed_for: &'static str,
    /// The fact.
    pub fact: &'static str,
    /// Where it would be read: the alternative that this kernel has; `None`: it has none.
    pub read_from: Option<String>,
    /// All alternatives, the newest first.
    pub alternatives: Vec<String>,
    /// Whether it can't be told here: it is in a module that is not at hand.
    pub unknown: bool,
    /// What follows where it is missing; `None`: it is there.
    pub consequence: Option<&'static str>,
    /// Why kernels lack it by design, where they do.
    pub by_design: Option<&'static str>,
}

/// What could be answered of a kernel of which there are files and no dump: those that the options
/// name, with `symbols` in the form of System.map or /proc/kallsyms; the running kernel where they
/// name none.
///
/// # Errors
/// Where a file can't be read.
pub fn supports(options: &Options, symbols: Option<&std::path::Path>) -> Result<SupportsFacts> {
    Ok(judge(&Subject::of_files(options, symbols)?))
}

impl Session {
    /// What could be answered of the dump's kernel, by its symbols and types.
    ///
    /// # Errors
    /// Where the dump's memory can't be read by virtual address.
    pub fn supports(&self) -> Result<SupportsFacts> {
        Ok(judge(&Subject::of_kernel(self.kernel()?)))
    }
}

fn judge(subject: &Subject<'_>) -> SupportsFacts {
    let era = Era::told_by(&Names {
        kernel: &|name| subject.has_symbol(name),
        loaded: &|module| subject.is_loaded(module),
        in_module: &|module, name| subject.in_module(module, name),
        core_switches_svm: &|| subject.core_switches_svm(),
    });
    let layout = era.layout();
    let mut verdict = SupportedVerdict::EveryCpu;
    let mut facts = Vec::new();
    for need in needs::all(&layout) {
        let fact = supported(&need, subject);
        let missing = fact.consequence.is_some();
        match need.weight {
            Weight::Verdict if missing => verdict = SupportedVerdict::Never,
            Weight::EachCpu if missing && verdict == SupportedVerdict::EveryCpu => {
                verdict = SupportedVerdict::NotAlways;
            }
            _ => {}
        }
        facts.push(fact);
    }
    SupportsFacts {
        era: layout.description.to_owned(),
        verdict,
        types_from: subject.types_from.clone(),
        symbols_from: subject.symbols_from.clone(),
        hint: hint(subject),
        facts,
    }
}

/// What would help, where all symbols, all data or all types are missing.
fn hint(subject: &Subject<'_>) -> Option<&'static str> {
    let has_data = subject.has_symbol("init_task") || subject.has_symbol("boot_cpu_data");
    if subject.symbols_from.is_none() {
        return Some(
            "there are no symbols: give --symbols FILE (System.map or /proc/kallsyms) or --vmlinux FILE",
        );
    }
    if subject.types_from.is_none() {
        return Some("there are no types: give --btf FILE or --vmlinux FILE");
    }
    (!has_data).then_some(
        "the symbols are those of functions only (kallsyms without CONFIG_KALLSYMS_ALL): dumps of this \
         kernel need its vmlinux",
    )
}

/// Where a fact would be read: the first source of which everything is there.
fn supported(need: &Need, subject: &Subject<'_>) -> SupportedFact {
    let found = need
        .sources
        .iter()
        .find_map(|source| found(source, subject));
    let by_design = need.sources.iter().find_map(|source| match source {
        Source::Member(member) => Some(member.absent).filter(|why| !why.is_empty()),
        _ => None,
    });
    let in_module = need.sources.iter().any(|source| match source {
        Source::Module(module, _) => !subject.is_loaded(module),
        Source::ModuleMember(module, _) => !subject.has_module_types(module),
        _ => false,
    });
    let unknown = found.is_none() && in_module;
    SupportedFact {
        needed_for: need.needed_for,
        fact: need.fact,
        alternatives: need.sources.iter().flat_map(alternatives).collect(),
        consequence: (found.is_none() && !unknown).then_some(need.consequence),
        by_design: by_design.filter(|_| found.is_none()),
        read_from: found,
        unknown,
    }
}

fn found(source: &Source, subject: &Subject<'_>) -> Option<String> {
    match source {
        Source::Variable(variable) => {
            let name = variable.names.iter().find(|name| subject.has_symbol(name));
            name.map(|name| (*name).to_owned())
        }
        Source::Name(name) => subject.has_symbol(name).then(|| (*name).to_owned()),
        Source::Member(member) => {
            let path = subject.first_path(None, member)?;
            Some(format!("{}.{path}", member.structure))
        }
        Source::Module(module, name) => {
            let there = subject.in_module(module, name) || subject.has_symbol(name);
            there.then(|| format!("{module}:{name}"))
        }
        Source::ModuleMember(module, member) => {
            let path = subject.first_path(Some(module), member)?;
            Some(format!("{}.{path}", member.structure))
        }
    }
}

fn alternatives(source: &Source) -> Vec<String> {
    match source {
        Source::Variable(variable) => variable.names.iter().map(ToString::to_string).collect(),
        Source::Name(name) => vec![(*name).to_owned()],
        Source::Module(module, name) => vec![format!("{module}:{name}")],
        Source::Member(member) | Source::ModuleMember(_, member) => {
            let path = |path: &&str| format!("{}.{path}", member.structure);
            member.paths.iter().map(path).collect()
        }
    }
}
