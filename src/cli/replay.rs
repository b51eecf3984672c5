//! `router replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::service::{Encryption, MasterKey};
use crate::config::{Configuration, Environment};
use crate::features::tokens::Counter;
use crate::lang::diagnostic::secret;
use crate::proxy::open;
use crate::state::clock::Clock;
use crate::traffic::log;
use crate::traffic::replay::Replay;
use crate::traffic::report::Form;
use crate::traffic::simulate::Incoming;

/// The most unreadable requests that are named.
const UNREADABLE_SHOWN_MAX: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Recordings, one request a line, or folders of request files; `-` is standard input.
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// The forms in which tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
    Markdown,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let plan = shared.plan(&configuration, None, out)?;
    let counter = Counter::default();
    let mut replay = Replay::new(&plan, &counter, configuration.timezone.as_deref());
    let unreadable = read(&arguments.logs, &configuration, |incoming| replay.take(incoming))?;
    replay.unreadable.splice(0..0, unreadable);
    let text = match arguments.format {
        Format::Human => replay.text(Form::Human, shared.verbose),
        Format::Markdown => replay.text(Form::Markdown, shared.verbose),
        Format::Json => format!("{:#}\n", replay.json()),
    };
    out.print(&secret::hide(&text));
    Ok(told(&replay.unreadable, out))
}

/// Reads logs; gives what could not be read.
pub(super) fn read(
    logs: &[PathBuf],
    configuration: &Configuration,
    mut take: impl FnMut(&Incoming),
) -> Result<Vec<String>, Failed> {
    let mut unreadable = Vec::new();
    let start = Clock::noon_of_tests(configuration.timezone.as_deref());
    // A key that is not there yet has encrypted nothing.
    let is_there = |encryption: &Encryption| !matches!(&encryption.key, MasterKey::File(path) if !path.exists());
    let seal = match configuration.encryption.as_ref().filter(|encryption| is_there(encryption)) {
        Some(_) => open::seal(configuration, &Clock::of_system(None)).map_err(Failed)?,
        None => None,
    };
    log::read(logs, start, seal.as_ref(), |incoming| take(&incoming), |why| unreadable.push(why)).map_err(Failed)?;
    Ok(unreadable)
}

/// Says what could not be read; then the exit code is 1.
pub(super) fn told(unreadable: &[String], out: &Out) -> ExitCode {
    for why in unreadable.iter().take(UNREADABLE_SHOWN_MAX) {
        out.complain(&format!("{}\n", secret::hide(why)));
    }
    if unreadable.len() > UNREADABLE_SHOWN_MAX {
        out.complain(&format!("and {} more that cannot be read\n", unreadable.len() - UNREADABLE_SHOWN_MAX));
    }
    ExitCode::from(u8::from(!unreadable.is_empty()))
}
