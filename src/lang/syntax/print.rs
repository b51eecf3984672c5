//! The tree as text, in one canonical layout, with every comment where it was.
//!
//! A comment on a line of its own stays before what it stood before; one behind something stays behind it. Whatever has
//! a comment inside is broken over several lines, so that there is a line for it.

use std::collections::VecDeque;

use crate::lang::source::{Source, Span};
use crate::lang::syntax::tree::{
    Action, ActionKind, Bound, Budget, Comment, Condition, Expect, FieldRef, File, Given, Item, ItemKind, LabelLine,
    Literal, ModelName, Operator, Quantifier, Rule, Set, Target, Test, TestLine, Value, ValueKind,
};

/// The widest line, in characters.
const WIDTH: usize = 100;
/// What a level is moved in by.
const STEP: usize = 2;

/// The text of a file.
pub fn file(file: &File, source: &Source, comments: &[Comment]) -> String {
    let mut printer = Printer { source, comments: comments.iter().collect(), lines: Vec::new() };
    printer.file(file);
    let mut text = String::new();
    for line in &printer.lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

struct Printer<'a> {
    source: &'a Source,
    comments: VecDeque<&'a Comment>,
    lines: Vec<String>,
}

/// A row of words in columns, with where it stands.
struct Row {
    cells: Vec<String>,
    span: Span,
}

impl Printer<'_> {
    fn file(&mut self, file: &File) {
        let mut before: Option<(&Item, Span)> = None;
        if let Some(version) = &file.language {
            self.leading(version.span().start, 0);
            self.lines.push(format!("language {}", version.raw));
            self.trailing(version.span());
        }
        let mut index = 0;
        while index < file.items.len() {
            let item = &file.items[index];
            let start = item.place.0.start;
            let first_comment = self.comments.front().map_or(start, |comment| comment.span.start.min(start));
            let gap = before.map_or(file.language.is_some(), |(last, span)| {
                !is_short(last) || !is_short(item) || self.blank_between(span.end, first_comment)
            });
            if gap && !self.lines.is_empty() {
                self.lines.push(String::new());
            }
            self.leading(start, 0);
            let n = self.group(&file.items[index..]);
            if n > 1 {
                let rows = file.items[index..index + n].iter().map(row_of_item).collect::<Vec<_>>();
                self.rows(&rows, 0, " ", " ");
            } else {
                self.item(item);
            }
            index += n.max(1);
            before = file.items.get(index - 1).map(|item| (item, item.place.0));
        }
        let end = u32::MAX;
        if !self.comments.is_empty() && !self.lines.is_empty() {
            let first = self.comments[0].span.start;
            if before.is_none_or(|(last, span)| !is_short(last) || self.blank_between(span.end, first)) {
                self.lines.push(String::new());
            }
        }
        self.leading(end, 0);
    }

    /// How many lets, or budgets, stand on neighbouring lines, so that they are set in columns.
    fn group(&self, items: &[Item]) -> usize {
        let mut n = 0;
        for (at, item) in items.iter().enumerate() {
            let alike = matches!(
                (&items[0].kind, &item.kind),
                (ItemKind::Let(..), ItemKind::Let(..)) | (ItemKind::Budget(_), ItemKind::Budget(_))
            );
            let one_line =
                alike && row_of_item(item).cells.iter().map(|cell| cell.chars().count() + 1).sum::<usize>() <= WIDTH;
            let next_to = at == 0 || !self.blank_between(items[at - 1].place.0.end, item.place.0.start);
            let commented = self.comments.iter().any(|comment| {
                let inside = comment.span.start > item.place.0.start && comment.span.end <= item.place.0.end;
                let before = at > 0
                    && comment.span.start > items[at - 1].place.0.end
                    && comment.span.end <= item.place.0.start
                    && self.own_line(comment);
                inside || before
            });
            if !one_line || !next_to || commented {
                break;
            }
            n += 1;
        }
        n
    }

    fn own_line(&self, comment: &Comment) -> bool {
        let before = self.source.text.get(..comment.span.start as usize).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().trim().is_empty()
    }

    /// Whether an empty line stands between two places.
    fn blank_between(&self, from: u32, to: u32) -> bool {
        let between = self.source.text.get(from as usize..to as usize).unwrap_or_default();
        between
            .split('\n')
            .skip(1)
            .collect::<Vec<_>>()
            .split_last()
            .is_some_and(|(_, lines)| lines.iter().any(|line| line.trim().is_empty()))
    }

    /// The comments before a place, each on a line of its own.
    fn leading(&mut self, before: u32, indent: usize) {
        let mut last: Option<u32> = None;
        while let Some(comment) = self.comments.pop_front_if(|comment| comment.span.start < before) {
            if last.is_some_and(|end| self.blank_between(end, comment.span.start)) {
                self.lines.push(String::new());
            }
            last = Some(comment.span.end);
            self.lines.push(format!("{}{}", " ".repeat(indent), comment.text));
        }
        let gap = last.is_some_and(|end| before != u32::MAX && self.blank_between(end, before));
        if gap {
            self.lines.push(String::new());
        }
    }

    /// A comment that stands behind something on its line.
    fn trailing(&mut self, span: Span) {
        let end = self
            .source
            .text
            .get(span.end as usize..)
            .and_then(|rest| rest.find('\n'))
            .map_or(u32::MAX, |at| span.end + u32::try_from(at).unwrap_or(0));
        while let Some(comment) = self.comments.pop_front_if(|comment| comment.span.start < end) {
            let fits = self.lines.last().is_some_and(|line| !line.contains('#') || !line.trim_start().starts_with('#'));
            match self.lines.last_mut() {
                Some(line) if fits && comment.span.start >= span.end => {
                    line.push_str("  ");
                    line.push_str(&comment.text);
                }
                _ => self.lines.push(comment.text.clone()),
            }
        }
    }

    fn has_comment(&self, span: Span) -> bool {
        self.comments.iter().any(|comment| comment.span.start >= span.start && comment.span.end <= span.end)
    }

    fn push(&mut self, indent: usize, text: &str) {
        self.lines.push(format!("{}{text}", " ".repeat(indent)));
    }

    /// Rows in columns, each with the comments around it.
    fn rows(&mut self, rows: &[Row], indent: usize, first_gap: &str, gap: &str) {
        let n = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n)
            .map(|column| {
                rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let wide: usize = widths.iter().map(|width| width + 2).sum();
        for row in rows {
            self.leading(row.span.start, indent);
            let mut line = String::new();
            for (column, (cell, width)) in row.cells.iter().zip(&widths).enumerate() {
                let width = if indent + wide > WIDTH * 2 { 0 } else { *width };
                line.push_str(match column {
                    0 => "",
                    1 => first_gap,
                    _ => gap,
                });
                line.push_str(&format!("{cell:<width$}"));
            }
            self.push(indent, line.trim_end());
            self.trailing(row.span);
        }
    }

    fn item(&mut self, item: &Item) {
        let span = item.place.0;
        match &item.kind {
            ItemKind::Use(path) => self.push(0, &format!("use {}", path.raw)),
            ItemKind::Let(name, bound) => {
                let lead = format!("let {} = ", name.text);
                match bound {
                    Bound::Value(value) => self.value_lines(&lead, value, "", 0, span),
                    Bound::Condition(condition) => self.condition_lines(&lead, condition, 0, span),
                }
            }
            ItemKind::Budget(budget) => self.push(0, &budget_words(budget)),
            ItemKind::Label(label) => {
                self.push(0, &format!("label {}{} {{", label.name.text, if label.ordered { " ordered" } else { "" }));
                self.trailing_of_head(span);
                let rows = label.lines.iter().map(label_row).collect::<Vec<_>>();
                self.rows(&rows, STEP, "  ", "   ");
                self.close(span);
            }
            ItemKind::Pool(pool) => {
                let sticky = pool.sticky.as_ref().map_or_else(String::new, |sticky| format!(" sticky {}", sticky.text));
                self.push(0, &format!("pool {} {}{sticky} {{", pool.name.text, pool.strategy.text));
                self.trailing_of_head(span);
                let rows = pool.members.iter().map(|(model, weight)| {
                    let mut cells = vec![model_words(model)];
                    cells.extend(weight.as_ref().map(|weight| weight.raw.clone()));
                    let end = weight.as_ref().map_or(model.span(), Literal::span);
                    Row { cells, span: model.span().to(end) }
                });
                let rows = rows.collect::<Vec<_>>();
                self.rows(&rows, STEP, "   ", "   ");
                self.close(span);
            }
            ItemKind::Rule(rule) => self.rule("rule", rule, span),
            ItemKind::Adjust(rule) => self.rule("adjust", rule, span),
            ItemKind::Default(actions) => {
                let one = actions.iter().map(action_words).collect::<Vec<_>>().join(" ");
                if actions.len() <= 1 && one.chars().count() + 14 <= WIDTH && !self.has_comment(span) {
                    self.push(0, &format!("default {{ {one} }}"));
                } else {
                    self.push(0, "default {");
                    self.trailing_of_head(span);
                    self.actions(actions);
                    self.close(span);
                }
            }
            ItemKind::Test(test) => {
                self.push(0, &format!("test {} {{", test.name.raw));
                self.trailing_of_head(span);
                for line in &test.lines {
                    self.test_line(line);
                }
                self.close(span);
            }
        }
        self.trailing(span);
    }

    /// A comment behind the opening brace.
    fn trailing_of_head(&mut self, item: Span) {
        let text = self.source.text.get(item.range()).unwrap_or_default();
        let head = text.find('{').map_or(item.start, |at| item.start + u32::try_from(at).unwrap_or(0) + 1);
        let line_end = self
            .source
            .text
            .get(head as usize..)
            .and_then(|rest| rest.find('\n'))
            .map_or(u32::MAX, |at| head + u32::try_from(at).unwrap_or(0));
        let only_comment = self.comments.front().is_some_and(|comment| {
            comment.span.start < line_end
                && self
                    .source
                    .text
                    .get(head as usize..comment.span.start as usize)
                    .is_some_and(|between| between.trim().is_empty())
        });
        if only_comment && let (Some(comment), Some(line)) = (self.comments.pop_front(), self.lines.last_mut()) {
            line.push_str("  ");
            line.push_str(&comment.text);
        }
    }

    /// The closing brace, behind the comments that stand before it.
    fn close(&mut self, item: Span) {
        self.leading(item.end.saturating_sub(1), STEP);
        self.push(0, "}");
    }

    fn rule(&mut self, word: &str, rule: &Rule, span: Span) {
        self.push(0, &format!("{word} {} {{", rule.name.text));
        self.trailing_of_head(span);
        let when = rule.when.span();
        self.leading(when.start, STEP);
        self.condition_lines("when ", &rule.when, STEP, when);
        self.trailing(when);
        self.actions(&rule.actions);
        self.close(span);
    }

    fn actions(&mut self, actions: &[Action]) {
        for action in actions {
            let span = action.place.0;
            self.leading(span.start, STEP);
            let words = action_words(action);
            match &action.kind {
                ActionKind::Route(chain) if words.chars().count() + STEP > WIDTH => {
                    for (index, target) in chain.iter().enumerate() {
                        let lead = if index == 0 { "route " } else { "  else " };
                        self.push(STEP, &format!("{lead}{}", target_words(target)));
                    }
                }
                _ => self.push(STEP, &words),
            }
            self.trailing(span);
        }
    }

    fn test_line(&mut self, line: &TestLine) {
        let (TestLine::Given(_, place) | TestLine::Expect(_, place)) = line;
        self.leading(place.0.start, STEP);
        match line {
            TestLine::Given(parts, _) => {
                let words: Vec<String> = parts.iter().map(given_words).collect();
                let one = format!("given {}", words.join(", "));
                if one.chars().count() + STEP <= WIDTH || words.len() == 1 {
                    self.push(STEP, &one);
                } else {
                    for (index, part) in words.iter().enumerate() {
                        let lead = if index == 0 { "given " } else { "      " };
                        let comma = if index + 1 < words.len() { "," } else { "" };
                        self.push(STEP, &format!("{lead}{part}{comma}"));
                    }
                }
            }
            TestLine::Expect(expect, _) => self.push(STEP, &format!("expect {}", expect_words(expect))),
        }
        self.trailing(place.0);
    }

    /// Whether the author broke a condition between its parts.
    fn is_broken(&self, condition: &Condition) -> bool {
        let (Condition::And(parts, _) | Condition::Or(parts, _)) = condition else { return false };
        let gap = parts
            .get(1)
            .zip(parts.first())
            .and_then(|(second, first)| self.source.text.get(first.span().end as usize..second.span().start as usize));
        gap.is_some_and(|gap| gap.contains('\n'))
    }

    /// A condition behind some words: on one line if it fits and was on one, else each part of it on a line of its own.
    fn condition_lines(&mut self, lead: &str, condition: &Condition, indent: usize, span: Span) {
        let one = format!("{lead}{}", condition_words(condition, false));
        if one.chars().count() + indent <= WIDTH && !self.has_comment(span) && !self.is_broken(condition) {
            self.push(indent, &one);
            return;
        }
        let (parts, word) = match condition {
            Condition::And(parts, _) => (parts.as_slice(), "and"),
            Condition::Or(parts, _) => (parts.as_slice(), "or"),
            Condition::Not(..) | Condition::Test(_) => (std::slice::from_ref(condition), ""),
        };
        for (index, part) in parts.iter().enumerate() {
            let lead = if index == 0 {
                lead.to_owned()
            } else {
                format!("{word:>width$} ", width = (indent + STEP).max(word.len()) - indent + 2)
            };
            self.leading(part.span().start, indent + STEP);
            self.part_lines(&lead, part, indent);
            self.trailing(part.span());
        }
    }

    fn part_lines(&mut self, lead: &str, part: &Condition, indent: usize) {
        let one = format!("{lead}{}", condition_words(part, true));
        let long = one.chars().count() + indent > WIDTH || self.has_comment(part.span());
        match part {
            Condition::Test(test) if long => match &test.operator {
                Operator::Contains(_, value) | Operator::In(value) => {
                    let words = test_words(test);
                    let list = value_words(value);
                    let head = words.strip_suffix(&list).unwrap_or(&words).to_owned();
                    self.value_lines(&format!("{lead}{head}"), value, "", indent, part.span());
                }
                _ => self.push(indent, &one),
            },
            _ => self.push(indent, &one),
        }
    }

    /// A value behind some words; a list that does not fit is filled over several lines.
    fn value_lines(&mut self, lead: &str, value: &Value, tail: &str, indent: usize, span: Span) {
        let one = format!("{lead}{}{tail}", value_words(value));
        let ValueKind::List(members) = &value.kind else { return self.push(indent, &one) };
        if one.chars().count() + indent <= WIDTH && !self.has_comment(span) {
            return self.push(indent, &one);
        }
        self.push(indent, &format!("{lead}["));
        let inner = indent + STEP + 2;
        let mut line = String::new();
        for member in members {
            let words = format!("{},", value_words(member));
            let commented = self.comments.front().is_some_and(|comment| comment.span.start < member.span().start);
            if !line.is_empty() && (commented || inner + line.chars().count() + 1 + words.chars().count() > WIDTH) {
                self.push(inner, &line);
                line.clear();
            }
            if commented {
                self.leading(member.span().start, inner);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&words);
        }
        if !line.is_empty() {
            self.push(inner, &line);
        }
        self.leading(value.span().end, inner);
        self.push(indent, &format!("]{tail}"));
    }
}

/// Items of one line may stand together without an empty line between.
fn is_short(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Use(_) | ItemKind::Let(..) | ItemKind::Budget(_))
}

fn row_of_item(item: &Item) -> Row {
    let cells = match &item.kind {
        ItemKind::Let(name, bound) => {
            let value = match bound {
                Bound::Value(value) => value_words(value),
                Bound::Condition(condition) => condition_words(condition, false),
            };
            vec![format!("let {}", name.text), format!("= {value}")]
        }
        ItemKind::Budget(budget) => {
            let words = budget_words(budget);
            let (name, rest) = words.split_once(" = ").unwrap_or((&words, ""));
            vec![name.to_owned(), format!("= {rest}")]
        }
        _ => Vec::new(),
    };
    Row { cells, span: item.place.0 }
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

fn budget_words(budget: &Budget) -> String {
    let mut words = format!("budget {} = {} per {}", budget.name.text, budget.amount.raw, budget.period.text);
    if let Some(scope) = &budget.scope {
        match &scope.of {
            Some(of) => words.push_str(&format!(" for {} {}", scope.kind.text, model_words(of))),
            None => words.push_str(&format!(" for each {}", scope.kind.text)),
        }
    }
    if budget.hard {
        words.push_str(" hard");
    }
    words
}

fn model_words(model: &ModelName) -> String {
    match model {
        ModelName::Text(literal) => literal.raw.clone(),
        ModelName::Name(name) => name.text.clone(),
    }
}

fn target_words(target: &Target) -> String {
    match target {
        Target::Asked(_) => "model".to_owned(),
        Target::Same(_) => "same".to_owned(),
        Target::Named(name) => model_words(name),
    }
}

fn action_words(action: &Action) -> String {
    match &action.kind {
        ActionKind::Route(chain) => {
            format!("route {}", chain.iter().map(target_words).collect::<Vec<_>>().join(" else "))
        }
        ActionKind::Reject { status, message, retry_after } => {
            let after = retry_after.as_ref().map_or_else(String::new, |after| format!(" retry_after {}", after.raw));
            format!("reject {} {}{after}", status.raw, message.raw)
        }
        ActionKind::Set(set) => set_words(set),
        ActionKind::Timeout { total, duration } => {
            format!("timeout {}{}", if *total { "total " } else { "" }, duration.raw)
        }
        ActionKind::Retry(n) => format!("retry {}", n.raw),
        ActionKind::Cache(time) => format!("cache {}", time.as_ref().map_or("off", |time| &time.raw)),
        ActionKind::Tag(tag) => format!("tag {}", tag.raw),
        ActionKind::Mirror(model) => format!("mirror {}", model_words(model)),
        ActionKind::Transform(name) => format!("transform {}", name.raw),
    }
}

fn set_words(set: &Set) -> String {
    let values: Vec<String> = set.values.iter().map(value_words).collect();
    format!("set {} {}", set.setting.text, values.join(" "))
}

fn given_words(given: &Given) -> String {
    match &given.value {
        None => format!("no {}", field_words(&given.field)),
        Some(value) => format!("{} {}", field_words(&given.field), value_words(value)),
    }
}

fn expect_words(expect: &Expect) -> String {
    match expect {
        Expect::Rule { negated, rule } => {
            let not = if *negated { "not " } else { "" };
            format!("{not}rule {}", rule.as_ref().map_or("default", |rule| &rule.text))
        }
        Expect::Route(target) => format!("route {}", target_words(target)),
        Expect::Set(set) => set_words(set),
        Expect::Reject(status) => format!("reject {}", status.raw),
        Expect::Unservable => "unservable".to_owned(),
        Expect::Condition(condition) => condition_words(condition, false),
    }
}

/// A condition on one line; inside of another one, `and` and `or` stand in parentheses.
fn condition_words(condition: &Condition, inside: bool) -> String {
    let join = |parts: &[Condition], word: &str| {
        let words: Vec<String> = parts.iter().map(|part| condition_words(part, true)).collect();
        let joined = words.join(&format!(" {word} "));
        if inside { format!("({joined})") } else { joined }
    };
    match condition {
        Condition::And(parts, _) => join(parts, "and"),
        Condition::Or(parts, _) => join(parts, "or"),
        Condition::Not(inner, _) => format!("not {}", condition_words(inner, true)),
        Condition::Test(test) => test_words(test),
    }
}

fn test_words(test: &Test) -> String {
    let field = field_words(&test.field);
    let not = if test.negated { "not " } else { "" };
    match &test.operator {
        Operator::Bare => field,
        Operator::Has => format!("has {field}"),
        Operator::Compare(sign, value) => format!("{field} {} {}", sign.sign(), value_words(value)),
        Operator::In(value) => format!("{field} {not}in {}", value_words(value)),
        Operator::Is(value) => format!("{field} is {not}{}", value_words(value)),
        Operator::Contains(quantifier, value) => {
            let word = match quantifier {
                Quantifier::One => "",
                Quantifier::Any => "any ",
                Quantifier::All => "all ",
                Quantifier::None => "none ",
            };
            format!("{field} {not}contains {word}{}", value_words(value))
        }
        Operator::Like(value) => format!("{field} {not}like {}", value_words(value)),
        Operator::Matches(value) => format!("{field} {not}matches {}", value_words(value)),
    }
}

fn field_words(field: &FieldRef) -> String {
    match &field.argument {
        None => field.name.text.clone(),
        Some(argument) => format!("{}({})", field.name.text, model_words(argument)),
    }
}

fn value_words(value: &Value) -> String {
    match &value.kind {
        ValueKind::Quantity(literal) | ValueKind::Text(literal) | ValueKind::Regex(literal) => literal.raw.clone(),
        ValueKind::Pattern { word, exact, text } => {
            format!("{}{}{}", if *word { "word " } else { "" }, if *exact { "exact " } else { "" }, text.raw)
        }
        ValueKind::Bool(value) => value.to_string(),
        ValueKind::Name(field) => field_words(field),
        ValueKind::List(members) => format!("[{}]", members.iter().map(value_words).collect::<Vec<_>>().join(", ")),
        ValueKind::Range { low, high, closed } => {
            format!("{}{}{}", value_words(low), if *closed { "..=" } else { ".." }, value_words(high))
        }
    }
}
