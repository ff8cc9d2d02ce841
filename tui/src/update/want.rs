//! What the model needs from workers, and has not asked for.

use crate::content;
use crate::editor;
use crate::effect::{Effect, Request, Shared, SourceOf};
use crate::logtext::LogFilter;
use crate::model::{Mode, Model, Tab};
use crate::place::{Place, View};
use crate::remote::Remote;

/// Starts what is needed now: opening and examining for every dump, the rest for what is looked at.
pub(super) fn start(model: &mut Model) -> Vec<Effect> {
    let mut effects = leave_stacks(model);
    let names = matches!(model.mode, Mode::Palette(_));
    for number in 0..model.tabs.len() {
        let looked_at = number == model.active;
        while let Some(request) = model
            .tabs
            .get(number)
            .and_then(|tab| next(tab, number, looked_at, names))
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

/// Gives up stacks that are no longer looked at: who scrolls past many waits for the last alone.
fn leave_stacks(model: &mut Model) -> Vec<Effect> {
    let Some(tab) = model.tabs.get_mut(model.active) else {
        return Vec::new();
    };
    let chosen = tab.stack_of();
    let mut left = Vec::new();
    tab.stacks.retain(|of, stack| match stack.job() {
        Some(job) if Some(*of) != chosen => {
            left.push(job);
            false
        }
        _ => true,
    });
    forget(model, left)
}

/// The next request of a dump; `names`: the goto box is open, and wants all that has a name.
fn next(tab: &Tab, number: usize, looked_at: bool, names: bool) -> Option<Request> {
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
    log_request(tab)
        .or_else(|| view_request(tab, number))
        .or_else(|| names.then(|| names_request(tab, number)).flatten())
}

fn names_request(tab: &Tab, number: usize) -> Option<Request> {
    if tab.tasks.is_idle() {
        return Some(Request::Tasks { tab: number });
    }
    tab.modules
        .is_idle()
        .then_some(Request::Modules { tab: number })
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
        View::Modules if tab.vms.is_idle() => Some(Request::Vms { tab: number }),
        View::Modules if tab.modules.is_idle() => Some(Request::Modules { tab: number }),
        // A virtual machine knows the pid of its process; the tasks know its name.
        View::Stacks | View::Modules if tab.tasks.is_idle() => Some(Request::Tasks { tab: number }),
        View::Stacks => {
            let of = tab.stack_of()?;
            (!tab.stacks.contains_key(&of)).then_some(Request::Stack { tab: number, of })
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
        Request::Tasks { .. } => tab.tasks = Remote::Waiting(job),
        Request::Modules { .. } => tab.modules = Remote::Waiting(job),
        Request::Vms { .. } => tab.vms = Remote::Waiting(job),
        Request::Stack { of, .. } => {
            tab.stacks.insert(*of, Remote::Waiting(job));
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
        Request::Symbols { .. }
        | Request::Write { .. }
        | Request::Notes { .. }
        | Request::Source { .. } => {}
    }
}

/// Asks for the line of the source that the line under the cursor speaks of, or that its code
/// comes from.
pub(super) fn source(model: &mut Model) -> Vec<Effect> {
    let pane = model.focus();
    let cursor = model.tab().map_or(0, |t| t.list(pane).cursor);
    let Some(line) = content::line(model, pane, cursor) else {
        return Vec::new();
    };
    let named = editor::mentioned(&line.text()).map(SourceOf::Line);
    let code = match (content::code_at(model, pane, cursor), line.link) {
        (Some(at), _) | (None, Some(Place::Memory(at))) => Some(SourceOf::Code(at)),
        _ => None,
    };
    let Some(of) = named.or(code) else {
        model.say("this line speaks of no place in the source");
        return Vec::new();
    };
    let old: Vec<_> = model.finding.job().into_iter().collect();
    let mut effects = forget(model, old);
    let request = Request::Source {
        tab: model.active,
        of,
        dirs: model.sources.clone(),
    };
    let (job, effect) = model.job(request);
    model.finding = Remote::Waiting(job);
    effects.push(effect);
    effects
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
        tab.tasks.cancel(),
        tab.modules.cancel(),
        tab.vms.cancel(),
        tab.memory.cancel(),
        tab.log_shown.cancel(),
        tab.search.as_mut().and_then(|s| s.lines.cancel()),
    ];
    stopped.extend(tab.stacks.values_mut().map(Remote::cancel));
    stopped.push(model.writing.cancel());
    stopped.push(model.finding.cancel());
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
    any |= again(&mut tab.tasks);
    any |= again(&mut tab.modules);
    any |= again(&mut tab.vms);
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
