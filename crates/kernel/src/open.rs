//! From a dump to a kernel: address space, then symbols, then types.
//!
//! The address space is VMCOREINFO's, the note's or another (`discover`). Then symbols and types:
//! what the user named comes first (`--vmlinux`), then what can be found by build-id, then what
//! the dump holds itself: kallsyms, whose tables VMCOREINFO names since 6.0, and BTF, between
//! `__start_BTF` and `__stop_BTF`.

use std::sync::Arc;

use virtopsy_vmcore::Dump;

use crate::discover;
use crate::erase_info;
use crate::error::{Error, Result};
use crate::files;
use crate::given_btf;
use crate::kernel::Kernel;
use crate::options::KernelOptions;
use crate::paging::{AddressSpace, PagingMode};
use crate::parts::Parts;
use crate::tables::Tables;

impl Kernel {
    /// Opens the kernel of a dump.
    ///
    /// A vmlinux that is named comes first. Without one the dump itself is asked; files are looked
    /// for by build-id only where it lacks something, or where debug folders were named.
    ///
    /// # Errors
    /// [`Error::NoVmcoreinfo`] and [`Error::VmcoreinfoKey`] where no address can be known;
    /// [`Error::WrongVmlinux`], [`Error::WrongBtf`] and [`Error::File`] where a file that was named can't be used.
    pub fn open(dump: Arc<Dump>, options: &KernelOptions) -> Result<Kernel> {
        let mut notes = Vec::new();
        let info = discover::vmcoreinfo(&dump, options, &mut notes)?;
        let given_btf = given_btf::open(options)?;
        let given = files::given(&info, options, &mut notes)?;
        let mode = PagingMode::of(&info)?;
        let tables = Tables::new(dump.clone(), mode, &info, options.types, None, None);
        let mut parts = Parts {
            space: AddressSpace::new(dump, mode),
            build_id: info.build_id().map(str::to_lowercase),
            search: files::search(&info, options),
            vmcoreinfo: info,
            symbols: Err(Error::NoSymbols { why: String::new() }),
            types: Err(Error::NoTypes { why: String::new() }),
            tables: Arc::new(tables),
            files: None,
            given_btf,
            notes,
        };
        let named = given.is_some();
        parts.take(given, mode, options.types);
        let lacks = parts.symbols.is_err() || parts.types.is_err();
        if !named && (lacks || !options.debug_dirs.is_empty()) {
            // Nothing is fetched that could be done without.
            let servers = options.debuginfod.as_ref().filter(|_| lacks);
            let found = files::find(&parts.vmcoreinfo, options, servers);
            if found.is_some() {
                parts.take(found, mode, options.types);
            }
        }
        if let Some(given) = parts.given_btf.clone() {
            given_btf::hold(&mut parts, &given)?;
        }
        parts.say_what_kernel_it_is();
        Ok(Kernel::without_erased(parts))
    }

    /// The kernel, with what makedumpfile erased taken out of what can be read.
    fn without_erased(parts: Parts) -> Kernel {
        let text = parts.space.dump().erase_info();
        let mut kernel = Kernel::from_parts(parts);
        let Some(text) = text else {
            return kernel;
        };
        let (erased, notes) = erase_info::find(&kernel, &text);
        for erased in &erased {
            tracing::debug!(range = ?erased.range, line = erased.line, "erased");
        }
        kernel.parts.space.set_erased(erased);
        kernel.parts.notes.extend(notes);
        // What was read to find the places may have been read from them.
        Kernel::from_parts(kernel.parts)
    }
}
