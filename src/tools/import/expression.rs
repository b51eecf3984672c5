//! The small expressions of `costOptimization`: comparisons joined by `&&`, `||` and `!`.

use crate::lang::schema::text::quote;

/// The deepest nesting of parentheses.
const DEPTH_MAX: usize = 32;

/// An expression as a condition, or why it is none.
pub(super) fn condition(text: &str) -> Result<String, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    let read = reader.either()?;
    match reader.peek() {
        None => Ok(read.text),
        Some(token) => Err(format!("`{}` is one too many", token.words())),
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

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let split = |at: usize| rest.split_at_checked(at).unwrap_or((rest, ""));
        if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
            let (number, after) = split(end);
            found.push(Token::Number(number.to_owned()));
            rest = after;
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
            let (word, after) = split(end);
            found.push(Token::Word(word.to_owned()));
            rest = after;
        } else if first == '"' || first == '\'' {
            let inner = split(1).1;
            let (text, after) = inner.split_once(first).ok_or("a text has no end")?;
            found.push(Token::Text(text.to_owned()));
            rest = after;
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is not understood"))?;
            found.push(Token::Sign(sign));
            rest = split(sign.len()).1;
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

/// A part that was read, and what joins its own parts.
struct Part {
    text: String,
    joined: Option<&'static str>,
}

impl Part {
    /// As it stands inside of another one.
    fn inside(self, word: &'static str) -> String {
        if self.joined.is_some_and(|own| own != word) { format!("({})", self.text) } else { self.text }
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(there);
        there
    }

    fn either(&mut self) -> Result<Part, String> {
        self.joined("||", "or", Self::all)
    }

    fn all(&mut self) -> Result<Part, String> {
        self.joined("&&", "and", Self::one)
    }

    fn joined(
        &mut self,
        sign: &str,
        word: &'static str,
        part: fn(&mut Self) -> Result<Part, String>,
    ) -> Result<Part, String> {
        let mut parts = vec![part(self)?];
        while self.take(sign) {
            parts.push(part(self)?);
        }
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| "it is empty".to_owned());
        }
        let texts: Vec<String> = parts.into_iter().map(|part| part.inside(word)).collect();
        Ok(Part { text: texts.join(&format!(" {word} ")), joined: Some(word) })
    }

    fn one(&mut self) -> Result<Part, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it nests too deep".to_owned());
        }
        let read = self.one_inside();
        self.depth -= 1;
        read
    }

    fn one_inside(&mut self) -> Result<Part, String> {
        if self.take("!") {
            let inner = self.one()?;
            return Ok(Part { text: format!("not {}", inner.inside("not")), joined: None });
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
        self.at += 1;
        let field = FIELDS.iter().find(|(own, _)| *own == name);
        let Some((_, field)) = field else {
            return Err(format!("`{name}` is nothing that a request is known by here"));
        };
        let sign = match self.peek() {
            Some(Token::Sign(sign)) if !["&&", "||", ")", "(", "!"].contains(sign) => *sign,
            _ => {
                return match field {
                    Field::Flag(field) => Ok(Part { text: (*field).to_owned(), joined: None }),
                    Field::Number(_) | Field::Word(_) => Err(format!("`{name}` is compared with nothing")),
                };
            }
        };
        self.at += 1;
        let value = self.peek().cloned().ok_or_else(|| format!("`{name} {sign}` is compared with nothing"))?;
        self.at += 1;
        compared(*field, sign, &value).map(|text| Part { text, joined: None })
    }
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Number(&'static str),
    Word(&'static str),
    Flag(&'static str),
}

/// What expressions ask about, and the field that it is.
const FIELDS: &[(&str, Field)] = &[
    ("tokenCount", Field::Number("tokens")),
    ("tokens", Field::Number("tokens")),
    ("messageCount", Field::Number("messages")),
    ("maxTokens", Field::Number("max_tokens")),
    ("complexity", Field::Word("complexity")),
    ("taskType", Field::Word("task")),
    ("hasImages", Field::Flag("has images")),
    ("hasTools", Field::Flag("has tools")),
    ("stream", Field::Flag("stream")),
    ("model", Field::Word("model")),
];

fn compared(field: Field, sign: &str, value: &Token) -> Result<String, String> {
    let equal = matches!(sign, "==" | "===");
    let unequal = matches!(sign, "!=" | "!==");
    match (field, value) {
        (Field::Number(field), Token::Number(number)) => {
            let sign = if equal {
                "=="
            } else if unequal {
                "!="
            } else {
                sign
            };
            Ok(format!("{field} {sign} {number}"))
        }
        (Field::Word(field), Token::Text(text)) if equal || unequal => {
            let value = if field == "model" { quote(text) } else { member(field, text)?.to_owned() };
            Ok(format!("{field} is {}{value}", if unequal { "not " } else { "" }))
        }
        (Field::Flag(field), Token::Word(word)) if (equal || unequal) && (word == "true" || word == "false") => {
            Ok(if equal == (word == "true") { field.to_owned() } else { format!("not {field}") })
        }
        (Field::Number(name) | Field::Word(name) | Field::Flag(name), value) => {
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
