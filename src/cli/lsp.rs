//! `router lsp`.

use std::io::BufReader;
use std::process::ExitCode;

use crate::cli::{Ended, Failed, Shared};
use crate::config::Environment;
use crate::lsp;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Speak over standard input and output, as is always done; some editors say so.
    #[arg(long)]
    stdio: bool,
}

pub(super) fn run(_: &Arguments, shared: &Shared, environment: &Environment) -> Ended {
    let input = BufReader::new(std::io::stdin());
    let (connection, pipe) = lsp::connect(input, std::io::stdout());
    let served = lsp::serve(&connection, shared.config.clone(), environment);
    drop(connection);
    // What broke the connection says more than that it broke.
    pipe.end().map_err(Failed)?;
    served.map_err(Failed)?;
    Ok(ExitCode::SUCCESS)
}
