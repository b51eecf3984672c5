//! `router lint`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{Ended, Failed, Out, Shared, files::replace};
use crate::config::{Environment, rules};
use crate::lang::Checked;
use crate::lang::catalogue::Catalogue;
use crate::lang::diagnostic::any_error;
use crate::lang::ir::load::{Reader, Roots};
use crate::lang::source::Source;
use crate::tools::lint::{self, Findings, Format, fix};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule files, folders of them, and configurations with their rules; what serves when there is none.
    paths: Vec<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: FormatArgument,
    /// Say what a code means, with a wrong and a right example.
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// Mend what can be mended without changing a decision, and report the rest.
    #[arg(long)]
    fix: bool,
    /// Fail on warnings too.
    #[arg(long, value_parser = ["warnings"])]
    deny: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatArgument {
    Human,
    Json,
    Github,
    Sarif,
    Junit,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    if let Some(code) = &arguments.explain {
        let text = lint::explain(code).ok_or_else(|| Failed(format!("there is no code `{code}`")))?;
        out.print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = shared.configuration(environment, out)?;
    let mut programs: Vec<Program> = shared
        .programs(&arguments.paths, &configuration, environment)?
        .into_iter()
        .map(|(roots, folder)| Program::of(roots, folder, &configuration.catalogue))
        .collect();
    let mut told = look(&programs);
    if arguments.fix {
        told = mend(&mut programs, told, &configuration.catalogue, out)?;
    }
    if shared.verbose {
        for question in told.iter().flat_map(|findings| &findings.given_up) {
            out.complain(&format!("given up: {question}\n"));
        }
    }
    let format = match arguments.format {
        FormatArgument::Human => Format::Human,
        FormatArgument::Json => Format::Json,
        FormatArgument::Github => Format::Github,
        FormatArgument::Sarif => Format::Sarif,
        FormatArgument::Junit => Format::Junit,
    };
    let reports: Vec<_> = programs
        .iter()
        .zip(&told)
        .map(|(program, findings)| (&*program.checked.sources, findings.problems.as_slice()))
        .collect();
    out.print(&lint::render(&reports, format, out.colour));
    let failed = reports.iter().any(|(_, found)| any_error(found) || (arguments.deny.is_some() && !found.is_empty()));
    Ok(ExitCode::from(u8::from(failed)))
}

/// A program as it was read, with the folder that its files are in.
struct Program {
    checked: Checked,
    roots: Roots,
    folder: rules::Folder,
}

impl Program {
    fn of(roots: Roots, folder: rules::Folder, catalogue: &Arc<Catalogue>) -> Self {
        let checked = crate::lang::check(roots.clone(), &folder, catalogue);
        Self { checked, roots, folder }
    }

    /// The same program with other texts for some of its files.
    fn with(&self, texts: &BTreeMap<String, String>, catalogue: &Arc<Catalogue>) -> Checked {
        let root = |root: &Source| match texts.get(&root.name) {
            Some(text) => Source::new(root.name.clone(), text.clone()),
            None => root.clone(),
        };
        let reader = Changed { folder: &self.folder, texts };
        let files = self.roots.files.iter().map(root).collect();
        crate::lang::check(Roots { files, tier: self.roots.tier.clone() }, &reader, catalogue)
    }
}

/// Reads files as they are to become.
struct Changed<'a> {
    folder: &'a rules::Folder,
    texts: &'a BTreeMap<String, String>,
}

impl Reader for Changed<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.texts.get(&self.show(path)).cloned().map_or_else(|| self.folder.read(path), Ok)
    }

    fn show(&self, path: &str) -> String {
        self.folder.show(path)
    }
}

fn look(programs: &[Program]) -> Vec<Findings> {
    let one = |program: &Program| lint::run(&program.checked, &|path| rules::request_file(&program.folder, path));
    programs.iter().map(one).collect()
}

/// The most rounds of fixes: what one mends, another may find.
const ROUNDS_MAX: usize = 50;

/// Makes fixes until there is none left, holds the programs to what they decided before, and writes the files.
fn mend(
    programs: &mut [Program],
    mut told: Vec<Findings>,
    catalogue: &Arc<Catalogue>,
    out: &Out,
) -> Result<Vec<Findings>, Failed> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut mended = 0;
    let before: Vec<Checked> = programs.iter().map(|program| program.with(&texts, catalogue)).collect();
    for _ in 0..ROUNDS_MAX {
        let pairs: Vec<_> = programs
            .iter()
            .zip(&told)
            .map(|(program, findings)| (&program.checked, findings.problems.as_slice()))
            .collect();
        let mut round = fix::round(&pairs);
        round.texts.retain(|name, _| Path::new(name).is_file());
        if round.texts.is_empty() {
            break;
        }
        mended += round.mended;
        texts.extend(round.texts);
        for program in programs.iter_mut() {
            program.checked = program.with(&texts, catalogue);
        }
        told = look(programs);
    }
    for (program, before) in programs.iter().zip(&before) {
        let touched = before.sources.0.iter().any(|source| texts.contains_key(&source.name));
        if touched && !fix::decides_alike(before, &program.checked) {
            let name = before.sources.0.first().map_or("", |source| &source.name);
            let why = "left as it is: a fix would change a decision, which is a mistake of the lint that offers it";
            return Err(Failed(format!("{name}: {why}")));
        }
    }
    for (name, text) in &texts {
        replace(Path::new(name), text)?;
    }
    if !texts.is_empty() {
        let files = texts.keys().cloned().collect::<Vec<_>>().join(", ");
        let problems = if mended == 1 { "problem" } else { "problems" };
        out.complain(&format!("mended {mended} {problems} in {files}\n"));
    }
    Ok(told)
}
