//! `router config`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::{Ended, Out, Shared};
use crate::config::Environment;
use crate::config::service::StoreKind;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say whether configuration and rules are right, and what they lack of the environment.
    Check,
    /// Print the JSON Schema of the configuration.
    Schema,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    match &arguments.what {
        None => show(shared, environment, out),
        Some(What::Check) => check(shared, environment, out),
        Some(What::Schema) => {
            let schema = schemars::schema_for!(crate::config::file::File);
            out.print(&format!("{}\n", serde_json::to_string_pretty(&schema)?));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is wrong ends it; what is missing of the environment is only said, because it may be there where it runs.
fn check(shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let plan = shared.plan(&configuration, None, out)?;
    for lack in &configuration.lacks {
        out.print(&format!("warning: {lack}, and without it nothing can be served\n"));
    }
    let mut missing = 0;
    for provider in configuration.providers.iter().filter(|provider| provider.is_configured) {
        if let Some(why) = &provider.not_ready {
            missing += 1;
            out.print(&format!("warning: provider {}: {why}\n", provider.name));
        }
    }
    let path = configuration
        .path
        .as_ref()
        .map_or_else(|| "the built-in configuration".to_owned(), |path| path.display().to_string());
    let program = &plan.program;
    let providers = configuration.providers.iter().filter(|provider| provider.is_ready()).count();
    let budgets = program.budgets.len();
    let warned = if missing == 0 { String::new() } else { format!(", {missing} without a key") };
    out.print(&format!(
        "{path} is right: {} rules, {budgets} budgets, {providers} providers that can be called{warned}\n",
        program.rules.len()
    ));
    Ok(ExitCode::SUCCESS)
}

fn show(shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let files = shared.rule_files(&configuration)?;
    let mut text = String::new();
    let path = configuration.path.as_ref().map_or_else(|| "built in".to_owned(), |path| path.display().to_string());
    let rules: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let _ = writeln!(text, "configuration  {path}");
    let _ =
        writeln!(text, "rules          {}", if rules.is_empty() { "built in".to_owned() } else { rules.join(", ") });
    let _ = writeln!(text, "listens on     {}:{}", configuration.host, configuration.port);
    let store = match &configuration.store.kind {
        StoreKind::Memory => "memory".to_owned(),
        StoreKind::Sqlite { path, .. } => format!("sqlite, {}", path.display()),
        StoreKind::Redis { prefix, .. } => format!("redis, keys begin with {prefix}"),
    };
    let _ = writeln!(text, "store          {store}");
    let keys = configuration.keys.as_ref().map(|keys| keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>());
    let _ = writeln!(
        text,
        "router keys    {}",
        keys.map_or_else(|| "none, everybody may call".to_owned(), |keys| keys.join(", "))
    );
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
