//! What the model needs from workers, and has not asked for.

use crate::effect::{Effect, Request, Shared};
use crate::logtext::LogFilter;
use crate::model::{Mode, Model, Tab};
use crate::place::View;
use crate::remote::Remote;

/// Starts what is needed now: opening and examining for every dump, the rest for what is looked at.
pub(super) fn start(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    for number in 0..model.tabs.len() {
        let looked_at = number == model.active;
        while let Some(request) = model
            .tabs
            .get(number)
            .and_then(|tab| next(tab, number, looked_at))
        {
            let (job, effect) = model.job(request.clone());
            effects.push(effect);
            if let Some(tab) = model.tabs.get_mut(number) {
                wait(tab, job, &request);
            }
        }
    }
    effects
}

/// The next request of a dump.
fn next(tab: &Tab, number: usize, looked_at: bool) -> Option<Request> {
    if tab.opened.is_idle() {
        return Some(Request::Open { tab: number });
    }
    let Some(Ok(opened)) = tab.opened.ready() else {
        return None;
    };
    if tab.report.is_idle() {
        return Some(Request::Report { tab: number });
    }
    if opened.kernel_error.is_some() || !looked_at {
        return None;
    }
    if tab.log.is_idle() {
        return Some(Request::Log { tab: number });
    }
    log_request(tab).or_else(|| view_request(tab, number))
}

fn log_request(tab: &Tab) -> Option<Request> {
    let log = Shared(tab.log.ready()?.clone());
    if !tab.log_filter.is_empty() && tab.log_shown.is_idle() {
        return Some(Request::Scan {
            log,
            filter: tab.log_filter.clone(),
            within: None,
        });
    }
    let search = tab
        .search
        .as_ref()
        .filter(|s| tab.view == View::Log && s.lines.is_idle())?;
    let within = match (&tab.log_shown, tab.log_filter.is_empty()) {
        (_, true) => None,
        (Remote::Ready(lines), false) => Some(lines.clone()),
        _ => return None,
    };
    let filter = LogFilter {
        pattern: search.pattern.clone(),
        ..LogFilter::default()
    };
    Some(Request::Scan {
        log,
        filter,
        within,
    })
}

fn view_request(tab: &Tab, number: usize) -> Option<Request> {
    match tab.view {
        View::Callback if tab.code.is_idle() => tab.report.ready().map(|r| Request::Code {
            tab: number,
            report: Shared(r.clone()),
        }),
        View::Modules if tab.modules.is_idle() => Some(Request::Modules { tab: number }),
        View::Stacks => {
            let cpu = tab.stack_cpu()?.cpu;
            (!tab.stacks.contains_key(&cpu)).then_some(Request::Stack { tab: number, cpu })
        }
        View::Memory if tab.memory.is_idle() => tab
            .memory_at
            .clone()
            .map(|at| Request::Memory { tab: number, at }),
        _ => None,
    }
}

fn wait(tab: &mut Tab, job: crate::effect::JobId, request: &Request) {
    match request {
        Request::Open { .. } => tab.opened = Remote::Waiting(job),
        Request::Report { .. } => tab.report = Remote::Waiting(job),
        Request::Log { .. } => tab.log = Remote::Waiting(job),
        Request::Code { .. } => tab.code = Remote::Waiting(job),
        Request::Modules { .. } => tab.modules = Remote::Waiting(job),
        Request::Stack { cpu, .. } => {
            tab.stacks.insert(*cpu, Remote::Waiting(job));
        }
        Request::Memory { .. } => tab.memory = Remote::Waiting(job),
        Request::Scan { .. } if !tab.log_filter.is_empty() && tab.log_shown.is_idle() => {
            tab.log_shown = Remote::Waiting(job);
        }
        Request::Scan { .. } => {
            if let Some(search) = &mut tab.search {
                search.lines = Remote::Waiting(job);
            }
        }
        Request::Symbols { .. } | Request::Write { .. } | Request::Notes { .. } => {}
    }
}

/// Asks for the bookmarks of every dump.
pub(super) fn notes(model: &mut Model) -> Vec<Effect> {
    let files: Vec<_> = model
        .tabs
        .iter()
        .filter_map(|t| t.notes_file.clone())
        .collect();
    files
        .into_iter()
        .map(|path| model.job(Request::Notes { path }).1)
        .collect()
}

/// Gives up all that the dump on screen waits for.
pub(super) fn cancel(model: &mut Model) -> Vec<Effect> {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let mut stopped = vec![
        tab.opened.cancel(),
        tab.report.cancel(),
        tab.log.cancel(),
        tab.code.cancel(),
        tab.modules.cancel(),
        tab.memory.cancel(),
        tab.log_shown.cancel(),
        tab.search.as_mut().and_then(|s| s.lines.cancel()),
    ];
    stopped.extend(tab.stacks.values_mut().map(Remote::cancel));
    stopped.push(model.writing.cancel());
    forget(model, stopped.into_iter().flatten().collect())
}

/// Stops jobs that nobody waits for.
pub(super) fn forget(model: &mut Model, jobs: Vec<crate::effect::JobId>) -> Vec<Effect> {
    for job in &jobs {
        model.jobs.remove(job);
    }
    jobs.into_iter().map(Effect::Cancel).collect()
}

/// What failed is asked for again.
pub(super) fn ask_again(model: &mut Model) {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return;
    };
    let before = tab.waiting().len();
    if matches!(tab.opened, Remote::Failed(_) | Remote::Ready(Err(_))) {
        tab.opened = Remote::Idle;
    }
    fn again<T>(slot: &mut Remote<T>) -> bool {
        let failed = matches!(slot, Remote::Failed(_));
        if failed {
            *slot = Remote::Idle;
        }
        failed
    }
    let mut any = tab.opened.is_idle();
    any |= again(&mut tab.report);
    any |= again(&mut tab.log);
    any |= again(&mut tab.code);
    any |= again(&mut tab.modules);
    any |= again(&mut tab.memory);
    any |= again(&mut tab.log_shown);
    let stacks = tab.stacks.len();
    tab.stacks.retain(|_, s| !matches!(s, Remote::Failed(_)));
    any |= tab.stacks.len() != stacks;
    if !any && before == 0 {
        model.say("nothing failed");
    }
    model.mode = Mode::Normal;
}

/// The symbols that match what stands in the goto box.
pub(super) fn symbols(model: &mut Model, query: &str) -> Vec<Effect> {
    let tab = model.active;
    let open = model
        .tab()
        .is_some_and(|t| matches!(t.opened, Remote::Ready(Ok(_))));
    let old = match &model.mode {
        Mode::Palette(p) => p.symbols.job(),
        _ => None,
    };
    let mut effects = forget(model, old.into_iter().collect());
    let slot = if query.len() < 2 || !open {
        Remote::Ready(Vec::new())
    } else {
        let (job, effect) = model.job(Request::Symbols {
            tab,
            query: query.into(),
        });
        effects.push(effect);
        Remote::Waiting(job)
    };
    if let Mode::Palette(palette) = &mut model.mode {
        palette.symbols = slot;
    }
    effects
}
