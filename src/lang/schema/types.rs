//! The types of values, their units, and how a value says itself.

use crate::lang::input::{DOLLAR, NUMBER, SECOND, WHOLE};

/// A closed set of words.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// The field that it belongs to.
    pub name: &'static str,
    /// Its members, lowest first where they are ordered.
    pub members: &'static [&'static str],
    /// `<` and its like work on it.
    pub ordered: bool,
}

/// `api`
pub static API: Closed = Closed { name: "api", members: &["messages", "chat", "responses"], ordered: false };
/// `agent`
pub static AGENT: Closed = Closed { name: "agent", members: &["main", "sub", "background", "other"], ordered: false };
/// `effort`
pub static EFFORT: Closed =
    Closed { name: "effort", members: &["none", "minimal", "low", "medium", "high", "xhigh", "max"], ordered: true };
/// `weekday`
pub static WEEKDAY: Closed =
    Closed { name: "weekday", members: &["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ordered: true };

/// The type of a field or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// An exact decimal, in billionths.
    Number,
    /// US dollars, in billionths.
    Money,
    /// A share, in millionths.
    Percent,
    /// In microseconds.
    Duration,
    /// A time of day, in minutes; circular.
    Time,
    /// In days since 1970-01-01.
    Date,
    /// True or false.
    Bool,
    /// A member of a closed set, by its index.
    Member(&'static Closed),
    /// A class of a label, by the index of the line that gave it.
    Class,
    /// A text.
    Text,
    /// A set of paths.
    Paths,
    /// A set of texts.
    Texts,
}

impl Type {
    /// How messages call it.
    pub fn words(self) -> String {
        match self {
            Self::Number => "a number".to_owned(),
            Self::Money => "money".to_owned(),
            Self::Percent => "a percentage".to_owned(),
            Self::Duration => "a duration".to_owned(),
            Self::Time => "a time of day".to_owned(),
            Self::Date => "a date".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Member(closed) => format!("one of {}", closed.members.join(", ")),
            Self::Class => "a class".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Paths => "a set of paths".to_owned(),
            Self::Texts => "a set of texts".to_owned(),
        }
    }

    /// How a value of the type is written, for help lines.
    pub fn sample(self) -> &'static str {
        match self {
            Self::Number => "500",
            Self::Money => "$5.00",
            Self::Percent => "90%",
            Self::Duration => "30s",
            Self::Time => "18:30",
            Self::Date => "2026-01-31",
            Self::Bool => "true",
            Self::Member(_) | Self::Class => "low",
            Self::Text | Self::Paths | Self::Texts => "\"text\"",
        }
    }

    /// Whether its values are one `i64` each.
    pub fn is_ordinal(self) -> bool {
        !matches!(self, Self::Text | Self::Paths | Self::Texts)
    }

    /// Whether `<` and its like work on it.
    pub fn is_ordered(self) -> bool {
        match self {
            Self::Number | Self::Money | Self::Percent | Self::Duration | Self::Time | Self::Date => true,
            Self::Member(closed) => closed.ordered,
            Self::Bool | Self::Class | Self::Text | Self::Paths | Self::Texts => false,
        }
    }

    /// How many values there are before it begins anew, where it is circular.
    pub fn circle(self) -> Option<i64> {
        match self {
            Self::Time => Some(24 * 60),
            Self::Member(closed) if closed == &WEEKDAY => Some(7),
            Self::Number
            | Self::Money
            | Self::Percent
            | Self::Duration
            | Self::Date
            | Self::Bool
            | Self::Member(_)
            | Self::Class
            | Self::Text
            | Self::Paths
            | Self::Texts => None,
        }
    }

    /// A value in words.
    pub fn show(self, value: i64) -> String {
        match self {
            Self::Number => decimal(value, NUMBER, true),
            Self::Money => format!("${}", money(value)),
            Self::Percent => format!("{}%", decimal(value.saturating_mul(100), WHOLE, false)),
            Self::Duration => duration(value),
            Self::Time => format!("{:02}:{:02}", value / 60, value % 60),
            Self::Date => crate::lang::schema::quantity::show_date(value),
            Self::Bool => (value != 0).to_string(),
            Self::Member(closed) => {
                let index = usize::try_from(value).unwrap_or(usize::MAX);
                closed.members.get(index).copied().unwrap_or("?").to_owned()
            }
            Self::Class | Self::Text | Self::Paths | Self::Texts => value.to_string(),
        }
    }
}

/// A decimal without needless zeros; with `_` between thousands where asked for.
fn decimal(value: i64, unit: i64, grouped: bool) -> String {
    let (whole, rest) = (value.unsigned_abs() / unit.unsigned_abs(), value.unsigned_abs() % unit.unsigned_abs());
    let mut text = if grouped { group(whole) } else { whole.to_string() };
    if rest > 0 {
        let width = usize::try_from(unit.ilog10()).unwrap_or(0);
        text.push('.');
        text.push_str(format!("{rest:0width$}").trim_end_matches('0'));
    }
    if value < 0 { format!("-{text}") } else { text }
}

fn group(whole: u64) -> String {
    let digits = whole.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// Dollars with two digits behind the point at least, and no more than say something.
fn money(value: i64) -> String {
    let text = decimal(value, DOLLAR, false);
    match text.split_once('.') {
        None => format!("{text}.00"),
        Some((whole, rest)) if rest.len() == 1 => format!("{whole}.{rest}0"),
        Some(_) => text,
    }
}

fn duration(value: i64) -> String {
    let units =
        [("d", 86_400 * SECOND), ("h", 3_600 * SECOND), ("min", 60 * SECOND), ("s", SECOND), ("ms", SECOND / 1_000)];
    let fits = units.iter().find(|(_, unit)| value != 0 && value % unit == 0);
    let (word, unit) = fits.copied().unwrap_or(if value >= SECOND { ("s", SECOND) } else { ("ms", SECOND / 1_000) });
    format!("{}{word}", decimal(value, unit, false))
}
