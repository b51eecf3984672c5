//! Numbers with their units, as written: `60k`, `$0.000_03`, `90%`, `250ms`, `18:30`, `2026-01-31`.
//! Everything is exact; what is finer or larger than its type holds is an error, never rounded.

use jiff::civil::Date;

use crate::lang::input::{DOLLAR, NUMBER, SECOND, WHOLE};
use crate::lang::schema::types::Type;

/// A value with its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// One of the ordered types.
    pub ty: Type,
    /// In the unit of the type.
    pub value: i64,
}

/// What is wrong with a literal, and how it should be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

fn wrong(message: impl Into<String>, help: Option<String>) -> Wrong {
    Wrong { message: message.into(), help }
}

/// The units of plain numbers, as (word, type, value of one).
const UNITS: &[(&str, Type, i64)] = &[
    ("", Type::Number, NUMBER),
    ("k", Type::Number, 1_000 * NUMBER),
    ("M", Type::Number, 1_000_000 * NUMBER),
    ("%", Type::Percent, WHOLE / 100),
    ("ms", Type::Duration, SECOND / 1_000),
    ("s", Type::Duration, SECOND),
    ("min", Type::Duration, 60 * SECOND),
    ("h", Type::Duration, 3_600 * SECOND),
    ("d", Type::Duration, 86_400 * SECOND),
];
/// What people write for a unit, and what it is.
const NEARLY: &[(&str, &str)] = &[
    ("K", "k"),
    ("m", "min"),
    ("mn", "min"),
    ("mins", "min"),
    ("minutes", "min"),
    ("minute", "min"),
    ("sec", "s"),
    ("secs", "s"),
    ("seconds", "s"),
    ("second", "s"),
    ("S", "s"),
    ("MS", "ms"),
    ("Ms", "ms"),
    ("msec", "ms"),
    ("H", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("D", "d"),
    ("day", "d"),
    ("days", "d"),
    ("pct", "%"),
    ("Min", "min"),
    ("MIN", "min"),
    ("mil", "M"),
];

/// Reads a literal.
pub fn parse(raw: &str) -> Result<Quantity, Wrong> {
    if let Some(rest) = raw.strip_prefix('$') {
        return money(raw, rest);
    }
    if raw.contains(':') {
        return time(raw);
    }
    if raw.contains('-') {
        return date(raw);
    }
    let unit_at = raw.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(raw.len());
    let (digits, unit) = raw.split_at(unit_at);
    let Some((_, ty, one)) = UNITS.iter().find(|(word, ..)| *word == unit) else {
        let near = NEARLY.iter().find(|(word, _)| *word == unit).map(|(_, right)| *right);
        let help = match near {
            Some(right) => format!("write `{digits}{right}`"),
            None => "units are `k` `M` `%` `ms` `s` `min` `h` `d`, and `$` in front".to_owned(),
        };
        return Err(wrong(format!("`{unit}` is not a unit"), Some(help)));
    };
    Ok(Quantity { ty: *ty, value: decimal(raw, digits, *one, *ty)? })
}

/// Reads digits with at most one point as a multiple of `one`, exactly.
fn decimal(raw: &str, digits: &str, one: i64, ty: Type) -> Result<i64, Wrong> {
    let misplaced = digits.ends_with('_')
        || digits.starts_with('_')
        || digits.contains("__")
        || digits.contains("_.")
        || digits.contains("._");
    if misplaced {
        let clean: String = digits.chars().filter(|c| *c != '_').collect();
        return Err(wrong(format!("`_` stands between digits only in `{raw}`"), Some(format!("write `{clean}`"))));
    }
    if let Some(rest) = digits.strip_prefix('.') {
        return Err(wrong(format!("`{raw}` begins with a point"), Some(format!("write `0.{rest}`"))));
    }
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    let (whole, rest) = clean.split_once('.').unwrap_or((&clean, ""));
    let too_large = || wrong(format!("`{raw}` is too large"), Some(format!("at most {}", ty.show(i64::MAX))));
    let whole: i64 = whole.parse().map_err(|_| too_large())?;
    let mut value = whole.checked_mul(one).ok_or_else(too_large)?;
    let mut place = one;
    for digit in rest.bytes() {
        let digit = i64::from(digit - b'0');
        if place % 10 != 0 && digit != 0 {
            return Err(wrong(format!("`{raw}` is finer than {} can be", ty.words()), None));
        }
        place /= 10;
        value = value.checked_add(place * digit).ok_or_else(too_large)?;
    }
    Ok(value)
}

fn money(raw: &str, rest: &str) -> Result<Quantity, Wrong> {
    let unit_at = rest.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(rest.len());
    let (digits, unit) = rest.split_at(unit_at);
    let scale = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        _ => return Err(wrong(format!("`{unit}` is not a unit of money"), Some(format!("write `${digits}`")))),
    };
    let value = decimal(raw, digits, DOLLAR * scale, Type::Money)?;
    Ok(Quantity { ty: Type::Money, value })
}

fn time(raw: &str) -> Result<Quantity, Wrong> {
    let (hour, minute) = raw.split_once(':').unwrap_or((raw, ""));
    let value = |text: &str| text.parse::<i64>().ok();
    let (Some(h), Some(m)) = (value(hour), value(minute)) else {
        return Err(wrong(format!("`{raw}` is not a time"), Some("write `18:30`".to_owned())));
    };
    let in_day = (h < 24 && m < 60) || (h == 24 && m == 0);
    if !in_day {
        return Err(wrong(format!("`{raw}` is not a time of day"), Some("from `00:00` to `24:00`".to_owned())));
    }
    if hour.len() != 2 || minute.len() != 2 {
        return Err(wrong(format!("`{raw}` needs two digits each"), Some(format!("write `{h:02}:{m:02}`"))));
    }
    Ok(Quantity { ty: Type::Time, value: h * 60 + m })
}

fn date(raw: &str) -> Result<Quantity, Wrong> {
    match raw.parse::<Date>() {
        Ok(date) if raw.len() == 10 => Ok(Quantity { ty: Type::Date, value: day_of(date) }),
        _ => Err(wrong(
            format!("`{raw}` is not a date"),
            Some("write the year, the month and the day: `2026-01-31`".to_owned()),
        )),
    }
}

/// Days since 1970-01-01.
pub fn day_of(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.until(date).map_or(0, |span| i64::from(span.get_days()))
}

/// The weekday of a day, from Monday, 0.
pub fn weekday_of(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// A day, as it is written.
pub fn show_date(day: i64) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(day);
    span.and_then(|span| epoch.checked_add(span)).map_or_else(|_| day.to_string(), |date| date.to_string())
}
