//! JSON schemas in the part of `OpenAPI`'s that Gemini takes.
//!
//! Source: `Schema` of the published API reference, and the types of `google-genai` 3.4.

use serde_json::{Map, Value, json};

/// The keywords of a schema that are kept as they are.
const KEPT: &[&str] = &[
    "title",
    "description",
    "nullable",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "propertyOrdering",
    "default",
    "minimum",
    "maximum",
];
/// The formats of texts that are known; those of numbers are all known.
const TEXT_FORMATS: &[&str] = &["enum", "date-time"];
/// How many parts the schemas of a request may get by writing out what they refer to: what refers to itself would have no
/// end, and what refers twice to what refers twice is soon larger than all memory.
pub const WRITTEN_OUT_MAX: usize = 100_000;
/// Texts count as one more part for each of so many bytes.
const PART_BYTES: usize = 64;
/// How deep it may be.
const DEPTH_MAX: usize = 32;

/// A schema as it is being written out.
struct Projection<'s> {
    root: &'s Value,
    /// The references that are open: one of them again would have no end.
    open: Vec<&'s str>,
    /// How many parts may still be written out.
    left: &'s mut usize,
}

/// A JSON schema in the part of `OpenAPI`'s that the API takes: what it has no word for is said otherwise where that means
/// the same, and left out where not.
///
/// `left` is how many parts may still be written out, of [`WRITTEN_OUT_MAX`] for a request: beyond that a reference is any
/// object.
pub fn project(schema: &Value, left: &mut usize) -> Value {
    Projection { root: schema, open: Vec::new(), left }.of(schema, 0)
}

impl<'s> Projection<'s> {
    fn of(&mut self, schema: &'s Value, depth: usize) -> Value {
        let Value::Object(map) = schema else { return json!({}) };
        if !self.open.is_empty() {
            let bytes: usize = map.values().map(text_bytes).sum();
            *self.left = self.left.saturating_sub(1 + bytes / PART_BYTES);
        }
        if depth > DEPTH_MAX {
            return json!({"type": "object"});
        }
        if let Some(target) = map.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#')) {
            let found = self.root.pointer(target).filter(|_| *self.left > 0 && !self.open.contains(&target));
            let Some(found) = found else { return json!({"type": "object"}) };
            self.open.push(target);
            let made = self.of(found, depth + 1);
            self.open.pop();
            return made;
        }
        let mut made = Map::new();
        for name in KEPT {
            if let Some(value) = map.get(*name) {
                made.insert((*name).to_owned(), value.clone());
            }
        }
        type_of(map, &mut made);
        limits(map, &mut made);
        if let Some(values) = map.get("enum").and_then(Value::as_array) {
            texts(values, &mut made);
        } else if let Some(value) = map.get("const") {
            texts(std::slice::from_ref(value), &mut made);
        }
        if let Some(format) = map.get("format").and_then(Value::as_str) {
            let is_text = made.get("type").is_some_and(|kind| kind == "string");
            if !is_text || TEXT_FORMATS.contains(&format) {
                made.insert("format".to_owned(), format.into());
            }
        }
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let inner = properties.iter().map(|(name, inner)| (name.clone(), self.of(inner, depth + 1)));
            made.insert("properties".to_owned(), Value::Object(inner.collect()));
            made.entry("type").or_insert_with(|| "object".into());
            let required = map.get("required").and_then(Value::as_array);
            // A property that is required has to be there.
            let there = required
                .into_iter()
                .flatten()
                .filter(|name| name.as_str().is_some_and(|name| properties.contains_key(name)));
            let there: Vec<Value> = there.cloned().collect();
            if !there.is_empty() {
                made.insert("required".to_owned(), there.into());
            }
        }
        if made.get("type").is_some_and(|kind| kind == "array") {
            let items = map.get("items").or_else(|| map.get("prefixItems").and_then(|items| items.get(0)));
            let items = items.map_or_else(|| json!({"type": "string"}), |items| self.of(items, depth + 1));
            made.insert("items".to_owned(), items);
        }
        self.alternatives(map, depth, &mut made);
        Value::Object(made)
    }

    /// `oneOf` is `anyOf`; what is `allOf` is put together; null among them is `nullable`.
    fn alternatives(&mut self, map: &'s Map<String, Value>, depth: usize, made: &mut Map<String, Value>) {
        for part in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let Value::Object(part) = self.of(part, depth + 1) {
                for (name, value) in part {
                    match (made.get_mut(&name), value) {
                        (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                        (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                        (Some(_), _) => {}
                        (None, value) => {
                            made.insert(name, value);
                        }
                    }
                }
            }
        }
        let any = map.get("anyOf").or_else(|| map.get("oneOf")).and_then(Value::as_array);
        let Some(any) = any else { return };
        let (null, named): (Vec<&Value>, Vec<&Value>) = any.iter().partition(|one| one["type"] == "null");
        if !null.is_empty() {
            made.insert("nullable".to_owned(), true.into());
        }
        let named: Vec<Value> = named.into_iter().map(|one| self.of(one, depth + 1)).collect();
        // Alternatives that are each one text are one list of them.
        let all_texts = !named.is_empty() && named.iter().all(|one| one["enum"].is_array() && one["type"] == "string");
        if all_texts {
            let values: Vec<Value> =
                named.iter().flat_map(|one| one["enum"].as_array().cloned().unwrap_or_default()).collect();
            made.insert("type".to_owned(), "string".into());
            made.insert("enum".to_owned(), values.into());
            return;
        }
        match named.as_slice() {
            [] => {}
            [Value::Object(one)] => {
                for (name, value) in one {
                    made.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            _ => {
                made.insert("anyOf".to_owned(), named.into());
            }
        }
    }
}

/// A list of types is a type that may be null, or alternatives.
fn type_of(map: &Map<String, Value>, made: &mut Map<String, Value>) {
    match map.get("type") {
        Some(Value::String(kind)) => {
            made.insert("type".to_owned(), kind.clone().into());
        }
        Some(Value::Array(kinds)) => {
            let named: Vec<&Value> = kinds.iter().filter(|kind| *kind != "null").collect();
            if named.len() < kinds.len() {
                made.insert("nullable".to_owned(), true.into());
            }
            match named.as_slice() {
                [] => {}
                [one] => {
                    made.insert("type".to_owned(), (*one).clone());
                }
                several => {
                    let all: Vec<Value> = several.iter().map(|kind| json!({"type": kind})).collect();
                    made.insert("anyOf".to_owned(), all.into());
                }
            }
        }
        _ => {}
    }
}

/// The bytes of the texts that a member copies: a description, a default, the values of an enumeration.
fn text_bytes(member: &Value) -> usize {
    match member {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| value.as_str().map_or(0, str::len)).sum(),
        _ => 0,
    }
}

/// Limits that are excluded are the next whole number; of others they are left out.
fn limits(map: &Map<String, Value>, made: &mut Map<String, Value>) {
    if made.get("type").is_none_or(|kind| kind != "integer") {
        return;
    }
    for (excluded, included, step) in [("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)] {
        if let Some(limit) = map.get(excluded).and_then(Value::as_i64) {
            made.insert(included.to_owned(), limit.saturating_add(step).into());
        }
    }
}

/// Values are texts: those of other types are left to the description.
fn texts(values: &[Value], made: &mut Map<String, Value>) {
    let is_text = made.get("type").is_none_or(|kind| kind == "string");
    let texts: Vec<Value> = values.iter().filter(|value| value.is_string()).cloned().collect();
    if is_text && texts.len() == values.len() && !texts.is_empty() {
        made.insert("type".to_owned(), "string".into());
        made.insert("enum".to_owned(), texts.into());
        return;
    }
    let said: Vec<String> = values.iter().map(Value::to_string).collect();
    let words = format!("One of: {}.", said.join(", "));
    let description = match made.get("description").and_then(Value::as_str) {
        Some(front) => format!("{front} {words}"),
        None => words,
    };
    made.insert("description".to_owned(), description.into());
}
