//! The library behind [`crate::source`]: the one file that calls it for more than plain data.

mod memory;
mod stack;

use std::sync::{Arc, OnceLock};

use virtopsy::facts::{LogRecord, ModulesFacts, RecordState};
use virtopsy::kernel::SymbolSource as _;
use virtopsy::kernel::{Error, Kernel, SourceFrame, TaskList, VirtAddr, VmList};
use virtopsy::report::{DumpReport, ErrorReport, Text};
use virtopsy::{DumpSpec, Listing, Options, Session};

use crate::editor::SourceLine;
use crate::fuzzy::{self, Best};
use crate::source::{
    Cancelled, MemoryAt, MemoryPage, Opened, Opener, Source, StackOf, StackText, SymbolHit,
};

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
        self.session.kernel().map_err(|e| e.message())
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
        let kernel_error = self.session.kernel().err().map(|e| Text::from(e.message()));
        Opened {
            format: dump.format().to_string(),
            release,
            kernel_error,
        }
    }

    fn report(&self) -> DumpReport {
        self.session.report()
    }

    fn log(&self) -> Result<Vec<LogRecord>, String> {
        let mut log = self.session.log().map_err(|e| e.message())?;
        log.records.retain(|r| r.state == RecordState::Committed);
        Ok(log.records)
    }

    fn code(&self, report: &DumpReport) -> Result<Vec<Listing>, String> {
        self.session
            .code_path(&report.callback)
            .map_err(|e| e.message())
    }

    fn stack(&self, of: StackOf, cancelled: &Cancelled) -> Result<StackText, String> {
        stack::read(self.kernel()?, of, cancelled)
    }

    fn tasks(&self) -> Result<TaskList, String> {
        let tasks = self.kernel()?.tasks();
        match tasks.broken.first() {
            Some(e) if tasks.tasks.is_empty() => Err(e.to_string()),
            _ => Ok(tasks),
        }
    }

    fn modules(&self) -> Result<ModulesFacts, String> {
        let list = self.session.modules().map_err(|e| e.message())?;
        match &list.incomplete_because {
            Some(why) if list.modules.is_empty() => Err(why.to_string()),
            _ => Ok(list),
        }
    }

    fn vms(&self) -> Result<Option<VmList>, String> {
        let kernel = self.kernel()?;
        match kernel.vms() {
            Ok(vms) => Ok(Some(vms)),
            // Only where symbols and modules are known does the lack of one say that KVM is not
            // there.
            Err(Error::NoSymbol { .. })
                if kernel.symbols().is_ok() && kernel.modules().broken.is_none() =>
            {
                Ok(None)
            }
            Err(e) => Err(e.to_string()),
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

    fn line_of(&self, at: u64) -> Result<SourceLine, String> {
        let kernel = self.kernel()?;
        let frames = kernel.source_of(VirtAddr(at)).map_err(|e| e.to_string())?;
        let known = |frame: &SourceFrame| {
            Some(SourceLine {
                file: frame.file.clone()?,
                line: u32::try_from(frame.line?).ok()?,
            })
        };
        frames.iter().find_map(known).ok_or_else(|| {
            let name = name(kernel, at).unwrap_or_else(|| format!("{at:#x}"));
            format!("the debug information says no line for {name}")
        })
    }

    fn memory(&self, at: &MemoryAt) -> Result<MemoryPage, String> {
        memory::read(&self.session, at)
    }
}

fn name(kernel: &Kernel, at: u64) -> Option<String> {
    kernel.locate(VirtAddr(at)).map(|l| l.to_string())
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
