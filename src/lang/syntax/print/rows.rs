//! Words in columns: the lines of labels, the members of pools, lets and budgets that stand together.

use crate::lang::source::Span;
use crate::lang::syntax::print::words::{budget_words, condition_words, model_words, value_words};
use crate::lang::syntax::print::{Printer, STEP, WIDTH, width};
use crate::lang::syntax::tree::{Bound, Condition, Item, ItemKind, Label, LabelLine, Literal, Pool};

/// What stands between the first two columns of a block, and between the others.
const GAPS: (&str, &str) = ("  ", "   ");

/// A row of words in columns, with where it stands.
pub(super) struct Row {
    cells: Vec<String>,
    span: Span,
}

impl Printer<'_> {
    /// How many lets, or budgets, stand on neighbouring lines, so that they are set in columns. One that would be too
    /// wide ends them.
    pub(super) fn neighbours(&self, items: &[Item]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let (mut first, mut rest) = (0, 0);
        for (at, item) in items.iter().enumerate() {
            let alike = matches!(
                (&items[0].kind, &item.kind),
                (ItemKind::Let(..), ItemKind::Let(..)) | (ItemKind::Budget(_), ItemKind::Budget(_))
            );
            let apart = at > 0 && self.blank_between(items[at - 1].place.0.end, item.place.0.start);
            if !alike || apart || self.is_commented(items, at) {
                break;
            }
            let row = row_of_item(item);
            first = width(&row.cells[0]).max(first);
            rest = width(&row.cells[1]).max(rest);
            if first + 1 + rest > WIDTH {
                break;
            }
            rows.push(row);
        }
        rows
    }

    /// Whether a comment stands in an item, or on a line of its own between it and the one before.
    fn is_commented(&self, items: &[Item], at: usize) -> bool {
        let place = items[at].place.0;
        let after = if at == 0 { place.start } else { items[at - 1].place.0.end };
        let mut up_to = self.comments.iter().take_while(|comment| comment.span.end <= place.end);
        let inside = self.has_comment(place);
        inside || up_to.any(|comment| comment.span.start > after && self.own_line(comment.span))
    }

    /// Neighbouring lets or budgets.
    pub(super) fn neighbour_lines(&mut self, rows: &[Row]) {
        let widths = widths(rows);
        for row in rows {
            self.leading(row.span.start, 0);
            self.push(0, &line_of(row, &widths, (" ", " ")));
            self.trailing(row.span);
        }
    }

    /// The members of a pool.
    pub(super) fn pool_lines(&mut self, pool: &Pool) -> Option<u32> {
        let rows = pool.members.iter().map(|(model, weight)| {
            let mut cells = vec![model_words(model)];
            cells.extend(weight.as_ref().map(|weight| weight.raw.clone()));
            Row { cells, span: model.span().to(weight.as_ref().map_or(model.span(), Literal::span)) }
        });
        let rows: Vec<Row> = rows.collect();
        let (widths, mut last) = (widths(&rows), None);
        for row in &rows {
            self.gap(last, row.span.start);
            self.leading(row.span.start, STEP);
            self.push(STEP, &line_of(row, &widths, (GAPS.1, GAPS.1)));
            self.trailing(row.span);
            last = Some(row.span.end);
        }
        last
    }

    /// The lines of a label. Those that fit make columns; the others are broken, each by itself.
    pub(super) fn label_lines(&mut self, label: &Label) -> Option<u32> {
        let rows: Vec<Row> = label.lines.iter().map(label_row).collect();
        let class = rows.iter().map(|row| width(&row.cells[0])).max().unwrap_or(0);
        let mut fits: Vec<bool> = label
            .lines
            .iter()
            .zip(&rows)
            .map(|(line, row)| {
                let one = row.cells.get(1).map_or("", String::as_str);
                line.when.as_ref().is_none_or(|when| self.is_one_line(one, when, row.span, STEP))
            })
            .collect();
        let widths = loop {
            let fitting: Vec<&Row> = rows.iter().zip(&fits).filter_map(|(row, fits)| fits.then_some(row)).collect();
            let mut widths = widths_of(fitting.iter().copied());
            if let Some(first) = widths.first_mut() {
                *first = class;
            }
            if fitting.iter().all(|row| STEP + width(&line_of(row, &widths, GAPS)) <= WIDTH) {
                break widths;
            }
            // The widest condition leaves the columns.
            let widest =
                (0..rows.len()).filter(|at| fits[*at]).max_by_key(|at| rows[*at].cells.get(1).map(|c| width(c)));
            match widest {
                Some(at) => fits[at] = false,
                None => break widths,
            }
        };
        let mut last = None;
        for ((line, row), fits) in label.lines.iter().zip(&rows).zip(fits) {
            self.gap(last, row.span.start);
            let words = line.when.as_ref().map_or(row.span, Condition::span);
            self.leading(words.start, STEP);
            match &line.when {
                Some(when) if !fits => {
                    let tail = row.cells.get(2).map_or_else(String::new, |words| format!("{}{words}", GAPS.1));
                    // What is broken hangs under its `when`.
                    let head = format!("{}{:class$}{}", " ".repeat(STEP), row.cells[0], GAPS.0);
                    let first = self.lines.len();
                    self.condition_lines("when ", when, &tail, width(&head), row.span);
                    // Comments may stand before it.
                    let line = self.lines[first..].iter_mut().find(|line| line.text.trim_start().starts_with("when "));
                    if let Some(line) = line {
                        line.text = format!("{head}{}", line.text.trim_start());
                    }
                }
                _ => self.push(STEP, &line_of(row, &widths, GAPS)),
            }
            self.trailing(row.span);
            last = Some(row.span.end);
        }
        last
    }
}

fn widths(rows: &[Row]) -> Vec<usize> {
    widths_of(rows.iter())
}

fn widths_of<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(row.cells.len().max(widths.len()), 0);
        for (widest, cell) in widths.iter_mut().zip(&row.cells) {
            *widest = width(cell).max(*widest);
        }
    }
    widths
}

/// A row as a line; what ends a line is not filled up.
fn line_of(row: &Row, widths: &[usize], gaps: (&str, &str)) -> String {
    let mut line = String::new();
    for (column, cell) in row.cells.iter().enumerate() {
        line.push_str(match column {
            0 => "",
            1 => gaps.0,
            _ => gaps.1,
        });
        line.push_str(cell);
        if column + 1 < row.cells.len() {
            let missing = widths.get(column).map_or(0, |widest| widest.saturating_sub(width(cell)));
            line.push_str(&" ".repeat(missing));
        }
    }
    line
}

fn row_of_item(item: &Item) -> Row {
    let cells = match &item.kind {
        ItemKind::Let(name, bound) => {
            let value = match bound {
                Bound::Value(value) => value_words(value),
                Bound::Condition(condition) => condition_words(condition, false),
            };
            [format!("let {}", name.text), format!("= {value}")]
        }
        ItemKind::Budget(budget) => {
            let words = budget_words(budget);
            let (name, rest) = words.split_once(" = ").unwrap_or((&words, ""));
            [name.to_owned(), format!("= {rest}")]
        }
        _ => [String::new(), String::new()],
    };
    Row { cells: cells.into(), span: item.place.0 }
}

fn label_row(line: &LabelLine) -> Row {
    let cells = match &line.when {
        None => vec![line.class.text.clone(), "otherwise".to_owned()],
        Some(when) => {
            let mut cells = vec![line.class.text.clone(), format!("when {}", condition_words(when, false))];
            cells.extend(line.confidence.as_ref().map(|confidence| format!("confidence {}", confidence.raw)));
            cells
        }
    };
    Row { cells, span: line.place.0 }
}
