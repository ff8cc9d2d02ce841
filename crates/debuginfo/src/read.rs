//! Bounds-checked little-endian reads: `None` is "not inside these bytes".

/// The `N` bytes at `offset`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    let end = offset.checked_add(N)?;
    bytes.get(offset..end)?.try_into().ok()
}

/// The byte at `offset`.
pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// The little-endian u16 at `offset`.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

/// The little-endian u32 at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

/// The little-endian u64 at `offset`.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

/// The NUL-terminated string that starts at `offset`, without its NUL.
/// `None` if `offset` lies outside, or no NUL follows within `limit` bytes.
pub(crate) fn c_str_at(bytes: &[u8], offset: usize, limit: usize) -> Option<&[u8]> {
    let rest = bytes.get(offset..)?;
    let window = rest.get(..limit.saturating_add(1)).unwrap_or(rest);
    let end = memchr::memchr(0, window)?;
    window.get(..end)
}
