//! `router start`.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::cli::running::Running;
use crate::cli::{Ended, Failed, Out, Shared, service};
use crate::config::service::state_folder;
use crate::config::{Configuration, Environment, find, rules};
use crate::lang::diagnostic::{Diagnostic, render};
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
    let (active, files, warnings) = load(arguments, shared, environment).map_err(Failed)?;
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
    if !is_loopback(&host) && configuration.keys.is_none() {
        let message = format!("`{host}` can be reached by others, and nobody would have to authenticate");
        let way_out = "set keys in `security.authentication`, or listen on 127.0.0.1";
        return Err(Failed(format!("{message}; {way_out}")));
    }
    let clock = Clock::of_system(configuration.timezone.as_deref());
    let banner = banner(&active, arguments.dry_run, &warnings);
    let recording = open::recording(&active, &clock).map_err(Failed)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = configuration.tuning.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    let again = (arguments.clone(), shared.clone(), environment.clone());
    let (written_again, of_run) = (self::again(arguments, shared), environment.clone());
    let of_configuration = active.configuration.logging.file.as_ref().map(|file| file.path.clone());
    let log_file = of_configuration.or_else(|| environment.get("ROUTER_LOG_FILE").map(PathBuf::from));
    let log_file = log_file.map(|path| std::path::absolute(&path).unwrap_or(path));
    runtime.block_on(async move {
        let listener = TcpListener::bind((host.trim_matches(['[', ']']), port)).await;
        let listener = listener.map_err(|error| Failed(format!("{host}:{port} cannot be listened on: {error}")))?;
        let address = listener.local_addr()?;
        let stop = stop_asked()?;
        let (state, tasks) = (State::default(), Tasks::default());
        let (store, problems) = open::store(&active, &state, &clock, &tasks).await.map_err(Failed)?;
        let app = App::new(active, recording, clock, state, store, tasks)?;
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
        out.print(&format!("listening on http://{address}\n{problems}{banner}"));
        let watching = app.clone();
        let load = move || {
            let (active, files, warnings) = load(&again.0, &again.1, &again.2)?;
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            Ok((active, files))
        };
        let watch = reload::watch(watching, load, files);
        tokio::select! {
            () = serve(app, listener, stop) => {}
            () = watch => {}
        }
        drop(said);
        Ok::<(), Failed>(())
    })?;
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

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Everything that serves, and the files that it was read of.
fn load(
    arguments: &Arguments,
    shared: &Shared,
    environment: &Environment,
) -> Result<(Active, Vec<PathBuf>, Vec<String>), String> {
    let path = find::configuration(shared.config.clone(), environment).map_err(|problem| problem.0)?;
    let mut configuration = Configuration::load(path, environment).map_err(|problem| problem.0)?;
    configuration.can_serve().map_err(|problem| problem.0)?;
    only(&mut configuration, &arguments.models)?;
    let files = shared.rule_files(&configuration).map_err(|failed| failed.0)?;
    let (roots, reader) = rules::roots(&files, configuration.tier.as_ref()).map_err(|problem| problem.0)?;
    let (plan, sources, problems) = crate::lang::compile(roots, &reader, &configuration.catalogue);
    let warnings = problems.iter().filter(|problem| !problem.is_error()).map(|warning| {
        let at = sources.position(warning.span);
        format!("{}:{}:{}: {}", sources.get(warning.span.source).name, at.line, at.column, warning.message)
    });
    let warnings = warnings.collect();
    let Some(plan) = plan else {
        let errors: Vec<Diagnostic> = problems.into_iter().filter(Diagnostic::is_error).collect();
        return Err(format!("the rules do not compile\n{}", render::human(&sources, &errors, false)));
    };
    if plan.program.default.is_none() {
        return Err("the rules have no default".to_owned());
    }
    let on_disk = sources.0.iter().map(|source| PathBuf::from(&source.name)).filter(|path| path.is_file());
    let watched = on_disk.chain(configuration.path.clone()).collect();
    let dry_run = arguments.dry_run || configuration.is_without_keys();
    Ok((Active::new(configuration, plan, dry_run), watched, warnings))
}

/// Keeps only some models.
fn only(configuration: &mut Configuration, models: &[String]) -> Result<(), String> {
    if models.is_empty() {
        return Ok(());
    }
    let catalogue = &configuration.catalogue;
    let mut kept = Vec::new();
    for name in models {
        let id = catalogue.find_asked(name.trim()).ok_or_else(|| {
            let near = catalogue.nearest(name).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("--models: no provider has a model `{name}`{near}")
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
/// router listens may ask at once.
#[cfg(unix)]
fn stop_asked() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_asked() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
