//! This project's own JSON sections that route, printed as rules. Sections that say what there is stay in the
//! configuration.

use serde_json::{Map, Value};

use crate::lang::source::Source;
use crate::lang::syntax::print;
use crate::lang::syntax::tree::File;
use crate::tools::import::{Imported, Writer, without_key};
use crate::tools::sections::node::Node;
use crate::tools::sections::{self, Made, one_line, routes, translate};

/// Sections that the configuration takes as they are.
const KEPT: &[&str] = &[
    "router",
    "models",
    "providers",
    "anthropic",
    "openai",
    "google",
    "local",
    "openrouter",
    "timezone",
    "providerOrder",
    "record",
    "store",
    "onStoreFailure",
    "rateLimit",
    "security",
    "performance",
    "healthCheck",
    "cache",
    "logging",
];
/// Providers of which one entry stands at the top.
const PROVIDERS: &[&str] = &["anthropic", "openai", "google", "local", "openrouter"];

pub(super) fn import(sections: &Map<String, Value>) -> Result<Imported, String> {
    let root = Node::of_value(&Value::Object(sections.clone()));
    if !routes(&root) {
        return Err("it has no section that routes (`routing`, `routingRules`, `loadBalancing`, `costOptimization`, `intelligentRouting`; or `Router` and `Providers` of musistudio's claude-code-router)".to_owned());
    }
    let mut writer = Writer::default();
    let made = translate(&root, "");
    for note in made.notes {
        writer.note(format!("`{}`: {}", one_line(&note.place), one_line(&note.words)));
    }
    let nothing = Source::new("", "");
    for Made { item, origin } in made.items {
        writer.comment(&origin);
        let file = File { language: None, items: vec![item] };
        writer.text.push_str(&print::file(&file, &nothing, &[]).text);
        writer.text.push('\n');
    }
    let (configuration, keys) = configuration(sections, &mut writer);
    Ok(Imported { rules: writer.text, configuration, notes: writer.notes, keys })
}

/// What stays in the configuration; keys that were written out are variables now.
fn configuration(all: &Map<String, Value>, writer: &mut Writer) -> (Map<String, Value>, Vec<(String, String)>) {
    let (mut kept, mut keys) = (Map::new(), Vec::new());
    let mut hide = |entry: &mut Value, member: &str, owner: &str, place: String| {
        if let Value::Object(entry) = entry
            && let Some(variable) = without_key(entry, member, owner)
        {
            keys.push((variable, format!("{place}.{member}")));
        }
    };
    for (name, section) in all {
        let mut section = section.clone();
        match (name.as_str(), &mut section) {
            (owner, section) if PROVIDERS.contains(&owner) => hide(section, "apiKey", owner, owner.to_owned()),
            ("providers", Value::Object(entries)) => {
                for (owner, entry) in entries {
                    hide(entry, "apiKey", owner, format!("providers.{owner}"));
                }
            }
            ("models", Value::Object(models)) => {
                for (model, entry) in models {
                    let owner = entry.get("provider").and_then(Value::as_str).unwrap_or(model).to_owned();
                    hide(entry, "apiKey", &owner, format!("models.{model}"));
                }
            }
            ("security", section) => {
                let entries = section.pointer_mut("/authentication/keys").and_then(Value::as_array_mut);
                for (index, entry) in entries.into_iter().flatten().enumerate() {
                    let place = format!("security.authentication.keys[{index}]");
                    hide(entry, "key", &format!("router_{}", index + 1), place);
                }
            }
            ("cache", section) => {
                if let Some(connection) = section.get_mut("connection") {
                    hide(connection, "password", "redis", "cache.connection".to_owned());
                }
            }
            _ => {}
        }
        if KEPT.contains(&name.as_str()) {
            kept.insert(name.clone(), section);
        } else if name == "rules" {
            writer
                .note("`rules` named rule files; put them before the imported one in `rules` of the new configuration");
        } else if !sections::NAMES.contains(&name.as_str()) {
            writer.note(format!("`{name}` is no section that this version reads"));
        }
    }
    let checks = all.get("loadBalancing").and_then(|section| section.get("healthCheck"));
    if let Some(checks) = checks.filter(|_| !kept.contains_key("healthCheck")) {
        kept.insert("healthCheck".to_owned(), checks.clone());
    }
    (kept, keys)
}
