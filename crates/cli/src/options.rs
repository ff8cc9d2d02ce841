//! The options that every command takes that opens a dump, and what they mean to the library.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use virtopsy::{Debuginfod, Options, TypesChoice};

use crate::surroundings::{self, NoDebuginfod};
use crate::terminal::{Color, Look};

// What every command that opens a dump takes. (A doc comment here would become the help of virtopsy.)
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The crashed kernel's vmlinux, or a directory that holds it and its modules
    ///
    /// A vmlinux whose build-id is not the dump's is refused, with both ids shown.
    #[arg(
        long,
        global = true,
        value_name = "FILE|DIR",
        env = "VIRTOPSY_VMLINUX",
        help_heading = "Opening dumps"
    )]
    pub(crate) vmlinux: Option<PathBuf>,
    /// Types of the crashed kernel: a BTF file, an archive of them, or a directory
    ///
    /// For a kernel without BTF inside, where no vmlinux is at hand. Raw BTF as
    /// `pahole --btf_encode_detached=FILE vmlinux` writes it, also packed with xz, gzip or zstd, or
    /// a .tar.xz; a directory or archive holds those of modules, too, named after them. It is held
    /// against VMCOREINFO and the kernel's memory, and refused where it contradicts them.
    #[arg(
        long,
        global = true,
        value_name = "FILE|DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) btf: Option<PathBuf>,
    /// A tree to search for debug files by build-id; may be given several times
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIRTOPSY_DEBUG_DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) debug_dir: Vec<PathBuf>,
    /// Fetch debug files that are needed and nowhere else from the servers in DEBUGINFOD_URLS
    ///
    /// A vmlinux only where the dump has no symbols or types of its own, or `--types dwarf` asks for
    /// others; a module's file where its types are as missing, or its lines are asked for beside a
    /// vmlinux that has lines. A server learns these build-ids and nothing else. elfutils' client
    /// debuginfod-find asks them, with its own cache and settings; what it brings must have the
    /// build-id that was asked for.
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) debuginfod: bool,
    /// Where to unpack dumps that are packed whole (gzip, xz, zstd, lz4) [default: TMPDIR or /var/tmp]
    ///
    /// Needs room for the whole dump but its zeros. The file has no name and is gone with the
    /// process.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIRTOPSY_UNPACK_DIR",
        help_heading = "Opening dumps"
    )]
    pub(crate) unpack_dir: Option<PathBuf>,
    /// Where structure layouts may come from
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "SOURCE",
        help_heading = "Opening dumps"
    )]
    pub(crate) types: Types,
    /// Read files piece by piece instead of mapping them into memory; the default
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) no_mmap: bool,
    /// Map files into memory
    ///
    /// No faster where it was measured; a disk or network that fails while a file is mapped ends
    /// the process.
    #[arg(
        long,
        global = true,
        overrides_with = "no_mmap",
        help_heading = "Opening dumps"
    )]
    pub(crate) mmap: bool,
    /// Use the vmlinux although its build-id is not the dump's
    #[arg(long, global = true, help_heading = "Opening dumps")]
    pub(crate) force_vmlinux: bool,
    /// Say more: every CPU's evidence in a report, and on standard error what was tried
    ///
    /// Twice for every step. VIRTOPSY_LOG says for each part instead: `virtopsy_kernel=debug,warn`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,
    /// Leave out host names, names of tasks, addresses and text of the log
    ///
    /// For reports that are given to others. What stays: verdicts, names of functions, modules,
    /// locks and source files, the kernel's release and build-id, thread ids, and paths as given.
    /// For check, report, cpus, callback, crashes and splats.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) redact: bool,
    /// When to use colour; NO_COLOR in the environment turns `auto` off
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub(crate) color: Color,
    /// Show no progress (none is shown anyway where standard error is not a terminal)
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_progress: bool,
}

impl Common {
    /// How the library is to open dumps.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.kernel.vmlinux = self.vmlinux.clone();
        options.kernel.btf = self.btf.clone();
        options.kernel.debug_dirs = self.debug_dir.clone();
        options.dump.mmap = self.mmap && !self.no_mmap;
        options.kernel.force_vmlinux = self.force_vmlinux;
        options.dump.unpack = Some(surroundings::unpack(self.unpack_dir.clone()));
        options.kernel.debuginfod = self.debuginfod_client().and_then(Result::ok);
        options.redact = self.redact;
        options.kernel.types = match self.types {
            Types::Auto => TypesChoice::Auto,
            Types::Btf => TypesChoice::Btf,
            Types::Dwarf => TypesChoice::Dwarf,
        };
        options
    }

    /// Why `--debuginfod` can have no effect; `None`: it can, or was not given.
    pub(crate) fn debuginfod_lacks(&self) -> Option<NoDebuginfod> {
        self.debuginfod_client()?.err()
    }

    /// The client for debuginfod servers; `None`: the user does not want them asked.
    fn debuginfod_client(&self) -> Option<Result<Debuginfod, NoDebuginfod>> {
        self.debuginfod.then(surroundings::debuginfod)
    }

    /// Whether the user wants to see progress, where there is a terminal.
    pub(crate) fn wants_progress(&self) -> bool {
        !self.no_progress && !self.quiet && self.verbose == 0
    }

    /// How to print for reading on standard output.
    pub(crate) fn look(&self) -> Look {
        Look::of_stdout(self.color)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Types {
    /// BTF of the vmlinux, else BTF in the dump, else the vmlinux's DWARF
    #[default]
    Auto,
    /// BTF only
    Btf,
    /// DWARF only
    Dwarf,
}
