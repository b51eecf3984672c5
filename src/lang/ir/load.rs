//! The files of a program: the one that it starts from and those that it uses, each once, and the prelude.
//! Reading is the caller's; here paths are only words.

use std::collections::HashSet;
use std::sync::Arc;

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::source::{Source, SourceId, Sources, Span};
use crate::lang::syntax;
use crate::lang::syntax::tree::{File, Item, ItemKind};

/// The most files of one program.
const FILES_MAX: usize = 256;
/// The deepest chain of `use`.
const USE_DEPTH_MAX: usize = 32;
/// The prelude: the labels that every program has.
pub const PRELUDE: &str = include_str!("../../../rules/prelude.route");
/// The name that messages give it.
pub const PRELUDE_NAME: &str = "prelude.route";

/// A text that is no rule file, and is read as one: its rules are a second tier, behind those of all rule files.
#[derive(Debug, Clone)]
pub struct Tier {
    /// The text.
    pub source: Source,
    /// Reads it. The places of the items are places of the text.
    pub read: fn(&Source, SourceId) -> (File, Vec<Diagnostic>),
}

/// What a program starts from.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// Rule files, one after another in one program.
    pub files: Vec<Source>,
    /// What stands behind them.
    pub tier: Option<Tier>,
}

impl From<Vec<Source>> for Roots {
    fn from(files: Vec<Source>) -> Self {
        Self { files, tier: None }
    }
}

/// The texts of a program and all its items, in the order in which they stand.
#[derive(Debug)]
pub struct Loaded {
    /// The texts.
    pub sources: Arc<Sources>,
    /// The items of all files, those of used files in their place.
    pub items: Vec<Item>,
    /// The prelude's items.
    pub prelude: Vec<Item>,
    /// Items at which this source begins or later belong to the prelude.
    pub prelude_source: SourceId,
    /// What did not parse or could not be read.
    pub problems: Vec<Diagnostic>,
    /// The text of the tier, where there is one.
    pub tier: Option<SourceId>,
    /// The default of the tier, where that of a rule file serves.
    pub idle_default: Option<Span>,
}

/// Reads files by their path relative to the folder of the file that the program starts from.
pub trait Reader {
    /// The text of a file, or why it cannot be had.
    fn read(&self, path: &str) -> Result<String, String>;
    /// How messages name it.
    fn show(&self, path: &str) -> String;
}

/// A reader without files, for programs of one text.
#[derive(Debug)]
pub struct NoFiles;

impl Reader for NoFiles {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("there are no other files here".to_owned())
    }

    fn show(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Loads a program with all that it uses.
pub fn load(roots: Roots, reader: &dyn Reader) -> Loaded {
    let mut loader =
        Loader { sources: Sources::default(), reader, seen: HashSet::new(), stack: Vec::new(), problems: Vec::new() };
    let mut items = Vec::new();
    for root in roots.files {
        let name = root.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        loader.seen.insert(name.clone());
        loader.file(root, &name, &mut items);
    }
    let mut idle_default = None;
    let tier = roots.tier.map(|tier| loader.tier(tier, &mut items, &mut idle_default));
    let prelude_source = loader.sources.add(Source::new(PRELUDE_NAME, PRELUDE));
    let (prelude, found) = syntax::parse(loader.sources.get(prelude_source), prelude_source);
    loader.problems.extend(found);
    Loaded {
        sources: Arc::new(loader.sources),
        items,
        prelude: prelude.items,
        prelude_source,
        problems: loader.problems,
        tier,
        idle_default,
    }
}

struct Loader<'a> {
    sources: Sources,
    reader: &'a dyn Reader,
    seen: HashSet<String>,
    stack: Vec<String>,
    problems: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn file(&mut self, source: Source, path: &str, items: &mut Vec<Item>) {
        let id = self.sources.add(source);
        let (file, problems) = syntax::parse(self.sources.get(id), id);
        self.problems.extend(problems);
        self.language(&file);
        self.stack.push(path.to_owned());
        let mut late = false;
        for item in file.items {
            if let ItemKind::Use(target) = &item.kind {
                if late {
                    let problem =
                        Diagnostic::new(&codes::BAD_USE, item.place.0, "a `use` stands before all other items");
                    self.problems.push(problem);
                }
                self.used(target.inner(), target.span(), path, items);
            } else {
                late = true;
                items.push(item);
            }
        }
        self.stack.pop();
    }

    /// The items of a tier, whose default serves where there is no other one.
    fn tier(&mut self, tier: Tier, items: &mut Vec<Item>, idle_default: &mut Option<Span>) -> SourceId {
        let id = self.sources.add(tier.source);
        let (file, problems) = (tier.read)(self.sources.get(id), id);
        self.problems.extend(problems);
        let is_default = |item: &Item| matches!(item.kind, ItemKind::Default(_));
        let has_default = items.iter().any(is_default);
        let has_rules = items.iter().any(|item| matches!(item.kind, ItemKind::Rule(_)));
        for item in file.items {
            // A default that nobody wrote, which has no place, is for programs without rule files.
            let is_written = !item.place.0.range().is_empty();
            if is_default(&item) && (has_default || (has_rules && !is_written)) {
                *idle_default = is_written.then_some(item.place.0);
            } else {
                items.push(item);
            }
        }
        id
    }

    fn language(&mut self, file: &File) {
        if let Some(version) = file.language.as_ref().filter(|version| version.raw != "1") {
            let message = format!("version `{}` of the language is not known", version.raw);
            self.problems
                .push(Diagnostic::new(&codes::LANGUAGE_VERSION, version.span(), message).help("write `language 1`"));
        }
    }

    fn used(&mut self, target: &str, span: Span, from: &str, items: &mut Vec<Item>) {
        let refuse = |message: String| Diagnostic::new(&codes::BAD_USE, span, message);
        let Some(path) = join(from, target) else {
            let message = format!("`{target}` is outside of the folder of the file that the program starts from");
            self.problems.push(refuse(message));
            return;
        };
        if self.stack.contains(&path) {
            self.problems.push(refuse(format!("`{target}` uses this file again, which makes a circle")));
            return;
        }
        if !self.seen.insert(path.clone()) {
            return;
        }
        if self.sources.0.len() >= FILES_MAX || self.stack.len() >= USE_DEPTH_MAX {
            let message = format!("a program has at most {FILES_MAX} files, used {USE_DEPTH_MAX} deep");
            self.problems.push(Diagnostic::new(&codes::TOO_MANY, span, message));
            return;
        }
        match self.reader.read(&path) {
            Ok(text) => {
                let source = Source::new(self.reader.show(&path), text);
                self.file(source, &path, items);
            }
            Err(why) => self.problems.push(refuse(format!("`{target}` cannot be read: {why}"))),
        }
    }
}

/// The path of `target`, seen from the file `from`; none when it leaves the folder.
fn join(from: &str, target: &str) -> Option<String> {
    let absolute = target.starts_with(['/', '\\']) || target.contains(':');
    if absolute || target.is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
