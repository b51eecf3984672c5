//! `router reference`: the pages of docs/reference, and the JSON Schema of `explain --json`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{Ended, Out};
use crate::tools::{reference, schema};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that the pages are written into; standard output without one.
    folder: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &Out) -> Ended {
    let mut pages = reference::pages(&Arc::new(crate::config::catalogue::alone()));
    pages.push(("explain.schema.json", format!("{:#}\n", schema::explain())));
    pages.push(("models.schema.json", crate::config::catalogue::SCHEMA.to_owned()));
    for (name, text) in pages {
        match &arguments.folder {
            Some(folder) => std::fs::write(folder.join(name), text)?,
            None => out.print(&text),
        }
    }
    Ok(ExitCode::SUCCESS)
}
