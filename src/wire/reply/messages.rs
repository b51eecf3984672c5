//! Answers to clients that speak Anthropic Messages.
//!
//! Source: the published API reference, and what its SDK accepts (`anthropic` for Python, 2.12).

use serde_json::{Value, json};

use super::Head;
use super::grammar::{self, Between, Fresh, Other, Text, Thinking, Tool};
use crate::wire::chat::object;
use crate::wire::event::{Answer, Event, Opened, Stop, Usage};
use crate::wire::foreign;

/// The body of an error.
pub fn error_body(kind: &str, message: &str, request_id: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}).to_string()
}

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence => "stop_sequence",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
        Stop::Pause => "pause_turn",
    }
}

pub(super) fn usage_json(usage: Usage) -> Value {
    let mut made = json!({
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
    });
    if usage.cache_write_long > 0 {
        let short = usage.cache_write.saturating_sub(usage.cache_write_long);
        made["cache_creation"] =
            json!({"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": usage.cache_write_long});
    }
    if usage.reasoning > 0 {
        made["output_tokens_details"] = json!({"thinking_tokens": usage.reasoning});
    }
    made
}

/// The body of a whole answer.
pub fn answer(answer: &Answer, head: &Head) -> String {
    let content: Vec<Value> = answer
        .parts
        .iter()
        .map(|part| match &part.opened {
            Opened::Text => json!({"type": "text", "text": part.body}),
            Opened::Thinking => {
                json!({"type": "thinking", "thinking": part.body, "signature": signed(&part.signature, &part.body)})
            }
            Opened::ToolUse { id, name } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": object(&part.body)})
            }
            Opened::Other { raw } => other(raw, &part.body),
        })
        .collect();
    json!({
        "id": head.id, "type": "message", "role": "assistant", "model": head.model, "content": content,
        "stop_reason": stop_word(answer.stop), "stop_sequence": answer.sequence, "usage": usage_json(answer.usage),
    })
    .to_string()
}

/// A signature is never missing: without one the next turn is refused.
fn signed(signature: &str, thinking: &str) -> String {
    if signature.is_empty() { foreign::signature(thinking) } else { signature.to_owned() }
}

/// A block of Anthropic's own, with the input that came behind it.
fn other(raw: &str, input: &str) -> Value {
    let mut block: serde_json::Map<String, Value> = serde_json::from_str(raw).unwrap_or_default();
    if !input.is_empty() {
        block.insert("input".to_owned(), object(input));
    }
    block.into()
}

/// How far the stream to a client is.
#[derive(Debug)]
enum Stage {
    Fresh(Fresh),
    Between(Between),
    Text(Text),
    Thinking(Thinking, String),
    Tool(Tool),
    Other(Other),
}

/// Writes events as a stream of the API. What may follow what is held by the types of [`super::grammar`].
#[derive(Debug)]
pub struct StreamEncoder {
    head: Head,
    /// None when it has ended.
    stage: Option<Stage>,
}

impl StreamEncoder {
    /// For one answer.
    pub fn new(head: Head) -> Self {
        Self { head, stage: Some(Stage::Fresh(Fresh::default())) }
    }

    /// The bytes of an event.
    pub fn encode(&mut self, event: &Event, out: &mut String) {
        if let Some(stage) = self.stage.take() {
            self.stage = self.step(stage, event, out);
        }
    }

    fn step(&self, stage: Stage, event: &Event, out: &mut String) -> Option<Stage> {
        Some(match (stage, event) {
            (stage, Event::Ping) => {
                grammar::ping(out);
                stage
            }
            (Stage::Fresh(fresh), Event::Start { usage, .. }) => Stage::Between(self.start(fresh, *usage, out)),
            (Stage::Text(text), Event::Delta(more)) => {
                text.delta(more, out);
                Stage::Text(text)
            }
            (Stage::Thinking(thinking, signature), Event::Delta(more)) => {
                thinking.delta(more, out);
                Stage::Thinking(thinking, signature)
            }
            (Stage::Tool(tool), Event::Delta(more)) => Stage::Tool(tool.delta(more, out)),
            (Stage::Other(other), Event::Delta(more)) => {
                other.delta(more, out);
                Stage::Other(other)
            }
            (Stage::Thinking(thinking, _), Event::Signature(signature)) => Stage::Thinking(thinking, signature.clone()),
            // Nothing that they could belong to is open.
            (stage, Event::Start { .. } | Event::Delta(_) | Event::Signature(_)) => stage,
            (Stage::Fresh(fresh), Event::Close) => Stage::Fresh(fresh),
            (stage, Event::Close) => Stage::Between(self.between(stage, Usage::default(), out)),
            (stage, Event::Open(opened)) => {
                let between = self.between(stage, Usage::default(), out);
                match opened {
                    Opened::Text => Stage::Text(between.text(out)),
                    Opened::Thinking => Stage::Thinking(between.thinking(out), String::new()),
                    Opened::ToolUse { id, name } => Stage::Tool(between.tool(id, name, out)),
                    Opened::Other { raw } => Stage::Other(between.other(raw, out)),
                }
            }
            (stage, Event::End { stop, sequence, usage }) => {
                let between = self.between(stage, *usage, out);
                between.end(stop_word(*stop), sequence.as_deref(), &usage_json(*usage), out);
                return None;
            }
            (_, Event::Error { kind, message }) => {
                grammar::error(kind, message, out);
                return None;
            }
        })
    }

    /// Begun, and with no block open: whatever was open is closed.
    fn between(&self, stage: Stage, usage: Usage, out: &mut String) -> Between {
        match stage {
            Stage::Fresh(fresh) => self.start(fresh, usage, out),
            Stage::Between(between) => between,
            Stage::Text(text) => text.close(out),
            Stage::Thinking(thinking, signature) => thinking.close(&signed(&signature, ""), out),
            Stage::Tool(tool) => tool.close(out),
            Stage::Other(other) => other.close(out),
        }
    }

    /// Providers that say their input only at the end leave an estimate for the beginning.
    fn start(&self, fresh: Fresh, usage: Usage, out: &mut String) -> Between {
        let usage = if usage.prompt() > 0 { usage } else { Usage { input: self.head.input_at_most, ..usage } };
        let usage = Usage { reasoning: 0, ..usage };
        fresh.start(&self.head.id, &self.head.model, &usage_json(usage), out)
    }
}
