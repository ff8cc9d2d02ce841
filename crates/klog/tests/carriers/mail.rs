//! Mail programs: what they do to a log that was pasted into them.

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    QuotedPrintable,
    Base64,
    Html,
}

/// One mail program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// The column that lines are broken before, where there is one.
    pub(crate) width: Option<usize>,
    /// Whether a blank stays at the end of a line that was broken (format=flowed).
    pub(crate) flowed: bool,
    /// How often the text was quoted.
    pub(crate) depth: usize,
    pub(crate) encoding: Encoding,
}

impl Program {
    /// The mail that holds `lines`.
    pub(crate) fn send(&self, lines: &[String]) -> String {
        let quote = "> ".repeat(self.depth);
        let body: Vec<String> = lines
            .iter()
            .flat_map(|line| self.broken(line))
            .map(|line| format!("{quote}{line}"))
            .collect();
        let (name, body) = match self.encoding {
            Encoding::Plain => ("8bit", body.join("\n") + "\n"),
            Encoding::QuotedPrintable => (
                "quoted-printable",
                body.iter().map(|l| quoted_printable(l) + "\n").collect(),
            ),
            Encoding::Base64 => ("base64", base64(&(body.join("\n") + "\n"))),
            Encoding::Html => (
                "8bit",
                (body.join("\n") + "\n")
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;"),
            ),
        };
        format!(
            "From a Thu May  7 18:00:00 2026\nSubject: a log\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"=_1\"\n\n--=_boundary_1\n\
             Content-Type: text/plain\nContent-Transfer-Encoding: {name}\n\n{body}--=_boundary_1--\n"
        )
    }

    /// A line as it is broken at blanks.
    fn broken(&self, line: &str) -> Vec<String> {
        let Some(width) = self.width else {
            return vec![line.to_owned()];
        };
        let mut out = Vec::new();
        let mut rest = line;
        while rest.len() > width {
            let indent = rest.len() - rest.trim_start().len();
            let places = || rest.match_indices(' ').map(|(at, _)| at);
            let may = |at: &usize| *at > indent && self.may_break(rest, *at);
            let Some(at) = places()
                .rfind(|at| *at < width && may(at))
                .or_else(|| places().find(|at| *at >= width && may(at)))
            else {
                break;
            };
            let (first, behind) = rest.split_at(at);
            out.push(first.to_owned() + if self.flowed { " " } else { "" });
            rest = behind.strip_prefix(' ').unwrap_or(behind);
        }
        out.push(rest.to_owned());
        out
    }

    /// Not before `>`, which would read as a quotation; and where the blank of the break is dropped,
    /// not beside another one, whose number is lost.
    fn may_break(&self, line: &str, at: usize) -> bool {
        let (first, behind) = line.split_at(at);
        let behind = behind.strip_prefix(' ').unwrap_or(behind);
        !behind.starts_with(['>', ' ']) && (self.flowed || !first.ends_with(' '))
    }
}

fn quoted_printable(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    let last = line.len().saturating_sub(1);
    for (n, b) in line.bytes().enumerate() {
        let plain = (b' '..=b'~').contains(&b) && b != b'=' && !(b == b' ' && n == last);
        let piece = if plain {
            char::from(b).to_string()
        } else {
            format!("={b:02X}")
        };
        if column + piece.len() > 75 {
            out.push_str("=\n");
            column = 0;
        }
        column += piece.len();
        out.push_str(&piece);
    }
    out
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (n, three) in text.as_bytes().chunks(3).enumerate() {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
        if n % 19 == 18 {
            out.push('\n');
        }
    }
    out + "\n"
}
