//! The colours of editors know the words of the language: those of the grammar and of the tables, and no others.

use std::collections::BTreeSet;
use std::path::Path;

use claude_router::lang::ir::{PERIOD_WORDS, STRATEGY_WORDS};
use claude_router::lang::schema::fields::{Argument, FIELDS};
use claude_router::lang::schema::settings::SETTINGS;
use claude_router::lang::schema::types::{AGENT, API, EFFORT, WEEKDAY};
use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

type Words = BTreeSet<String>;

fn words<'a>(all: impl IntoIterator<Item = &'a str>) -> Words {
    all.into_iter().map(str::to_owned).collect()
}

/// Every word that the grammar spells.
fn spelled() -> Words {
    let grammar = read("grammar/route.pest");
    let code: Vec<&str> = grammar.lines().map(|line| line.split(" //").next().unwrap()).collect();
    code.iter().filter(|line| !line.starts_with("//")).flat_map(|line| quoted(line)).collect()
}

fn quoted(line: &str) -> Vec<String> {
    let word = |text: &&str| text.len() > 1 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    line.split('"').skip(1).step_by(2).filter(word).map(str::to_owned).collect()
}

struct Tables {
    /// Fields by their names; the parts that budgets and labels have.
    fields: Words,
    parts: Words,
    settings: Words,
    kinds: Words,
    members: Words,
    grammar: Words,
}

fn tables() -> Tables {
    let closed = [&API, &AGENT, &EFFORT, &WEEKDAY];
    let (parts, fields): (Vec<&str>, Vec<&str>) =
        FIELDS.iter().map(|field| field.name).partition(|name| name.starts_with("NAME."));
    assert!(FIELDS.iter().any(|field| field.argument != Argument::None));
    Tables {
        fields: words(fields),
        parts: words(parts.iter().map(|name| &name["NAME.".len()..]).chain(["confidence"])),
        settings: words(SETTINGS.iter().map(|row| row.name)),
        kinds: words(STRATEGY_WORDS.into_iter().chain(PERIOD_WORDS)),
        members: words(closed.iter().flat_map(|closed| closed.members).copied()),
        grammar: spelled(),
    }
}

/// The words of the first group of a pattern, escapes taken out.
fn alternatives(pattern: &str) -> Words {
    let group = pattern.split("(?:").nth(1).unwrap().split(')').next().unwrap();
    words(group.replace('\\', "").split('|'))
}

#[test]
fn visual_studio_code_knows_the_words_of_the_language() {
    let grammar: Value = serde_json::from_str(&read("editors/vscode/syntaxes/route.tmLanguage.json")).unwrap();
    let of = |name: &str| alternatives(grammar["repository"][name]["match"].as_str().unwrap());
    let tables = tables();
    assert_eq!(of("field"), tables.fields);
    assert_eq!(of("part"), tables.parts);
    assert_eq!(of("setting"), tables.settings);
    assert_eq!(of("kind"), tables.kinds);
    assert_eq!(of("member"), tables.members);
    let words = ["control", "item", "operator", "clause", "value"].map(of).concat_all();
    assert_eq!(words, tables.grammar);
    // Every group is used.
    let used: Words = grammar["patterns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pattern| pattern["include"].as_str().unwrap().trim_start_matches('#').to_owned())
        .collect();
    assert_eq!(used, grammar["repository"].as_object().unwrap().keys().cloned().collect());
}

#[test]
fn neovim_knows_the_words_of_the_language() {
    let syntax = read("editors/neovim/syntax/route.vim");
    let of = |group: &str| -> Words {
        syntax
            .lines()
            .filter_map(|line| line.strip_prefix("syn keyword ")?.strip_prefix(group)?.strip_prefix(' '))
            .flat_map(|line| line.split(' ').filter(|word| *word != "contained"))
            .map(str::to_owned)
            .collect()
    };
    let tables = tables();
    let (dotted, plain): (Words, Words) = tables.fields.iter().cloned().partition(|name| name.contains('.'));
    // `model` is a target too, and has that colour; `none` is an operator too.
    assert_eq!(&of("routeField") | &words(["model"]), plain);
    for name in dotted {
        assert!(syntax.contains(&name.replace('.', "\\.")), "{name}");
    }
    for part in tables.parts {
        assert!(syntax.contains(&format!("\\|{part}\\")) || syntax.contains(&format!("({part}\\")), "{part}");
    }
    assert_eq!(of("routeSetting"), tables.settings);
    assert_eq!(of("routeKind"), tables.kinds);
    assert_eq!(&of("routeMember") | &words(["none"]), tables.members);
    let found = ["routeControl", "routeItem", "routeOperator", "routeClause", "routeValue"].map(of).concat_all();
    assert_eq!(&found | &words(["contains"]), tables.grammar);
}

trait ConcatAll {
    fn concat_all(self) -> Words;
}

impl<const N: usize> ConcatAll for [Words; N] {
    fn concat_all(self) -> Words {
        self.into_iter().flatten().collect()
    }
}
