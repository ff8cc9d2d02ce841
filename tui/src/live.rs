//! The library behind [`crate::source`]: the one file that calls it for more than plain data.

use std::sync::{Arc, OnceLock};

use iced_x86::{FlowControl, Formatter as _, GasFormatter, Instruction};
use virtopsy::report::{DumpReport, ErrorReport, Text};
use virtopsy::{DumpSpec, LogLine, Options, Session};
use virtopsy_debuginfo::{SymbolSource as _, VirtAddr};
use virtopsy_kernel::{CpuId, Function, Kernel, NoteContent, Stack};

use crate::effect::{MemoryAt, SymbolHit};
use crate::expression::{self, Base, Expression};
use crate::fuzzy::{self, Best};
use crate::source::{
    Cancelled, CodeRow, Listing, MemoryPage, ModuleRow, Opened, Opener, PAGE, Source, StackPart,
    StackText,
};
use crate::typed;
use crate::view::memory::is_kernel_address;

/// The functions on the way from the crash NMI to the callback, by their names in all eras.
const PATH: [&str; 10] = [
    "native_machine_crash_shutdown",
    "crash_nmi_callback",
    "kdump_nmi_callback",
    "cpu_crash_vmclear_loaded_vmcss",
    "x86_virt_emergency_disable_virtualization_cpu",
    "x86_svm_emergency_disable_virtualization_cpu",
    "x86_vmx_emergency_disable_virtualization_cpu",
    "x86_virt_invoke_kvm_emergency_callback",
    "cpu_emergency_disable_virtualization",
    "kvm_crash_vmclear_local_loaded_vmcss",
];
/// Longest callback that is disassembled, in bytes.
const LONGEST_CODE: u64 = 4096;
/// Code words of one stack that are shown at most.
const MOST_WORDS: usize = 400;

/// Opens dumps with the library.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) dumps: Vec<DumpSpec>,
    pub(crate) options: Options,
}

impl Opener for Library {
    fn open(&self, tab: usize) -> Result<Arc<dyn Source>, ErrorReport> {
        let spec = self.dumps.get(tab).cloned().unwrap_or_default();
        let session = Session::open(&spec, &self.options)?;
        Ok(Arc::new(Live {
            session,
            symbols: OnceLock::new(),
        }))
    }
}

struct Live {
    session: Session,
    /// Every symbol of the kernel and its modules, once somebody searched for one.
    symbols: OnceLock<Vec<SymbolHit>>,
}

impl Live {
    fn kernel(&self) -> Result<&Kernel, String> {
        self.session.kernel().map_err(|e| e.message.to_string())
    }

    fn all_symbols(&self) -> Result<&[SymbolHit], String> {
        let kernel = self.kernel()?;
        let symbols = kernel.symbols().map_err(|e| e.to_string())?;
        Ok(self.symbols.get_or_init(|| {
            let mut all = Vec::with_capacity(symbols.len());
            symbols.for_each(&mut |name, at, _| {
                all.push(SymbolHit {
                    name: name.into(),
                    address: at.0,
                    score: 0,
                });
            });
            for module in &kernel.modules().modules {
                if let Ok(own) = module.symbols(kernel) {
                    let tag = |name: &str| format!("{name} [{}]", module.name);
                    own.for_each(&mut |name, at, _| {
                        all.push(SymbolHit {
                            name: tag(name),
                            address: at.0,
                            score: 0,
                        });
                    });
                }
            }
            all
        }))
    }
}

impl Source for Live {
    fn opened(&self) -> Opened {
        let dump = self.session.dump();
        // The dump's memory can hold what its notes lack.
        let release = match self.session.kernel() {
            Ok(kernel) => Some(Text::from(kernel.release())),
            Err(_) => dump
                .vmcoreinfo()
                .and_then(|i| i.os_release())
                .map(Text::from),
        };
        let kernel_error = self.session.kernel().err().map(|e| e.message);
        Opened {
            format: dump.format().to_string(),
            release,
            kernel_error,
        }
    }

    fn report(&self) -> DumpReport {
        self.session.report()
    }

    fn log(&self) -> Result<Vec<LogLine>, String> {
        self.session.log().map_err(|e| e.message.to_string())
    }

    fn code(&self, report: &DumpReport) -> Result<Vec<Listing>, String> {
        let kernel = self.kernel()?;
        let variable = report.callback.address.map(|a| VirtAddr(a.0));
        let mut listings = Vec::new();
        if let Some(value) = report.callback.value.filter(|v| v.0 != 0) {
            listings.push(callback_code(kernel, VirtAddr(value.0)));
        }
        let on_the_way = PATH
            .iter()
            .filter_map(|name| kernel.function(name).ok())
            .map(|f| listing(kernel, &f, variable, "on the way to the callback"))
            .filter(|listing| listing.rows.iter().any(|row| !row.mark.is_empty()));
        listings.extend(on_the_way);
        Ok(listings)
    }

    fn stack(&self, cpu: u32, cancelled: &Cancelled) -> Result<StackText, String> {
        let kernel = self.kernel()?;
        let cpu = CpuId(cpu);
        let mut parts = vec![registers(kernel, cpu)];
        parts.push(scan(kernel, "NMI stack", kernel.nmi_stack(cpu)));
        if cancelled.is_set() {
            return Err("cancelled".into());
        }
        match kernel.current_task(cpu) {
            Ok(task) => {
                let title = format!(
                    "Stack of the task {} (pid {})",
                    Text::new(task.comm),
                    task.pid
                );
                parts.push(scan(kernel, &title, kernel.task_stack(task.address)));
            }
            Err(e) => parts.push(StackPart {
                title: "Stack of the task".into(),
                note: e.to_string(),
                words: Vec::new(),
            }),
        }
        Ok(StackText { cpu: cpu.0, parts })
    }

    fn modules(&self) -> Result<Vec<ModuleRow>, String> {
        let list = self.kernel()?.modules();
        match &list.broken {
            Some(e) if list.modules.is_empty() => Err(e.to_string()),
            _ => Ok(list.modules.iter().map(module_row).collect()),
        }
    }

    fn symbols(
        &self,
        query: &str,
        limit: usize,
        cancelled: &Cancelled,
    ) -> Result<Vec<SymbolHit>, String> {
        let query = query.to_lowercase();
        let mut best = Best::new(limit);
        for block in self.all_symbols()?.chunks(4096) {
            if cancelled.is_set() {
                return Err("cancelled".into());
            }
            for symbol in block {
                if let Some(score) = fuzzy::score(query.as_bytes(), symbol.name.as_bytes())
                    && best.takes(score)
                {
                    best.add(
                        score,
                        SymbolHit {
                            score,
                            ..symbol.clone()
                        },
                    );
                }
            }
        }
        Ok(best.into_vec())
    }

    fn memory(&self, at: &MemoryAt) -> Result<MemoryPage, String> {
        let kernel = self.kernel()?;
        let (asked, ty) = match at {
            MemoryAt::Address(at) => (*at, None),
            MemoryAt::Expression(text) => {
                let expression = expression::parse(text)?;
                (
                    resolve(kernel, &expression)?,
                    typed::type_of(kernel, &expression)?,
                )
            }
        };
        let start = asked & !(PAGE.wrapping_sub(1));
        let bytes = kernel
            .space()
            .bytes(VirtAddr(start), PAGE as usize)
            .map_err(|e| e.to_string())?;
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |word, byte| (word << 8) | u64::from(*byte))
        };
        let named = |value: u64| {
            (
                value,
                is_kernel_address(value)
                    .then(|| name(kernel, value))
                    .flatten(),
            )
        };
        let words = bytes.chunks_exact(8).map(word).map(named).collect();
        let mut page = MemoryPage {
            start,
            asked,
            name: name(kernel, asked),
            words,
            ..MemoryPage::default()
        };
        if let Some(ty) = ty {
            let (label, members) = typed::members(kernel, VirtAddr(asked), ty);
            page.type_name = Some(label);
            for (offset, found) in members {
                let word = asked.wrapping_sub(start).saturating_add(offset) / 8;
                page.members
                    .entry(usize::try_from(word).unwrap_or(usize::MAX))
                    .or_default()
                    .extend(found);
            }
        }
        Ok(page)
    }
}

fn name(kernel: &Kernel, at: u64) -> Option<String> {
    kernel.locate(VirtAddr(at)).map(|l| l.to_string())
}

/// A name without the function's size: `name`, `name+0x10`, `name [module]`.
fn short_name(kernel: &Kernel, at: u64) -> Option<String> {
    let location = kernel.locate(VirtAddr(at))?;
    let offset = if location.offset == 0 {
        String::new()
    } else {
        format!("+{:#x}", location.offset)
    };
    let module = location.module.map_or(String::new(), |m| format!(" [{m}]"));
    Some(format!("{}{offset}{module}", location.symbol))
}

fn module_row(module: &virtopsy_kernel::Module) -> ModuleRow {
    ModuleRow {
        name: module.name.clone(),
        state: module.state.to_string(),
        refcount: module.refcount,
        address: module.address.0,
        areas: module
            .areas
            .iter()
            .map(|a| (a.base.0, a.size, a.text))
            .collect(),
        percpu: module.percpu.0,
    }
}

/// The address that an expression names.
fn resolve(kernel: &Kernel, expression: &Expression) -> Result<u64, String> {
    let base = match &expression.base {
        Base::Address(at) => *at,
        Base::Symbol(name) => symbol(kernel, name)?,
        Base::PerCpu(name, cpu) => {
            kernel
                .percpu(name, CpuId(*cpu))
                .map_err(|e| e.to_string())?
                .0
        }
    };
    Ok(base.wrapping_add(expression.offset))
}

fn symbol(kernel: &Kernel, name: &str) -> Result<u64, String> {
    let own = kernel.symbol(name);
    let in_modules = || {
        kernel
            .modules()
            .modules
            .iter()
            .find_map(|m| m.symbol(kernel, name).ok())
    };
    match own {
        Ok(at) => Ok(at.0),
        Err(e) => in_modules().map(|at| at.0).ok_or_else(|| e.to_string()),
    }
}

/// Where the CPU was when it saved its registers.
fn registers(kernel: &Kernel, cpu: CpuId) -> StackPart {
    let title = "Registers saved when the CPU was stopped".to_owned();
    let note = |note: String| StackPart {
        title: title.clone(),
        note,
        words: Vec::new(),
    };
    match kernel.crash_note(cpu) {
        Err(e) => note(e.to_string()),
        Ok(slot) => match slot.content {
            NoteContent::Empty => note("none: the CPU never ran crash_save_cpu()".into()),
            NoteContent::Invalid(why) => note(format!("not to be trusted: {why}")),
            NoteContent::Saved(regs) => {
                let at = name(kernel, regs.rip).unwrap_or_else(|| "no kernel code".into());
                let text = format!(
                    "RSP {:#x}  RFLAGS {:#x}  CS {:#x}  pid {}",
                    regs.rsp, regs.rflags, regs.cs, regs.pid
                );
                StackPart {
                    title,
                    note: text,
                    words: vec![(slot.address.0, regs.rip, format!("RIP {at}"))],
                }
            }
        },
    }
}

fn scan(kernel: &Kernel, title: &str, stack: virtopsy_kernel::Result<Stack>) -> StackPart {
    match stack {
        Err(e) => StackPart {
            title: title.into(),
            note: e.to_string(),
            words: Vec::new(),
        },
        Ok(stack) => {
            let all = kernel.code_words(&stack);
            let more = all.len().saturating_sub(MOST_WORDS);
            let more = if more > 0 {
                format!(", {more} more code addresses")
            } else {
                String::new()
            };
            let note = format!("{:#x} to {:#x}{more}", stack.bottom.0, stack.top.0);
            let words = all
                .into_iter()
                .take(MOST_WORDS)
                .map(|w| (w.at.0, w.value.0, w.location.to_string()))
                .collect();
            StackPart {
                title: title.into(),
                note,
                words,
            }
        }
    }
}

/// The callback itself, wherever it lies.
fn callback_code(kernel: &Kernel, at: VirtAddr) -> Listing {
    let Some(location) = kernel.locate(at) else {
        let title = format!("{:#x}", at.0);
        return Listing {
            title,
            note: "the callback: no symbol holds this address".into(),
            rows: Vec::new(),
        };
    };
    let start = VirtAddr(at.0.wrapping_sub(location.offset));
    let size = location.size.unwrap_or(128).min(LONGEST_CODE);
    match kernel.space().bytes(start, size as usize) {
        Err(e) => Listing {
            title: location.to_string(),
            note: format!("the callback: {e}"),
            rows: Vec::new(),
        },
        Ok(bytes) => {
            let module = location
                .module
                .as_ref()
                .map_or(String::new(), |m| format!(" [{m}]"));
            let function = Function::decode(&format!("{}{module}", location.symbol), start, &bytes);
            listing(kernel, &function, None, "the callback")
        }
    }
}

fn listing(
    kernel: &Kernel,
    function: &Function,
    variable: Option<VirtAddr>,
    note: &str,
) -> Listing {
    let reads = variable
        .map(|v| function.references_to(v))
        .unwrap_or_default();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    let mut row = |i: &Instruction| {
        let mut text = String::new();
        formatter.format(i, &mut text);
        let to = target(i);
        let named =
            to.and_then(|at| short_name(kernel, at).map(|n| (at, inside(&n, &function.name))));
        let mark = mark(i, &reads, named.as_ref().map_or("", |(_, n)| n));
        CodeRow {
            address: i.ip(),
            text,
            target: named,
            mark,
        }
    };
    let rows = function.instructions().map(&mut row).collect();
    Listing {
        title: function.name.clone(),
        note: note.into(),
        rows,
    }
}

/// A place inside the function itself goes by its offset alone.
fn inside(name: &str, function: &str) -> String {
    match name.strip_prefix(function) {
        Some(offset) if offset.starts_with('+') => offset.to_owned(),
        _ => name.to_owned(),
    }
}

/// Where an instruction goes, or what it touches.
fn target(i: &Instruction) -> Option<u64> {
    match i.flow_control() {
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            Some(i.near_branch_target()).filter(|t| *t != 0)
        }
        _ if i.is_ip_rel_memory_operand() => Some(i.ip_rel_memory_address()),
        _ => None,
    }
}

/// What an instruction does on the way to the callback.
fn mark(i: &Instruction, reads: &[VirtAddr], target: &str) -> &'static str {
    let thunk = target.starts_with("__x86_indirect") || target.starts_with("__pi___x86_indirect");
    let call = matches!(
        i.flow_control(),
        FlowControl::Call | FlowControl::UnconditionalBranch
    );
    if reads.contains(&VirtAddr(i.ip())) {
        "reads the callback"
    } else if i.flow_control() == FlowControl::IndirectCall || (call && thunk) {
        "calls through a pointer"
    } else if i.flow_control() == FlowControl::IndirectBranch && !reads.is_empty() {
        "jumps through a pointer"
    } else if call && PATH.contains(&target) {
        "on to the next"
    } else {
        ""
    }
}
