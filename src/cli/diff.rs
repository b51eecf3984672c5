//! `router diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::replay::{self, Format};
use crate::cli::{Ended, Failed, Out, Shared, program_named};
use crate::config::{Configuration, Environment, find};
use crate::features::tokens::Counter;
use crate::lang::diagnostic::{Diagnostic, render, secret};
use crate::lang::plan::Plan;
use crate::tools::diff;
use crate::traffic::compare::Comparison;
use crate::traffic::report::Form;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The rules as they were: a file, a folder as for `--rules`, or a configuration with its rules.
    old: PathBuf,
    /// The rules as they are.
    new: PathBuf,
    /// Recorded traffic, or a folder of request files: say which requests go elsewhere, and what that costs.
    #[arg(long, value_name = "LOG")]
    traffic: Vec<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    // Models and providers are those of the new configuration, where that is what is compared.
    let configuration = if shared.config.is_none() && find::is_configuration(&arguments.new) {
        Configuration::load(Some(arguments.new.clone()), environment)?
    } else {
        shared.configuration(environment, out)?
    };
    let old = plan(&arguments.old, &configuration, environment, out)?;
    let new = plan(&arguments.new, &configuration, environment, out)?;
    let counter = Counter::default();
    let found = diff::compare(&old, &new, &counter);
    let mut traffic = Comparison::new(&old, &new, &counter, configuration.timezone.as_deref());
    let unreadable = replay::read(&arguments.traffic, &configuration, |incoming| traffic.take(incoming))?;
    traffic.unreadable.splice(0..0, unreadable);
    let is_asked = !arguments.traffic.is_empty();
    let text = match arguments.format {
        Format::Human if is_asked => format!("{}\nTraffic\n{}", found.human(out.colour), traffic.text(Form::Human)),
        Format::Markdown if is_asked => {
            format!("{}\n### Traffic\n\n{}", found.markdown(), traffic.text(Form::Markdown))
        }
        Format::Human => found.human(out.colour),
        Format::Markdown => found.markdown(),
        Format::Json => {
            let mut value = found.json();
            if is_asked {
                value["traffic"] = traffic.json();
            }
            format!("{value:#}\n")
        }
    };
    out.print(&secret::hide(&text));
    replay::told(&traffic.unreadable, out);
    Ok(ExitCode::from(u8::from(!found.is_empty() || traffic.changed() > 0 || !traffic.unreadable.is_empty())))
}

/// The plan of a rule set that is named.
fn plan(path: &Path, configuration: &Configuration, environment: &Environment, out: &Out) -> Result<Plan, Failed> {
    let (roots, reader) = program_named(path, environment)?;
    let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
    plan.ok_or_else(|| {
        let errors: Vec<_> = problems.into_iter().filter(Diagnostic::is_error).collect();
        out.complain(&render::human(&sources, &errors, false));
        Failed(format!("{}: the rules do not compile", path.display()))
    })
}
