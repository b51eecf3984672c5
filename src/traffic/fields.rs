//! What is kept of a request whose body is not recorded: every count, flag and name that rules can ask about, and no text
//! that anybody wrote, nor the names of files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lang::input::{Bounds, Feature, Features, NUMBER};
use crate::lang::schema::fields::{Argument, FIELDS, Field, Read};
use crate::lang::schema::types::Type;

/// Texts that say who asked for what with which program, and nothing of what was written.
const TEXTS: &[Feature] = &[Feature::Model, Feature::Session, Feature::User, Feature::Key, Feature::Client];

/// Fields by their names in the language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(flatten)]
    values: BTreeMap<String, Value>,
    /// What `bucket` is worked out from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    bucket_id: String,
    /// The request's headers, which its line holds.
    #[serde(skip)]
    pub(super) headers: BTreeMap<String, String>,
}

impl Kept {
    /// Of a request.
    pub fn of(request: &dyn Features) -> Self {
        let mut values = BTreeMap::new();
        for (row, feature) in rows() {
            let value = match row.ty {
                Type::Text if TEXTS.contains(&feature) => {
                    request.text(feature, None).map(|text| Value::from(text.into_owned()))
                }
                Type::Texts => Some(Value::from(request.set(feature).into_owned())),
                Type::Text | Type::Paths => None,
                ty => request.ordinal(feature, &[]).and_then(|bounds| value_of(ty, bounds.low)),
            };
            values.extend(value.map(|value| (row.name.to_owned(), value)));
        }
        Self { values, bucket_id: request.bucket_id().into_owned(), headers: BTreeMap::new() }
    }

    fn get(&self, feature: Feature) -> Option<(&'static Field, &Value)> {
        let (row, _) = rows().find(|(_, known)| *known == feature)?;
        Some((row, self.values.get(row.name)?))
    }
}

fn rows() -> impl Iterator<Item = (&'static Field, Feature)> {
    FIELDS.iter().filter_map(|row| match (row.read, row.argument) {
        (Read::Feature(feature), Argument::None) => Some((row, feature)),
        _ => None,
    })
}

fn value_of(ty: Type, value: i64) -> Option<Value> {
    match ty {
        Type::Bool => Some(Value::from(value != 0)),
        Type::Member(closed) => Some(Value::from(*closed.members.get(usize::try_from(value).ok()?)?)),
        _ if value % NUMBER == 0 => Some(Value::from(value / NUMBER)),
        #[expect(clippy::cast_precision_loss, reason = "a temperature has few digits")]
        _ => Some(Value::from(value as f64 / NUMBER as f64)),
    }
}

fn ordinal_of(ty: Type, value: &Value) -> Option<i64> {
    match ty {
        Type::Bool => value.as_bool().map(i64::from),
        Type::Member(closed) => {
            let at = closed.members.iter().position(|member| Some(*member) == value.as_str())?;
            i64::try_from(at).ok()
        }
        _ => match value.as_i64() {
            Some(whole) => whole.checked_mul(NUMBER),
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "`as` saturates")]
            None => value.as_f64().map(|value| (value * NUMBER as f64).round() as i64),
        },
    }
}

impl Features for Kept {
    fn ordinal(&self, feature: Feature, _: &[i64]) -> Option<Bounds> {
        let (row, value) = self.get(feature)?;
        ordinal_of(row.ty, value).map(Bounds::exactly)
    }

    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>> {
        if let Some(name) = name {
            return self
                .headers
                .get(name)
                .filter(|_| feature == Feature::Header)
                .map(|text| Cow::Borrowed(text.as_str()));
        }
        self.get(feature)?.1.as_str().map(Cow::Borrowed)
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        let members = self.get(feature).and_then(|(_, value)| value.as_array());
        let members = members.map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        Cow::Owned(members.unwrap_or_default())
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.bucket_id)
    }
}
