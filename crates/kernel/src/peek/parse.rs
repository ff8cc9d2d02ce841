//! The grammar of path expressions, by recursive descent.
//!
//! ```text
//!  input   := number ':' number | unary
//!  unary   := '*' unary | '&' unary | '(' type ')' operand | path
//!  operand := number step* | unary                   a cast binds before the steps of a number
//!  path    := primary step*
//!  primary := number | name (':' name)? | 'percpu' '(' name (':' name)? ',' number ')' | '(' unary ')'
//!  step    := '.' name | '->' name | '[' number ']' | '[' number '..' number ']'
//!  type    := ('struct' | 'union' | 'enum')? name+ '*'*
//! ```
//! In `(type) name`, what is in the parentheses is a type if a star or one of the three words is
//! there, or if an operand follows.

/// Longest expression.
const MAX_TEXT: usize = 4096;
/// Deepest nest of parentheses, casts and stars.
const MAX_DEPTH: u32 = 32;
/// Most steps of a path.
const MAX_STEPS: usize = 256;

/// What an expression says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A number: an address, for casts.
    Number(u64),
    /// A variable, of a module or of the kernel.
    Variable {
        /// The module it is looked for in; `None`: the kernel, then all modules.
        module: Option<String>,
        /// Its name.
        name: String,
    },
    /// A CPU's copy of a per-CPU variable.
    PerCpu {
        /// As for [`Expression::Variable`].
        module: Option<String>,
        /// Its name.
        name: String,
        /// The CPU.
        cpu: u32,
    },
    /// A member.
    Member(Box<Expression>, String),
    /// An element.
    Index(Box<Expression>, u64),
    /// Elements from the first number up to, but without, the second.
    Range(Box<Expression>, u64, u64),
    /// What a pointer points to.
    Deref(Box<Expression>),
    /// Where something is.
    AddressOf(Box<Expression>),
    /// The same as another type.
    Cast(TypeName, Box<Expression>),
    /// Bytes as they are: address and count.
    Bytes(u64, u64),
}

/// A type as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// `struct task_struct`, `u64`, `unsigned long`.
    pub name: String,
    /// How many stars follow.
    pub stars: u32,
}

/// Where an expression makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes from its start.
    pub at: usize,
    /// What would have made sense.
    pub expected: &'static str,
}

/// Reads an expression.
///
/// # Errors
/// Where it makes no sense.
pub fn parse(text: &str) -> Result<Expression, ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError {
            at: MAX_TEXT,
            expected: "a shorter expression",
        });
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let expression = parser.input()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("a member, an index, or the end"));
    }
    Ok(expression)
}

/// A type's name as a whole text, such as those of the built-in table.
pub(super) fn parse_type(text: &str) -> Option<TypeName> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let ty = parser.type_name().ok()?;
    parser.space();
    (parser.at == text.len()).then_some(ty)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
}

type Parsed<T> = Result<T, ParseError>;

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, expected: &'static str) -> ParseError {
        ParseError {
            at: self.at,
            expected,
        }
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn need(&mut self, token: &'static str) -> Parsed<()> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.error(token))
        }
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        self.space();
        let rest = self.rest();
        let len = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// A name in C. Names of symbols may hold dots, as in `cpus_stopped.1`: a dot that a digit
    /// follows belongs to the name.
    fn name(&mut self) -> Parsed<String> {
        let start = self.at;
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            self.at = start;
            return Err(self.error("a name"));
        }
        let mut name = word.to_owned();
        while let Some(digits) = self.rest().strip_prefix('.') {
            let len = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            if len == 0 {
                break;
            }
            self.at += len + 1;
            name.push('.');
            name.push_str(digits.get(..len).unwrap_or_default());
        }
        Ok(name)
    }

    fn number(&mut self) -> Parsed<u64> {
        self.space();
        let start = self.at;
        let word = self
            .word(|c| c.is_ascii_alphanumeric() || c == '_')
            .replace('_', "");
        let parsed = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => word.parse(),
        };
        parsed.map_err(|_| ParseError {
            at: start,
            expected: "a number, 0x… or decimal",
        })
    }

    fn is_number(&mut self) -> bool {
        self.space();
        self.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    fn input(&mut self) -> Parsed<Expression> {
        let start = self.at;
        if self.is_number() {
            let address = self.number()?;
            if self.take(":") {
                return Ok(Expression::Bytes(address, self.number()?));
            }
            self.at = start;
        }
        self.unary()
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("fewer parentheses and stars"));
        }
        let found = if self.take("*") {
            Expression::Deref(Box::new(self.unary()?))
        } else if self.take("&") {
            Expression::AddressOf(Box::new(self.unary()?))
        } else if let Some(ty) = self.cast() {
            if self.is_number() {
                let cast = Expression::Cast(ty, Box::new(Expression::Number(self.number()?)));
                self.steps(cast)?
            } else {
                Expression::Cast(ty, Box::new(self.unary()?))
            }
        } else {
            let primary = self.primary()?;
            self.steps(primary)?
        };
        self.depth -= 1;
        Ok(found)
    }

    /// `(type)` before an operand; otherwise nothing is taken.
    fn cast(&mut self) -> Option<TypeName> {
        let start = self.at;
        let found = self.cast_or_none();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn cast_or_none(&mut self) -> Option<TypeName> {
        if !self.take("(") {
            return None;
        }
        let ty = self.type_name().ok()?;
        if !self.take(")") {
            return None;
        }
        let certain = ty.stars > 0 || ty.name.contains(' ');
        self.space();
        let operand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | '*' | '&');
        (certain || self.rest().starts_with(operand)).then_some(ty)
    }

    fn type_name(&mut self) -> Parsed<TypeName> {
        let mut words = vec![self.name()?];
        while let Some(word) = self.next_word() {
            words.push(word);
        }
        let mut stars = 0;
        while self.take("*") {
            stars += 1;
            if stars > MAX_DEPTH {
                return Err(self.error("fewer stars"));
            }
        }
        Ok(TypeName {
            name: words.join(" "),
            stars,
        })
    }

    fn next_word(&mut self) -> Option<String> {
        self.space();
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        if self.rest().starts_with(starts) {
            self.name().ok()
        } else {
            None
        }
    }

    fn primary(&mut self) -> Parsed<Expression> {
        if self.is_number() {
            return Ok(Expression::Number(self.number()?));
        }
        if self.take("(") {
            let inner = self.unary()?;
            self.need(")")?;
            return Ok(inner);
        }
        let first = self
            .name()
            .map_err(|_| self.error("a variable, a number, or ("))?;
        if first == "percpu" && self.take("(") {
            let (module, name) = self.scoped()?;
            self.need(",")?;
            let at = self.at;
            let cpu = u32::try_from(self.number()?);
            let cpu = cpu.map_err(|_| ParseError {
                at,
                expected: "the number of a CPU",
            })?;
            self.need(")")?;
            return Ok(Expression::PerCpu { module, name, cpu });
        }
        let (module, name) = self.in_module(first)?;
        Ok(Expression::Variable { module, name })
    }

    fn scoped(&mut self) -> Parsed<(Option<String>, String)> {
        self.space();
        let first = self.name()?;
        self.in_module(first)
    }

    fn in_module(&mut self, first: String) -> Parsed<(Option<String>, String)> {
        if self.take(":") {
            Ok((Some(first), self.name()?))
        } else {
            Ok((None, first))
        }
    }

    fn steps(&mut self, from: Expression) -> Parsed<Expression> {
        let mut here = from;
        for _ in 0..MAX_STEPS {
            if self.take("->") || (!self.rest_is_range() && self.take(".")) {
                here = Expression::Member(Box::new(here), self.name_of_member()?);
            } else if self.take("[") {
                here = self.index(here)?;
            } else {
                return Ok(here);
            }
        }
        Err(self.error("fewer steps"))
    }

    fn rest_is_range(&mut self) -> bool {
        self.space();
        self.rest().starts_with("..")
    }

    fn name_of_member(&mut self) -> Parsed<String> {
        self.space();
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if word.is_empty() {
            Err(self.error("a member's name"))
        } else {
            Ok(word.to_owned())
        }
    }

    fn index(&mut self, of: Expression) -> Parsed<Expression> {
        let first = self.number()?;
        let found = if self.take("..") {
            Expression::Range(Box::new(of), first, self.number()?)
        } else {
            Expression::Index(Box::new(of), first)
        };
        self.need("]")?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Box<Expression> {
        Box::new(Expression::Variable {
            module: None,
            name: name.to_owned(),
        })
    }

    fn member(of: Box<Expression>, name: &str) -> Box<Expression> {
        Box::new(Expression::Member(of, name.to_owned()))
    }

    fn ty(name: &str, stars: u32) -> TypeName {
        TypeName {
            name: name.to_owned(),
            stars,
        }
    }

    #[test]
    fn members_of_members_are_read_from_the_left() {
        let path = member(member(variable("init_task"), "tasks"), "next");
        assert_eq!(parse("init_task.tasks.next"), Ok(*path.clone()));
        assert_eq!(parse(" init_task . tasks->next "), Ok(*path));
    }

    #[test]
    fn percpu_takes_a_variable_and_a_cpu() {
        let percpu = |module: Option<&str>| Expression::PerCpu {
            module: module.map(str::to_owned),
            name: "svm_data".into(),
            cpu: 2,
        };
        assert_eq!(parse("percpu(svm_data, 2)"), Ok(percpu(None)));
        assert_eq!(
            parse("percpu(kvm_amd:svm_data,0x2)"),
            Ok(percpu(Some("kvm_amd")))
        );
        assert_eq!(parse("percpu.x"), Ok(*member(variable("percpu"), "x")));
    }

    #[test]
    fn indices_and_ranges_stand_in_brackets() {
        let vcpus = member(variable("kvm"), "vcpus");
        assert_eq!(
            parse("kvm.vcpus[3]"),
            Ok(Expression::Index(vcpus.clone(), 3))
        );
        assert_eq!(
            parse("kvm.vcpus[0..4]"),
            Ok(Expression::Range(vcpus.clone(), 0, 4))
        );
        let next = Expression::Member(Box::new(Expression::Index(vcpus, 3)), "next".into());
        assert_eq!(parse("kvm.vcpus[3]->next"), Ok(next));
    }

    #[test]
    fn a_cast_of_a_number_comes_before_its_members() {
        let number = Box::new(Expression::Number(0xffff_8880_0000_0000));
        let cast = Box::new(Expression::Cast(ty("struct task_struct", 1), number));
        assert_eq!(
            parse("(struct task_struct *)0xffff888000000000"),
            Ok(*cast.clone())
        );
        let comm = Expression::Member(cast, "comm".into());
        assert_eq!(
            parse("(struct task_struct*)0xffff_8880_0000_0000->comm"),
            Ok(comm.clone())
        );
        assert_eq!(
            parse("((struct task_struct *)0xffff888000000000)->comm"),
            Ok(comm)
        );
    }

    #[test]
    fn a_cast_of_a_variable_comes_after_its_members_as_in_c() {
        let stack = member(variable("init_task"), "stack");
        let cast = Expression::Cast(ty("unsigned long", 1), stack);
        assert_eq!(parse("(unsigned long *)init_task.stack"), Ok(cast.clone()));
        assert_eq!(
            parse("*(unsigned long *)init_task.stack"),
            Ok(Expression::Deref(Box::new(cast)))
        );
    }

    #[test]
    fn parentheses_around_a_variable_are_no_cast() {
        assert_eq!(
            parse("(init_task).pid"),
            Ok(*member(variable("init_task"), "pid"))
        );
        let cast = Expression::Cast(ty("pid_t", 0), variable("x"));
        assert_eq!(parse("(pid_t)x"), Ok(cast));
    }

    #[test]
    fn an_ampersand_takes_the_address_of_a_whole_path() {
        let path = member(variable("init_task"), "tasks");
        let address = Expression::AddressOf(path);
        assert_eq!(parse("&init_task.tasks"), Ok(address.clone()));
        let cast = Expression::Cast(ty("struct list_head", 1), Box::new(address));
        assert_eq!(
            parse("(struct list_head *)&init_task.tasks"),
            Ok(cast.clone())
        );
        let next = Expression::Member(Box::new(cast), "next".to_owned());
        assert_eq!(
            parse("((struct list_head *)&init_task.tasks)->next"),
            Ok(next)
        );
    }

    #[test]
    fn bytes_are_an_address_and_a_count() {
        assert_eq!(parse("0x1000:64"), Ok(Expression::Bytes(0x1000, 64)));
        assert_eq!(parse("0x1000"), Ok(Expression::Number(0x1000)));
    }

    #[test]
    fn a_dot_with_digits_behind_it_belongs_to_the_symbol() {
        assert_eq!(parse("cpus_stopped.1"), Ok(*variable("cpus_stopped.1")));
        assert_eq!(
            parse("kvm:vm_list"),
            Ok(Expression::Variable {
                module: Some("kvm".into()),
                name: "vm_list".into(),
            })
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("a.", 2),
            ("a[", 2),
            ("a[x]", 2),
            ("a[1", 3),
            ("a b", 2),
            ("percpu(a)", 8),
            ("percpu(a, 99999999999)", 9),
            ("0xzz", 0),
            ("(struct x *)", 12),
            ("(a", 2),
        ] {
            assert_eq!(parse(text).map_err(|e| e.at), Err(at), "{text}");
        }
    }

    #[test]
    fn a_nest_without_end_is_refused() {
        assert!(parse(&"(".repeat(4000)).is_err());
        assert!(parse(&"*".repeat(4000)).is_err());
        assert!(parse(&"a".repeat(5000)).is_err());
        assert!(parse(&format!("a{}", ".b".repeat(2000))).is_err());
        assert!(parse(&"(struct x *)".repeat(300)).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let alphabet: Vec<char> = "a0x1.[]()*->:,é _percpu".chars().collect();
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 24 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push(alphabet[state as usize % alphabet.len()]);
            }
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let _ = parse(&text);
        }
    }
}
