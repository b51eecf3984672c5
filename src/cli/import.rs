//! `router import`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::{Configuration, Environment, file};
use crate::lang::diagnostic::{any_error, render};
use crate::lang::ir::load::NoFiles;
use crate::lang::source::Source;
use crate::tools::import::{self, Imported};

/// The file of rules that is written.
const RULES: &str = "imported.route";
/// The configuration that is written.
const CONFIGURATION: &str = "router.json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A JSON configuration: this project's, or that of musistudio's claude-code-router.
    file: PathBuf,
    /// The folder that `imported.route` and `router.json` are written into.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Print the rules, and write nothing.
    #[arg(long)]
    print: bool,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, _: &Shared, environment: &Environment, out: &Out) -> Ended {
    let name = arguments.file.display().to_string();
    let fail = |why: String| Failed(format!("{name}: {why}"));
    let value = file::value(&arguments.file).map_err(|problem| Failed(problem.0))?;
    let shown = arguments.file.file_name().map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
    let made = import::import(&value, &shown, RULES).map_err(fail)?;
    if arguments.print {
        out.print(&made.rules);
        return Ok(ExitCode::SUCCESS);
    }
    let [rules, configuration] = [RULES, CONFIGURATION].map(|file| arguments.out.join(file));
    for file in [&rules, &configuration] {
        if file.exists() && !arguments.force {
            let why = "it is there already; give another folder with --out, or --force";
            return Err(Failed(format!("{}: {why}", file.display())));
        }
    }
    std::fs::create_dir_all(&arguments.out)?;
    let text = format!("{:#}\n", serde_json::Value::Object(made.configuration.clone()));
    write(&rules, &made.rules)?;
    write(&configuration, &text)?;
    out.print(&told(&made, &rules, &configuration));
    check(&made, &configuration, environment, out)
}

/// Readable by its owner alone: headers may hold credentials.
fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let mut options = std::fs::File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failed(format!("{}: {error}", path.display())))
}

fn told(made: &Imported, rules: &Path, configuration: &Path) -> String {
    let mut text = format!("wrote {} and {}\n", rules.display(), configuration.display());
    if !made.keys.is_empty() {
        text.push_str("\nkeys are read from the environment now; set\n");
        for (variable, whose) in &made.keys {
            text.push_str(&format!("  {variable}  to what was in {whose}\n"));
        }
    }
    if !made.notes.is_empty() {
        text.push_str("\nnot carried over, or different now:\n");
        for note in &made.notes {
            text.push_str(&format!("  - {note}\n"));
        }
    }
    text.push_str(&format!("\nnext: router lint --config {0} && router start --config {0}\n", configuration.display()));
    text
}

/// What was written is read back: models that nobody has are told now, not at the first request.
fn check(made: &Imported, configuration: &Path, environment: &Environment, out: &Out) -> Ended {
    let read = Configuration::load(Some(configuration.to_path_buf()), environment)?;
    let catalogue = Arc::clone(&read.catalogue);
    let checked = crate::lang::check(vec![Source::new(RULES, made.rules.clone())], &NoFiles, &catalogue);
    if checked.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    out.complain(&render::human(&checked.sources, &checked.problems, false));
    Ok(ExitCode::from(u8::from(any_error(&checked.problems))))
}
