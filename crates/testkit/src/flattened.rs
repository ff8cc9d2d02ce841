//! Flattened files: a header, records of (offset, size, bytes), an end record.

/// A flattened file that is written record by record.
#[derive(Clone, Debug)]
pub struct Flattened {
    bytes: Vec<u8>,
}

impl Default for Flattened {
    fn default() -> Flattened {
        Flattened::new()
    }
}

impl Flattened {
    /// The header.
    #[must_use]
    pub fn new() -> Flattened {
        let mut bytes = b"makedumpfile\0\0\0\0".to_vec();
        bytes.extend(1_i64.to_be_bytes());
        bytes.extend(1_i64.to_be_bytes());
        bytes.resize(4096, 0);
        Flattened { bytes }
    }

    /// A record; the numbers may be senseless.
    #[must_use]
    pub fn record(mut self, offset: i64, size: i64, bytes: &[u8]) -> Flattened {
        self.bytes.extend(offset.to_be_bytes());
        self.bytes.extend(size.to_be_bytes());
        self.bytes.extend(bytes);
        self
    }

    /// The end record, and the file.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.record(-1, -1, &[]).bytes
    }

    /// The file without an end record.
    #[must_use]
    pub fn cut(self) -> Vec<u8> {
        self.bytes
    }
}

/// Flattens a file into records of `size` bytes. `order` turns the list of records around as it
/// likes.
#[must_use]
pub fn flatten(file: &[u8], size: usize, order: impl FnOnce(&mut Vec<(usize, &[u8])>)) -> Vec<u8> {
    let mut records: Vec<(usize, &[u8])> = file
        .chunks(size)
        .enumerate()
        .map(|(i, chunk)| (i * size, chunk))
        .collect();
    order(&mut records);
    let flat = records
        .into_iter()
        .fold(Flattened::new(), |flat, (at, bytes)| {
            flat.record(at as i64, bytes.len() as i64, bytes)
        });
    flat.end()
}
