//! `router lsp`.

use std::process::ExitCode;

use lsp_server::Connection;

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
    let (connection, threads) = Connection::stdio();
    let served = lsp::serve(&connection, shared.config.clone(), environment);
    // The threads end when nobody holds the connection.
    drop(connection);
    threads.join()?;
    served.map_err(Failed)?;
    Ok(ExitCode::SUCCESS)
}
