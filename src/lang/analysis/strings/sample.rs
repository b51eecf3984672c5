//! A text that a test takes, as plain as it can be.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::lang::analysis::strings::Test;
use crate::lang::ir::{Member, TextTest};
use crate::lang::schema::words;

/// Characters that stand for a class of them, the plainest first.
const PLAIN: &[char] = &['a', '1', 'x', '0', 'A', '_', '-', ' ', '.'];

/// A whole word for the beginning of one that is looked for.
pub(super) fn word(test: Test<'_>) -> Option<String> {
    match test {
        Test::Text(TextTest::Contains(pattern)) if pattern.starts_word && !pattern.ends_word && !pattern.exact => {
            words::going_on(&pattern.text).map(str::to_owned)
        }
        Test::Text(_) | Test::Member(_) => None,
    }
}

pub(super) fn of(test: Test<'_>) -> String {
    match test {
        Test::Text(TextTest::Present) => "x".to_owned(),
        Test::Text(TextTest::NotEmpty) | Test::Member(Member::Any) => "a".to_owned(),
        Test::Text(TextTest::Is(value)) => value.clone(),
        Test::Text(TextTest::Like(glob)) | Test::Member(Member::Glob(glob)) => glob.sample(),
        Test::Text(TextTest::Contains(pattern)) => pattern.text.clone(),
        Test::Text(TextTest::Matches(regex)) => {
            regex_syntax::parse(&regex.source).map(|hir| of_regex(&hir)).unwrap_or_default()
        }
        Test::Member(Member::Extension(extension)) => format!("a{extension}"),
        Test::Member(Member::FileName(name) | Member::Is(name)) => name.clone(),
    }
}

/// As few repetitions as may be, of alternatives the first.
fn of_regex(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => String::new(),
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).into_owned(),
        HirKind::Class(Class::Unicode(class)) => {
            let holds = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
            let plain = PLAIN.iter().copied().find(|c| holds(*c));
            plain
                .or_else(|| class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start))
                .map(String::from)
                .unwrap_or_default()
        }
        HirKind::Class(Class::Bytes(_)) => String::new(),
        HirKind::Repetition(repetition) => {
            of_regex(&repetition.sub).repeat(usize::try_from(repetition.min).unwrap_or(0).min(64))
        }
        HirKind::Capture(capture) => of_regex(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(of_regex).collect(),
        HirKind::Alternation(parts) => parts.first().map(of_regex).unwrap_or_default(),
    }
}
