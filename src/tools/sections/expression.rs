//! The small expressions of `costOptimization`: comparisons joined by `&&`, `||` and `!`.

use crate::lang::source::Span;
use crate::lang::syntax::tree::{Comparison, Condition, Operator, Place};
use crate::tools::sections::build;
use crate::tools::sections::node::Node;

/// The deepest nesting of parentheses.
const DEPTH_MAX: usize = 32;

/// An expression as a condition, or why it is none, and where.
pub(super) fn condition(node: &Node) -> Result<Condition, (Span, String)> {
    let whole = |why: String| (node.span, why);
    let tokens = tokens(node.text().ok_or_else(|| whole("it is no text".to_owned()))?).map_err(whole)?;
    let mut reader = Reader { node, tokens: &tokens, at: 0, depth: 0 };
    let read = reader.either().map_err(|why| (reader.here(), why))?;
    match reader.peek() {
        None => Ok(read),
        Some(token) => Err((reader.here(), format!("`{}` is one too many", token.words()))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

impl Token {
    fn words(&self) -> &str {
        match self {
            Self::Word(text) | Self::Number(text) | Self::Text(text) => text,
            Self::Sign(sign) => sign,
        }
    }
}

/// Longer ones first.
const SIGNS: &[&str] = &["===", "!==", "&&", "||", "<=", ">=", "==", "!=", "<", ">", "!", "(", ")"];

/// A token, and the bytes of the text that it stands at.
type Placed = (Token, usize, usize);

fn tokens(text: &str) -> Result<Vec<Placed>, String> {
    let mut found: Vec<Placed> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let start = text.len() - rest.len();
        let split = |at: usize| rest.split_at_checked(at).unwrap_or((rest, ""));
        if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
            let (number, after) = split(end);
            found.push((Token::Number(number.to_owned()), start, text.len() - after.len()));
            rest = after;
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
            let (word, after) = split(end);
            found.push((Token::Word(word.to_owned()), start, text.len() - after.len()));
            rest = after;
        } else if first == '"' || first == '\'' {
            let inner = split(1).1;
            let (words, after) = inner.split_once(first).ok_or("a text has no end")?;
            found.push((Token::Text(words.to_owned()), start, text.len() - after.len()));
            rest = after;
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is not understood"))?;
            found.push((Token::Sign(sign), start, start + sign.len()));
            rest = split(sign.len()).1;
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

struct Reader<'t> {
    node: &'t Node,
    tokens: &'t [Placed],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, ..)| token)
    }

    /// Where the token stands that comes next; the last one at the end.
    fn here(&self) -> Span {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(self.node.span, |(_, from, to)| self.node.part(*from, *to))
    }

    /// From a token to the one that was read last.
    fn since(&self, first: usize) -> Span {
        let (from, to) = (self.tokens.get(first), self.tokens.get(self.at.saturating_sub(1)));
        from.zip(to).map_or(self.node.span, |((_, from, _), (.., to))| self.node.part(*from, *to))
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(there);
        there
    }

    fn either(&mut self) -> Result<Condition, String> {
        self.joined("||", Condition::Or, Self::all)
    }

    fn all(&mut self) -> Result<Condition, String> {
        self.joined("&&", Condition::And, Self::one)
    }

    fn joined(
        &mut self,
        sign: &str,
        join: fn(Vec<Condition>, Place) -> Condition,
        part: fn(&mut Self) -> Result<Condition, String>,
    ) -> Result<Condition, String> {
        let first = self.at;
        let mut parts = vec![part(self)?];
        while self.take(sign) {
            parts.push(part(self)?);
        }
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| "it is empty".to_owned());
        }
        Ok(join(parts, Place(self.since(first))))
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it nests too deep".to_owned());
        }
        let read = self.one_inside();
        self.depth -= 1;
        read
    }

    fn one_inside(&mut self) -> Result<Condition, String> {
        let first = self.at;
        if self.take("!") {
            let inner = self.one()?;
            return Ok(Condition::Not(Box::new(inner), Place(self.since(first))));
        }
        if self.take("(") {
            let inner = self.either()?;
            return if self.take(")") { Ok(inner) } else { Err("a parenthesis has no end".to_owned()) };
        }
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(self.peek().map_or_else(
                || "something is missing at its end".to_owned(),
                |token| format!("a name is expected before `{}`", token.words()),
            ));
        };
        let field = FIELDS.iter().find(|(own, _)| *own == name);
        let Some((_, field)) = field else {
            return Err(format!("`{name}` is nothing that a request is known by here"));
        };
        self.at += 1;
        let sign = match self.peek() {
            Some(Token::Sign(sign)) if !["&&", "||", ")", "(", "!"].contains(sign) => *sign,
            _ => {
                return match field {
                    Field::Flag(field) => Ok(field.test(false, self.since(first))),
                    Field::Number(_) | Field::Word(_) => Err(format!("`{name}` is compared with nothing")),
                };
            }
        };
        self.at += 1;
        let value = self.peek().cloned().ok_or_else(|| format!("`{name} {sign}` is compared with nothing"))?;
        let at = self.here();
        self.at += 1;
        compared(*field, sign, (&value, at), self.since(first))
    }
}

/// A field that is true or false.
#[derive(Debug, Clone, Copy)]
struct Flag {
    field: &'static str,
    /// It is there, not that it is true.
    has: bool,
}

impl Flag {
    fn test(self, negated: bool, span: Span) -> Condition {
        let operator = if self.has { Operator::Has } else { Operator::Bare };
        let test = build::test(self.field, operator, false, span);
        if negated { Condition::Not(Box::new(test), Place(span)) } else { test }
    }
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Number(&'static str),
    Word(&'static str),
    Flag(Flag),
}

/// What expressions ask about, and the field that it is.
const FIELDS: &[(&str, Field)] = &[
    ("tokenCount", Field::Number("tokens")),
    ("tokens", Field::Number("tokens")),
    ("messageCount", Field::Number("messages")),
    ("maxTokens", Field::Number("max_tokens")),
    ("complexity", Field::Word("complexity")),
    ("taskType", Field::Word("task")),
    ("hasImages", Field::Flag(Flag { field: "images", has: true })),
    ("hasTools", Field::Flag(Flag { field: "tools", has: true })),
    ("stream", Field::Flag(Flag { field: "stream", has: false })),
    ("model", Field::Word("model")),
];

/// The signs of numbers, those of JavaScript too.
const COMPARISONS: &[(&str, Comparison)] = &[
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("===", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("!==", Comparison::NotEqual),
];

fn compared(field: Field, sign: &str, (value, at): (&Token, Span), span: Span) -> Result<Condition, String> {
    let comparison = COMPARISONS.iter().find(|(own, _)| *own == sign).map(|(_, comparison)| *comparison);
    let negated = match comparison {
        Some(Comparison::Equal) => Some(false),
        Some(Comparison::NotEqual) => Some(true),
        _ => None,
    };
    match (field, value, comparison, negated) {
        (Field::Number(field), Token::Number(number), Some(comparison), _) => {
            let value = build::number(number, at);
            Ok(build::test(field, Operator::Compare(comparison, value), false, span))
        }
        (Field::Word(field), Token::Text(text), _, Some(negated)) => {
            let value = if field == "model" { build::words(text, at) } else { build::class(member(field, text)?, at) };
            Ok(build::test(field, Operator::Is(value), negated, span))
        }
        (Field::Flag(flag), Token::Word(word), _, Some(negated)) if word == "true" || word == "false" => {
            Ok(flag.test(negated == (word == "true"), span))
        }
        (Field::Number(name) | Field::Word(name) | Field::Flag(Flag { field: name, .. }), value, ..) => {
            Err(format!("`{name}` cannot be compared by `{sign}` with `{}`", value.words()))
        }
    }
}

/// A class of the labels that every program has, by the words that configurations use.
pub(super) fn member(field: &str, word: &str) -> Result<&'static str, String> {
    let known: &[(&str, &str)] = match field {
        "complexity" => {
            &[("low", "low"), ("simple", "low"), ("medium", "medium"), ("high", "high"), ("complex", "high")]
        }
        _ => &[
            ("code", "code"),
            ("coding", "code"),
            ("code_generation", "code"),
            ("debug", "debug"),
            ("debugging", "debug"),
            ("documentation", "documentation"),
            ("analysis", "analysis"),
            ("creative", "creative"),
            ("general", "general"),
        ],
    };
    let folded = word.to_lowercase();
    let found = known.iter().find(|(own, _)| *own == folded).map(|(_, class)| *class);
    found.ok_or_else(|| format!("`{field}` has no class `{word}`"))
}
