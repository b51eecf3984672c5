//! The command line: one subcommand a file. What a command writes goes through `Out`, so that tests can read it.

mod catalogue;
mod client;
mod config;
mod diff;
mod explain;
mod files;
mod fmt;
mod import;
mod lint;
mod lsp;
mod models;
mod reference;
mod replay;
mod running;
mod service;
mod start;
mod stats;
mod test;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Configuration, Environment, find, rules};
use crate::lang::diagnostic::render;
use crate::lang::ir::load::Roots;
use crate::lang::plan::Plan;
use crate::state::outside;

/// Where a command writes. Secrets of the configuration that is served are hidden.
#[derive(Debug)]
pub struct Out {
    /// Colours may be used.
    pub colour: bool,
}

impl Out {
    /// To standard output. A reader that has gone is no error.
    pub fn print(&self, text: &str) {
        let _ = std::io::stdout().lock().write_all(outside::hide_known(text).as_bytes());
    }

    /// To standard error.
    pub fn complain(&self, text: &str) {
        let _ = std::io::stderr().lock().write_all(outside::hide_known(text).as_bytes());
    }
}

/// Decides, request by request, which model of which provider answers, and says why.
#[derive(Debug, Parser)]
#[command(name = "router", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Shared {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The rule file, or a folder of rule files.
    #[arg(long, global = true, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// Say what was taken.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which rule decides a request, and why. Nothing is sent.
    Explain(explain::Arguments),
    /// Find every problem of rule files.
    Lint(lint::Arguments),
    /// Lay out rule files in one way, comments kept.
    Fmt(fmt::Arguments),
    /// Run the tests of rule files.
    Test(test::Arguments),
    /// Say how two rule sets decide differently, each difference with a request that shows it.
    Diff(diff::Arguments),
    /// Route recorded traffic through the rules: who would get what, at what cost, beside what happened.
    Replay(replay::Arguments),
    /// Turn the routing sections of a JSON configuration into rules: this project's, or musistudio's.
    Import(import::Arguments),
    /// Serve editors: problems, completion, hover, renaming, fixes.
    Lsp(lsp::Arguments),
    /// Serve.
    Start(start::Arguments),
    /// Stop a router that runs: requests under way come to their end.
    Stop(service::Which),
    /// Stop a router, and start it again as it was started.
    Restart(service::Which),
    /// Say which routers run.
    Status(service::Told),
    /// Show the log of a router that runs.
    Logs(service::Logs),
    /// Say how a router that runs is: its store, providers, budgets.
    Health(service::Told),
    /// The models: list them, ask them, say how they are.
    Models(models::Arguments),
    /// Show usage and cost, by model, rule, key, day and more.
    Stats(stats::Arguments),
    /// Print the variables that lead clients to the router, for a shell.
    Env(client::Env),
    /// Start Claude Code on the router, which is started where none runs.
    Code(client::Code),
    /// Print completions for a shell.
    Completions(client::Completions),
    /// Show the configuration as it is understood, secrets hidden.
    Config(config::Arguments),
    /// Print the reference of the language from its tables.
    #[command(hide = true)]
    Reference(reference::Arguments),
}

/// Why a command could not do its work; the exit code is 2.
#[derive(Debug)]
pub struct Failed(pub String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a command ends with.
pub type Ended = Result<ExitCode, Failed>;

/// Runs the program.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let environment = Environment::of_process();
    let out = Out { colour: std::io::stdout().is_terminal() && environment.get("NO_COLOR").is_none() };
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let help = !error.use_stderr();
            let text = error.render().to_string();
            if help {
                out.print(&text);
            } else {
                out.complain(&text);
            }
            return ExitCode::from(if help { 0 } else { 2 });
        }
    };
    let shared = &parsed.shared;
    let ended = match &parsed.command {
        Command::Explain(arguments) => explain::run(arguments, shared, &environment, &out),
        Command::Lint(arguments) => lint::run(arguments, shared, &environment, &out),
        Command::Fmt(arguments) => fmt::run(arguments, shared, &environment, &out),
        Command::Test(arguments) => test::run(arguments, shared, &environment, &out),
        Command::Diff(arguments) => diff::run(arguments, shared, &environment, &out),
        Command::Replay(arguments) => replay::run(arguments, shared, &environment, &out),
        Command::Import(arguments) => import::run(arguments, shared, &environment, &out),
        Command::Lsp(arguments) => lsp::run(arguments, shared, &environment),
        Command::Start(arguments) => start::run(arguments, shared, &environment, &out),
        Command::Stop(which) => service::stop(which, &environment, &out),
        Command::Restart(which) => service::restart(which, &environment, &out),
        Command::Status(told) => service::status(told, &environment, &out),
        Command::Logs(asked) => service::logs(asked, &environment, &out),
        Command::Health(told) => service::health(told, &environment, &out),
        Command::Models(arguments) => models::run(arguments, shared, &environment, &out),
        Command::Stats(arguments) => stats::run(arguments, shared, &environment, &out),
        Command::Env(asked) => client::env(asked, &environment, &out),
        Command::Code(asked) => client::code(asked, shared, &environment, &out),
        Command::Completions(asked) => Ok(client::completions(asked, &out)),
        Command::Config(arguments) => config::run(arguments, shared, &environment, &out),
        Command::Reference(arguments) => reference::run(arguments, &out),
    };
    ended.unwrap_or_else(|failed| {
        out.complain(&format!("router: {}\n", failed.0));
        ExitCode::from(2)
    })
}

/// What a program starts from, and how files that it uses are read.
type Program = (Roots, rules::Folder);

/// The program that a path names: a rule file, what a folder serves, or that of a configuration.
fn program_named(path: &Path, environment: &Environment) -> Result<Program, Failed> {
    if find::is_configuration(path) {
        return program_of(path, environment);
    }
    if !path.exists() {
        return Err(Failed(format!("{}: there is no such file or folder", path.display())));
    }
    Ok(rules::roots(&[find::program_to_serve(path)?], None)?)
}

/// The program of a configuration: its rule files, and its sections that route.
fn program_of(path: &Path, environment: &Environment) -> Result<Program, Failed> {
    let read = Configuration::load(Some(path.to_owned()), environment)?;
    Ok(rules::roots(&read.rules, read.tier.as_ref())?)
}

impl Shared {
    /// The configuration.
    fn configuration(&self, environment: &Environment, out: &Out) -> Result<Configuration, Failed> {
        let path = find::configuration(self.config.clone(), environment)?;
        if self.verbose {
            let name = path.as_ref().map_or_else(|| "the built-in one".to_owned(), |path| path.display().to_string());
            out.complain(&format!("configuration: {name}\n"));
        }
        Ok(Configuration::load(path, environment)?)
    }

    /// The rule files that serve.
    fn rule_files(&self, configuration: &Configuration) -> Result<Vec<PathBuf>, Failed> {
        match &self.rules {
            Some(path) if !path.exists() => Err(Failed(format!("{}: there is no such file or folder", path.display()))),
            Some(path) => Ok(vec![find::program_to_serve(path)?]),
            None => Ok(configuration.rules.clone()),
        }
    }

    /// The programs of some paths: of a rule file, each of a folder, that of a configuration; without a path that which
    /// serves.
    fn programs(
        &self,
        paths: &[PathBuf],
        configuration: &Configuration,
        environment: &Environment,
    ) -> Result<Vec<Program>, Failed> {
        if paths.is_empty() {
            return Ok(vec![rules::roots(&self.rule_files(configuration)?, configuration.tier.as_ref())?]);
        }
        let mut programs = Vec::new();
        for path in paths {
            if find::is_configuration(path) {
                programs.push(program_of(path, environment)?);
            } else {
                for file in find::programs(path)? {
                    programs.push(rules::roots(&[file], None)?);
                }
            }
        }
        Ok(programs)
    }

    /// The plan of the rules that serve; problems are printed, and errors end the command.
    fn plan(
        &self,
        configuration: &Configuration,
        extra: Option<crate::lang::source::Source>,
        out: &Out,
    ) -> Result<Plan, Failed> {
        let files = self.rule_files(configuration)?;
        if self.verbose {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let mut names = names;
            names.extend(configuration.tier.as_ref().map(|tier| format!("the sections of {}", tier.source.name)));
            let names = if names.is_empty() { "the built-in default".to_owned() } else { names.join(", ") };
            out.complain(&format!("rules: {names}\n"));
        }
        let (mut roots, reader) = rules::roots(&files, configuration.tier.as_ref())?;
        roots.files.extend(extra);
        let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
        match plan {
            Some(plan) => Ok(plan),
            None => {
                let errors: Vec<_> =
                    problems.into_iter().filter(crate::lang::diagnostic::Diagnostic::is_error).collect();
                out.complain(&render::human(&sources, &errors, false));
                Err(Failed("the rules do not compile".to_owned()))
            }
        }
    }
}
