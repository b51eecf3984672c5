//! The parser's complaint, worded: what was found, what was expected, what helps.

use std::collections::BTreeSet;

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::source::{SourceId, Span};
use crate::lang::syntax::{Rule as G, help};

/// How many things a message lists as expected.
const EXPECTED_MAX: usize = 6;

/// Where the parser gave up, as a byte of the parsed text.
pub(super) fn at(error: &Error<G>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// Words the error. `text` is what was parsed, `base` where it begins in its source.
pub(super) fn diagnostic(error: &Error<G>, text: &str, source: SourceId, base: usize) -> Diagnostic {
    let at = at(error);
    let rest = text.get(at..).unwrap_or_default();
    let found = first_word(rest);
    let span = Span::new(source, base + at..base + at + found.len().max(usize::from(!rest.is_empty())));
    let expected = expected(error);
    let message = match (found, expected.as_str()) {
        ("", wanted) if rest.is_empty() => format!("the item ends too early: expected {wanted}"),
        (found, "") => format!("`{found}` does not belong here"),
        (found, wanted) => format!("expected {wanted}, found `{found}`"),
    };
    let wants_name = matches!(&error.variant, ErrorVariant::ParsingError { positives, .. }
        if positives.iter().any(|rule| matches!(rule, G::name_token | G::class_token)));
    let place = help::Place::new(text, at, found, wants_name);
    Diagnostic::new(&codes::SYNTAX, span, message).maybe_help(place.help())
}

/// The word at the beginning of a text, or its first character.
fn first_word(text: &str) -> &str {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find(['"', '\n']).map_or(text.len(), |end| end + 1);
        let closed = usize::from(text.get(end..).is_some_and(|rest| rest.starts_with('"')));
        return text.get(..end + closed).unwrap_or_default();
    }
    let word = text.find(|c: char| !c.is_alphanumeric() && !"_.%$".contains(c)).unwrap_or(text.len());
    let end = if word == 0 { text.chars().next().map_or(0, char::len_utf8) } else { word };
    text.get(..end).unwrap_or_default()
}

/// What could have stood there, in the user's words.
fn expected(error: &Error<G>) -> String {
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else { return String::new() };
    let words: BTreeSet<String> = positives.iter().filter_map(|rule| name_of(*rule)).collect();
    let mut words: Vec<String> = words.into_iter().collect();
    words.sort_by_key(|word| word.starts_with('`'));
    let more = words.len() > EXPECTED_MAX;
    words.truncate(EXPECTED_MAX);
    if more {
        words.push("…".to_owned());
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, front)) => format!("{} or {last}", front.join(", ")),
        None => String::new(),
    }
}

/// How a message calls what a grammar rule parses; none where another name says it already.
fn name_of(rule: G) -> Option<String> {
    let name = match rule {
        G::EOI
        | G::item_only
        | G::language
        | G::use_item
        | G::let_item
        | G::budget_item
        | G::label_item
        | G::pool_item
        | G::rule_item
        | G::default_item
        | G::adjust_item
        | G::test_item => "an item",
        G::name_token => "a name",
        G::class_token | G::label_line => "a class",
        G::text_token => "a text in quotes",
        G::condition | G::negation | G::comparison | G::has => "a condition",
        G::field | G::field_name_token => "a field",
        G::value | G::list | G::pattern | G::boolean_token | G::regex_token => "a value",
        G::quantity_token => "a number",
        G::period_token => "`hour`, `day`, `week` or `month`",
        G::scope_token => "`key`, `user`, `session` or `model`",
        G::strategy_token => "a strategy",
        G::target | G::model_name => "a model or a pool",
        G::route | G::reject | G::set | G::timeout | G::retry | G::cache | G::tag | G::mirror | G::transform => {
            "an action"
        }
        G::given | G::expect => "`given` or `expect`",
        G::setting_token => "a setting",
        G::compare | G::within | G::is | G::contains | G::like | G::matches => "an operator",
        G::compare_sign_token => "a comparison sign",
        G::pool_member => "a member",
        G::connective_token => "`and`, `or`",
        G::open => "`{`",
        G::close_token => "`}`",
        G::open_group => "`(`",
        G::close_group_token => "`)`",
        G::close_list_token => "`]`",
        G::comma => "`,`",
        G::equals => "`=`",
        G::kw_when => "`when`",
        G::kw_per => "`per`",
        G::kw_else => "`else`",
        G::otherwise_token => "`otherwise`",
        G::kw_in => "`in`",
        G::kw_rule => "`rule`",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Whether a word is reserved: asks the grammar itself.
pub(super) fn is_reserved(word: &str) -> bool {
    use pest::Parser as _;
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_word && crate::lang::syntax::RouteParser::parse(G::name_token, word).is_err()
}
