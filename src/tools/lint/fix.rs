//! Applying fixes: those that cannot change a decision, and that is looked at once more when all are made.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::lang::Checked;
use crate::lang::analysis::Analysis;
use crate::lang::diagnostic::{Diagnostic, Edit, any_error};
use crate::lang::plan;

/// What one round of fixes makes.
#[derive(Debug, Default)]
pub struct Round {
    /// The files that change, by name, with their new texts.
    pub texts: BTreeMap<String, String>,
    /// How many problems are mended.
    pub mended: usize,
}

/// Applies the fixes of some programs that can stand beside each other; what overlaps waits for the next round. A fix in
/// a file that several programs use is made when all of them are told the same. Programs with errors are left alone.
pub fn round(programs: &[(&Checked, &[Diagnostic])]) -> Round {
    let whole: Vec<_> = programs.iter().filter(|(_, found)| !any_error(found)).collect();
    let key = |checked: &Checked, one: &Diagnostic| {
        let source = checked.sources.get(one.span.source);
        (source.name.clone(), one.span.start, one.span.end, one.code.id)
    };
    let told: Vec<HashSet<_>> =
        whole.iter().map(|(checked, found)| found.iter().map(|one| key(checked, one)).collect()).collect();
    let holds = |checked: &Checked, name: &str| checked.sources.0.iter().any(|source| source.name == name);
    let mut made = Round::default();
    let mut edits: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    let mut done = HashSet::new();
    for (checked, found) in &whole {
        for one in found.iter().filter(|one| !one.fix.is_empty()) {
            let key = key(checked, one);
            let everywhere = programs.iter().filter(|(other, _)| holds(other, &key.0)).count()
                == told.iter().filter(|told| told.contains(&key)).count();
            if !everywhere || !done.insert(key) {
                continue;
            }
            let placed: Vec<(String, Edit)> =
                one.fix.iter().map(|edit| (checked.sources.get(edit.span.source).name.clone(), edit.clone())).collect();
            let overlaps = placed
                .iter()
                .any(|(name, edit)| edits.get(name).is_some_and(|known| known.iter().any(|other| touch(other, edit))));
            if !overlaps {
                made.mended += 1;
                for (name, edit) in placed {
                    edits.entry(name).or_default().push(edit);
                }
            }
        }
    }
    for (name, edits) in edits {
        let source = whole.iter().find_map(|(checked, _)| checked.sources.0.iter().find(|source| source.name == name));
        if let Some(source) = source {
            made.texts.insert(name, applied(&source.text, edits));
        }
    }
    made
}

fn touch(one: &Edit, other: &Edit) -> bool {
    one.span.start <= other.span.end && other.span.start <= one.span.end
}

/// A text with edits of it, which do not overlap.
pub fn applied(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let (mut made, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        made.push_str(text.get(at..edit.span.start as usize).unwrap_or_default());
        made.push_str(&edit.text);
        at = edit.span.end as usize;
    }
    made.push_str(text.get(at..).unwrap_or_default());
    made
}

/// Whether a program still decides as it did. False is a mistake of a fix.
pub fn decides_alike(before: &Checked, after: &Checked) -> bool {
    if any_error(&after.problems) {
        return false;
    }
    let hard = |checked: &Checked| checked.program.budgets.iter().filter(|budget| budget.hard).count();
    let plans = [before, after].map(|checked| plan::build(Arc::clone(&checked.program)));
    let found = Analysis::of_two(&plans[0], &plans[1]).difference();
    found.groups.is_empty() && found.adjusts.is_empty() && hard(before) == hard(after)
}
