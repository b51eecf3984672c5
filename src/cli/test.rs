//! `router test`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{Ended, Out, Shared};
use crate::config::{Environment, rules};
use crate::features::tokens::Counter;
use crate::tools::test::{self, Tested};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule files, folders of them, and configurations with their rules; what serves when there is none.
    paths: Vec<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Fail when tests reach a smaller share of the rules and of the ways that conditions can come out.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_min: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
}

fn percent(text: &str) -> Result<usize, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse();
    number.ok().filter(|n| *n <= 100).ok_or_else(|| "a number from 0 to 100".to_owned())
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let programs = shared.programs(&arguments.paths, &configuration, environment)?;
    let counter = Counter::default();
    let mut tested = Vec::with_capacity(programs.len());
    for (roots, reader) in programs {
        let first = roots.files.first().or(roots.tier.as_ref().map(|tier| &tier.source));
        let name = first.map_or_else(String::new, |root| root.name.clone());
        let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
        let ran = plan.ok_or(problems).map(|plan| {
            let ran = test::run_all(&plan, &counter, &|path| rules::request_file(&reader, path));
            (plan, ran)
        });
        tested.push(Tested { name, sources, ran });
    }
    let format = match arguments.format {
        Format::Human => test::Format::Human,
        Format::Json => test::Format::Json,
        Format::Junit => test::Format::Junit,
    };
    out.print(&test::render(&tested, format, shared.verbose));
    let failed = tested.iter().any(|one| one.counts().1 > 0);
    let reached = test::percent(&tested);
    let too_little = arguments.coverage_min.filter(|least| reached < *least);
    if let Some(least) = too_little {
        out.complain(&format!("tests reach {reached}% of the rules and conditions, less than {least}%\n"));
    }
    Ok(ExitCode::from(u8::from(failed || too_little.is_some())))
}
