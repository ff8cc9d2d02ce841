//! A place in memory in three shapes: by its type, as code, and word by word.

use virtopsy::Session;
use virtopsy::kernel::{Kernel, Location, Node, PeekLimits, Value, VirtAddr};

use super::{name, symbol};
use crate::place::Place;
use crate::source::{MemoryAt, MemoryPage, PAGE, TypedRow};
use crate::view::memory::is_kernel_address;

/// How much of a structure is shown: what lies deeper is a key away.
const LIMITS: PeekLimits = PeekLimits {
    depth: 2,
    elements: 16,
    nodes: 2000,
};

/// Reads what lies at a place.
pub(super) fn read(session: &Session, at: &MemoryAt) -> Result<MemoryPage, String> {
    let said = |e: virtopsy::Error| e.message();
    let kernel = session.kernel().map_err(said)?;
    let (asked, node) = match at {
        MemoryAt::Address(at) => (*at, typed(kernel, *at)),
        MemoryAt::Expression(text) => evaluate(kernel, text)?,
    };
    let start = asked & !(PAGE.wrapping_sub(1));
    let mut page = MemoryPage {
        start,
        asked,
        name: name(kernel, asked)
            .or_else(|| Some(kernel.percpu_place(VirtAddr(asked))?.to_string())),
        code: session.code_around(VirtAddr(asked)).map_err(said)?,
        ..MemoryPage::default()
    };
    if let Some(node) = &node {
        page.type_name = Some(node.type_name.clone()).filter(|t| !t.is_empty());
        branch(node, 0, &mut page.tree);
    }
    match words(kernel, start) {
        Ok(words) => page.words = words,
        // One row that says that it can't be read says no more than the error, and less well.
        Err(why) if page.tree.len() <= 1 => return Err(why),
        Err(_) => {}
    }
    Ok(page)
}

/// What is known to lie at an address: the variable that begins there.
fn typed(kernel: &Kernel, at: u64) -> Option<Node> {
    let text = match kernel.locate(VirtAddr(at)) {
        Some(location) if location.offset > 0 => return None,
        Some(Location {
            module: Some(module),
            symbol,
            ..
        }) => format!("{module}:{symbol}"),
        Some(location) => location.symbol,
        None => kernel
            .percpu_place(VirtAddr(at))
            .filter(|found| found.offset == 0)?
            .to_string(),
    };
    let node = kernel.peek(&text, LIMITS).ok()?;
    (node.address == Some(VirtAddr(at)) && has_type(&node)).then_some(node)
}

fn has_type(node: &Node) -> bool {
    !matches!(node.value, Value::Bytes(..))
}

/// The address that an expression comes to, and what lies there.
fn evaluate(kernel: &Kernel, text: &str) -> Result<(u64, Option<Node>), String> {
    if let Some((base, offset)) = code_location(text) {
        let at = symbol(kernel, base)?.wrapping_add(offset);
        return Ok((at, typed(kernel, at)));
    }
    let node = match kernel.peek(text, LIMITS) {
        Ok(node) => node,
        // A name with characters that no expression has, such as `a.cold`.
        Err(e) => {
            return symbol(kernel, text)
                .map(|at| (at, None))
                .map_err(|_| e.to_string());
        }
    };
    match (node.address, &node.value) {
        (Some(at), _) => Ok((at.0, Some(node).filter(has_type))),
        // A pointer that stands nowhere, such as a cast number: what it points to is meant.
        (None, Value::Pointer { to, .. }) => {
            let target = kernel.peek(&format!("*({text})"), LIMITS).ok();
            Ok((to.0, target.filter(has_type)))
        }
        (None, Value::Integer { value, .. }) => Ok((*value, typed(kernel, *value))),
        _ => Ok((0, Some(node))),
    }
}

/// `name+0x10`, as traces write it: `name+0x10/0x20 [module]`. What stands behind the offset says
/// nothing new.
pub(super) fn code_location(text: &str) -> Option<(&str, u64)> {
    let (base, rest) = text.trim().split_once('+')?;
    let offset = rest.split(['/', ' ']).next()?;
    let offset = match offset.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => offset.parse().ok()?,
    };
    Some((base.trim(), offset))
}

/// The words of a page, each with the name of what it points to.
fn words(kernel: &Kernel, start: u64) -> Result<Vec<(u64, Option<String>)>, String> {
    let bytes = kernel
        .space()
        .bytes(VirtAddr(start), PAGE as usize)
        .map_err(|e| e.to_string())?;
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u64, |word, byte| (word << 8) | u64::from(*byte))
    };
    let named = |value: u64| {
        let pointed = is_kernel_address(value).then(|| name(kernel, value));
        (value, pointed.flatten())
    };
    Ok(bytes.chunks_exact(8).map(word).map(named).collect())
}

/// A value and what it holds, one row each.
fn branch(node: &Node, depth: usize, rows: &mut Vec<TypedRow>) {
    let mut row = TypedRow {
        depth,
        name: node.name.clone(),
        type_name: node.type_name.clone(),
        address: node.address.map(|a| a.0),
        value: String::new(),
        to: None,
    };
    let inner: &[Node] = match &node.value {
        Value::Struct(members) => members,
        Value::Array { elements, count } => {
            let more = count.saturating_sub(elements.len() as u64);
            if more > 0 {
                row.value = format!("{count} elements, {more} not shown");
            }
            elements
        }
        value => {
            (row.value, row.to) = leaf(node, value);
            &[]
        }
    };
    rows.push(row);
    for node in inner {
        branch(node, depth.saturating_add(1), rows);
    }
}

/// A value without parts, in words, and what it leads to.
fn leaf(node: &Node, value: &Value) -> (String, Option<Place>) {
    match value {
        Value::Integer {
            value,
            signed: true,
        } => ((*value as i64).to_string(), None),
        Value::Integer { value, .. } if *value < 10 => (value.to_string(), None),
        Value::Integer { value, .. } => (format!("{value} ({value:#x})"), None),
        Value::Boolean(value) => (value.to_string(), None),
        Value::Enumerator {
            name: Some(name),
            value,
        } => (format!("{name} ({value})"), None),
        Value::Enumerator { name: None, value } => (format!("{value} (no enumerator)"), None),
        Value::Pointer { to, .. } if to.0 == 0 => ("NULL".into(), None),
        Value::Pointer { to, symbol, text } => {
            let symbol = symbol
                .as_ref()
                .map_or(String::new(), |s| format!("  <{s}>"));
            let text = text.as_ref().map_or(String::new(), |text| {
                format!("  \"{}\"", virtopsy::report::escape(text))
            });
            let target = node.type_name.strip_suffix('*').map(str::trim);
            (format!("{:#x}{symbol}{text}", to.0), Some(at(target, to.0)))
        }
        Value::Text(bytes) => (format!("\"{}\"", virtopsy::report::escape(bytes)), None),
        Value::Unreadable(e) => (format!("! {e}"), None),
        Value::Omitted => (
            "{ more }".into(),
            node.address.map(|a| at(Some(&node.type_name), a.0)),
        ),
        _ => (String::new(), None),
    }
}

/// An address, with what lies there where that has a name.
fn at(type_name: Option<&str>, address: u64) -> Place {
    let said = |name: &&str| {
        !matches!(
            *name,
            "" | "void" | "char" | "struct" | "union" | "enum" | "function" | "?"
        ) && !name.contains(['[', '(', '…'])
    };
    match type_name.filter(said) {
        Some(name) => Place::Expression(format!("*({name} *){address:#x}")),
        None => Place::Memory(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_function_is_read_as_traces_write_it() {
        assert_eq!(
            code_location("do_exit+0x5/0x20 [kvm]"),
            Some(("do_exit", 5))
        );
        assert_eq!(code_location("a.cold + 8"), None);
        assert_eq!(code_location("a.cold+8"), Some(("a.cold", 8)));
        for text in ["init_task", "percpu(runqueues, 2)", "x+y", "+"] {
            assert_eq!(code_location(text), None, "{text}");
        }
    }

    #[test]
    fn a_pointer_leads_to_what_its_type_says_and_a_void_pointer_to_bytes() {
        assert_eq!(
            at(Some("struct kvm"), 0xff00),
            Place::Expression("*(struct kvm *)0xff00".into())
        );
        for none in [None, Some("void"), Some("function"), Some("int (*)[3]")] {
            assert_eq!(at(none, 0xff00), Place::Memory(0xff00));
        }
    }
}
