//! A layout as C with offsets and sizes in comments, the way that pahole made usual.

use std::fmt;

use super::{Layout, LayoutKind, LayoutMember};

/// The column at which a member's name starts, from its indentation.
const NAMES: usize = 27;
/// The column at which comments start.
const COMMENTS: usize = 56;

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anonymous = self.target.as_ref().map(|target| (target, &target.base));
        let has_body = !self.members.is_empty() || !self.enumerators.is_empty();
        match (self.kind, anonymous) {
            (LayoutKind::Typedef, Some((target, _))) if !has_body => {
                return writeln!(f, "typedef {target};");
            }
            (LayoutKind::Typedef, Some((_, base))) => writeln!(f, "typedef {base} {{")?,
            (LayoutKind::Other, _) => {
                let size = self.size.map(|size| format!("/* size: {size} */"));
                return writeln!(f, "{}; {}", self.name, size.unwrap_or_default());
            }
            _ => writeln!(f, "{} {{", self.name)?,
        }
        enumerators(f, &self.enumerators, 1)?;
        members(f, &self.members, 1)?;
        if self.enumerators.is_empty() {
            self.trailer(f)?;
        }
        match anonymous {
            Some((target, _)) => writeln!(f, "}} {};", target.declarator),
            None => writeln!(f, "}};"),
        }
    }
}

impl Layout {
    fn trailer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size.unwrap_or(0);
        writeln!(
            f,
            "\n\t/* size: {size}, cachelines: {}, members: {} */",
            self.cache_lines(),
            self.members.len()
        )?;
        if let Some(sums) = &self.sums {
            if sums.holes.0 > 0 {
                writeln!(
                    f,
                    "\t/* sum members: {}, holes: {}, sum holes: {} */",
                    sums.members, sums.holes.0, sums.holes.1
                )?;
            }
            if sums.bit_holes.0 > 0 {
                writeln!(
                    f,
                    "\t/* sum bitfield members: {} bits, bit holes: {}, sum bit holes: {} bits */",
                    sums.bitfields, sums.bit_holes.0, sums.bit_holes.1
                )?;
            }
            if sums.padding > 0 {
                writeln!(f, "\t/* padding: {} */", sums.padding)?;
            }
            if sums.bit_padding > 0 {
                writeln!(f, "\t/* bit_padding: {} bits */", sums.bit_padding)?;
            }
        }
        match self.last_cache_line() {
            0 => Ok(()),
            bytes => writeln!(f, "\t/* last cacheline: {bytes} bytes */"),
        }
    }
}

fn enumerators(
    f: &mut fmt::Formatter<'_>,
    enumerators: &[(String, i64)],
    depth: usize,
) -> fmt::Result {
    let widest = enumerators.iter().map(|(name, _)| name.len()).max();
    let (tabs, width) = ("\t".repeat(depth), widest.unwrap_or(0));
    for (name, value) in enumerators {
        writeln!(f, "{tabs}{name:<width$} = {value},")?;
    }
    Ok(())
}

fn members(f: &mut fmt::Formatter<'_>, all: &[LayoutMember], depth: usize) -> fmt::Result {
    for member in all {
        gap(f, member, depth)?;
        let tabs = "\t".repeat(depth);
        if !member.anonymous {
            let declaration = member.declared();
            // Deeper members give up width, so that comments stay in one column.
            let width = COMMENTS.saturating_sub(depth * 8);
            writeln!(f, "{tabs}{declaration:<width$} {}", member.place())?;
            continue;
        }
        writeln!(f, "{tabs}{} {{", member.declaration.base)?;
        members(f, &member.members, depth + 1)?;
        enumerators(f, &member.enumerators, depth + 1)?;
        let space = if member.name.is_empty() { "" } else { " " };
        let close = format!("}}{space}{};", member.declarator());
        let width = COMMENTS.saturating_sub(depth * 8);
        writeln!(f, "{tabs}{close:<width$} {}", member.place())?;
    }
    Ok(())
}

/// The hole before a member, and the cache line that begins.
fn gap(f: &mut fmt::Formatter<'_>, member: &LayoutMember, depth: usize) -> fmt::Result {
    let tabs = "\t".repeat(depth);
    let s = |n: u64| if n == 1 { "" } else { "s" };
    let (bits, bytes) = member.hole;
    if bits > 0 || bytes > 0 {
        writeln!(f)?;
    }
    if bits > 0 {
        writeln!(f, "{tabs}/* XXX {bits} bit{} hole, try to pack */", s(bits))?;
    }
    if bytes > 0 {
        let s = s(bytes);
        writeln!(f, "{tabs}/* XXX {bytes} byte{s} hole, try to pack */")?;
    }
    if bits > 0 || bytes > 0 {
        writeln!(f)?;
    }
    if let Some((line, ago)) = member.line {
        let at = line * super::LINE;
        write!(f, "{tabs}/* --- cacheline {line} boundary ({at} bytes)")?;
        if ago > 0 {
            write!(f, " was {ago} byte{} ago", s(ago))?;
        }
        writeln!(f, " --- */")?;
    }
    Ok(())
}

impl LayoutMember {
    /// The name with what makes it a pointer or an array, and a bitfield's width.
    fn declarator(&self) -> String {
        let width = self.bits.map(|(_, width)| format!(":{width}"));
        self.declaration.declarator.clone() + &width.unwrap_or_default()
    }

    fn declared(&self) -> String {
        let before = NAMES - 1;
        format!("{:<before$} {};", self.declaration.base, self.declarator())
    }

    fn place(&self) -> String {
        match self.bits {
            Some((first, _)) => format!("/* {:5}:{first:2} {:2} */", self.offset, self.size),
            None => format!("/* {:5} {:5} */", self.offset, self.size),
        }
    }
}
