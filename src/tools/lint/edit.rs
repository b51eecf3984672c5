//! Edits that lints offer: each leaves every decision as it is.

use crate::lang::Checked;
use crate::lang::diagnostic::Edit;
use crate::lang::source::{Source, Span};
use crate::lang::syntax::tree::{Bound, Condition, Item, ItemKind};

/// Takes a member out of a list, with its comma. None when it is the only one, or stands in no list.
pub(super) fn without_member(source: &Source, span: Span) -> Option<Edit> {
    let (before, after) = (source.text.get(..span.start as usize)?, source.text.get(span.end as usize..)?);
    let front = before.trim_end();
    if front.ends_with(',') {
        let start = u32::try_from(front.len() - 1).ok()?;
        return Some(Edit { span: Span { start, ..span }, text: String::new() });
    }
    let rest = after.trim_start();
    if front.ends_with('[') && rest.starts_with(',') {
        let rest = rest.get(1..)?.trim_start();
        let end = u32::try_from(source.text.len() - rest.len()).ok()?;
        return (!rest.starts_with(']')).then_some(Edit { span: Span { end, ..span }, text: String::new() });
    }
    None
}

/// Takes an item out, with the comments that stand right above it and the line end behind it.
pub(super) fn without_item(checked: &Checked, name: Span) -> Option<Edit> {
    let holds = |item: &&Item| {
        let place = item.place.0;
        place.source == name.source && place.start <= name.start && name.end <= place.end
    };
    let item = checked.items.iter().find(holds)?;
    let source = checked.sources.get(name.source);
    Some(Edit { span: lines_of(source, item.place.0)?, text: String::new() })
}

/// Takes a part that might as well hold, or not hold, out of a condition, with the word that joins it to its neighbours.
/// None when more than it would go, when it stands in parentheses of its own, or a comment stands beside it.
pub(super) fn without_part(checked: &Checked, test: Span, holds: bool) -> Option<Edit> {
    conditions(checked).find_map(|condition| without_part_of(checked, condition, test, holds))
}

/// Every condition as it is written.
fn conditions(checked: &Checked) -> impl Iterator<Item = &Condition> {
    let written = checked.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Rule(rule) | ItemKind::Adjust(rule) => Some(vec![&rule.when]),
        ItemKind::Let(_, Bound::Condition(condition)) => Some(vec![condition]),
        ItemKind::Label(label) => Some(label.lines.iter().filter_map(|line| line.when.as_ref()).collect()),
        _ => None,
    });
    written.flatten()
}

/// How a test stands in its condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// A `not` stands before it, or before what it is in; two of them are none.
    pub(super) is_negated: bool,
    /// The word that joins it to its neighbours, when with this value it settles all that the word joins.
    pub(super) settles: Option<&'static str>,
}

/// How a test stands that has the same value, `not` included, wherever it matters.
pub(super) fn standing(checked: &Checked, test: Span, holds: bool) -> Option<Standing> {
    conditions(checked).find_map(|condition| standing_of(condition, test, holds, false))
}

fn standing_of(condition: &Condition, test: Span, holds: bool, is_negated: bool) -> Option<Standing> {
    let (parts, is_and) = match condition {
        Condition::And(parts, _) => (parts, true),
        Condition::Or(parts, _) => (parts, false),
        Condition::Not(inner, _) => return standing_of(inner, test, !holds, !is_negated),
        Condition::Test(own) => return (own.place.0 == test).then_some(Standing { is_negated, settles: None }),
    };
    if let Some(negates) = parts.iter().find_map(|part| negates(part, test)) {
        let settles = (is_and != holds).then_some(if is_and { "and" } else { "or" });
        return Some(Standing { is_negated: is_negated != negates, settles });
    }
    parts.iter().find_map(|part| standing_of(part, test, holds, is_negated))
}

/// Whether a part that is a certain test negates it; none where it is another one.
fn negates(part: &Condition, test: Span) -> Option<bool> {
    match part {
        Condition::Test(own) => (own.place.0 == test).then_some(false),
        Condition::Not(inner, _) => negates(inner, test).map(|negates| !negates),
        Condition::And(..) | Condition::Or(..) => None,
    }
}

fn without_part_of(checked: &Checked, condition: &Condition, test: Span, holds: bool) -> Option<Edit> {
    let parts = match condition {
        Condition::And(parts, _) | Condition::Or(parts, _) => parts,
        Condition::Not(inner, _) => return without_part_of(checked, inner, test, !holds),
        Condition::Test(_) => return None,
    };
    let Some(at) = parts.iter().position(|part| negates(part, test).is_some()) else {
        return parts.iter().find_map(|part| without_part_of(checked, part, test, holds));
    };
    let is_and = matches!(condition, Condition::And(..));
    if is_and != holds {
        return None;
    }
    let word = if is_and { "and" } else { "or" };
    let text = &checked.sources.get(test.source).text;
    let own = parts[at].span();
    let joined = |from: Span, to: Span| {
        text.get(from.end as usize..to.start as usize).is_some_and(|between| between.trim() == word)
    };
    let (before, after) =
        (at.checked_sub(1).map(|before| parts[before].span()), parts.get(at + 1).map(Condition::span));
    let is_free = before.is_none_or(|before| joined(before, own)) && after.is_none_or(|after| joined(own, after));
    let span = match (before, after) {
        (Some(before), _) => Span { start: before.end, ..own },
        (None, Some(after)) => Span { end: after.start, ..own },
        (None, None) => return None,
    };
    is_free.then_some(Edit { span, text: String::new() })
}

/// Takes an element out of a chain, with its `else`. Not the first one.
pub(super) fn without_element(source: &Source, span: Span) -> Option<Edit> {
    let before = source.text.get(..span.start as usize)?.trim_end();
    let front = before.strip_suffix("else")?.trim_end();
    Some(Edit { span: Span { start: u32::try_from(front.len()).ok()?, ..span }, text: String::new() })
}

/// The lines that a place fills, as far as nothing else stands on them, and one empty line of two around them.
fn lines_of(source: &Source, span: Span) -> Option<Span> {
    let text = &source.text;
    let mut start = text.get(..span.start as usize)?.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(span.end as usize..)?;
    let mut end = rest.find('\n').map_or(text.len(), |at| span.end as usize + at + 1);
    let alone = text.get(start..span.start as usize)?.trim().is_empty()
        && text.get(span.end as usize..end).is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'));
    if !alone {
        return Some(span);
    }
    // The comments above belong to it.
    while let Some(line_start) = text.get(..start.saturating_sub(1)).map(|text| text.rfind('\n').map_or(0, |at| at + 1))
    {
        let is_comment =
            start > 0 && text.get(line_start..start).is_some_and(|line| line.trim_start().starts_with('#'));
        if !is_comment {
            break;
        }
        start = line_start;
    }
    let blank_before = text.get(..start)?.ends_with("\n\n") || start == 0;
    if blank_before && text.get(end..).is_some_and(|rest| rest.starts_with('\n')) {
        end += 1;
    }
    let at = |byte: usize| u32::try_from(byte).ok();
    Some(Span { start: at(start)?, end: at(end)?, ..span })
}
