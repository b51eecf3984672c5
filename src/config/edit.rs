//! Changes of a configuration file that leave all else in it as it was, comments and layout too.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;
use toml_edit::{DocumentMut, Item, TableLike};

use crate::config::Problem;

/// What is changed.
#[derive(Debug)]
pub enum Change<'v> {
    /// A value is put there, in place of one that is there.
    Set(&'v Value),
    /// What is there is taken out.
    Remove,
}

/// The text with the change made at a path of members. Objects on the way are made where there are none.
pub fn apply(text: &str, is_toml: bool, path: &[String], change: &Change<'_>) -> Result<String, Problem> {
    let Some((last, way)) = path.split_last() else { return Err(no_object("the file")) };
    if is_toml { of_toml(text, way, last, change) } else { of_json(text, way, last, change) }
}

fn no_object(name: &str) -> Problem {
    Problem(format!("{name} is no object, so that nothing can be changed in it"))
}

// --- JSON --------------------------------------------------------------------------------------------------------------

fn of_json(text: &str, way: &[String], last: &str, change: &Change<'_>) -> Result<String, Problem> {
    let root = CstRootNode::parse(text, &ParseOptions::default()).map_err(|error| Problem(error.to_string()))?;
    let mut object: CstObject = root.object_value_or_create().ok_or_else(|| no_object("the file"))?;
    for name in way {
        object = match change {
            Change::Set(_) => object.object_value_or_create(name).ok_or_else(|| no_object(name))?,
            Change::Remove => object.object_value(name).ok_or_else(|| no_object(name))?,
        };
    }
    match (change, object.get(last)) {
        (Change::Set(value), Some(member)) => member.set_value(json_input(value)),
        (Change::Set(value), None) => {
            object.append(last, json_input(value));
        }
        (Change::Remove, Some(member)) => member.remove(),
        (Change::Remove, None) => {}
    }
    let mut text = root.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn json_input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(json_input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(name, value)| (name.clone(), json_input(value))).collect())
        }
    }
}

// --- TOML --------------------------------------------------------------------------------------------------------------

fn of_toml(text: &str, way: &[String], last: &str, change: &Change<'_>) -> Result<String, Problem> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| Problem(error.to_string()))?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in way {
        if table.get(name).is_none() {
            let mut made = toml_edit::Table::new();
            // Its head is written only when something stands right below it.
            made.set_implicit(true);
            table.insert(name, Item::Table(made));
        }
        table = table.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| no_object(name))?;
    }
    match change {
        Change::Set(value) => {
            let made = Item::Value(toml_value(value));
            match table.get_mut(last) {
                // What stands around a value stays, a comment behind it too.
                Some(Item::Value(old)) => {
                    let decor = old.decor().clone();
                    *old = toml_value(value);
                    *old.decor_mut() = decor;
                }
                _ => {
                    table.insert(last, made);
                }
            }
        }
        Change::Remove => {
            table.remove(last);
        }
    }
    Ok(document.to_string())
}

fn toml_value(value: &Value) -> toml_edit::Value {
    match value {
        Value::Null => "".into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or(0.0).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => toml_edit::Value::Array(list.iter().map(toml_value).collect()),
        Value::Object(members) => toml_edit::Value::InlineTable(
            members.iter().map(|(name, value)| (name.as_str(), toml_value(value))).collect(),
        ),
    }
}
