//! `router fmt`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Ended, Failed, Out, Shared, files::replace};
use crate::config::{Environment, find, rules};
use crate::lang::diagnostic::render;
use crate::lang::source::{Source, Sources};
use crate::tools::fmt::{Refused, format};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule files, and folders of them; `-` is standard input. What serves when there is none.
    paths: Vec<PathBuf>,
    /// Change nothing, and fail if something would be changed.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    if arguments.paths == [PathBuf::from("-")] {
        let text = std::io::read_to_string(std::io::stdin().lock())?;
        let source = Source::new("-", text);
        return match format(&source) {
            Ok(text) => {
                out.print(&text);
                Ok(ExitCode::SUCCESS)
            }
            Err(refused) => Ok(complain(refused, source, out)),
        };
    }
    let mut files = Vec::new();
    for path in &arguments.paths {
        files.extend(find::rule_files(path)?);
    }
    if arguments.paths.is_empty() {
        let configuration = shared.configuration(environment, out)?;
        files = shared.rule_files(&configuration)?;
    }
    let mut failed = false;
    for file in &files {
        failed |= one(file, arguments.check, out)?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// Formats one file; true when it fails.
fn one(file: &Path, check: bool, out: &Out) -> Result<bool, Failed> {
    let text = rules::text_of(file).map_err(|why| Failed(format!("{}: {why}", file.display())))?;
    let source = Source::new(rules::shown(file), text);
    let written = match format(&source) {
        Ok(written) => written,
        Err(refused) => {
            complain(refused, source, out);
            return Ok(true);
        }
    };
    if written == source.text {
        return Ok(false);
    }
    if check {
        out.print(&format!("{} is not formatted\n", source.name));
        return Ok(true);
    }
    replace(file, &written)?;
    Ok(false)
}

fn complain(refused: Refused, source: Source, out: &Out) -> ExitCode {
    match refused {
        Refused::Broken(problems) => {
            let sources = Sources(vec![source]);
            out.complain(&render::human(&sources, &problems, false));
        }
        Refused::Changed => {
            out.complain(&format!(
                "{}: left as it is: the layout would change its meaning, which is a mistake of the formatter\n",
                source.name
            ));
        }
    }
    ExitCode::from(1)
}
