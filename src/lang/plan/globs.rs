//! Many globs at once: each is known by the rarest of the runs of characters that it names, and only those are walked of
//! which that run stands in the text.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::lang::plan::search::Literals;
use crate::lang::schema::glob::Glob;

/// Some globs, each with the atom that it stands for.
#[derive(Debug, Default)]
pub(super) struct Globs {
    globs: Vec<(Glob, u32)>,
    runs: Literals,
    /// By run: the globs that are known by it.
    known_by: Vec<Vec<u32>>,
    /// Those that name no character.
    wild: Vec<u32>,
}

impl Globs {
    pub(super) fn new(globs: Vec<(Glob, u32)>) -> Self {
        let runs: Vec<Vec<String>> = globs.iter().map(|(glob, _)| glob.runs()).collect();
        let mut uses: HashMap<&str, usize> = HashMap::new();
        runs.iter().flatten().for_each(|run| *uses.entry(run).or_default() += 1);
        let mut literals: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let (mut known_by, mut wild): (Vec<Vec<u32>>, _) = (Vec::new(), Vec::new());
        for (glob, runs) in (0u32..).zip(&runs) {
            let rarest = runs.iter().min_by_key(|run| (uses[run.as_str()], std::cmp::Reverse(run.len())));
            let Some(run) = rarest else {
                wild.push(glob);
                continue;
            };
            let place = *places.entry(run).or_insert_with(|| {
                literals.push(run);
                known_by.push(Vec::new());
                literals.len() - 1
            });
            known_by[place].push(glob);
        }
        let runs = Literals::new(&literals, false);
        Self { globs, runs, known_by, wild }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// The atoms of the globs that take a text. `folded` must come from `fold`.
    pub(super) fn each(&self, folded: &str, mut hit: impl FnMut(u32)) {
        let mut possible = self.wild.clone();
        self.runs.each(folded, &mut |found| {
            possible.extend(&self.known_by[found.literal as usize]);
            ControlFlow::Continue(())
        });
        possible.sort_unstable();
        possible.dedup();
        let possible = possible.iter().map(|glob| &self.globs[*glob as usize]);
        possible.filter(|(glob, _)| glob.matches(folded)).for_each(|(_, atom)| hit(*atom));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::schema::fold::fold;
    use crate::lang::schema::text::{Char, quote};

    fn chars(pattern: &str) -> Vec<Char> {
        let char = |c| match c {
            '*' => Char::Star,
            '?' => Char::Question,
            c => Char::Plain(c),
        };
        pattern.chars().map(char).collect()
    }

    /// Every pattern of up to five characters over a few letters, of paths and of texts, on every text of up to four.
    #[test]
    fn what_is_found_by_its_runs_is_what_takes_the_text() {
        let words = |letters: &str, most: u32| -> Vec<String> {
            let letters: Vec<char> = letters.chars().collect();
            let all = (1..=most).flat_map(|length| (0..letters.len().pow(length)).map(move |n| (length, n)));
            all.map(|(length, n)| (0..length).map(|at| letters[n / letters.len().pow(at) % letters.len()]).collect())
                .collect()
        };
        let patterns = words("aB*?/", 4);
        for path in [false, true] {
            let made = patterns
                .iter()
                .map(|pattern| if path { Glob::of_path(&chars(pattern)) } else { Glob::of_text(&chars(pattern)) });
            let globs: Vec<(Glob, u32)> = made.zip(0u32..).collect();
            let all = Globs::new(globs.clone());
            for text in words("abB/", 4) {
                let folded = fold(&text);
                let mut found = Vec::new();
                all.each(&folded, |atom| found.push(atom));
                let wanted: Vec<u32> =
                    globs.iter().filter(|(glob, _)| glob.matches(&folded)).map(|(_, atom)| *atom).collect();
                assert_eq!(found, wanted, "{}", quote(&text));
            }
        }
    }
}
