//! `router lint`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::{Environment, find, rules};
use crate::lang::Checked;
use crate::lang::diagnostic::{Diagnostic, any_error};
use crate::tools::lint::{self, Format};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule files, and folders of them; what serves when there is none.
    paths: Vec<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: FormatArgument,
    /// Say what a code means, with a wrong and a right example.
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
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
    let mut programs: Vec<Vec<PathBuf>> = Vec::new();
    for path in &arguments.paths {
        programs.extend(find::programs(path)?.into_iter().map(|file| vec![file]));
    }
    if arguments.paths.is_empty() {
        programs.push(shared.rule_files(&configuration)?);
    }
    let mut checked: Vec<(Checked, Vec<Diagnostic>)> = Vec::new();
    for files in &programs {
        let (roots, reader) = rules::roots(files)?;
        let program = crate::lang::check(roots, &reader, &configuration.catalogue);
        let found = lint::run(&program, &|path| rules::request_file(&reader, path));
        checked.push((program, found.problems));
    }
    let format = match arguments.format {
        FormatArgument::Human => Format::Human,
        FormatArgument::Json => Format::Json,
        FormatArgument::Github => Format::Github,
        FormatArgument::Sarif => Format::Sarif,
        FormatArgument::Junit => Format::Junit,
    };
    let reports: Vec<_> = checked.iter().map(|(program, found)| (&*program.sources, found.as_slice())).collect();
    out.print(&lint::render(&reports, format, out.colour));
    let failed = reports.iter().any(|(_, found)| any_error(found) || (arguments.deny.is_some() && !found.is_empty()));
    Ok(ExitCode::from(u8::from(failed)))
}
