//! What a word means: of a field its row, of a name its definition, of a model its card.

use crate::lang::catalogue::{Card, Catalogue, Found, ModelId};
use crate::lang::diagnostic::secret;
use crate::lang::input::DOLLAR;
use crate::lang::schema::fields;
use crate::lang::schema::settings;
use crate::lang::source::Sources;
use crate::lang::syntax::tree::ItemKind;
use crate::lsp::names::{Definition, Names, Word, prelude};

/// The longest definition that is shown, in lines.
const LINES_MAX: usize = 24;

/// A word in Markdown.
pub(super) fn of(word: &Word, names: &Names<'_>, sources: &Sources, catalogue: &Catalogue) -> Option<String> {
    match word {
        Word::Field(name) => field(name),
        Word::Setting(name) => {
            settings::find(name).map(|row| format!("**set {}**\n\n{}\n\n{}", row.name, row.doc, code(row.example)))
        }
        Word::Model(name) => model(name, catalogue),
        Word::Class(label, class) => {
            let definition = names.defined.get(label.as_str())?;
            let ItemKind::Label(tree) = &definition.item.kind else { return None };
            let lines: Vec<String> = tree
                .lines
                .iter()
                .filter(|line| line.class.text == *class)
                .map(|line| words_of(sources, line.place.0))
                .collect();
            Some(format!("a class of the label `{label}`\n\n{}", code(&lines.join("\n"))))
        }
        Word::Name(name) => {
            let definition = names.defined.get(name.as_str())?;
            let built_in = if definition.span.source.0 == u16::MAX { ", which every program has" } else { "" };
            Some(format!("{} `{name}`{built_in}\n\n{}", definition.kind.word(), code(&item(definition, sources))))
        }
    }
}

fn code(text: &str) -> String {
    format!("```route\n{}\n```", secret::hide(text))
}

/// The words of a definition, cut where they are many.
fn item(definition: &Definition<'_>, sources: &Sources) -> String {
    let text = words_of(sources, definition.item.place.0);
    let n = text.lines().count();
    if n <= LINES_MAX {
        return text;
    }
    let kept: Vec<&str> = text.lines().take(LINES_MAX).collect();
    format!("{}\n# and {} lines more", kept.join("\n"), n - LINES_MAX)
}

fn words_of(sources: &Sources, span: crate::lang::source::Span) -> String {
    let source = if span.source.0 == u16::MAX { &prelude().0 } else { sources.get(span.source) };
    source.slice(span).to_owned()
}

fn field(name: &str) -> Option<String> {
    let row = fields::find(name)?.row();
    let absent = row.absent.map_or_else(String::new, |absent| format!("\n\nAbsent: {absent}."));
    Some(format!("**{}**: {}\n\n{}{absent}\n\n{}", row.name, row.ty.words(), row.doc, code(row.example)))
}

fn model(name: &str, catalogue: &Catalogue) -> Option<String> {
    match catalogue.find(name) {
        Found::One(id) => Some(card(catalogue.card(id))),
        Found::Several(ids) => {
            let names: Vec<String> =
                ids.iter().map(|id: &ModelId| format!("`{}`", catalogue.card(*id).full_name())).collect();
            Some(format!("several providers carry it: {}", names.join(", ")))
        }
        Found::None => None,
    }
}

fn card(card: &Card) -> String {
    let able: Vec<&str> =
        [(card.tools, "tools"), (card.images, "images"), (card.thinking, "thinking"), (card.documents, "documents")]
            .iter()
            .filter_map(|(able, word)| able.then_some(*word))
            .collect();
    let mut text = format!("**{}**\n\n", card.full_name());
    text.push_str(&format!("- window: {} tokens, answers of {} at most\n", card.window, card.output_max));
    text.push_str(&format!("- takes: {}\n", if able.is_empty() { "text alone".to_owned() } else { able.join(", ") }));
    match card.prices {
        // Per thousand tokens in nano-dollars: a million tokens in dollars is a thousand of them.
        Some(prices) => {
            let dollars = |price: i64| {
                let cents = i128::from(price) * 100_000 / i128::from(DOLLAR);
                format!("${}.{:02}", cents / 100, cents % 100)
            };
            text.push_str(&format!(
                "- per million tokens: {} in, {} out, {} from a cache\n",
                dollars(prices.input),
                dollars(prices.output),
                dollars(prices.cache_read)
            ));
        }
        None => text.push_str("- its price is not known\n"),
    }
    if let Some(then) = &card.deprecated {
        let instead = if then.is_empty() { String::new() } else { format!("; take `{then}`") };
        text.push_str(&format!("- deprecated{instead}\n"));
    }
    text
}
