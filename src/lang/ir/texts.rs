//! Tests of texts and of sets: whole values, globs, patterns, regular expressions, members.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::condition::{Atoms, Subject};
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{Atom, Member, Pattern, PatternList, Regex, Slot, TextTest};
use crate::lang::schema::fold;
use crate::lang::schema::glob::Glob;
use crate::lang::schema::suggest;
use crate::lang::schema::text::{self, Char};
use crate::lang::schema::types::Type;
use crate::lang::source::Span;
use crate::lang::syntax::tree::{self, FieldRef, Quantifier};

/// The largest compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What a regular expression counts for at least, in bytes.
const REGEX_BYTES_MIN: usize = 16 << 10;
/// What all regular expressions of a program may count for together, in bytes.
pub(super) const REGEXES_BYTES_MAX: usize = 64 << 20;

impl<'t> Resolver<'t> {
    pub(super) fn is_text(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        if let ValKind::Field(field) = value.kind {
            return self.same_text(slot, field);
        }
        let values = match value.kind {
            ValKind::List(list) => list,
            _ => vec![value],
        };
        let id = self.slot(slot.clone());
        let mut ids = Vec::with_capacity(values.len());
        for value in values {
            let ValKind::Text(chars) = &value.kind else {
                let help = matches!(value.kind, ValKind::Pattern { .. })
                    .then(|| "a pattern stands behind `contains`".to_owned());
                self.no_text(&value, help);
                return None;
            };
            let plain = text::plain(chars);
            self.check_provider(&slot, &plain, value.span);
            ids.push(self.atom(Atom::Text(id, TextTest::Is(fold::fold(&plain)))));
        }
        Some(Atoms { ids, all: false, flip: false })
    }

    pub(super) fn same_text(&mut self, slot: Slot, field: &'t FieldRef) -> Option<Atoms> {
        let Some(Subject::Slot(other)) = self.subject(field) else { return None };
        if other.ty() != Type::Text {
            let message = format!("`{}` is {}, compared with a text", field.name.text, other.ty().words());
            self.report(Diagnostic::new(&codes::TYPE_MISMATCH, field.place.0, message));
            return None;
        }
        let (left, right) = (self.slot(slot), self.slot(other));
        Some(self.one(Atom::SameText(left.min(right), left.max(right))))
    }

    /// `target.provider is "opena"` names a provider that nobody is.
    pub(super) fn check_provider(&mut self, slot: &Slot, name: &str, span: Span) {
        let is_provider = slot.fact() == Some(crate::lang::input::Fact::TargetProvider);
        if is_provider && !self.catalogue.providers.iter().any(|known| known == name) {
            let near = suggest::nearest(name, self.catalogue.providers.iter().map(String::as_str));
            let problem = Diagnostic::new(&codes::UNKNOWN_PROVIDER, span, format!("no provider is called `{name}`"))
                .meant(near, text::quote);
            let softened = if self.catalogue.configured { problem } else { problem.as_warning() };
            self.report(softened);
        }
    }

    pub(super) fn like(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        let ValKind::Text(chars) = &value.kind else {
            self.no_text(&value, None);
            return None;
        };
        let id = self.slot(slot);
        Some(self.one(Atom::Text(id, TextTest::Like(Glob::of_text(chars)))))
    }

    pub(super) fn matches(&mut self, slot: Slot, value: &'t tree::Value) -> Option<Atoms> {
        let value = self.value(value, &Members::None)?;
        let ValKind::Regex(literal) = value.kind else {
            let help = matches!(value.kind, ValKind::Text(_)).then(|| "write it between slashes: `/.../`".to_owned());
            self.mismatch("a regular expression", &value, help);
            return None;
        };
        let regex = self.regex(literal)?;
        let id = self.slot(slot);
        Some(self.one(Atom::Text(id, TextTest::Matches(regex))))
    }

    pub(super) fn regex(&mut self, literal: &tree::Literal) -> Option<Regex> {
        let (body, flags) = literal.raw.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))?;
        let folded = match flags {
            "" => false,
            "i" => true,
            other => {
                let problem = Diagnostic::new(&codes::BAD_REGEX, literal.span(), format!("`{other}` is no flag"));
                self.report(problem.help("known is `i`, which ignores case"));
                return None;
            }
        };
        let body = body.replace("\\/", "/");
        let source = if folded { format!("(?i){body}") } else { body };
        let regex = Regex { source };
        if self.regexes.contains(&regex) {
            return Some(regex);
        }
        if self.regex_bytes > REGEXES_BYTES_MAX {
            return None;
        }
        match size_of_regex(&regex.source) {
            Ok(bytes) => {
                self.regex_bytes += bytes;
                if self.regex_bytes > REGEXES_BYTES_MAX {
                    self.too_many_regexes(literal.span());
                    return None;
                }
                self.regexes.insert(regex.clone());
                Some(regex)
            }
            Err(why) => {
                // What does not fit was compiled as far as it may be; a thousand of them would take minutes.
                self.regex_bytes += REGEX_BYTES_MAX;
                let message = format!("the regular expression does not work: {why}");
                self.report(Diagnostic::new(&codes::BAD_REGEX, literal.span(), message));
                if self.regex_bytes > REGEXES_BYTES_MAX {
                    self.too_many_regexes(literal.span());
                }
                None
            }
        }
    }

    fn too_many_regexes(&mut self, span: Span) {
        let message = format!(
            "up to here the regular expressions of the program are larger than {} MiB when compiled; those behind are not read",
            REGEXES_BYTES_MAX >> 20
        );
        let help = "write literals as patterns of `contains`, which cost nothing by their number";
        self.report(Diagnostic::new(&codes::TOO_MANY, span, message).help(help));
    }

    pub(super) fn contains_text(
        &mut self,
        slot: Slot,
        quantifier: Quantifier,
        value: &'t tree::Value,
    ) -> Option<Atoms> {
        let values = self.operands(quantifier, value)?;
        let id = self.slot(slot);
        let mut patterns = Vec::with_capacity(values.len());
        for value in &values {
            patterns.push((self.pattern(value)?, value.span));
        }
        let ids = patterns
            .iter()
            .map(|(pattern, _)| self.atom(Atom::Text(id, TextTest::Contains(pattern.clone()))))
            .collect();
        let any = matches!(quantifier, Quantifier::Any | Quantifier::None);
        self.program.lists.push(PatternList { slot: id, patterns, any });
        Some(Atoms { ids, all: quantifier == Quantifier::All, flip: quantifier == Quantifier::None })
    }

    /// The values behind `contains`: one, or a list behind `any`, `all`, `none`.
    pub(super) fn operands(&mut self, quantifier: Quantifier, value: &'t tree::Value) -> Option<Vec<Val<'t>>> {
        let value = self.value(value, &Members::None)?;
        match value.kind {
            ValKind::List(_) if quantifier == Quantifier::One => {
                let problem = Diagnostic::new(&codes::TYPE_MISMATCH, value.span, "expected one value, found a list");
                self.report(problem.help("write `contains any [...]` or `contains all [...]`"));
                None
            }
            ValKind::List(list) => Some(list),
            _ => Some(vec![value]),
        }
    }

    pub(super) fn pattern(&mut self, value: &Val<'_>) -> Option<Pattern> {
        let (word, exact, chars) = match &value.kind {
            ValKind::Text(chars) => (false, false, chars.as_slice()),
            ValKind::Pattern { word, exact, chars } => (*word, *exact, chars.as_slice()),
            _ => {
                self.no_text(value, None);
                return None;
            }
        };
        let (mut starts_word, mut ends_word, mut inner) = (word, word, chars);
        if word && inner.first() == Some(&Char::Star) {
            (starts_word, inner) = (false, &inner[1..]);
        }
        if word && inner.last() == Some(&Char::Star) {
            (ends_word, inner) = (false, &inner[..inner.len() - 1]);
        }
        let complaint = if inner.is_empty() {
            Some("the pattern is empty")
        } else if word && inner.contains(&Char::Star) {
            Some("in a `word` pattern a `*` stands at an end only")
        } else {
            None
        };
        if let Some(message) = complaint {
            self.report(
                Diagnostic::new(&codes::BAD_PATTERN, value.span, message).help("write `\\*` for the character"),
            );
            return None;
        }
        let plain = text::plain(inner);
        let text = if exact { fold::nfc(&plain).into_owned() } else { fold::fold(&plain) };
        // An end that is no word character needs no boundary.
        let starts_word = starts_word && text.chars().next().is_some_and(fold::is_word_char);
        let ends_word = ends_word && text.chars().next_back().is_some_and(fold::is_word_char);
        Some(Pattern { text, exact, starts_word, ends_word })
    }

    pub(super) fn contains_member(
        &mut self,
        slot: Slot,
        quantifier: Quantifier,
        value: &'t tree::Value,
    ) -> Option<Atoms> {
        let values = self.operands(quantifier, value)?;
        let paths = slot.ty() == Type::Paths;
        let id = self.slot(slot);
        let mut ids = Vec::with_capacity(values.len());
        for value in &values {
            let ValKind::Text(chars) = &value.kind else {
                let help = matches!(value.kind, ValKind::Pattern { .. })
                    .then(|| "a member of a set is a plain text or a glob".to_owned());
                self.no_text(value, help);
                return None;
            };
            if chars.is_empty() {
                self.report(Diagnostic::new(&codes::BAD_PATTERN, value.span, "the text is empty"));
                return None;
            }
            ids.push(self.atom(Atom::Holds(id, member(chars, paths))));
        }
        Some(Atoms { ids, all: quantifier == Quantifier::All, flip: quantifier == Quantifier::None })
    }
}

/// What a text means as a member of a set.
fn member(chars: &[Char], paths: bool) -> Member {
    let glob = chars.iter().any(|c| matches!(c, Char::Star | Char::Question));
    let plain = fold::fold(&text::plain(chars));
    match (paths, glob) {
        (true, glob) if glob || plain.contains('/') => Member::Glob(Glob::of_path(chars)),
        (true, _) if plain.starts_with('.') => Member::Extension(plain),
        (true, _) => Member::FileName(plain),
        (false, true) => Member::Glob(Glob::of_text(chars)),
        (false, false) => Member::Is(plain),
    }
}

/// How large a regular expression is when it is compiled, in bytes, to the next power of two; or what is wrong with it.
fn size_of_regex(source: &str) -> Result<usize, String> {
    let mut limit = REGEX_BYTES_MIN;
    loop {
        match regex::RegexBuilder::new(source).size_limit(limit).build() {
            Ok(_) => return Ok(limit),
            Err(regex::Error::CompiledTooBig(_)) if limit < REGEX_BYTES_MAX => limit *= 2,
            Err(error) => {
                let why = error.to_string();
                return Err(why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned());
            }
        }
    }
}
