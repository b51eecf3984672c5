//! Going to a definition, finding uses, renaming, the outline, the layout.

use std::collections::HashMap;
use std::path::Path;

use lsp_types::{DocumentSymbol, Location, SymbolKind, TextEdit, Uri};

use crate::lang::Checked;
use crate::lang::ir::Kind;
use crate::lang::source::{Source, SourceId, Span};
use crate::lang::syntax::tree::{Item, ItemKind};
use crate::lang::syntax::{self, is_reserved};
use crate::lsp::documents::{Program, source_of};
use crate::lsp::names::{Names, Occurrence, Word, definition};
use crate::lsp::place::{Encoding, uri};

/// The word at a byte of a file.
pub(super) fn word_at(checked: &Checked, names: &Names<'_>, file: SourceId, byte: usize) -> Option<Occurrence> {
    let at = u32::try_from(byte).ok()?;
    let holds = |one: &Occurrence| one.span.source == file && one.span.start <= at && at <= one.span.end;
    let mut found: Vec<Occurrence> = names.occurrences(&checked.items).into_iter().filter(holds).collect();
    // Where two touch, the one that begins here.
    found.sort_by_key(|one| std::cmp::Reverse(one.span.start));
    found.into_iter().next()
}

fn location(checked: &Checked, span: Span, encoding: Encoding) -> Option<Location> {
    let source = checked.sources.get(span.source);
    Some(Location { uri: uri(Path::new(&source.name))?, range: encoding.range(source, span) })
}

/// Where a word is defined.
pub(super) fn definition_of(checked: &Checked, names: &Names<'_>, word: &Word, encoding: Encoding) -> Vec<Location> {
    let defines = |one: &Occurrence| one.defines && one.word == *word;
    let found = names.occurrences(&checked.items).into_iter().filter(defines);
    found.filter_map(|one| location(checked, one.span, encoding)).collect()
}

/// Every place of a word in some programs, each once.
pub(super) fn places(programs: &[&Program], word: &Word, defined_too: bool, encoding: Encoding) -> Vec<Location> {
    let mut found: Vec<Location> = Vec::new();
    for program in programs {
        let checked = &program.checked;
        let names = Names::of(&checked.items);
        for one in names.occurrences(&checked.items) {
            if one.word == *word && (defined_too || !one.defines) {
                found.extend(location(checked, one.span, encoding).filter(|place| !found.contains(place)));
            }
        }
    }
    found
}

/// Whether a word can be called otherwise: it is one that the program defines.
pub(super) fn can_be_renamed(checked: &Checked, word: &Word) -> bool {
    let defined = |name: &str| checked.items.iter().filter_map(definition).any(|(known, _)| known == name);
    match word {
        Word::Name(name) => defined(name),
        Word::Class(label, _) => defined(label),
        Word::Field(_) | Word::Setting(_) | Word::Model(_) => false,
    }
}

/// Why a name cannot be given to a word.
pub(super) fn why_not(checked: &Checked, word: &Word, name: &str) -> Option<String> {
    let mut chars = name.chars();
    let is_name = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Some(format!("`{name}` is no name: a letter or `_`, then letters, digits and `_`"));
    }
    if is_reserved(name) {
        return Some(format!("`{name}` is a word of the language"));
    }
    let names = Names::of(&checked.items);
    match word {
        Word::Class(label, own) if name != own && names.classes(label).contains(&name) => {
            Some(format!("`{label}` has a class `{name}` already"))
        }
        Word::Name(own)
            if name != own && names.defined.get(name).is_some_and(|found| found.span.source.0 != u16::MAX) =>
        {
            Some(format!("`{name}` is defined already"))
        }
        Word::Name(_) if crate::lang::schema::fields::find(name).is_some() => {
            Some(format!("`{name}` is the name of a field"))
        }
        Word::Name(_) | Word::Class(..) | Word::Field(_) | Word::Setting(_) | Word::Model(_) => None,
    }
}

/// A word under another name, in some programs.
#[expect(clippy::mutable_key_type, reason = "the protocol's own type: its URIs do not change")]
pub(super) fn renamed(
    programs: &[&Program],
    word: &Word,
    name: &str,
    encoding: Encoding,
) -> HashMap<Uri, Vec<TextEdit>> {
    let mut edits: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for place in places(programs, word, true, encoding) {
        edits.entry(place.uri).or_default().push(TextEdit { range: place.range, new_text: name.to_owned() });
    }
    edits
}

/// The items of a file.
pub(super) fn outline(checked: &Checked, path: &Path, encoding: Encoding) -> Vec<DocumentSymbol> {
    let Some(file) = source_of(checked, path) else { return Vec::new() };
    let source = checked.sources.get(file);
    let own = checked.items.iter().filter(|item| item.place.0.source == file);
    own.filter_map(|item| symbol(item, source, encoding)).collect()
}

#[expect(deprecated, reason = "the protocol's type has a member that is, and no other way to be made")]
fn symbol(item: &Item, source: &Source, encoding: Encoding) -> Option<DocumentSymbol> {
    let (name, kind, detail, at) = match (&item.kind, definition(item)) {
        (_, Some((name, found))) => {
            let kind = match found.kind {
                Kind::Let => SymbolKind::CONSTANT,
                Kind::Budget => SymbolKind::NUMBER,
                Kind::Label => SymbolKind::ENUM,
                Kind::Pool => SymbolKind::ARRAY,
                Kind::Rule => SymbolKind::FUNCTION,
                Kind::Adjust => SymbolKind::PROPERTY,
            };
            (name.to_owned(), kind, found.kind.word(), found.span)
        }
        (ItemKind::Default(_), None) => ("default".to_owned(), SymbolKind::FUNCTION, "default", item.place.0),
        (ItemKind::Test(test), None) => (test.name.inner().to_owned(), SymbolKind::EVENT, "test", test.name.span()),
        _ => return None,
    };
    Some(DocumentSymbol {
        name: if name.is_empty() { detail.to_owned() } else { name },
        detail: Some(detail.to_owned()),
        kind,
        tags: None,
        deprecated: None,
        range: encoding.range(source, item.place.0),
        selection_range: encoding.range(source, at),
        children: None,
    })
}

/// A file in its layout; none where it has one, or does not parse.
pub(super) fn formatted(source: &Source, encoding: Encoding) -> Option<TextEdit> {
    let written = crate::tools::fmt::format(source).ok()?;
    (written != source.text).then(|| TextEdit { range: encoding.whole(source), new_text: written })
}

/// Whether a byte stands in a comment.
pub(super) fn in_comment(source: &Source, byte: usize) -> bool {
    let at = u32::try_from(byte).unwrap_or(u32::MAX);
    let comments = syntax::comments(source, SourceId::default());
    comments.iter().any(|comment| comment.span.start < at && at <= comment.span.end)
}
