//! Routers that run: each writes where it listens into a file, and takes it away when it stops. One that is not there any
//! more is known by that nobody answers with its number.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::Failed;
use crate::config::Environment;
use crate::config::service::state_folder;
use crate::state::{outside, private};

/// How long a running router may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A router that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    /// A number that no other process has.
    pub(super) instance: String,
    pub(super) pid: u32,
    pub(super) host: String,
    pub(super) port: u16,
    /// When it began, in seconds since 1970.
    pub(super) since: i64,
    /// Its working folder, and what it was started with.
    pub(super) folder: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Where its log is, where it is in a file.
    pub(super) log: Option<PathBuf>,
}

/// The folder of the files.
pub(super) fn folder(environment: &Environment) -> Result<PathBuf, Failed> {
    Ok(state_folder(environment)?.join("running"))
}

impl Running {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.port))
    }

    /// Says that it runs. Without a folder to say it in it runs all the same.
    pub(super) fn write(&self, environment: &Environment) -> Option<PathBuf> {
        let folder = folder(environment).ok()?;
        private::own_folder(&folder).ok()?;
        let path = self.file(&folder);
        private::replace(&path, serde_json::to_string_pretty(self).ok()?.as_bytes()).ok()?;
        Some(path)
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        let host = match self.host.as_str() {
            "0.0.0.0" | "[::]" | "::" => "127.0.0.1",
            host => host,
        };
        format!("http://{host}:{}", self.port)
    }

    /// Whether it is still there.
    pub(super) fn lives(&self) -> bool {
        get(&format!("{}/api/hello", self.url()), None).is_ok_and(|(_, hello)| hello["instance"] == self.instance)
    }
}

/// Every router that runs; files of those that do not are taken away.
pub(super) fn all(environment: &Environment) -> Result<Vec<Running>, Failed> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(environment)?).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let read = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Running>(&text).ok());
        match read.filter(Running::lives) {
            Some(running) => found.push(running),
            None => drop(std::fs::remove_file(path)),
        }
    }
    found.sort_by_key(|running| running.port);
    Ok(found)
}

/// The router that is meant: on this port, or the only one.
pub(super) fn the_one(port: Option<u16>, environment: &Environment) -> Result<Running, Failed> {
    let mut found = all(environment)?;
    if let Some(port) = port {
        found.retain(|running| running.port == port);
    }
    match (found.len(), port) {
        (1, _) => Ok(found.remove(0)),
        (0, Some(port)) => Err(Failed(format!("no router runs on port {port}"))),
        (0, None) => Err(Failed("no router runs; `router start --detach` starts one".to_owned())),
        _ => {
            let ports: Vec<String> = found.iter().map(|running| running.port.to_string()).collect();
            Err(Failed(format!("which one? Say `--port` with one of {}", ports.join(", "))))
        }
    }
}

/// Asks for a path: the status, and the JSON of the answer.
pub(super) fn get(url: &str, key: Option<&str>) -> Result<(u16, Value), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A second installation is refused, and is no harm: it would be the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut request = client.get(url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.map_err(|error| Failed(crate::proxy::reason(&error)))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|error| Failed(crate::proxy::reason(&error)))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    })
}

/// Asks a router, with the key of the environment where it wants one.
pub(super) fn ask(running: &Running, path: &str, environment: &Environment) -> Result<Value, Failed> {
    let (status, value) = get(&format!("{}{path}", running.url()), environment.get("ROUTER_KEY"))?;
    if status == 200 {
        return Ok(value);
    }
    let said = value["error"]["message"].as_str().unwrap_or("it gives no reason").to_owned();
    let help = if matches!(status, 401 | 403) { "; set ROUTER_KEY to a key that may read" } else { "" };
    Err(Failed(format!("the router answers {status}: {}{help}", outside::one_line(&said))))
}
