//! Which way dependencies point: every `use` and path of `src/` is read and held to the map.

use std::path::{Path, PathBuf};

/// Each row may use itself and the rows that it names.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lang::source", &[]),
    ("lang::diagnostic", &["lang::source"]),
    ("lang::syntax", &["lang::source", "lang::diagnostic"]),
    ("lang::input", &[]),
    ("lang::catalogue", &["lang::schema"]),
    ("lang::schema", &["lang::input"]),
    (
        "lang::ir",
        &["lang::source", "lang::diagnostic", "lang::syntax", "lang::input", "lang::catalogue", "lang::schema"],
    ),
    ("lang::plan", &["lang::ir", "lang::schema"]),
    ("lang::eval", &["lang::source", "lang::input", "lang::catalogue", "lang::schema", "lang::ir", "lang::plan"]),
    (
        "lang::analysis",
        &["lang::source", "lang::input", "lang::catalogue", "lang::schema", "lang::ir", "lang::plan", "lang::eval"],
    ),
    ("wire", &[]),
    ("features", &["wire", "lang::catalogue", "lang::input", "lang::schema"]),
    ("tools", &["lang", "features", "wire"]),
    ("config", &["lang", "tools", "wire"]),
    ("state", &["lang"]),
    ("traffic", &["lang", "wire", "features", "tools", "state"]),
    ("proxy", &["lang", "wire", "features", "tools", "config", "state", "traffic"]),
    ("lsp", &["lang", "features", "tools", "config", "state"]),
    ("cli", &["lang", "wire", "features", "tools", "config", "state", "traffic", "proxy", "lsp"]),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The row that a path belongs to: two names inside of `lang`, one elsewhere.
fn row_of(path: &str) -> Option<&'static str> {
    MAY_USE
        .iter()
        .map(|(row, _)| *row)
        .filter(|row| path == *row || path.starts_with(&format!("{row}::")))
        .max_by_key(|row| row.len())
}

#[test]
fn dependencies_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for file in all {
        let relative = file.strip_prefix(&src).unwrap().with_extension("").to_string_lossy().replace('/', "::");
        let Some(own) = row_of(relative.trim_end_matches("::mod")) else { continue };
        let allowed = MAY_USE.iter().find(|(row, _)| *row == own).map_or(&[][..], |(_, allowed)| allowed);
        let text = std::fs::read_to_string(&file).unwrap();
        for used in text.split("crate::").skip(1) {
            let path: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            // `crate::lang::{a, b}` names its parts in braces.
            let inside = used
                .strip_prefix(path.as_str())
                .and_then(|rest| rest.strip_prefix('{'))
                .and_then(|rest| rest.split('}').next());
            let parts: Vec<String> = match inside {
                Some(parts) => parts.split(',').map(|part| format!("{path}{}", part.trim())).collect(),
                None => vec![path],
            };
            for part in parts {
                let Some(target) = row_of(&part).or_else(|| part.starts_with("lang").then_some("lang")) else {
                    continue;
                };
                let fine = target == own
                    || allowed.iter().any(|row| target == *row || target.starts_with(&format!("{row}::")));
                if !fine {
                    wrong.push(format!("{relative} ({own}) uses {part}"));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_has_a_second_idea() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines", file.display());
        assert!(text.starts_with("//!"), "{} does not say what it is for", file.display());
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "TODO"] {
            assert!(!text.contains(word) || file.ends_with("tables.rs"), "{} holds {word}", file.display());
        }
    }
}
