//! What the environment says of places outside the dump: where to unpack. The libraries read none
//! of it.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virtopsy::Unpack;

use crate::args::Common;
use crate::progress;

/// Where a dump that is packed whole is unpacked: `--unpack-dir`, else `TMPDIR`, else `/var/tmp`,
/// which is on a disk where `/tmp` may be memory.
pub(crate) fn unpack(common: &Common) -> Unpack {
    let folder = common
        .unpack_dir
        .clone()
        .or_else(|| absolute(std::env::var_os("TMPDIR")))
        .unwrap_or_else(|| {
            let disk = Path::new("/var/tmp");
            if disk.is_dir() {
                disk.to_owned()
            } else {
                std::env::temp_dir()
            }
        });
    Unpack::into_folder(folder).with_progress(Arc::new(|done, of| {
        progress::waiting("unpacking", done, Some(of));
        ControlFlow::Continue(())
    }))
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}
