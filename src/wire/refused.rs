//! What a provider's refusal says that a request should not hold: a member of its body or a flag of its header that can be
//! left out without changing what was asked.
//!
//! Source: messages of the providers and servers as they are published and reported; each stands in a test.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::wire::patch::Patch;

/// Something that is left out from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A member of the body, by its path; numbers of lists do not stand in it.
    Member(Vec<String>),
    /// A member that goes by another name.
    Renamed {
        /// As it was sent.
        from: String,
        /// As it is to be sent.
        to: String,
    },
    /// A flag of the `anthropic-beta` header.
    Beta(String),
}

/// Messages; the group `path` is the member. The first that fits is taken. They fit at the beginning, where no words of a
/// client stand that the provider repeats.
const FORMS: &[&str] = &[
    // OpenAI, Azure.
    r"^Unsupported (?:parameter|value): '(?<path>[^']+)'",
    r"^Unrecognized request arguments? supplied: (?<path>[\w.\[\]]+)",
    r"^Unknown parameter: '(?<path>[^']+)'",
    // Anthropic, and servers in Python.
    r"^(?<path>[\w.]+): Extra inputs are not permitted",
    r"^[`'](?<path>temperature|top_p|top_k|stop_sequences)[`'] (?:is|are) (?:not supported|deprecated)",
    r#"extra_forbidden['"], ['"]loc['"]: [\[(]['"]body['"], (?<path>[^\])]+)[\])]"#,
    // Gemini.
    r#"^Invalid JSON payload received\. Unknown name \\?"(?<path>\w+)\\?" at '(?<parent>[\w.\[\]]+)'"#,
    r#"^Invalid JSON payload received\. Unknown name \\?"(?<path>\w+)\\?""#,
    // Groq.
    r"property '(?<path>[^']+)' is unsupported",
];
/// A member that goes by another name.
const RENAMED: &str = r"'(?<from>\w+)' is not supported with this model\. Use '(?<to>\w+)' instead";
/// Flags of the header that are not known.
const BETA: &str = r"Unexpected value\(s\) (?<flags>.+?) for the `anthropic-beta` header";
/// A server whose model does not think.
const NO_THINKING: &str = "does not support thinking";

/// What is never left out: without it the request would be another one.
const KEPT: &[&str] = &[
    "model",
    "messages",
    "input",
    "contents",
    "prompt",
    "system",
    "instructions",
    "systemInstruction",
    "tools",
    "stream",
];
/// Members that carry what is said: no refusal takes them out of anything.
const CONTENT: &[&str] = &[
    "type",
    "role",
    "content",
    "text",
    "parts",
    "id",
    "name",
    "tool_use_id",
    "call_id",
    "data",
    "source",
    "thinking",
    "signature",
    "properties",
];
/// Members of the body that mean nothing without a flag of the header, and the other way round: one goes with the other.
const PAIRS: &[(&str, &str)] = &[
    ("context_management", "context-management-"),
    ("effort", "effort-"),
    ("mcp_servers", "mcp-client-"),
    ("speed", "fast-mode-"),
    ("container", "skills-"),
    ("safeguards", "safeguards-"),
    ("defer_loading", "advanced-tool-use-"),
    ("ttl", "extended-cache-ttl-"),
];

static READ: LazyLock<Vec<Regex>> = LazyLock::new(|| FORMS.iter().filter_map(|form| Regex::new(form).ok()).collect());
static READ_RENAMED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(RENAMED).ok());
static READ_BETA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(BETA).ok());

/// What a refusal names; nothing when it is about something that cannot be left out.
pub fn named(status: u16, message: &str) -> Vec<Refused> {
    if !matches!(status, 400 | 422) {
        return Vec::new();
    }
    if let Some(found) = READ_RENAMED.as_ref().and_then(|form| form.captures(message)) {
        return vec![Refused::Renamed { from: found["from"].to_owned(), to: found["to"].to_owned() }];
    }
    if let Some(found) = READ_BETA.as_ref().and_then(|form| form.captures(message)) {
        let flags = found["flags"].split([',', ' ', '`']).filter(|flag| !flag.is_empty() && *flag != "and");
        return flags.flat_map(|flag| with_pair(Refused::Beta(flag.to_owned()))).collect();
    }
    if message.contains(NO_THINKING) {
        return vec![Refused::Member(vec!["think".to_owned()])];
    }
    let Some(found) = READ.iter().find_map(|form| form.captures(message)) else { return Vec::new() };
    let parent = found.name("parent").map_or("", |parent| parent.as_str());
    let written = format!("{parent}.{}", &found["path"]);
    let parts = written.split(['.', '[', ']', ',', ' ', '\'', '"']);
    let is_name = |part: &&str| !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit());
    let path: Vec<String> = parts.filter(is_name).map(camel).collect();
    match path.as_slice() {
        [] => Vec::new(),
        [_, .., leaf] if CONTENT.contains(&leaf.as_str()) => Vec::new(),
        [one] if KEPT.contains(&one.as_str()) || one == "max_tokens" => Vec::new(),
        _ => with_pair(Refused::Member(path)),
    }
}

/// What of a refusal holds for other requests too. A value that is refused says nothing of other values; a flag that is
/// refused says nothing of the member that goes with it, because a client writes whatever flag it likes.
pub fn lasting(message: &str, refused: &[Refused]) -> Vec<Refused> {
    if message.contains("Unsupported value") && !message.contains("Only the default") {
        return Vec::new();
    }
    let is_of_flag = matches!(refused.first(), Some(Refused::Beta(_)));
    refused.iter().filter(|one| !is_of_flag || matches!(one, Refused::Beta(_))).cloned().collect()
}

/// Gemini's messages name its members in another spelling than its bodies.
fn camel(part: &str) -> String {
    match part {
        "generation_config" => "generationConfig".to_owned(),
        "thinking_config" => "thinkingConfig".to_owned(),
        other => other.to_owned(),
    }
}

fn with_pair(refused: Refused) -> Vec<Refused> {
    let pair = match &refused {
        Refused::Member(path) => path.last().and_then(|leaf| {
            let (_, flag) = PAIRS.iter().find(|(member, _)| member == leaf)?;
            Some(Refused::Beta((*flag).to_owned()))
        }),
        Refused::Beta(flag) => PAIRS.iter().find(|(_, front)| flag.starts_with(front)).and_then(|(member, _)| {
            let is_top = matches!(*member, "context_management" | "mcp_servers" | "speed" | "container" | "safeguards");
            is_top.then(|| Refused::Member(vec![(*member).to_owned()]))
        }),
        Refused::Renamed { .. } => None,
    };
    std::iter::once(refused).chain(pair).collect()
}

/// A body without what is refused; none when it holds nothing of it.
pub fn without(body: &[u8], refused: &[Refused]) -> Option<String> {
    let mut text: Option<String> = None;
    for one in refused {
        let now = text.as_ref().map_or(body, |text| text.as_bytes());
        let changed = match one {
            Refused::Beta(_) => None,
            Refused::Renamed { from, to } => {
                let mut patch = Patch::new(now)?;
                patch.get(from).map(str::to_owned).map(|value| {
                    patch.remove(from);
                    patch.set(to, value);
                    patch.apply()
                })
            }
            Refused::Member(path) => leave_out(now, path),
        };
        text = changed.or(text);
    }
    text
}

fn leave_out(body: &[u8], path: &[String]) -> Option<String> {
    let mut patch = Patch::new(body)?;
    let (top, rest) = path.split_first()?;
    let value = patch.get(top)?;
    if rest.is_empty() {
        patch.remove(top);
        return Some(patch.apply());
    }
    let mut read: Value = serde_json::from_str(value).ok()?;
    if !remove(&mut read, rest) {
        return None;
    }
    // An object that held nothing else goes with it.
    if read.as_object().is_some_and(serde_json::Map::is_empty) {
        patch.remove(top);
    } else {
        patch.set(top, read.to_string());
    }
    Some(patch.apply())
}

/// Takes a member out of a value, exactly at its path; whether it was there. Lists are gone through; what only names the
/// kind of an object (`messages.0.content.1.text.foo`, `tools.0.custom.foo`) is no step.
fn remove(value: &mut Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Array(items), path) => {
            let found: Vec<bool> = items.iter_mut().map(|item| remove(item, path)).collect();
            found.contains(&true)
        }
        (Value::Object(members), [leaf]) => members.shift_remove(leaf).is_some(),
        (value @ Value::Object(_), [step, rest @ ..]) => {
            let is_kind = value["type"] == step.as_str() || (step == "custom" && value["type"].is_null());
            if is_kind {
                return remove(value, rest);
            }
            value.get_mut(step).is_some_and(|inner| remove(inner, rest))
        }
        _ => false,
    }
}

/// The flags of an `anthropic-beta` header that are left; none when nothing changes.
pub fn betas(header: &str, refused: &[Refused]) -> Option<String> {
    let is_refused = |flag: &str| {
        refused.iter().any(|one| match one {
            // What ends with a dash stands for every date of a flag.
            Refused::Beta(front) if front.ends_with('-') => flag.starts_with(front.as_str()),
            Refused::Beta(known) => known == flag,
            Refused::Member(_) | Refused::Renamed { .. } => false,
        })
    };
    let all: Vec<&str> = header.split(',').map(str::trim).filter(|flag| !flag.is_empty()).collect();
    let left: Vec<&str> = all.iter().copied().filter(|flag| !is_refused(flag)).collect();
    (left.len() < all.len()).then(|| left.join(","))
}
