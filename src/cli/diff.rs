//! `router diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::{Configuration, Environment, find, rules};
use crate::features::tokens::Counter;
use crate::lang::diagnostic::{Diagnostic, render, secret};
use crate::lang::plan::Plan;
use crate::tools::diff;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The rules as they were: a file, or a folder as for `--rules`.
    old: PathBuf,
    /// The rules as they are.
    new: PathBuf,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Markdown,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let old = plan(&arguments.old, &configuration, out)?;
    let new = plan(&arguments.new, &configuration, out)?;
    let found = diff::compare(&old, &new, &Counter::default());
    let text = match arguments.format {
        Format::Human => found.human(out.colour),
        Format::Json => format!("{:#}\n", found.json()),
        Format::Markdown => found.markdown(),
    };
    out.print(&secret::hide(&text));
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}

/// The plan of a rule set that is named.
pub(super) fn plan(path: &Path, configuration: &Configuration, out: &Out) -> Result<Plan, Failed> {
    if !path.exists() {
        return Err(Failed(format!("{}: there is no such file or folder", path.display())));
    }
    let (roots, reader) = rules::roots(&[find::program_to_serve(path)?])?;
    let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
    plan.ok_or_else(|| {
        let errors: Vec<_> = problems.into_iter().filter(Diagnostic::is_error).collect();
        out.complain(&render::human(&sources, &errors, false));
        Failed(format!("{}: the rules do not compile", path.display()))
    })
}
