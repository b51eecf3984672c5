//! Changes to the top level of a JSON object that leave every other byte as it was: what a provider caches by its bytes
//! stays cached, and numbers keep their spelling.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::text::Str;
use crate::wire::wanted::Target;
use crate::wire::{Client, foreign};

/// What a request is changed to on its way out. What is none stays as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The model's name.
    pub model: Option<String>,
    /// The longest answer.
    pub max_tokens: Option<u64>,
    /// As set.
    pub temperature: Option<f64>,
    /// Where the request says none.
    pub temperature_default: Option<f64>,
    /// As set.
    pub top_p: Option<f64>,
    /// As set.
    pub top_k: Option<u64>,
    /// Thinking: off, or with a budget in tokens.
    pub thinking: Option<Option<u64>>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// Texts that end the answer.
    pub stop: Option<Vec<String>>,
    /// Put before the system prompt.
    pub system_before: Vec<String>,
    /// Put behind it.
    pub system_after: Vec<String>,
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The model's name, where nothing else changes.
    fn model_alone(&self) -> Option<&str> {
        let Self {
            model,
            max_tokens: None,
            temperature: None,
            temperature_default: None,
            top_p: None,
            top_k: None,
            thinking: None,
            effort: None,
            stop: None,
            system_before,
            system_after,
        } = self
        else {
            return None;
        };
        model.as_deref().filter(|_| system_before.is_empty() && system_after.is_empty())
    }
}

/// Where a text that was read of a body stands in it, with its quotes; none where it does not stand there as it is, because
/// an escape is in it.
pub fn place_of(body: &[u8], text: &str) -> Option<Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?.checked_sub(1)?;
    let place = start..start.checked_add(text.len())?.checked_add(2)?;
    let there = body.get(place.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (there == text.as_bytes()).then_some(place)
}

/// A body as it goes out where hardly anything changes: as it is, or with another name at the place of the model's. None
/// where more is to be done, which `body` does: that reads all of it, and this reads nothing.
pub fn hardly<'b>(
    client: Client,
    body: &'b [u8],
    changes: &Changes,
    target: &Target<'_>,
    model: Option<&Range<usize>>,
) -> Option<Cow<'b, [u8]>> {
    // A search for a few words is no more than a look at the bytes.
    let names = members(client).iter().filter(|(parameter, _)| target.refuses(parameter));
    let mut finders = names.map(|(_, member)| format!("\"{member}\""));
    if foreign::may_be_in(body) || finders.any(|member| memchr::memmem::find(body, member.as_bytes()).is_some()) {
        return None;
    }
    if changes.is_empty() {
        return Some(Cow::Borrowed(body));
    }
    let (name, place) = (json_text(changes.model_alone()?), model?);
    let (before, after) = (body.get(..place.start)?, body.get(place.end..)?);
    Some(Cow::Owned([before, name.as_bytes(), after].concat()))
}

fn members(client: Client) -> &'static [(&'static str, &'static str)] {
    match client {
        Client::Messages => MESSAGES_MEMBERS,
        Client::Completions => COMPLETIONS_MEMBERS,
        Client::Responses => RESPONSES_MEMBERS,
    }
}

/// The members of an object with the places of their values.
struct Members<'a>(Vec<(Str<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(member) = map.next_entry::<Str<'de>, &'de RawValue>()? {
                    found.push(member);
                }
                Ok(Members(found))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// An object whose members are replaced, added or taken away.
pub struct Patch<'a> {
    text: &'a str,
    members: Vec<(Str<'a>, Range<usize>)>,
    edits: Vec<(String, Option<String>)>,
}

impl std::fmt::Debug for Patch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch").field("edits", &self.edits).finish_non_exhaustive()
    }
}

impl<'a> Patch<'a> {
    /// Of a body that is an object; none when it is not.
    pub fn new(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let members: Members<'a> = serde_json::from_str(text).ok()?;
        let base = text.as_ptr() as usize;
        let members = members.0.into_iter().map(|(name, raw)| {
            let start = raw.get().as_ptr() as usize - base;
            (name, start..start + raw.get().len())
        });
        Some(Self { text, members: members.collect(), edits: Vec::new() })
    }

    /// The JSON of a member.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (_, range) = self.members.iter().rev().find(|(known, _)| &**known == name)?;
        self.text.get(range.clone())
    }

    /// Gives a member this JSON.
    pub fn set(&mut self, name: &str, json: String) {
        self.edits.push((name.to_owned(), Some(json)));
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.edits.push((name.to_owned(), None));
        }
    }

    /// The object with all changes.
    pub fn apply(self) -> String {
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut at = 0;
        let mut added: Vec<(&str, &str)> = Vec::new();
        let mut replaced: Vec<(Range<usize>, Option<&str>)> = Vec::new();
        for (name, json) in &self.edits {
            let mut there = self.members.iter().filter(|(known, _)| &**known == name.as_str()).peekable();
            if there.peek().is_none() {
                added.extend(json.as_deref().map(|json| (name.as_str(), json)));
            }
            replaced.extend(there.map(|(_, range)| (range.clone(), json.as_deref())));
        }
        replaced.sort_by_key(|(range, _)| range.start);
        for (range, json) in replaced {
            match json {
                Some(json) => {
                    text.push_str(self.text.get(at..range.start).unwrap_or_default());
                    text.push_str(json);
                    at = range.end;
                }
                None => at = self.without(&mut text, at, &range),
            }
        }
        let rest = self.text.get(at..).unwrap_or_default();
        let Some(close) = rest.rfind('}') else { return text };
        text.push_str(rest.get(..close).unwrap_or_default());
        for (name, json) in added {
            if !text.trim_end().ends_with('{') {
                text.push(',');
            }
            text.push_str(&Value::from(name).to_string());
            text.push(':');
            text.push_str(json);
        }
        text.push_str(rest.get(close..).unwrap_or_default());
        text
    }

    /// Leaves out a member, with its name and one comma; gives where to go on.
    fn without(&self, text: &mut String, at: usize, range: &Range<usize>) -> usize {
        let before = self.text.get(at..range.start).unwrap_or_default();
        let name_end = before.rfind('"').unwrap_or(0);
        let name_start = before.get(..name_end).and_then(|front| front.rfind('"')).unwrap_or(0);
        let front = before.get(..name_start).unwrap_or_default();
        let after = self.text.get(range.end..).unwrap_or_default();
        let blanks = after.len() - after.trim_start().len();
        if after.trim_start().starts_with(',') {
            text.push_str(front);
            range.end + blanks + 1
        } else {
            // The comma before it goes with it, also when the member before was left out too.
            text.push_str(front);
            text.truncate(text.trim_end().trim_end_matches(',').len());
            range.end
        }
    }
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}

/// Makes changes to a body of an API that the provider speaks too, leaves out what other makers want back, and what the
/// model refuses: the body, and what is not sent. None when it is not a JSON object.
pub fn body(client: Client, body: &[u8], changes: &Changes, target: &Target<'_>) -> Option<(String, Vec<String>)> {
    let mut patch = Patch::new(body)?;
    match client {
        Client::Messages => messages(&mut patch, changes),
        Client::Completions => completions(&mut patch, changes, target)?,
        Client::Responses => responses(&mut patch, changes),
    }
    let mut lost = Vec::new();
    for (parameter, member) in members(client).iter().filter(|(parameter, _)| target.refuses(parameter)) {
        lost.extend(patch.get(member).map(|_| format!("{member} is not sent: the model does not take {parameter}")));
        patch.remove(member);
    }
    Some((patch.apply(), lost))
}

/// What a model may refuse, as [`PARAMETERS`](crate::wire::wanted::PARAMETERS) and as the API call it.
const MESSAGES_MEMBERS: &[(&str, &str)] =
    &[("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "top_k"), ("stop", "stop_sequences")];
const COMPLETIONS_MEMBERS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("stop", "stop"),
    ("effort", "reasoning_effort"),
    ("parallel_tools", "parallel_tool_calls"),
];
const RESPONSES_MEMBERS: &[(&str, &str)] = &[("temperature", "temperature"), ("top_p", "top_p")];

fn messages(patch: &mut Patch<'_>, changes: &Changes) {
    if let Some(messages) = patch.get("messages").and_then(foreign::left_out) {
        patch.set("messages", messages);
    }
    common(patch, changes, "stop_sequences");
    if let Some(tokens) = changes.max_tokens {
        patch.set("max_tokens", tokens.to_string());
    }
    match changes.thinking {
        Some(None) => patch.set("thinking", "{\"type\":\"disabled\"}".to_owned()),
        Some(Some(budget)) => patch.set("thinking", format!("{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}")),
        None => {}
    }
    if let Some(effort) = &changes.effort {
        let mut config: Value = patch
            .get("output_config")
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(map) = &mut config {
            map.insert("effort".to_owned(), Value::from(effort.as_str()));
        }
        patch.set("output_config", config.to_string());
    }
    if let Some(system) = system(patch.get("system"), changes) {
        patch.set("system", system);
    }
}

fn responses(patch: &mut Patch<'_>, changes: &Changes) {
    if let Some(input) = patch.get("input").and_then(foreign::items_left_out) {
        patch.set("input", input);
    }
    common(patch, &Changes { top_k: None, stop: None, ..changes.clone() }, "");
    if let Some(tokens) = changes.max_tokens {
        patch.set("max_output_tokens", tokens.to_string());
    }
    if let Some(effort) = &changes.effort {
        let mut reasoning: serde_json::Map<String, Value> =
            patch.get("reasoning").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        reasoning.insert("effort".to_owned(), effort.as_str().into());
        patch.set("reasoning", Value::Object(reasoning).to_string());
    }
    if !changes.system_before.is_empty() || !changes.system_after.is_empty() {
        let own =
            patch.get("instructions").and_then(|json| serde_json::from_str::<Option<String>>(json).ok().flatten());
        let texts = changes.system_before.iter().cloned().chain(own).chain(changes.system_after.iter().cloned());
        let texts: Vec<String> = texts.collect();
        patch.set("instructions", json_text(&texts.join("\n\n")));
    }
}

fn completions(patch: &mut Patch<'_>, changes: &Changes, target: &Target<'_>) -> Option<()> {
    if let Some(messages) = patch.get("messages").and_then(foreign::details_left_out) {
        patch.set("messages", messages);
    }
    common(patch, changes, "stop");
    if let Some(tokens) = changes.max_tokens {
        let modern = target.dialect.openai || patch.get("max_completion_tokens").is_some();
        let (name, other) =
            if modern { ("max_completion_tokens", "max_tokens") } else { ("max_tokens", "max_completion_tokens") };
        patch.set(name, tokens.to_string());
        patch.remove(other);
    }
    if let Some(effort) = &changes.effort {
        patch.set("reasoning_effort", json_text(effort));
    }
    if !changes.system_before.is_empty() || !changes.system_after.is_empty() {
        let mut messages: Vec<Value> = serde_json::from_str(patch.get("messages")?).ok()?;
        let message = |text: &String| serde_json::json!({"role": "system", "content": text});
        let n_leading = messages
            .iter()
            .take_while(|message| matches!(message["role"].as_str(), Some("system" | "developer")))
            .count();
        for (offset, text) in changes.system_after.iter().enumerate() {
            messages.insert(n_leading + offset, message(text));
        }
        for text in changes.system_before.iter().rev() {
            messages.insert(0, message(text));
        }
        patch.set("messages", Value::from(messages).to_string());
    }
    Some(())
}

fn common(patch: &mut Patch<'_>, changes: &Changes, stop: &str) {
    if let Some(model) = &changes.model {
        patch.set("model", json_text(model));
    }
    let default = changes.temperature_default.filter(|_| patch.get("temperature").is_none());
    let numbers = [("temperature", changes.temperature.or(default)), ("top_p", changes.top_p)];
    for (name, value) in numbers {
        if let Some(value) = value {
            patch.set(name, Value::from(value).to_string());
        }
    }
    if let Some(k) = changes.top_k {
        patch.set("top_k", k.to_string());
    }
    if let Some(texts) = &changes.stop {
        patch.set(stop, Value::from(texts.clone()).to_string());
    }
}

/// The system prompt with texts before and behind it: blocks stay blocks, each with its own cache mark.
fn system(now: Option<&str>, changes: &Changes) -> Option<String> {
    if changes.system_before.is_empty() && changes.system_after.is_empty() {
        return None;
    }
    let block = |text: &String| format!("{{\"type\":\"text\",\"text\":{}}}", json_text(text));
    let mut parts: Vec<String> = changes.system_before.iter().map(block).collect();
    match now.map(str::trim) {
        Some(list) if list.starts_with('[') => {
            let inner = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default().trim();
            parts.extend((!inner.is_empty()).then(|| inner.to_owned()));
        }
        Some(text) if text.starts_with('"') => parts.push(format!("{{\"type\":\"text\",\"text\":{text}}}")),
        Some(_) | None => {}
    }
    parts.extend(changes.system_after.iter().map(block));
    Some(format!("[{}]", parts.join(",")))
}
