//! Logs copied out of the source of a web page, or kept by a bug tracker as it shows them.

use crate::limits;

/// Entities that stand for the characters which HTML itself needs, and for a blank.
const ENTITIES: &[(&str, &str)] = &[
    ("lt;", "<"),
    ("gt;", ">"),
    ("amp;", "&"),
    ("quot;", "\""),
    ("apos;", "'"),
    ("nbsp;", " "),
    ("#39;", "'"),
    ("#x27;", "'"),
    ("#34;", "\""),
    ("#43;", "+"),
    ("#x2F;", "/"),
    ("#160;", " "),
];

/// Tags that text is marked up with.
const TAGS: &[&str] = &[
    "a", "b", "br", "code", "div", "em", "font", "i", "li", "p", "pre", "span", "strong", "td",
    "tr", "tt", "u",
];

/// Undoes what HTML did to a line: entities, and tags, of which `<br>` ends a line. `None`: nothing.
pub(super) fn text(line: &str) -> Option<String> {
    let marked = line.contains('<') && line.contains('>') && tag_in(line);
    let escaped = line.contains('&') && ENTITIES.iter().any(|(name, _)| line.contains(name));
    if !marked && !escaped {
        return None;
    }
    let plain = if marked {
        without_tags(line)
    } else {
        line.to_owned()
    };
    Some(if escaped { unescaped(&plain) } else { plain })
}

/// The tag at the start of `s`, behind its `<`: its name and what follows it.
fn tag(s: &str) -> Option<(&str, &str)> {
    let t = s.strip_prefix('/').unwrap_or(s);
    let end = t
        .bytes()
        .position(|b| !b.is_ascii_alphabetic())
        .unwrap_or(t.len());
    let (name, rest) = t.split_at_checked(end)?;
    // The kernel's own marks are in capitals.
    let known = TAGS.contains(&name);
    let near = crate::text::head(rest, limits::TAG_BYTES);
    let (attributes, _) = near.split_once('>')?;
    let after = rest.get(attributes.len().checked_add(1)?..)?;
    let shaped = attributes.is_empty() || attributes.starts_with([' ', '/']);
    (known && shaped).then_some((name, after))
}

fn tag_in(line: &str) -> bool {
    line.match_indices('<').any(|(at, _)| {
        line.get(at.saturating_add(1)..)
            .is_some_and(|rest| tag(rest).is_some())
    })
}

fn without_tags(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        if let Some((name, after)) = tag(behind) {
            if name == "br" && !after.trim().is_empty() {
                out.push('\n');
            }
            rest = after;
        } else {
            out.push('<');
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

fn unescaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let found = ENTITIES
            .iter()
            .find_map(|(name, text)| Some((text, behind.strip_prefix(name)?)));
        if let Some((text, after)) = found {
            out.push_str(text);
            rest = after;
        } else {
            out.push('&');
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn entities_and_tags_are_undone_and_what_only_looks_so_stays() {
        assert_eq!(text(" &lt;TASK&gt;").as_deref(), Some(" <TASK>"));
        assert_eq!(
            text("<pre>[    1.000000] (&amp;a-&gt;b){..}<br>x</pre>").as_deref(),
            Some("[    1.000000] (&a->b){..}\nx")
        );
        assert_eq!(
            text("<span class=\"x\">a</span>&nbsp;b").as_deref(),
            Some("a b")
        );
        for line in [
            " <TASK>",
            "(&a->b){..}",
            "[<ffffffff81000000>] f",
            "a && b; <irq>",
        ] {
            assert_eq!(text(line), None);
        }
    }
}
