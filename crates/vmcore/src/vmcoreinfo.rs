//! VMCOREINFO: what the kernel tells about itself for those who read its dump.
//!
//! ```text
//! OSRELEASE=6.12.41+deb13-amd64
//! BUILD-ID=8f1c…
//! PAGESIZE=4096
//! SYMBOL(init_uts_ns)=ffffffffa5c2a0c0     run-time address, hexadecimal without 0x
//! OFFSET(page.flags)=0                     bytes, decimal
//! NUMBER(phys_base)=3317694464             decimal, may be negative; 0x… is read too
//! KERNELOFFSET=23400000                    hexadecimal without 0x
//! ```
//!
//! Source: Documentation/admin-guide/kdump/vmcoreinfo.rst of the kernel (text since 2.6.24).

/// The lines of a VMCOREINFO note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmcoreInfo {
    raw: String,
}

impl VmcoreInfo {
    /// Reads the text. Whatever is no `KEY=VALUE` line is passed over; bytes that are no UTF-8
    /// are replaced, NULs end lines.
    #[must_use]
    pub fn parse(text: &[u8]) -> VmcoreInfo {
        let raw = String::from_utf8_lossy(text)
            .replace('\0', "\n")
            .trim_end_matches('\n')
            .to_owned();
        VmcoreInfo { raw }
    }

    /// All `(key, value)` lines in their order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.raw.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            (!key.is_empty()).then_some((key, value.trim_end_matches('\r')))
        })
    }

    /// All keys in their order: `OSRELEASE`, `SYMBOL(prb)`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|(key, _)| key)
    }

    /// The value of a whole key, as it stands: `get("SYMBOL(prb)")`. The first line counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The value of `KIND(name)`.
    fn of(&self, kind: &str, name: &str) -> Option<&str> {
        self.entries()
            .find(|(key, _)| {
                key.strip_prefix(kind)
                    .and_then(|key| key.strip_prefix('('))
                    .and_then(|key| key.strip_suffix(')'))
                    == Some(name)
            })
            .map(|(_, value)| value)
    }

    /// `SYMBOL(name)`: a virtual address of the running kernel, KASLR included.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        hex(self.of("SYMBOL", name)?)
    }

    /// `NUMBER(name)`: decimal, or hexadecimal after `0x`; above `i64::MAX` it wraps.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        let value = self.of("NUMBER", name)?.trim();
        if let Some(digits) = value
            .strip_prefix("0x")
            .or_else(|| value.strip_prefix("0X"))
        {
            return u64::from_str_radix(digits, 16).ok().map(u64::cast_signed);
        }
        value
            .parse()
            .ok()
            .or_else(|| value.parse().ok().map(u64::cast_signed))
    }

    /// `SIZE(name)`: bytes.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<u64> {
        self.of("SIZE", name)?.trim().parse().ok()
    }

    /// `OFFSET(name)`, name as `struct.member`: bytes from the structure's start.
    #[must_use]
    pub fn offset(&self, name: &str) -> Option<u64> {
        self.of("OFFSET", name)?.trim().parse().ok()
    }

    /// `LENGTH(name)`: elements of an array.
    #[must_use]
    pub fn length(&self, name: &str) -> Option<u64> {
        self.of("LENGTH", name)?.trim().parse().ok()
    }

    /// `OSRELEASE`: what `uname -r` said.
    #[must_use]
    pub fn os_release(&self) -> Option<&str> {
        self.get("OSRELEASE")
    }

    /// `BUILD-ID` of vmlinux, lower-case hexadecimal; since 5.9.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.get("BUILD-ID")
    }

    /// `KERNELOFFSET`: how far KASLR moved the kernel's addresses, in bytes.
    #[must_use]
    pub fn kernel_offset(&self) -> Option<u64> {
        hex(self.get("KERNELOFFSET")?)
    }

    /// `CRASHTIME`: seconds since 1970, written when the kernel panicked; absent where nothing
    /// crashed.
    #[must_use]
    pub fn crash_time(&self) -> Option<u64> {
        self.get("CRASHTIME")?.trim().parse().ok()
    }

    /// `PAGESIZE` in bytes.
    #[must_use]
    pub fn page_size(&self) -> Option<u64> {
        self.get("PAGESIZE")?.trim().parse().ok()
    }

    /// The whole text.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }
}

/// A hexadecimal number with or without `0x`.
fn hex(value: &str) -> Option<u64> {
    let value = value.trim();
    u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"OSRELEASE=7.2.13\nBUILD-ID=00ff\nPAGESIZE=4096\n\xff\xfejunk\n=x\n\
        SYMBOL(prb)=ffffffff82e4d3a0\nNUMBER(phys_base)=-16777216\nNUMBER(sme_mask)=0x800000000000\n\
        SIZE(list_head)=16\nOFFSET(page.flags)=0\nLENGTH(mem_section)=2048\nKERNELOFFSET=1d000000\n\
        NUMBER(big)=18446744073709551615\nCRASHTIME=1700000000\nOSRELEASE=second\0\0\0";

    #[test]
    fn every_kind_of_key_is_read_in_its_own_base() {
        let info = VmcoreInfo::parse(TEXT);
        assert_eq!(info.os_release(), Some("7.2.13"));
        assert_eq!(info.build_id(), Some("00ff"));
        assert_eq!(info.page_size(), Some(4096));
        assert_eq!(info.symbol("prb"), Some(0xffff_ffff_82e4_d3a0));
        assert_eq!(info.number("phys_base"), Some(-16_777_216));
        assert_eq!(info.number("sme_mask"), Some(0x8000_0000_0000));
        assert_eq!(info.number("big"), Some(-1));
        assert_eq!(info.size("list_head"), Some(16));
        assert_eq!(info.offset("page.flags"), Some(0));
        assert_eq!(info.length("mem_section"), Some(2048));
        assert_eq!(info.kernel_offset(), Some(0x1d00_0000));
        assert_eq!(info.crash_time(), Some(1_700_000_000));
    }

    #[test]
    fn junk_lines_are_passed_over() {
        let info = VmcoreInfo::parse(TEXT);
        assert_eq!(info.symbol("nothing"), None);
        assert_eq!(info.get("SYMBOL(prb"), None);
        assert_eq!(info.keys().count(), 13);
        assert_eq!(VmcoreInfo::parse(&[0xff; 64]).entries().count(), 0);
    }
}
