//! The three spaces a dump knows: physical addresses, page frame numbers and file offsets.

use std::fmt;

macro_rules! space {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl $name {
            /// The value `distance` further on; `None` past the end of the space.
            #[must_use]
            pub fn checked_add(self, distance: u64) -> Option<Self> {
                self.0.checked_add(distance).map(Self)
            }
        }
    };
}

space! {
    /// A physical address of the crashed machine, in bytes.
    PhysAddr
}
space! {
    /// A page frame number: a physical address divided by the page size.
    Pfn
}
space! {
    /// A place in a dump file, in bytes from its first byte. For a flattened dump it is the place
    /// in the file that rearranging the records would give.
    FileOffset
}

impl PhysAddr {
    /// The page frame that holds this address, for pages of `page_size` bytes.
    ///
    /// A page size of zero, which no open dump has, gives frame 0.
    #[must_use]
    pub fn pfn(self, page_size: u64) -> Pfn {
        Pfn(self.0.checked_div(page_size).unwrap_or(0))
    }
}

impl Pfn {
    /// The address of the first byte of this page frame; saturates at the end of the space.
    #[must_use]
    pub fn start(self, page_size: u64) -> PhysAddr {
        PhysAddr(self.0.saturating_mul(page_size))
    }
}
