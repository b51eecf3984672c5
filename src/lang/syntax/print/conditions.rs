//! Conditions and lists: on one line where they fit, and where their author had them on one; else a part a line, and
//! lists filled up to the width.

use crate::lang::source::Span;
use crate::lang::syntax::print::words::{condition_words, test_words, value_words};
use crate::lang::syntax::print::{Printer, STEP, WIDTH, width};
use crate::lang::syntax::tree::{Condition, Operator, Value, ValueKind};

/// How far the parts of a broken condition, and the members of a broken list, are moved in.
const INNER: usize = 4;

impl Printer<'_> {
    /// Whether a condition goes on one line behind `lead`, with `tail` behind it.
    pub(super) fn is_one_line(&self, one: &str, condition: &Condition, span: Span, indent: usize) -> bool {
        // Asked first: whether a comment stands inside has to be known of what is too wide, too.
        !self.has_comment(span) && indent + width(one) <= WIDTH && !self.is_broken(condition)
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

    /// A condition behind some words, and words behind it.
    pub(super) fn condition_lines(&mut self, lead: &str, condition: &Condition, tail: &str, indent: usize, span: Span) {
        let one = format!("{lead}{}{tail}", condition_words(condition, false));
        if self.is_one_line(&one, condition, span, indent) {
            return self.push(indent, &one);
        }
        let (parts, word) = parts_of(condition);
        let last = parts.len() - 1;
        // `and` and `or` end where `when` ends. A let has none.
        let hang = if indent == 0 { INNER + STEP + 1 } else { INNER };
        for (index, part) in parts.iter().enumerate() {
            let lead = if index == 0 { lead.to_owned() } else { format!("{word:>hang$} ") };
            let tail = if index == last { tail } else { "" };
            self.leading_inside(part.span().start, indent + STEP);
            self.part_lines(&lead, part, tail, indent);
            self.trailing(part.span());
        }
    }

    /// A part of a condition, in parentheses where it is one of several parts itself.
    fn part_lines(&mut self, lead: &str, part: &Condition, tail: &str, indent: usize) {
        let one = format!("{lead}{}{tail}", condition_words(part, true));
        if self.is_one_line(&one, part, part.span(), indent) {
            return self.push(indent, &one);
        }
        match part {
            Condition::Not(inner, _) => self.part_lines(&format!("{lead}not "), inner, tail, indent),
            Condition::Test(test) => match &test.operator {
                Operator::Contains(_, value) | Operator::In(value) | Operator::Is(value) | Operator::Like(value) => {
                    let (words, list) = (test_words(test), value_words(value));
                    let head = words.strip_suffix(&list).unwrap_or(&words);
                    self.value_lines(&format!("{lead}{head}"), value, tail, indent, part.span());
                }
                Operator::Bare | Operator::Has | Operator::Compare(..) | Operator::Matches(_) => {
                    self.push(indent, &one);
                }
            },
            Condition::And(..) | Condition::Or(..) => {
                self.push(indent, &format!("{lead}("));
                let (parts, word) = parts_of(part);
                for (index, inner) in parts.iter().enumerate() {
                    let lead = if index == 0 { String::new() } else { format!("{word} ") };
                    self.leading_inside(inner.span().start, indent + INNER);
                    self.part_lines(&lead, inner, "", indent + INNER);
                    self.trailing(inner.span());
                }
                self.push(indent, &format!("{}){tail}", " ".repeat(STEP)));
            }
        }
    }

    /// A value behind some words, and words behind it; a list that does not fit is filled over several lines.
    pub(super) fn value_lines(&mut self, lead: &str, value: &Value, tail: &str, indent: usize, span: Span) {
        let one = format!("{lead}{}{tail}", value_words(value));
        let ValueKind::List(members) = &value.kind else { return self.push(indent, &one) };
        if !self.has_comment(span) && indent + width(&one) <= WIDTH {
            return self.push(indent, &one);
        }
        self.leading_inside(value.span().start, indent);
        self.push(indent, &format!("{lead}["));
        self.trailing_of_open(value.span().start + 1);
        let inner = indent + INNER;
        // The line that is being filled, and its width.
        let (mut line, mut wide) = (String::new(), inner);
        for member in members {
            let (words, span) = (value_words(member), member.span());
            let commented = self.comments.front().is_some_and(|comment| comment.span.start < span.start);
            if !line.is_empty() && (commented || wide + 1 + width(&words) + 1 > WIDTH) {
                self.push(inner, &line);
                (line, wide) = (String::new(), inner);
            }
            if commented {
                self.leading_inside(span.start, inner);
            }
            if !line.is_empty() {
                line.push(' ');
                wide += 1;
            }
            line.push_str(&words);
            line.push(',');
            wide += width(&words) + 1;
            if self.is_followed_by_comment(span) {
                self.push(inner, &line);
                (line, wide) = (String::new(), inner);
                self.trailing(span);
            }
        }
        if !line.is_empty() {
            self.push(inner, &line);
        }
        let last = members.last().map(|member| member.span().end);
        self.leading_last(last, value.span().end, inner);
        self.push(indent, &format!("]{tail}"));
    }
}

fn parts_of(condition: &Condition) -> (&[Condition], &'static str) {
    match condition {
        Condition::And(parts, _) => (parts.as_slice(), "and"),
        Condition::Or(parts, _) => (parts.as_slice(), "or"),
        Condition::Not(..) | Condition::Test(_) => (std::slice::from_ref(condition), ""),
    }
}
