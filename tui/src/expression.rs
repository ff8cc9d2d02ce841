//! What can be typed where memory is asked for: `0xffff…`, `symbol`, `symbol+0x10`,
//! `percpu(symbol, 2)+8`, each with `as struct task_struct` behind it.

/// What an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Address(u64),
    Symbol(String),
    PerCpu(String, u32),
}

/// A base and what is added to it, modulo 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) base: Base,
    pub(crate) offset: u64,
    /// `as TYPE`: what is said to lie there.
    pub(crate) type_name: Option<String>,
}

/// Reads an expression.
///
/// # Errors
/// What can't be understood.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let (text, type_name) = match text.split_once(" as ") {
        Some((text, name)) => (
            text.trim(),
            Some(name.trim().to_owned()).filter(|n| !n.is_empty()),
        ),
        None => (text.trim(), None),
    };
    // A trace writes `name+0x10/0x20 [module]`: what stands behind the offset says nothing new.
    let text = text.split(" [").next().unwrap_or(text);
    let text = text.split('/').next().unwrap_or(text);
    let (base, offset, minus) = match text.rfind(['+', '-']) {
        Some(at) if at > 0 => {
            let (base, rest) = text.split_at(at);
            (
                base,
                rest.get(1..).unwrap_or_default(),
                rest.starts_with('-'),
            )
        }
        _ => (text, "0", false),
    };
    let offset = number(offset).ok_or_else(|| format!("{} is no offset", shown(offset)))?;
    let offset = if minus { offset.wrapping_neg() } else { offset };
    Ok(Expression {
        base: parse_base(base.trim())?,
        offset,
        type_name,
    })
}

fn parse_base(text: &str) -> Result<Base, String> {
    if let Some(inner) = text
        .strip_prefix("percpu(")
        .and_then(|t| t.strip_suffix(')'))
    {
        let (name, cpu) = inner
            .rsplit_once(',')
            .ok_or("percpu needs a symbol and a CPU: percpu(symbol, 2)")?;
        let cpu = cpu
            .trim()
            .parse()
            .map_err(|_| format!("{} is no CPU", shown(cpu)))?;
        return Ok(Base::PerCpu(name.trim().into(), cpu));
    }
    if text.starts_with("0x") || text.starts_with("ffff") {
        return number(text)
            .or_else(|| u64::from_str_radix(text, 16).ok())
            .map(Base::Address)
            .ok_or_else(|| format!("{} is no address", shown(text)));
    }
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | ':' | '<' | '>');
    if text.is_empty() || !text.chars().all(name) {
        return Err(format!(
            "{} is neither a symbol nor an address",
            shown(text)
        ));
    }
    Ok(Base::Symbol(text.into()))
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16).ok(),
        None => text.parse().ok(),
    }
}

fn shown(text: &str) -> String {
    crate::doc::safe(text.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> (Base, u64) {
        let e = parse(text).unwrap();
        (e.base, e.offset)
    }

    #[test]
    fn all_forms_are_read() {
        assert_eq!(
            read("ffffffff81000000"),
            (Base::Address(0xffff_ffff_8100_0000), 0)
        );
        assert_eq!(read("0xff+0x10"), (Base::Address(0xff), 0x10));
        assert_eq!(
            read("do_exit+0x5/0x20 [kvm]"),
            (Base::Symbol("do_exit".into()), 5)
        );
        assert_eq!(
            read("a.cold-8"),
            (Base::Symbol("a.cold".into()), 8u64.wrapping_neg())
        );
        assert_eq!(
            read("percpu(runqueues, 2)+16"),
            (Base::PerCpu("runqueues".into(), 2), 16)
        );
    }

    #[test]
    fn a_type_can_be_said() {
        let typed = parse("0xff as struct rq").unwrap();
        assert_eq!(
            (typed.base, typed.type_name.as_deref()),
            (Base::Address(0xff), Some("struct rq"))
        );
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in [
            "",
            "a b",
            "x+y",
            "percpu(a)",
            "percpu(a, b)",
            "0xzz",
            "\x1b[0m",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
