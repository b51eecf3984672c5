//! `router config`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::{Ended, Out, Shared};
use crate::config::Environment;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let files = shared.rule_files(&configuration)?;
    let mut text = String::new();
    let path = configuration.path.as_ref().map_or_else(|| "built in".to_owned(), |path| path.display().to_string());
    let rules: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let _ = writeln!(text, "configuration  {path}");
    let _ =
        writeln!(text, "rules          {}", if rules.is_empty() { "built in".to_owned() } else { rules.join(", ") });
    let _ = writeln!(text, "listens on     {}:{}", configuration.host, configuration.port);
    let _ = writeln!(text, "providers");
    for provider in &configuration.providers {
        let key = match (&provider.not_ready, provider.keys.len()) {
            (Some(why), _) => why.clone(),
            (None, 0) => "no key needed".to_owned(),
            (None, 1) => "key set".to_owned(),
            (None, n) => format!("{n} keys set"),
        };
        let models = configuration.catalogue.models.iter().filter(|card| card.provider == provider.name).count();
        let _ = writeln!(text, "  {:<12} {:<58} {models:>3} models, {key}", provider.name, provider.base_url);
    }
    out.print(&text);
    Ok(ExitCode::SUCCESS)
}
