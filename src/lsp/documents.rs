//! The texts that editors have open, and the programs that they are parts of.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::TextDocumentContentChangeEvent;

use crate::config::rules;
use crate::lang::catalogue::Catalogue;
use crate::lang::ir::load::Reader;
use crate::lang::source::{Source, SourceId};
use crate::lang::syntax::tree::ItemKind;
use crate::lang::{Checked, syntax};
use crate::lsp::place::Encoding;

/// The most rule files of a workspace that are looked through for those that use others.
const FILES_MAX: usize = 1_000;

/// A text that an editor has open.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) source: Source,
    pub(super) version: i32,
}

impl Document {
    /// Takes in a change.
    pub(super) fn change(&mut self, change: TextDocumentContentChangeEvent, encoding: Encoding) {
        let text = match change.range {
            None => change.text,
            Some(range) => {
                let [start, end] = [range.start, range.end].map(|place| encoding.offset(&self.source, place));
                let text = &self.source.text;
                let (before, after) = (text.get(..start), text.get(end.max(start)..));
                [before.unwrap_or_default(), &change.text, after.unwrap_or_default()].concat()
            }
        };
        self.source = Source::new(self.source.name.clone(), text);
    }
}

/// A program, as it was checked last.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) checked: Arc<Checked>,
    /// Grows with each check.
    pub(super) stamp: u64,
}

/// Everything that is open, by path.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) open: HashMap<PathBuf, Document>,
    /// By the file that a program starts from.
    pub(super) programs: BTreeMap<PathBuf, Program>,
    /// The files that the programs of a file start from; itself, where no other one uses it.
    roots: HashMap<PathBuf, Vec<PathBuf>>,
    pub(super) workspace: Option<PathBuf>,
    stamps: u64,
}

impl Documents {
    pub(super) fn of(workspace: Option<PathBuf>) -> Self {
        Self { workspace, ..Self::default() }
    }
}

/// Reads what is open from the editor, and the rest from the disk.
struct Overlay<'a> {
    folder: rules::Folder,
    open: &'a HashMap<PathBuf, Document>,
}

impl Reader for Overlay<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        match self.open.get(&self.folder.0.join(path)) {
            Some(document) => Ok(document.source.text.clone()),
            None => self.folder.read(path),
        }
    }

    fn show(&self, path: &str) -> String {
        self.folder.0.join(path).display().to_string()
    }
}

impl Documents {
    /// Works out anew which programs a file is a part of.
    pub(super) fn place(&mut self, path: &Path) {
        let folder = match &self.workspace {
            Some(workspace) if path.starts_with(workspace) => workspace.clone(),
            _ => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        let mut files = crate::config::find::rule_files(&folder).unwrap_or_default();
        files.truncate(FILES_MAX);
        let uses: Vec<(&PathBuf, Vec<PathBuf>)> = files.iter().map(|file| (file, self.uses(file))).collect();
        let is_used = |file: &Path| uses.iter().any(|(_, used)| used.iter().any(|used| used == file));
        // Up from the file to those that nobody uses.
        let (mut open, mut seen, mut found) = (vec![path.to_path_buf()], Vec::new(), Vec::new());
        while let Some(file) = open.pop() {
            if seen.contains(&file) {
                continue;
            }
            if is_used(&file) {
                let users = uses.iter().filter(|(_, used)| used.contains(&file)).map(|(user, _)| (*user).clone());
                open.extend(users);
            } else {
                found.push(file.clone());
            }
            seen.push(file);
        }
        if found.is_empty() {
            found.push(path.to_path_buf());
        }
        found.sort();
        self.roots.insert(path.to_path_buf(), found);
    }

    /// The files that a file uses.
    fn uses(&self, file: &Path) -> Vec<PathBuf> {
        let text = match self.open.get(file) {
            Some(document) => document.source.text.clone(),
            None => rules::text_of(file).unwrap_or_default(),
        };
        // Most files use none, and need no parsing.
        if !text.contains("use") {
            return Vec::new();
        }
        let (tree, _) = syntax::parse(&Source::new("", text), SourceId::default());
        let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
        let used = tree.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Use(path) => Some(folder.join(path.inner())),
            _ => None,
        });
        used.collect()
    }

    /// The files that the programs of a file start from.
    pub(super) fn roots(&self, path: &Path) -> Vec<PathBuf> {
        self.roots.get(path).cloned().unwrap_or_else(|| vec![path.to_path_buf()])
    }

    /// The programs of a file.
    pub(super) fn programs(&self, path: &Path) -> Vec<&Program> {
        self.roots(path).iter().filter_map(|root| self.programs.get(root)).collect()
    }

    /// Checks a program as it stands now.
    pub(super) fn check(&mut self, root: &Path, catalogue: &Arc<Catalogue>) {
        let text = match self.open.get(root) {
            Some(document) => document.source.text.clone(),
            None => rules::text_of(root).unwrap_or_default(),
        };
        let folder = rules::Folder(root.parent().map(Path::to_path_buf).unwrap_or_default());
        let reader = Overlay { folder, open: &self.open };
        let source = Source::new(root.display().to_string(), text);
        let checked = crate::lang::check(vec![source], &reader, catalogue);
        self.stamps += 1;
        self.programs.insert(root.to_path_buf(), Program { checked: Arc::new(checked), stamp: self.stamps });
    }

    /// Forgets programs that nothing open is a part of; gives them.
    pub(super) fn forget(&mut self) -> Vec<PathBuf> {
        let kept: Vec<PathBuf> = self.open.keys().flat_map(|path| self.roots(path)).collect();
        self.roots.retain(|path, _| self.open.contains_key(path));
        let gone: Vec<PathBuf> = self.programs.keys().filter(|root| !kept.contains(root)).cloned().collect();
        self.programs.retain(|root, _| kept.contains(root));
        gone
    }
}

/// The source of a program that a file is.
pub(super) fn source_of(checked: &Checked, path: &Path) -> Option<SourceId> {
    let name = path.display().to_string();
    let at = checked.sources.0.iter().position(|source| source.name == name)?;
    u16::try_from(at).ok().map(SourceId)
}
