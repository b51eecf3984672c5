//! Tables of what traffic comes to, as people and programs read them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::lang::input::DOLLAR;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people at a terminal.
    Human,
    /// For a pull request.
    Markdown,
}

/// What some requests come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many there are.
    pub requests: u64,
    /// Input tokens.
    pub input: u64,
    /// Those of them that caches held.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
    /// What those cost whose price is known, in nano-dollars.
    pub cost: i64,
    /// Requests whose price is not known.
    pub unpriced: u64,
}

impl Totals {
    /// One more request.
    pub fn add(&mut self, [input, cached, output]: [u64; 3], cost: Option<i64>) {
        self.requests += 1;
        self.input += input;
        self.cached += cached;
        self.output += output;
        match cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced += 1,
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "requests": self.requests, "input_tokens": self.input, "cached_tokens": self.cached,
            "output_tokens": self.output, "cost_usd": usd(self.cost), "without_price": self.unpriced,
        })
    }

    /// What it costs, in words; a question mark behind it where a price is missing.
    pub fn dollars(&self) -> String {
        format!("{}{}", dollars(self.cost), if self.unpriced > 0 { "?" } else { "" })
    }
}

/// Dollars as a number.
#[expect(clippy::cast_precision_loss, reason = "a report; 2^53 nano-dollars are nine million dollars")]
pub fn usd(nano: i64) -> f64 {
    nano as f64 / DOLLAR as f64
}

/// Money in words: cents, and where they say nothing, hundredths of them.
pub fn dollars(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let size = nano.unsigned_abs();
    let (one, unit) = (DOLLAR.unsigned_abs(), DOLLAR.unsigned_abs() / 10_000);
    if size >= one || size == 0 {
        let cents = (size + one / 200) / (one / 100);
        return format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100);
    }
    if size < unit / 2 {
        return format!("{sign}<$0.0001");
    }
    format!("{sign}$0.{:04}", (size + unit / 2) / unit)
}

/// `once`, `3 times`.
pub fn times(n: u64) -> String {
    match n {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        n => format!("{} times", grouped(n)),
    }
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut made = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            made.push('_');
        }
        made.push(digit);
    }
    made
}

/// Rows under a head. Columns of which every cell is a number, or money, stand to the right.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With a head.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn is_number(&self, column: usize) -> bool {
        let number = |cell: &String| {
            cell.is_empty() || cell.starts_with(['$', '-', '<']) || cell.starts_with(|c: char| c.is_ascii_digit())
        };
        self.rows.iter().filter_map(|row| row.get(column)).all(number)
    }

    /// Written behind what is there.
    pub fn write(&self, text: &mut String, form: Form) {
        let columns = self.head.len();
        let numbers: Vec<bool> = (0..columns).map(|column| self.is_number(column)).collect();
        match form {
            Form::Markdown => {
                let cell = |cell: &String| cell.replace('|', "\\|");
                let line = |row: &[String]| format!("| {} |\n", row.iter().map(cell).collect::<Vec<_>>().join(" | "));
                text.push_str(&line(&self.head));
                let marks: Vec<&str> = numbers.iter().map(|number| if *number { "---:" } else { "---" }).collect();
                let _ = writeln!(text, "|{}|", marks.join("|"));
                self.rows.iter().for_each(|row| text.push_str(&line(row)));
            }
            Form::Human => {
                let all = || std::iter::once(&self.head).chain(&self.rows);
                let width = |column: usize| {
                    all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
                };
                let widths: Vec<usize> = (0..columns).map(width).collect();
                for row in all() {
                    let cells: Vec<String> = row
                        .iter()
                        .zip(&widths)
                        .zip(&numbers)
                        .map(
                            |((cell, width), number)| {
                                if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                            },
                        )
                        .collect();
                    text.push_str(cells.join("  ").trim_end());
                    text.push('\n');
                }
            }
        }
    }
}
