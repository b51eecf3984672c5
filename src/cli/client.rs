//! `router env`, `router code`, `router completions`: how clients and shells come to the router.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::CommandFactory as _;

use crate::cli::running::{self, Running};
use crate::cli::{Ended, Failed, Out, Shared, service};
use crate::config::Environment;

#[derive(Debug, clap::Args)]
pub(super) struct Env {
    /// The router on this port, where several run.
    #[arg(long)]
    port: Option<u16>,
    /// `sh` (bash and zsh too), `fish`, `powershell`.
    #[arg(long, default_value = "sh")]
    shell: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Code {
    /// What Claude Code is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// `bash`, `zsh`, `fish`, `elvish`, `powershell`.
    shell: clap_complete::Shell,
}

/// What clients of a router must know. Claude Code wants some key, and gets the router's own where there is one.
fn variables(running: &Running, environment: &Environment) -> Vec<(&'static str, String)> {
    let key = environment.get("ROUTER_KEY").unwrap_or("router").to_owned();
    vec![
        ("ANTHROPIC_BASE_URL", running.url()),
        ("ANTHROPIC_AUTH_TOKEN", key.clone()),
        ("OPENAI_BASE_URL", format!("{}/v1", running.url())),
        ("OPENAI_API_KEY", key),
    ]
}

pub(super) fn env(asked: &Env, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(asked.port, environment)?;
    for (name, value) in variables(&running, environment) {
        let quoted = value.replace('\'', "'\\''");
        let line = match asked.shell.as_str() {
            "sh" | "bash" | "zsh" => format!("export {name}='{quoted}'\n"),
            "fish" => format!("set -gx {name} '{quoted}'\n"),
            "powershell" => format!("$env:{name} = '{}'\n", value.replace('\'', "''")),
            other => return Err(Failed(format!("--shell: `{other}` is none of sh, bash, zsh, fish, powershell"))),
        };
        out.print(&line);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn code(asked: &Code, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    if running::all(environment)?.is_empty() {
        let path = |name: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| [name.to_owned(), path.display().to_string()])
        };
        let arguments: Vec<String> = [path("--config", &shared.config), path("--rules", &shared.rules)]
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        service::detach(&arguments, &std::env::current_dir()?, environment, out)?;
    }
    let running = running::the_one(None, environment)?;
    let mut command = Command::new("claude");
    command.args(&asked.arguments).envs(variables(&running, environment));
    // With both, Claude Code would ask which one is meant.
    command.env_remove("ANTHROPIC_API_KEY");
    let ended = command.status().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failed("`claude` is not there: npm install -g @anthropic-ai/claude-code".to_owned())
        }
        _ => Failed(format!("claude: {error}")),
    })?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

pub(super) fn completions(asked: &Completions, out: &Out) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(asked.shell, &mut super::Arguments::command(), "router", &mut text);
    out.print(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}
