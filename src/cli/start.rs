//! `router start`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::cli::running::Running;
use crate::cli::{Ended, Failed, Out, Shared, service};
use crate::config::service::state_folder;
use crate::config::sources::{Loaded, Sources};
use crate::config::{Configuration, Environment, Problem};
use crate::lang::ir::Setting;
use crate::proxy::tasks::Tasks;
use crate::proxy::{Active, App, logging, open, reload, serve};
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::{outside, private};

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// The port; 0 takes a free one.
    #[arg(long, overrides_with = "port")]
    port: Option<u16>,
    /// The address to listen on.
    #[arg(long)]
    host: Option<String>,
    /// Serve in the background, with a log in a file.
    #[arg(long)]
    detach: bool,
    /// Answer every request with its own explanation, and call nobody.
    #[arg(long)]
    dry_run: bool,
    /// Serve only these models.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// How much is logged: error, warn, info, debug, trace.
    #[arg(long)]
    log_level: Option<String>,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    if arguments.detach {
        return service::detach(&again(arguments, shared), &std::env::current_dir()?, environment, out);
    }
    let sources = Sources::find(shared.config.clone(), shared.rules.as_deref(), environment)?;
    let mut files = Vec::new();
    let began = Duration::from_millis(u64::try_from(Clock::of_system(None).unix_ms()).unwrap_or(0));
    let (active, warnings, has_empty) = load(&sources, arguments, environment, None, &mut files)?;
    outside::know(active.secrets());
    let folder = state_folder(environment).ok().filter(|folder| folder.is_dir());
    let tightened = folder.map_or(Ok(()), |folder| private::tighten_all(&folder));
    let level = arguments.log_level.clone().unwrap_or_else(|| active.configuration.logging.level.clone());
    let _log = logging::begin(&active.configuration.logging, &level).map_err(Failed)?;
    if let Err(error) = tightened {
        tracing::warn!("something in the state folder cannot be made private: {error}");
    }
    let configuration = &active.configuration;
    let (host, port) = (
        arguments.host.clone().unwrap_or_else(|| configuration.host.clone()),
        arguments.port.unwrap_or(configuration.port),
    );
    configuration.check_reach(&host)?;
    let clock = Clock::of_system(configuration.timezone.as_deref());
    let banner = banner(&active, arguments.dry_run, &warnings);
    let recording = open::recording(&active, &clock).map_err(Failed)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = configuration.tuning.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    let again = (sources, arguments.clone(), environment.clone());
    let (written_again, of_run) = (self::again(arguments, shared), environment.clone());
    let of_configuration = active.configuration.logging.file.as_ref().map(|file| file.path.clone());
    let log_file = of_configuration.or_else(|| environment.get("ROUTER_LOG_FILE").map(PathBuf::from));
    let log_file = log_file.map(|path| std::path::absolute(&path).unwrap_or(path));
    let served = runtime.block_on(async move {
        let listener = TcpListener::bind((host.trim_matches(['[', ']']), port)).await;
        let listener = listener.map_err(|error| Failed(format!("{host}:{port} cannot be listened on: {error}")))?;
        let address = listener.local_addr()?;
        let (state, tasks) = (State::default(), Tasks::default());
        let stop = stop_asked(&tasks)?;
        let (store, problems) = open::store(&active, &state, &clock, &tasks).await.map_err(Failed)?;
        let app = App::new(active, recording, clock, state, store, tasks.clone())?;
        let running = Running {
            instance: app.instance(),
            pid: std::process::id(),
            host: host.clone(),
            port: address.port(),
            since: app.started(),
            folder: std::env::current_dir().unwrap_or_default(),
            arguments: written_again,
            log: log_file,
        };
        let said = Said(running.write(&of_run));
        let problems: String = problems.iter().map(|problem| format!("warning: {problem}\n")).collect();
        let load = move |touched: &mut Vec<PathBuf>| {
            let loaded = load(&again.0, &again.1, &again.2, Some(has_empty), touched);
            let (active, warnings, _) = loaded.map_err(|problem| problem.0)?;
            // As at the start: whoever reaches the router must not get in because a file changed.
            active.configuration.check_reach(&host).map_err(|problem| problem.0)?;
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            Ok(active)
        };
        tasks.spawn_idle(reload::watch(app.clone(), Arc::new(load), files, began));
        out.print(&format!("listening on http://{address}\n{problems}{banner}"));
        serve(app, listener, stop).await;
        drop(said);
        Ok::<(), Failed>(())
    });
    // What still computes is of no use to anybody.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// What a router is started with, to be started so again. Its port stands apart.
fn again(arguments: &Arguments, shared: &Shared) -> Vec<String> {
    let mut all = Vec::new();
    let paths = [("--config", &shared.config), ("--rules", &shared.rules)];
    for (name, path) in paths.iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
        all.extend([(*name).to_owned(), path.display().to_string()]);
    }
    let port = arguments.port.map(|port| port.to_string());
    let models = (!arguments.models.is_empty()).then(|| arguments.models.join(","));
    let texts =
        [("--host", &arguments.host), ("--log-level", &arguments.log_level), ("--models", &models), ("--port", &port)];
    for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        all.extend([(*name).to_owned(), text.clone()]);
    }
    if arguments.dry_run {
        all.push("--dry-run".to_owned());
    }
    all
}

/// The file that says that a router runs; it goes with the router.
struct Said(Option<PathBuf>);

impl Drop for Said {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Reads everything that serves, what is suspicious about it, and whether a rule file is empty. `touched` are the files
/// that were looked for.
fn load(
    sources: &Sources,
    arguments: &Arguments,
    environment: &Environment,
    served: Option<bool>,
    touched: &mut Vec<PathBuf>,
) -> Result<(Active, Vec<String>, bool), Problem> {
    let narrow = |configuration: &mut Configuration| only(configuration, &arguments.models);
    let Loaded { configuration, plan, warnings, has_empty } = sources.load(environment, served, narrow, touched)?;
    let dry_run = arguments.dry_run || configuration.is_without_keys();
    Ok((Active::new(configuration, plan, dry_run), warnings, has_empty))
}

/// Keeps only some models.
fn only(configuration: &mut Configuration, models: &[String]) -> Result<(), Problem> {
    if models.is_empty() {
        return Ok(());
    }
    let catalogue = &configuration.catalogue;
    let mut kept = Vec::new();
    for name in models {
        let id = catalogue.find_asked(name.trim()).ok_or_else(|| {
            let near = catalogue.nearest(name).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Problem(format!("--models: no provider has a model `{name}`{near}"))
        })?;
        kept.push(catalogue.card(id).clone());
    }
    let mut smaller = crate::lang::catalogue::Catalogue::new(
        kept,
        catalogue.providers.clone(),
        catalogue.order.clone(),
        catalogue.configured,
    );
    std::mem::swap(std::sync::Arc::make_mut(&mut configuration.catalogue), &mut smaller);
    Ok(())
}

/// What a newcomer should know.
fn banner(active: &Active, asked: bool, warnings: &[String]) -> String {
    let mut text: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    if active.dry_run && !asked {
        text.push_str("no provider key is set, so that every request is answered with its own explanation;\n");
        text.push_str("set ANTHROPIC_API_KEY, OPENAI_API_KEY or another, or write a router.json, and start again\n");
    }
    for name in not_carried_out(active) {
        text.push_str(&format!("warning: the rules use `{name}`, which this version reads and does not carry out\n"));
    }
    text
}

/// Actions that are understood and not carried out yet.
fn not_carried_out(active: &Active) -> Vec<&'static str> {
    let program = &active.plan.program;
    let rules = program.rules.iter().chain(&program.adjusts).chain(program.default.as_ref());
    let mut names: Vec<&'static str> = rules
        .flat_map(|rule| &rule.settings)
        .filter_map(|(setting, _)| match setting {
            Setting::Mirror(_) => Some("mirror"),
            Setting::Transform(_) => Some("transform"),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Done when somebody asks the program to stop. From this call on nothing else happens then: whoever was told that the
/// router listens may ask at once. Who asks a second time does not want to wait.
#[cfg(unix)]
fn stop_asked(tasks: &Tasks) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let tasks = tasks.clone();
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tasks.spawn_idle(async move {
            let code = tokio::select! {
                _ = interrupted.recv() => 130,
                _ = terminated.recv() => 143,
            };
            std::process::exit(code);
        });
    })
}

#[cfg(not(unix))]
fn stop_asked(tasks: &Tasks) -> std::io::Result<impl Future<Output = ()>> {
    let tasks = tasks.clone();
    Ok(async move {
        let _ = tokio::signal::ctrl_c().await;
        tasks.spawn_idle(async {
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(130);
        });
    })
}
