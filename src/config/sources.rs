//! The files that a running router serves: found once, at its start, and read again from the same paths. A file that
//! appears later where the start would have looked first is not taken.

use std::cell::RefCell;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::config::rules::{self, Folder};
use crate::config::{Configuration, Environment, Problem, file, find, service};
use crate::lang::diagnostic::{Diagnostic, render};
use crate::lang::ir::load::Reader;
use crate::lang::plan::Plan;
use crate::lang::source::SourceId;
use crate::lang::syntax;

/// Where the configuration and the rules are.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The configuration file; `None` where the start found none.
    configuration: Option<PathBuf>,
    /// The rule file that was named, or that the named folder serves; `None` where the configuration names them.
    rules: Option<PathBuf>,
}

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub configuration: Configuration,
    /// The compiled rules, which have a default.
    pub plan: Plan,
    /// What is suspicious about the rules, a line each.
    pub warnings: Vec<String>,
    /// A rule file that the program starts from has no rule in it.
    pub has_empty: bool,
}

impl Sources {
    /// Finds the files: those that are named, else those of the environment and the usual places.
    pub fn find(
        configuration: Option<PathBuf>,
        rules: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, Problem> {
        let missing = |path: &Path| Problem(format!("{}: there is no such file or folder", path.display()));
        let rules = match rules {
            Some(path) if !path.exists() => return Err(missing(path)),
            Some(path) => Some(find::program_to_serve(path)?),
            None => None,
        };
        Ok(Self { configuration: find::configuration(configuration, environment)?, rules })
    }

    /// Reads and compiles everything. `served` is what [`Loaded::has_empty`] said when it was read before, `None` at the
    /// start: what says nothing then is about to be written by an editor, and a key file is not made anew. `change` may narrow the configuration before the rules are compiled. The paths of
    /// all files that were looked for are added to `touched`, also where reading fails.
    pub fn load(
        &self,
        environment: &Environment,
        served: Option<bool>,
        change: impl FnOnce(&mut Configuration) -> Result<(), Problem>,
        touched: &mut Vec<PathBuf>,
    ) -> Result<Loaded, Problem> {
        touched.extend(self.configuration.clone());
        touched.extend(self.rules.clone());
        let mut configuration = match &self.configuration {
            Some(path) => {
                let text = text_of(path, file::BYTES_MAX)?;
                if served.is_some() && file::is_empty(&text, &path.display().to_string()) {
                    return Err(Problem(format!("{}: it is empty", path.display())));
                }
                Configuration::of_text(&text, path, environment)?
            }
            None => Configuration::load(None, environment)?,
        };
        if let Some(service::Encryption { key: service::MasterKey::File(path), .. }) = &configuration.encryption {
            touched.push(path.clone());
            if served.is_some() {
                check_regular(path)?;
            }
        }
        configuration.can_serve()?;
        change(&mut configuration)?;
        let files = self.rules.as_ref().map_or_else(|| configuration.rules.clone(), |path| vec![path.clone()]);
        touched.extend(files.iter().filter(|path| !touched.contains(path)).cloned().collect::<Vec<_>>());
        let (plan, warnings, empty) = compile(&files, &configuration, touched)?;
        match empty {
            Some(path) if served == Some(false) => Err(Problem(format!("{}: there is no rule in it", path.display()))),
            empty => Ok(Loaded { configuration, plan, warnings, has_empty: empty.is_some() }),
        }
    }
}

/// Returns the plan, its warnings, and a rule file without a rule.
fn compile<'f>(
    files: &'f [PathBuf],
    configuration: &Configuration,
    touched: &mut Vec<PathBuf>,
) -> Result<(Plan, Vec<String>, Option<&'f PathBuf>), Problem> {
    files.iter().try_for_each(|path| check_regular(path))?;
    let (roots, folder) = rules::roots(files, configuration.tier.as_ref())?;
    let is_empty = |source| {
        let (tree, problems) = syntax::parse(source, SourceId::default());
        tree.items.is_empty() && problems.is_empty()
    };
    let empty = files.iter().zip(&roots.files).find(|(_, source)| is_empty(source)).map(|(path, _)| path);
    let reader = Recorded { folder, read: RefCell::default() };
    let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
    touched.extend(reader.read.into_inner());
    let warnings = problems.iter().filter(|problem| !problem.is_error()).map(|warning| {
        let at = sources.position(warning.span);
        format!("{}:{}:{}: {}", sources.get(warning.span.source).name, at.line, at.column, warning.message)
    });
    let warnings = warnings.collect();
    let Some(plan) = plan else {
        let errors: Vec<Diagnostic> = problems.into_iter().filter(Diagnostic::is_error).collect();
        return Err(Problem(format!("the rules do not compile\n{}", render::human(&sources, &errors, false))));
    };
    if let Some(path) = empty.filter(|_| plan.program.default.is_none()) {
        return Err(Problem(format!("{}: there is no rule in it", path.display())));
    }
    if plan.program.default.is_none() {
        return Err(Problem("the rules have no default".to_owned()));
    }
    Ok((plan, warnings, empty))
}

/// A folder of rule files that remembers which ones were asked for.
#[derive(Debug)]
struct Recorded {
    folder: Folder,
    read: RefCell<Vec<PathBuf>>,
}

impl Reader for Recorded {
    fn read(&self, path: &str) -> Result<String, String> {
        let full = self.folder.0.join(path);
        self.read.borrow_mut().push(full.clone());
        check_regular(&full).map_err(|problem| problem.0)?;
        self.folder.read(path)
    }

    fn show(&self, path: &str) -> String {
        self.folder.show(path)
    }
}

/// Refuses what is no file to be read to its end: opening a pipe would wait for whoever writes into it.
fn check_regular(path: &Path) -> Result<(), Problem> {
    let data = std::fs::metadata(path).map_err(|error| Problem(format!("{}: {error}", path.display())))?;
    if data.is_file() { Ok(()) } else { Err(Problem(format!("{}: it is not a regular file", path.display()))) }
}

/// Returns the text of a regular file.
fn text_of(path: &Path, bytes_max: usize) -> Result<String, Problem> {
    check_regular(path)?;
    let wrong = |why: String| Problem(format!("{}: {why}", path.display()));
    let opened = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    opened.take(limit).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    Ok(text)
}
