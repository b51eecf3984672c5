//! Routing sections of JSON configurations as a `.route` file: this project's own, and those of musistudio's
//! claude-code-router 1.x and 2.x. What cannot be carried over is said, in the file and to whoever imports.

mod musistudio;
mod sections;

use serde_json::{Map, Value};

use crate::lang::schema::text::quote;
use crate::lang::source::Source;
use crate::tools::fmt;
use crate::tools::sections::names::Names;
use crate::tools::sections::one_line;

/// What a configuration becomes.
#[derive(Debug, Default)]
pub struct Imported {
    /// The text of the `.route` file, laid out.
    pub rules: String,
    /// The configuration that goes with it.
    pub configuration: Map<String, Value>,
    /// What is not carried over, and what is different now.
    pub notes: Vec<String>,
    /// Variables that hold the keys now, each with whose key it is. The keys themselves are nowhere.
    pub keys: Vec<(String, String)>,
}

/// Turns a configuration, which `name` says the origin of, into rules. `rules_name` is how the new configuration will
/// name them. An error says what about it cannot be read.
pub fn import(configuration: &Value, name: &str, rules_name: &str) -> Result<Imported, String> {
    let Value::Object(sections) = configuration else { return Err("it is not a JSON object".to_owned()) };
    let is_musistudio = ["Router", "Providers"].iter().any(|section| sections.contains_key(*section));
    let mut made = if is_musistudio { musistudio::import(sections)? } else { sections::import(sections)? };
    made.configuration.insert("rules".to_owned(), Value::from(vec![rules_name]));
    let origin = if is_musistudio { "a configuration of musistudio's claude-code-router" } else { "its JSON sections" };
    let mut head = format!("# Imported from {}: {origin}.\n", one_line(name));
    if !made.notes.is_empty() {
        head.push_str("#\n# Not carried over, or different now:\n");
        for note in &made.notes {
            head.push_str(&format!("# - {}\n", one_line(note)));
        }
    }
    let text = format!("{head}\n{}", made.rules);
    // What does not parse is a mistake here, which the compiler will name: it is given out as it is.
    made.rules = fmt::format(&Source::new(rules_name, text.clone())).unwrap_or(text);
    Ok(made)
}

/// Rules as they are written, one after another.
#[derive(Debug, Default)]
struct Writer {
    text: String,
    names: Names,
    notes: Vec<String>,
}

impl Writer {
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A comment, on one line.
    fn comment(&mut self, words: &str) {
        self.text.push_str(&format!("# {}\n", one_line(words)));
    }

    /// A rule: where it comes from, its name, its condition, and what it does.
    fn rule(&mut self, origin: &str, name: &str, when: &str, actions: &[String]) {
        let name = self.names.take(name, "rule");
        self.comment(origin);
        self.text.push_str(&format!("rule {name} {{\n  when {when}\n"));
        for action in actions {
            self.text.push_str(&format!("  {action}\n"));
        }
        self.text.push_str("}\n\n");
    }

    /// The default.
    fn default_rule(&mut self, origin: &str, actions: &[String]) {
        self.comment(origin);
        self.text.push_str(&format!("default {{ {} }}\n", actions.join("\n  ")));
    }
}

/// A chain of models, each as it is named in the language.
fn route(chain: &[String]) -> String {
    let chain: Vec<String> =
        chain.iter().map(|model| if model == "model" { model.clone() } else { quote(model) }).collect();
    format!("route {}", chain.join(" else "))
}

/// The texts of a JSON list; none where it is no list of texts, or empty.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    let all: Option<Vec<String>> = value?.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect();
    all.map(|all| all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>()).filter(|all| !all.is_empty())
}

/// Keys that are written out become variables; names of variables stay. The variable that a key is in now, if it was
/// written out.
fn without_key(entry: &mut Map<String, Value>, member: &str, owner: &str) -> Option<String> {
    let key = entry.get(member)?.as_str()?.trim().to_owned();
    if let Some(name) = variable(&key) {
        entry.insert(member.to_owned(), Value::from(format!("${{{name}}}")));
        return None;
    }
    if key.is_empty() {
        entry.remove(member);
        return None;
    }
    if key.contains("${") {
        return None;
    }
    let name: String =
        owner.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let ending = match member {
        "password" => "PASSWORD",
        "key" => "KEY",
        _ => "API_KEY",
    };
    let name = format!("{}_{ending}", name.trim_matches('_'));
    entry.insert(member.to_owned(), Value::from(format!("${{{name}}}")));
    Some(name)
}

/// `$NAME` or `${NAME}` alone.
fn variable(key: &str) -> Option<&str> {
    let name = key.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then_some(name)
}
