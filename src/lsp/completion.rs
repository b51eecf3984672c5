//! What can stand at the cursor: told from the words before it, in the item that it is in, and from the tables.

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, InsertTextFormat, MarkupContent, MarkupKind,
    Range, TextEdit,
};

use crate::lang::catalogue::{Catalogue, Found};
use crate::lang::ir::{Kind, PERIOD_WORDS, STICKY_WORDS, STRATEGY_WORDS};
use crate::lang::schema::fields::{Argument, FIELDS, Field};
use crate::lang::schema::settings::SETTINGS;
use crate::lang::schema::text::quote;
use crate::lang::schema::types::Type;
use crate::lang::source::Source;
use crate::lang::syntax;
use crate::lsp::hover;
use crate::lsp::names::{Names, Word};
use crate::lsp::place::Encoding;

/// Items, with what they look like.
const ITEMS: &[(&str, &str)] = &[
    ("rule", "rule ${1:name} {\n  when ${2:condition}\n  route ${3:model}\n}"),
    ("default", "default { route ${1:model} }"),
    ("let", "let ${1:name} = ${2:value}"),
    ("label", "label ${1:name} {\n  ${2:class}  when ${3:condition}   confidence ${4:80%}\n  ${5:other}  otherwise\n}"),
    ("pool", "pool ${1:name} weighted sticky session {\n  ${2:model}   ${3:50%}\n  ${4:model}   ${5:50%}\n}"),
    ("budget", "budget ${1:daily} = ${2:\\$10} per ${3:day}"),
    ("adjust", "adjust ${1:name} {\n  when ${2:condition}\n  set ${3:temperature 0.2}\n}"),
    ("test", "test \"${1:what it shows}\" {\n  given prompt \"${2:...}\"\n  expect rule ${3:name}\n}"),
    ("use", "use \"${1:other.route}\""),
];
const ACTIONS: &[&str] = &["route", "reject", "set", "timeout", "retry", "tag", "mirror", "cache", "transform"];
/// Words behind which a test begins.
const STARTS: &[&str] = &["when", "and", "or", "not", "("];
/// Words behind which a value stands.
const BEFORE_VALUES: &[&str] = &[
    "is", "in", "contains", "like", "matches", "any", "all", "none", "word", "exact", "<", ">", "<=", ">=", "==", "!=",
    "[", ",", "..", "..=",
];

/// What is asked: a place in a text of a program.
pub(super) struct Asked<'a> {
    pub(super) source: &'a Source,
    pub(super) byte: usize,
    pub(super) names: &'a Names<'a>,
    pub(super) sources: &'a crate::lang::source::Sources,
    pub(super) catalogue: &'a Catalogue,
    pub(super) encoding: Encoding,
}

/// The words before the cursor.
struct Before<'a> {
    /// Those of the item that the cursor is in, its keyword first.
    words: Vec<&'a str>,
    /// How many braces are open.
    depth: usize,
    /// Where the word that is being typed begins.
    start: usize,
    /// Where the text begins that is being typed, at its quote.
    quote: Option<usize>,
    /// Nothing but blanks stands before the cursor on its line.
    begins_line: bool,
}

fn before(text: &str, byte: usize) -> Before<'_> {
    let text = text.get(..byte).unwrap_or(text);
    let quote = syntax::open_text(text);
    let end = quote.unwrap_or(text.len());
    let front = text.get(..end).unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let start = if quote.is_some() { end } else { front.trim_end_matches(is_word).len() };
    let front = front.get(..start).unwrap_or_default();
    let line = front.rsplit('\n').next().unwrap_or_default();
    let (mut words, mut depth) = (Vec::new(), 0usize);
    for word in syntax::words(front) {
        let is_item = depth == 0 && ITEMS.iter().any(|(item, _)| *item == word);
        if is_item {
            words.clear();
        }
        words.push(word);
        match word {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    words.clear();
                }
            }
            _ => {}
        }
    }
    Before { words, depth, start, quote, begins_line: line.trim().is_empty() }
}

/// What can stand there.
pub(super) fn of(asked: &Asked<'_>) -> Vec<CompletionItem> {
    let before = before(&asked.source.text, asked.byte);
    let mut list = List { asked, before: &before, found: Vec::new() };
    if before.quote.is_some() {
        list.text();
    } else {
        list.word();
    }
    list.found
}

struct List<'a> {
    asked: &'a Asked<'a>,
    before: &'a Before<'a>,
    found: Vec<CompletionItem>,
}

impl List<'_> {
    fn add(&mut self, label: &str, kind: CompletionItemKind, detail: &str, doc: Option<String>) {
        self.insert(label, label, kind, detail, doc);
    }

    fn insert(&mut self, label: &str, text: &str, kind: CompletionItemKind, detail: &str, doc: Option<String>) {
        let (asked, before) = (self.asked, self.before);
        // The quote behind the cursor goes with the one before it.
        let closes =
            before.quote.is_some() && asked.source.text.get(asked.byte..).is_some_and(|rest| rest.starts_with('"'));
        let end = asked.byte + usize::from(closes);
        let place = |byte| asked.encoding.position(asked.source, byte);
        let range = Range { start: place(before.start), end: place(end) };
        let typed_text = before.quote.is_some() || text.starts_with('"');
        self.found.push(CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            detail: (!detail.is_empty()).then(|| detail.to_owned()),
            documentation: doc
                .map(|value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })),
            filter_text: typed_text.then(|| text.to_owned()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text.to_owned() })),
            ..CompletionItem::default()
        });
    }

    fn keywords(&mut self, words: &[&str]) {
        for word in words {
            self.add(word, CompletionItemKind::KEYWORD, "", None);
        }
    }

    fn last(&self, back: usize) -> &str {
        let words = &self.before.words;
        words.len().checked_sub(back + 1).map_or("", |at| words[at])
    }

    /// The words of the item, up to the cursor.
    fn word(&mut self) {
        let item = self.before.words.first().copied().unwrap_or_default();
        if self.before.depth == 0 {
            self.top(item);
            return;
        }
        match item {
            "pool" => self.targets(false),
            "label" => self.label(),
            "test" => self.test(),
            "default" => self.actions(),
            _ => self.rule(),
        }
    }

    fn top(&mut self, item: &str) {
        let last = self.last(0).to_owned();
        match (item, last.as_str()) {
            ("budget", "per") => self.keywords(&PERIOD_WORDS),
            ("budget", "for") => self.keywords(&["each", "key", "user", "model"]),
            ("budget", "each") => self.keywords(&["key", "user", "session"]),
            ("budget", _) if PERIOD_WORDS.contains(&last.as_str()) => self.keywords(&["for", "hard"]),
            ("pool", "sticky") => self.keywords(&STICKY_WORDS),
            ("pool", _) if self.before.words.len() == 2 => self.keywords(&STRATEGY_WORDS),
            ("pool", _) if STRATEGY_WORDS.contains(&last.as_str()) => self.keywords(&["sticky", "hedge"]),
            ("pool", _) if STICKY_WORDS.contains(&last.as_str()) => self.keywords(&["hedge"]),
            ("label", _) if self.before.words.len() == 2 => self.keywords(&["ordered"]),
            ("let", "=") => {
                self.tests();
                self.targets(false);
            }
            ("let", _) if self.before.words.len() > 3 => self.condition(&[]),
            _ => {}
        }
        if self.before.begins_line || item.is_empty() {
            for (word, snippet) in ITEMS {
                self.insert(word, snippet, CompletionItemKind::SNIPPET, "", None);
                if let Some(item) = self.found.last_mut() {
                    item.insert_text_format = Some(InsertTextFormat::SNIPPET);
                }
            }
        }
    }

    fn label(&mut self) {
        if self.last(1) == "{" || self.last(1) == "otherwise" || self.last(1).ends_with('%') {
            self.keywords(&["when", "otherwise"]);
        }
        self.condition(&["confidence"]);
    }

    fn rule(&mut self) {
        if self.last(0) == "{" {
            self.keywords(&["when"]);
        } else if !self.action() {
            self.condition(ACTIONS);
        }
    }

    fn actions(&mut self) {
        if !self.action() {
            self.keywords(ACTIONS);
        }
    }

    /// What stands behind the words of actions; false where the cursor is behind none.
    fn action(&mut self) -> bool {
        match self.last(0) {
            "route" | "else" => self.targets(true),
            "mirror" => self.targets(false),
            "set" => {
                for row in SETTINGS {
                    self.add(row.name, CompletionItemKind::PROPERTY, row.example, Some(row.doc.to_owned()));
                }
            }
            "timeout" => self.keywords(&["total"]),
            "cache" => self.keywords(&["off"]),
            "effort" if self.last(1) == "set" => self.members(&Type::Member(&crate::lang::schema::types::EFFORT)),
            _ => return false,
        }
        true
    }

    fn test(&mut self) {
        match self.last(0) {
            "{" => self.keywords(&["given", "expect"]),
            "given" => {
                self.keywords(&["no"]);
                self.fields();
            }
            "no" => self.fields(),
            "expect" => {
                self.keywords(&["rule", "not", "route", "set", "reject", "unservable"]);
                self.tests();
            }
            "rule" => {
                self.keywords(&["default"]);
                self.defined(&[Kind::Rule]);
            }
            "," if self.list().is_none() => self.fields(),
            _ => {
                if self.action() {
                    return;
                }
                let subject = self.subject();
                if self.last(1) == "given" || self.last(1) == "," {
                    self.values(&subject);
                } else {
                    self.condition(&["given", "expect"]);
                }
            }
        }
    }

    /// The name before the list that the cursor is in.
    fn list(&self) -> Option<usize> {
        let mut depth = 0usize;
        for (at, word) in self.before.words.iter().enumerate().rev() {
            match *word {
                "]" => depth += 1,
                "[" if depth == 0 => return Some(at),
                "[" => depth -= 1,
                "{" => return None,
                _ => {}
            }
        }
        None
    }

    /// The field of the test that the cursor is in.
    fn subject(&self) -> String {
        let words = &self.before.words;
        let end = self.list().unwrap_or(words.len());
        let begins = |word: &&str| {
            STARTS.contains(word) || ["expect", "given", "has", "=", "no", "{"].contains(word) || *word == ","
        };
        let start = words[..end].iter().rposition(begins);
        // `is not X` is no beginning.
        let start = start.map_or(0, |at| {
            let is_not = words[at] == "not" && at > 0 && !STARTS.contains(&words[at - 1]) && words[at - 1] != "expect";
            if is_not { words[..at].iter().rposition(begins).map_or(0, |at| at + 1) } else { at + 1 }
        });
        words.get(start).copied().unwrap_or_default().to_owned()
    }

    fn condition(&mut self, behind: &[&str]) {
        let last = self.last(0).to_owned();
        let subject = self.subject();
        let is_not =
            last == "not" && !subject.is_empty() && !STARTS.contains(&self.last(1)) && self.last(1) != "expect";
        if last == "(" && self.takes_model(1) {
            return self.targets(false);
        }
        if BEFORE_VALUES.contains(&last.as_str()) || is_not {
            return self.values(&subject);
        }
        if STARTS.contains(&last.as_str()) || last == "has" {
            return self.tests();
        }
        if last == subject || (last == ")" && self.list().is_none()) {
            self.operators(&subject);
        }
        self.keywords(&["and", "or"]);
        self.keywords(behind);
    }

    /// Whether a word before the cursor is a field of a model.
    fn takes_model(&self, back: usize) -> bool {
        row(self.last(back)).is_some_and(|row| row.argument == Argument::Model)
    }

    /// What a test begins with.
    fn tests(&mut self) {
        self.keywords(&["not", "has"]);
        self.fields();
        self.defined(&[Kind::Let]);
    }

    fn fields(&mut self) {
        for field in FIELDS.iter().filter(|field| !field.name.starts_with("NAME.")) {
            let argument = match field.argument {
                Argument::None => "",
                Argument::MaybeText | Argument::Text => "(\"name\")",
                Argument::Model => "(\"model\")",
            };
            let detail = format!("{}{argument}: {}", field.name, field.ty.words());
            self.add(field.name, CompletionItemKind::FIELD, &detail, Some(field.doc.to_owned()));
        }
        let names: Vec<(String, Kind)> =
            self.asked.names.defined.iter().map(|(name, found)| ((*name).to_owned(), found.kind)).collect();
        for (name, kind) in names {
            match kind {
                Kind::Label => {
                    let classes = self.asked.names.classes(&name).join(", ");
                    self.add(&name, CompletionItemKind::ENUM, &format!("label: {classes}"), None);
                    let confidence = format!("{name}.confidence");
                    self.add(&confidence, CompletionItemKind::FIELD, "how sure the label is", None);
                }
                Kind::Budget => {
                    for part in ["spent", "remaining", "used"] {
                        let doc = row(&format!("NAME.{part}")).map(|row| row.doc.to_owned());
                        self.add(&format!("{name}.{part}"), CompletionItemKind::FIELD, "budget", doc);
                    }
                }
                Kind::Let | Kind::Pool | Kind::Rule | Kind::Adjust => {}
            }
        }
    }

    /// Names of some kinds, each with its definition.
    fn defined(&mut self, kinds: &[Kind]) {
        let mut names: Vec<(&str, Kind)> =
            self.asked.names.defined.iter().map(|(name, found)| (*name, found.kind)).collect();
        names.retain(|(_, kind)| kinds.contains(kind));
        names.sort_unstable_by_key(|(name, _)| *name);
        let names: Vec<(String, Kind)> = names.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        for (name, kind) in names {
            let asked = self.asked;
            let doc = hover::of(&Word::Name(name.clone()), asked.names, asked.sources, asked.catalogue);
            self.add(&name, CompletionItemKind::VARIABLE, kind.word(), doc);
        }
    }

    /// What a chain can hold.
    fn targets(&mut self, in_chain: bool) {
        if in_chain {
            self.add("model", CompletionItemKind::KEYWORD, "what the client asks for", None);
            self.add("same", CompletionItemKind::KEYWORD, "what answered the session last", None);
            self.defined(&[Kind::Pool]);
        }
        self.defined(&[Kind::Let]);
        self.models();
    }

    /// Every model, by its plain name where that is enough.
    fn models(&mut self) {
        let catalogue = self.asked.catalogue;
        for card in &catalogue.models {
            let plain = matches!(catalogue.find(&card.name), Found::One(id) if catalogue.card(id) == card);
            let name = if plain { card.name.clone() } else { card.full_name() };
            let window = card.window / 1_000;
            let detail = format!("{}, {window}k", card.provider);
            self.insert(&name, &quote(&name), CompletionItemKind::VALUE, &detail, None);
        }
    }

    fn operators(&mut self, subject: &str) {
        let is_label = !self.asked.names.classes(subject).is_empty();
        let words: &[&str] = match row(subject).map(|row| row.ty) {
            Some(Type::Text) => &["is", "is not", "in", "contains", "like", "matches"],
            Some(Type::Paths | Type::Texts) => &["contains", "contains any", "contains all", "contains none"],
            Some(Type::Bool) => &[],
            Some(Type::Member(closed)) if closed.ordered => &["is", "is not", "in", "<", "<=", ">", ">="],
            Some(Type::Member(_)) => &["is", "is not", "in"],
            Some(_) => &["<", "<=", ">", ">=", "==", "!=", "in"],
            None if is_label => &["is", "is not", "in"],
            None if subject.contains('.') => &["<", "<=", ">", ">="],
            None => &[],
        };
        for word in words {
            self.add(word, CompletionItemKind::OPERATOR, "", None);
        }
    }

    /// What a field can be compared with.
    fn values(&mut self, subject: &str) {
        for class in self.asked.names.classes(subject) {
            let class = class.to_owned();
            self.add(&class, CompletionItemKind::ENUM_MEMBER, subject, None);
        }
        match (subject, row(subject).map(|row| row.ty)) {
            ("model" | "session.model" | "target", _) => self.models(),
            ("target.provider", _) => {
                for provider in &self.asked.catalogue.providers {
                    self.insert(provider, &quote(provider), CompletionItemKind::VALUE, "provider", None);
                }
            }
            (_, Some(ty)) => self.members(&ty),
            (_, None) => {}
        }
        if self.last(0) == "contains" {
            self.keywords(&["any", "all", "none"]);
        }
        if ["contains", "any", "all", "none", "[", ","].contains(&self.last(0)) {
            self.keywords(&["word", "exact"]);
        }
        self.defined(&[Kind::Let]);
    }

    fn members(&mut self, ty: &Type) {
        match ty {
            Type::Member(closed) => {
                for member in closed.members {
                    self.add(member, CompletionItemKind::ENUM_MEMBER, closed.name, None);
                }
            }
            Type::Bool => self.keywords(&["true", "false"]),
            _ => {}
        }
    }

    /// A text that is being typed: a model, a provider, or words that nobody can guess.
    fn text(&mut self) {
        let item = self.before.words.first().copied().unwrap_or_default();
        let subject = self.subject();
        let of_model = ["model", "session.model", "target"].contains(&subject.as_str());
        match self.last(0) {
            "route" | "else" | "mirror" => self.models(),
            "(" if self.takes_model(1) => self.models(),
            "=" if item == "let" => self.models(),
            _ if item == "pool" && self.before.depth > 0 => self.models(),
            _ if of_model => self.models(),
            _ if subject == "target.provider" => self.values("target.provider"),
            _ => {}
        }
    }
}

fn row(name: &str) -> Option<&'static Field> {
    crate::lang::schema::fields::find(name).map(crate::lang::schema::fields::FieldId::row)
}
