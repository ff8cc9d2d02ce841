//! Little-endian fields of an on-disk record, read by their offset and checked against its end.

/// The bytes of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// `N` bytes at offset `at`; `None` past the record's end.
    pub(crate) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes(at, N)?.try_into().ok()
    }

    /// `len` bytes at offset `at`; `None` past the record's end.
    pub(crate) fn bytes(self, at: usize, len: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(len)?)
    }

    pub(crate) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(crate) fn i32(self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_le_bytes)
    }

    pub(crate) fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// Text in a field of `len` bytes, up to the first NUL; what is not UTF-8 is replaced.
    pub(crate) fn text(self, at: usize, len: usize) -> Option<String> {
        let bytes = self.bytes(at, len)?;
        let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
        bytes
            .get(..end)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }
}
