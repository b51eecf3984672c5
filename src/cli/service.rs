//! `router stop`, `restart`, `status`, `logs`, `health`.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::cli::running::{self, Running};
use crate::cli::{Ended, Failed, Out};
use crate::config::Environment;
use crate::proxy::DRAIN;
use crate::state::clock::Clock;
use crate::state::{outside, private};

/// How long a router may take to start.
const STARTING: Duration = Duration::from_secs(20);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(30);
/// How much of a log is read back for its last lines, in bytes.
const LOG_BYTES: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The router on this port, where several run.
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Told {
    #[command(flatten)]
    which: Which,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    #[command(flatten)]
    which: Which,
    /// Go on with what comes.
    #[arg(short, long)]
    follow: bool,
    /// How many lines.
    #[arg(short = 'n', long, default_value_t = 50)]
    lines: usize,
}

pub(super) fn stop(which: &Which, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(which.port, environment)?;
    end(&running)?;
    out.print(&format!("stopped the router on port {}\n", running.port));
    Ok(ExitCode::SUCCESS)
}

/// Asks a router to stop, and waits until it has: requests under way come to their end.
fn end(running: &Running) -> Result<(), Failed> {
    let pid = running.pid.to_string();
    let asked = if cfg!(windows) {
        Command::new("taskkill").args(["/PID", &pid, "/F"]).stdout(Stdio::null()).status()
    } else {
        Command::new("kill").args(["-TERM", &pid]).status()
    };
    if !asked.is_ok_and(|status| status.success()) {
        return Err(Failed(format!("process {pid} cannot be asked to stop")));
    }
    let clock = Clock::of_system(None);
    let end = clock.moment(DRAIN + Duration::from_secs(15));
    while running.lives() {
        if clock.moment(Duration::ZERO) > end {
            return Err(Failed(format!("process {pid} was asked to stop and goes on")));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

pub(super) fn restart(which: &Which, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(which.port, environment)?;
    end(&running)?;
    let mut arguments = running.arguments.clone();
    // The port stays the same, also where a free one was taken.
    arguments.extend(["--port".to_owned(), running.port.to_string()]);
    detach(&arguments, &running.folder, environment, out)
}

/// Starts a router in the background, and waits until it serves.
pub(super) fn detach(arguments: &[String], folder: &Path, environment: &Environment, out: &Out) -> Ended {
    let program = std::env::current_exe()?;
    let runs = running::folder(environment)?;
    private::own_folder(&runs)?;
    let log = runs.with_file_name("router.out");
    let written = private::append_no_link(&log).map_err(|error| Failed(format!("{}: {error}", log.display())))?;
    let from = written.metadata()?.len();
    let mut command = Command::new(program);
    command.arg("start").args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written).env("ROUTER_LOG_FILE", &log);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let clock = Clock::of_system(None);
    let end = clock.moment(STARTING);
    loop {
        let mine = running::all(environment)?.into_iter().find(|running| running.pid == child.id());
        if let Some(running) = mine {
            let said = tail(&log, from);
            let said: String = said.lines().skip(1).map(|line| format!("{line}\n")).collect();
            out.print(&format!("the router runs on {} (process {})\n{said}", running.url(), running.pid));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = child.try_wait()? {
            out.complain(&tail(&log, from));
            return Err(Failed(format!("the router ended at once ({status})")));
        }
        if clock.moment(Duration::ZERO) > end {
            let _ = child.kill();
            out.complain(&tail(&log, from));
            return Err(Failed(format!("the router does not serve after {} s", STARTING.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}

/// The text of a log from a place on.
fn tail(log: &Path, from: u64) -> String {
    shown(&read_from(log, from))
}

fn read_from(log: &Path, from: u64) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(mut file) = std::fs::File::open(log) {
        let _ = file.seek(SeekFrom::Start(from));
        let _ = file.take(LOG_BYTES).read_to_end(&mut text);
    }
    text
}

/// What was logged is escaped already; what else came to the file may not steer the terminal.
fn shown(text: &[u8]) -> String {
    outside::lines(&String::from_utf8_lossy(text)).into_owned()
}

pub(super) fn status(told: &Told, environment: &Environment, out: &Out) -> Ended {
    let mut found = running::all(environment)?;
    if let Some(port) = told.which.port {
        found.retain(|running| running.port == port);
    }
    let now = Clock::of_system(None).unix_seconds();
    if told.json {
        let rows: Vec<_> = found
            .iter()
            .map(|running| {
                json!({
                    "url": running.url(), "pid": running.pid, "uptime_s": now - running.since,
                    "folder": running.folder, "log": running.log, "arguments": running.arguments,
                    "reload": running::ask(running, "/health/detailed", environment).ok().map(|health| health["reload"].clone()),
                })
            })
            .collect();
        out.print(&format!("{}\n", json!({"running": rows})));
    } else if found.is_empty() {
        out.print("no router runs\n");
    }
    for running in found.iter().filter(|_| !told.json) {
        let since = now - running.since;
        let log = running.log.as_ref().map_or_else(|| "on its console".to_owned(), |log| log.display().to_string());
        let (hours, minutes, seconds) = (since / 3_600, since / 60 % 60, since % 60);
        out.print(&format!(
            "{}  process {}, for {hours}:{minutes:02}:{seconds:02}, in {}, log {log}\n",
            running.url(),
            running.pid,
            outside::one_line(&running.folder.display().to_string())
        ));
        let health = running::ask(running, "/health/detailed", environment);
        if let Some(problem) = health.ok().as_ref().and_then(|health| health["reload"]["problem"].as_str()) {
            out.print(&format!("  what changed is not served: {}\n", outside::lines(problem)));
        }
    }
    Ok(ExitCode::from(u8::from(found.is_empty())))
}

pub(super) fn health(told: &Told, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(told.which.port, environment)?;
    let value = running::ask(&running, "/health/detailed", environment)?;
    let is_well = value["status"] == "ok";
    if told.json {
        out.print(&outside::lines(&format!("{value}\n")));
        return Ok(ExitCode::from(u8::from(!is_well)));
    }
    let text = |value: &serde_json::Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        outside::one_line(&text).into_owned()
    };
    let mut lines = format!(
        "{}  {}, version {}, {} rules, {} requests under way\n",
        running.url(),
        text(&value["status"]),
        text(&value["version"]),
        value["rules"],
        value["requests"]["under_way"]
    );
    let problem = &value["store"]["problem"];
    let problem = if problem.is_null() { "works".to_owned() } else { text(problem) };
    lines.push_str(&format!("store      {}: {problem}\n", text(&value["store"]["type"])));
    if let Some(problem) = value["reload"]["problem"].as_str() {
        lines.push_str(&format!("reload     failed, what served goes on serving: {}\n", outside::one_line(problem)));
    }
    for (name, provider) in value["providers"].as_object().into_iter().flatten() {
        let why = provider["why_not"].as_str().map_or_else(String::new, |why| format!(": {}", outside::one_line(why)));
        lines.push_str(&format!("provider   {} {}{why}\n", outside::one_line(name), text(&provider["breaker"])));
    }
    for budget in value["budgets"].as_array().into_iter().flatten() {
        let (spent, limit) = (budget["spent_usd"].as_f64(), budget["limit_usd"].as_f64());
        let (spent, limit) = (spent.unwrap_or(0.0), limit.unwrap_or(0.0));
        lines.push_str(&format!("budget     {} ${spent:.2} of ${limit:.2}\n", text(&budget["name"])));
    }
    out.print(&lines);
    Ok(ExitCode::from(u8::from(!is_well)))
}

pub(super) fn logs(asked: &Logs, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(asked.which.port, environment)?;
    let Some(log) = &running.log else {
        let help = "start it with `--detach`, or give the configuration a `logging.file`";
        return Err(Failed(format!("the router on port {} logs to its console; {help}", running.port)));
    };
    let size = std::fs::metadata(log)?.len();
    let text = tail(log, size.saturating_sub(LOG_BYTES));
    let all: Vec<&str> = text.lines().collect();
    let last = all.iter().skip(all.len().saturating_sub(asked.lines));
    out.print(&last.map(|line| format!("{line}\n")).collect::<String>());
    if !asked.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let mut place = size;
    loop {
        std::thread::sleep(LOOK * 5);
        let size = std::fs::metadata(log).map_or(0, |data| data.len());
        // A smaller file is another one: the old one was set aside.
        if size < place {
            place = 0;
        }
        if size > place {
            let more = read_from(log, place);
            place += more.len() as u64;
            out.print(&shown(&more));
        }
    }
}
