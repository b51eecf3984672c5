//! What helps against a mistake: what people bring along from other languages, and how it is written here.

use crate::lang::diagnostic::secret;
use crate::lang::syntax::error::is_reserved;

/// The words that a name follows.
const NAMED: [&str; 6] = ["rule", "adjust", "pool", "label", "budget", "let"];

/// The place at which a text stopped to parse.
pub(super) struct Place<'t> {
    /// The text from there on.
    rest: &'t str,
    /// Its first word or character.
    found: &'t str,
    before: &'t str,
    /// The word before it.
    last: &'t str,
    /// The word before that one.
    last_but_one: &'t str,
    wants_name: bool,
}

impl<'t> Place<'t> {
    pub(super) fn new(text: &'t str, at: usize, found: &'t str, wants_name: bool) -> Self {
        let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let mut words = before.split_whitespace().rev();
        let (last, last_but_one) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Self { rest, found, before: before.trim_end(), last, last_but_one, wants_name }
    }

    /// How it is written instead, where that is known.
    pub(super) fn help(&self) -> Option<String> {
        self.texts().or_else(|| self.numbers()).or_else(|| self.names()).or_else(|| self.words())
    }

    fn texts(&self) -> Option<String> {
        let Self { found, last, .. } = self;
        let line = self.rest.lines().next().unwrap_or_default();
        if found.starts_with('"') && !line.get(1..).is_some_and(|line| line.contains('"')) {
            return Some("a text ends with `\"` on the line on which it begins".to_owned());
        }
        if found.starts_with('"') && matches!(*last, "or" | "and") {
            let first = self.before.rsplit('"').nth(1).unwrap_or("a");
            let all = if *last == "or" { "any" } else { "all" };
            return Some(format!("write `contains {all} [\"{first}\", {found}]`"));
        }
        let other_quote = found.starts_with(['\'', '`', '\u{201c}', '\u{201e}', '\u{ab}']);
        other_quote.then(|| "a text stands between two `\"`".to_owned())
    }

    fn numbers(&self) -> Option<String> {
        let Self { found, last, .. } = self;
        if !last.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if matches!(*found, "ms" | "s" | "min" | "h" | "d" | "k" | "M" | "%") {
            return Some(format!("a unit is glued to its number: write `{last}{found}`"));
        }
        let thousands = self.rest.strip_prefix(',')?;
        let digits = thousands.bytes().take_while(u8::is_ascii_digit).count();
        let digits = thousands.get(..digits).filter(|digits| digits.len() == 3)?;
        Some(format!("digits are parted by `_`: write `{last}_{digits}`"))
    }

    fn names(&self) -> Option<String> {
        let Self { found, last, last_but_one, .. } = self;
        if *found == "-" && self.before.ends_with(last) {
            let tail = self.rest.find(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)).unwrap_or(self.rest.len());
            let whole = format!("{last}{}", self.rest.get(..tail).unwrap_or_default());
            // With other dashes a secret would not be known as one.
            if secret::hide(&whole) != whole {
                return None;
            }
            if matches!(*last_but_one, "route" | "else" | "is") {
                return Some(format!("names of models stand in quotes: write `\"{whole}\"`"));
            }
            if NAMED.contains(last_but_one) {
                return Some(format!("a name has `_` where others have `-`: write `{}`", whole.replace('-', "_")));
            }
        }
        if found.starts_with('"') && NAMED.contains(last) {
            let name = found.trim_matches('"');
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !is_reserved(name);
            return is_name.then(|| format!("a name has no quotes: write `{last} {name}`"));
        }
        (self.wants_name && is_reserved(found))
            .then(|| format!("`{found}` is a word of the language, so that it cannot be a name"))
    }

    fn words(&self) -> Option<String> {
        let Self { found, last, last_but_one, .. } = self;
        let mut statements = self.before.split_whitespace().rev();
        let statement = statements.find(|word| matches!(*word, "when" | "given" | "expect" | "set"));
        let is_action = matches!(*found, "when" | "route" | "set" | "reject");
        let help = match *found {
            "is" | "=" | "==" | ":" if statement == Some("given") => {
                return Some(format!("a value stands right behind its field: `given {last} VALUE`"));
            }
            _ if is_action && *last == "default" => return Some(format!("write `default {{ {found} ... }}`")),
            _ if is_action && matches!(*last_but_one, "rule" | "adjust") => {
                return Some(format!("write `{last_but_one} {last} {{ {found} ... }}`"));
            }
            "default" if *last == "expect" => "write `expect rule default`",
            "/" if self.rest.starts_with("//") || self.rest.starts_with("/*") => "a comment begins with `#`",
            "=" | "-" if self.rest.get(1..2) == Some(">") => "write `route`, and the model",
            ";" => "leave it out: a statement ends where the next one begins",
            "then" => "leave it out: what is done stands behind the condition",
            "&&" | "&" => "write `and`",
            "||" | "|" => "write `or`",
            "!" => "write `not`",
            "=" => "write `==` for numbers, `is` for texts and members",
            "if" => "write `when`",
            _ => return None,
        };
        Some(help.to_owned())
    }
}
