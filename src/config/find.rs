//! Where the configuration and the rules are found.

use std::path::{Path, PathBuf};

use crate::config::{Environment, Problem};

/// The configuration files that are looked for in the working folder.
const NAMES: &[&str] = &["router.json", "router.toml", "config.json"];

/// The configuration file: the one that is named, else `$ROUTER_CONFIG`, else one in the working folder, else the user's.
pub fn configuration(named: Option<PathBuf>, environment: &Environment) -> Result<Option<PathBuf>, Problem> {
    let named = named.or_else(|| environment.get("ROUTER_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return if path.is_file() {
            Ok(Some(path))
        } else {
            Err(Problem(format!("{}: there is no such file", path.display())))
        };
    }
    let here = NAMES.iter().map(PathBuf::from);
    let home = environment.get("HOME").map(|home| Path::new(home).join(".config/claude-router/config.json"));
    Ok(here.chain(home).find(|path| path.is_file()))
}

/// Whether a path names a configuration, by its ending.
pub fn is_configuration(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["json", "jsonc", "toml"].iter().any(|own| ending.eq_ignore_ascii_case(own)))
}

/// The programs of a path: a file is one; of a folder, every rule file below it that no other one uses.
pub fn programs(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let files = rule_files(path)?;
    let used: Vec<PathBuf> = files.iter().flat_map(|file| uses_of(file)).collect();
    Ok(files.into_iter().filter(|file| !used.contains(file)).collect())
}

/// The program that a folder serves: its `main.route`, else the only file that no other one uses.
pub fn program_to_serve(path: &Path) -> Result<PathBuf, Problem> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let main = path.join("main.route");
    if main.is_file() {
        return Ok(main);
    }
    let mut found = programs(path)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Problem(format!("{}: there are no rule files in it", path.display()))),
        _ => {
            let names: Vec<String> = found.iter().map(|file| file.display().to_string()).collect();
            Err(Problem(format!("{}: which of {}? Name one, or call one main.route", path.display(), names.join(", "))))
        }
    }
}

/// Every `.route` file below a folder, sorted; a file is itself.
pub fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let fail = |error: std::io::Error| Problem(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(fail)?);
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_dir() && !hidden && entry.file_name() != "target" {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "route") && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The files that a rule file uses.
fn uses_of(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let source = crate::lang::source::Source::new("", text);
    let (tree, _) = crate::lang::syntax::parse(&source, crate::lang::source::SourceId::default());
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    tree.items
        .iter()
        .filter_map(|item| match &item.kind {
            crate::lang::syntax::tree::ItemKind::Use(path) => Some(folder.join(path.inner())),
            _ => None,
        })
        .collect()
}
