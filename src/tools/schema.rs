//! The JSON Schema of `explain --json`.

use serde_json::{Value, json};

/// The schema.
pub fn explain() -> Value {
    let text = json!({"type": "string"});
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let because = json!({
        "type": "object",
        "required": ["test", "value", "held"],
        "properties": {"test": text, "value": text, "held": {"type": "boolean"}, "via": text},
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A decision of claude-router, explained",
        "type": "object",
        "required": ["request", "rule", "location", "action", "route", "reject", "set", "adjusts", "tags", "skipped", "trace", "fields", "cost", "evaluation"],
        "properties": {
            "request": text,
            "rule": {"type": "string", "description": "the rule that decided, `default`, or `budget NAME`"},
            "location": {"type": ["object", "null"], "properties": {"file": text, "line": {"type": "integer"}, "column": {"type": "integer"}}},
            "action": {"enum": ["route", "reject", "unservable"]},
            "route": {"type": ["object", "null"], "required": ["target", "model", "provider", "chain", "fallback"], "properties": {
                "target": text, "model": text, "provider": text,
                "chain": {"type": "array", "items": text}, "fallback": {"type": "array", "items": text},
            }},
            "reject": {"type": ["object", "null"], "properties": {"status": {"type": "integer"}, "message": text, "retry_after_s": nullable("integer")}},
            "set": {"type": "object"},
            "adjusts": {"type": "array", "items": text},
            "tags": {"type": "array", "items": text},
            "skipped": {"type": "array", "items": {"type": "object", "required": ["model", "reason", "detail"], "properties": {
                "model": text, "detail": text,
                "reason": {"enum": ["context_window", "images", "tools", "thinking", "documents", "unhealthy", "budget", "unknown", "first_turn"]},
            }}},
            "trace": {"type": "array", "items": {"type": "object", "required": ["rule", "matched", "because"], "properties": {
                "rule": text, "matched": {"type": "boolean"},
                "because": {"oneOf": [because, {"type": "array", "items": because}, {"type": "null"}]},
            }}},
            "fields": {"type": "object"},
            "cost": {"type": "object", "properties": {"estimate_usd": nullable("number")}},
            "evaluation": {"type": "object", "required": ["tokens", "bytes_scanned"], "properties": {
                "microseconds": {"type": "number"}, "tokens": {"enum": ["none", "bounded", "counted"]}, "bytes_scanned": {"type": "integer"},
            }},
        },
    })
}
