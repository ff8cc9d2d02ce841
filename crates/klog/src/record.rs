//! The printk ring buffer's records (`struct printk_info`, 5.10 and later).

/// One record of the ring buffer.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its text, which may hold several lines; the closing newline is not part of it.
    pub text: &'a [u8],
    /// Nanoseconds since boot.
    pub timestamp_ns: Option<u64>,
    /// `T91` or `C0`.
    pub caller: Option<String>,
    /// Log level, 0 to 7.
    pub level: Option<u8>,
    /// Sequence number.
    pub seq: u64,
    /// LOG_CONT: it was printed with KERN_CONT.
    pub cont: bool,
    /// LOG_NEWLINE: its text ended in a newline.
    pub newline: bool,
}
