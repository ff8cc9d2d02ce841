//! Where distributions put the files of a kernel.

use std::path::{Path, PathBuf};

use super::{Search, boots};

/// A vmlinux by release, below a root (`REL` stands for the release): Debian
/// and Ubuntu (`-dbg`, `-dbgsym`), Fedora and RHEL (`kernel-debuginfo`), SUSE
/// (also packed, in `/boot` or below `/usr/lib/modules`), Arch, Gentoo, own
/// builds.
const VMLINUX: [&str; 24] = [
    "usr/lib/debug/boot/vmlinux-REL",
    "usr/lib/debug/lib/modules/REL/vmlinux",
    "usr/lib/debug/usr/lib/modules/REL/vmlinux",
    "usr/lib/debug/usr/lib/modules/REL/vmlinux.debug",
    "usr/lib/debug/boot/vmlinux-REL.debug",
    "boot/vmlinux-REL",
    "lib/modules/REL/build/vmlinux",
    "lib/modules/REL/vmlinux",
    "usr/lib/modules/REL/build/vmlinux",
    "usr/lib/modules/REL/vmlinux",
    "usr/lib/debug/lib/modules/REL/vmlinux.debug",
    "usr/src/debug/linux/vmlinux",
    "usr/src/linux-REL/vmlinux",
    "usr/src/linux-headers-REL/vmlinux",
    "boot/vmlinux-REL.xz",
    "boot/vmlinux-REL.zst",
    "boot/vmlinux-REL.gz",
    "usr/lib/modules/REL/vmlinux.xz",
    "usr/lib/modules/REL/vmlinux.zst",
    "usr/lib/modules/REL/vmlinux.gz",
    "lib/modules/REL/vmlinux.xz",
    // What boots has no symbols and no DWARF, but the build-id and BTF.
    "boot/vmlinuz-REL",
    "lib/modules/REL/vmlinuz",
    "usr/lib/modules/REL/vmlinuz",
];

/// Where those packages have their debug files.
pub(super) const DEBUG: &str = "usr/lib/debug";

/// The same below a folder laid out like `/usr/lib/debug`.
const VMLINUX_DEBUG: [&str; 8] = [
    "boot/vmlinux-REL",
    "lib/modules/REL/vmlinux",
    "lib/modules/REL/vmlinux.debug",
    "usr/lib/modules/REL/vmlinux",
    "usr/lib/modules/REL/vmlinux.debug",
    "boot/vmlinux-REL.debug",
    "vmlinux-REL",
    "vmlinux",
];

/// Folders with the modules of a release. Those with debug info come first.
pub(super) const MODULES: [&str; 5] = [
    "usr/lib/debug/lib/modules/REL",
    "usr/lib/debug/usr/lib/modules/REL",
    "lib/modules/REL",
    "usr/lib/modules/REL",
    "REL",
];

impl Search {
    /// All places of a vmlinux but those that the user gave, in order.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let mut places = Vec::new();
        for folder in &self.debug_dirs {
            places.extend(self.by_build_id().map(|path| folder.join(path)));
            places.extend(
                self.by_release(&VMLINUX_DEBUG)
                    .map(|path| folder.join(path)),
            );
            // A distribution's package, unpacked there.
            places.extend(self.below_root(folder));
        }
        if let Some(folder) = self.dump.as_deref().and_then(std::path::Path::parent) {
            places.push(folder.join("vmlinux"));
            places.extend(
                self.by_release(&["vmlinux-REL"])
                    .map(|path| folder.join(path)),
            );
            places.push(folder.join("vmlinux.debug"));
            places.extend(
                self.by_release(&["vmlinuz-REL", "vmlinuz"])
                    .map(|path| folder.join(path)),
            );
        }
        if let Some(root) = &self.system_root {
            places.extend(self.below_root(root));
        }
        // What boots has the least in it, wherever it is; the order is kept otherwise.
        places.sort_by_key(|path| boots(path));
        places
    }

    /// The places that distributions use, below a folder that is laid out like `/`.
    fn below_root(&self, root: &Path) -> impl Iterator<Item = PathBuf> {
        let debug = self.by_build_id().map(|path| root.join(DEBUG).join(path));
        let places = self.by_release(&VMLINUX).map(|path| root.join(path));
        debug.into_iter().chain(places)
    }

    /// The vmlinux by its build-id.
    fn by_build_id(&self) -> Option<String> {
        by_build_id(self.build_id.as_deref()?)
    }

    fn by_release<'a>(&'a self, patterns: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let release = self.safe_release();
        patterns.iter().filter_map(move |pattern| {
            if pattern.contains("REL") {
                Some(pattern.replace("REL", release?))
            } else {
                Some((*pattern).to_owned())
            }
        })
    }

    /// The release, if it can be part of a path: a dump must not lead elsewhere.
    pub(super) fn safe_release(&self) -> Option<&str> {
        let release = self.release.as_deref()?;
        let safe =
            !release.is_empty() && !release.starts_with('.') && !release.contains(['/', '\0']);
        safe.then_some(release)
    }
}

/// `.build-id/xx/yyyy.debug`.
pub(super) fn by_build_id(id: &str) -> Option<String> {
    let hex = id.len() > 2 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (first, rest) = id.split_at_checked(2).filter(|_| hex)?;
    Some(format!(".build-id/{first}/{rest}.debug"))
}
