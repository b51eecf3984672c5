//! Which web pages and which host names may reach the router: `router.cors` and `router.hosts`.

use crate::config::Problem;
use crate::config::file::Router;

/// The most entries of either list.
const ENTRIES_MAX: usize = 1_000;

/// What the configuration allows browsers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Browsers {
    origins: Vec<Origin>,
    /// Folded, without a trailing dot.
    hosts: Vec<String>,
}

/// An origin that `router.cors` lists, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Exactly this one.
    Exact(String),
    /// Every origin that begins so: `vscode-webview://*`.
    Prefix(String),
}

impl Browsers {
    /// Reads both lists.
    pub(super) fn new(router: &Router) -> Result<Self, Problem> {
        let (origins, hosts) =
            (router.cors.as_deref().unwrap_or_default(), router.hosts.as_deref().unwrap_or_default());
        if origins.len().max(hosts.len()) > ENTRIES_MAX {
            return Err(Problem(format!("router: `cors` and `hosts` take at most {ENTRIES_MAX} entries each")));
        }
        Ok(Self {
            origins: origins.iter().map(|text| origin(text)).collect::<Result<_, _>>()?,
            hosts: hosts.iter().map(|text| host(text)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether `router.cors` lists an origin.
    pub fn allow_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|listed| match listed {
            Origin::Exact(listed) => listed.eq_ignore_ascii_case(origin),
            Origin::Prefix(start) => {
                origin.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start))
                    && origin.len() > start.len()
            }
        })
    }

    /// Whether `router.hosts` lists a host name, which comes folded and without its port.
    pub fn allow_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|listed| listed == host)
    }

    /// Whether `router.hosts` is configured.
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }
}

fn origin(text: &str) -> Result<Origin, Problem> {
    let wrong = |why: &str| Problem(format!("router.cors: `{text}`: {why}"));
    if matches!(text, "*" | "null") {
        return Err(wrong("any web page could spend your money; list each origin, as in `https://app.example.com`"));
    }
    let folded = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, rest) =
        folded.split_once("://").ok_or_else(|| wrong("expected an origin, as in `https://app.example.com`"))?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return Err(wrong("expected a scheme before `://`, as in `https://app.example.com`"));
    }
    let is_web = matches!(scheme, "http" | "https");
    let open = rest.strip_suffix('*');
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) || rest.contains(['/', '?', '#', '@']) {
        return Err(wrong("an origin has a scheme, a host and a port, and nothing else"));
    }
    if open.unwrap_or(rest).contains('*') || (open.is_some() && is_web) {
        return Err(wrong(
            "`*` is understood only at the end of an origin of an application, as in `vscode-webview://*`",
        ));
    }
    match open {
        Some(start) => Ok(Origin::Prefix(format!("{scheme}://{start}"))),
        None if rest.is_empty() => Err(wrong("it names no host")),
        None => Ok(Origin::Exact(without_default_port(&folded))),
    }
}

/// Removes the port that browsers leave out of an origin.
fn without_default_port(origin: &str) -> String {
    let port = if origin.starts_with("https://") { ":443" } else { ":80" };
    let is_web = origin.starts_with("http://") || origin.starts_with("https://");
    origin.strip_suffix(port).filter(|_| is_web).unwrap_or(origin).to_owned()
}

fn host(text: &str) -> Result<String, Problem> {
    let folded = text.trim_end_matches('.').to_ascii_lowercase();
    let is_address = folded.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let is_name = !folded.is_empty() && folded.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_address {
        return Ok(folded.trim_matches(['[', ']']).to_owned());
    }
    if is_name {
        return Ok(folded);
    }
    let why = "expected a host name without scheme and port, as in `host.docker.internal`";
    Err(Problem(format!("router.hosts: `{text}`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browsers(cors: &[&str], hosts: &[&str]) -> Result<Browsers, Problem> {
        let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        Browsers::new(&Router { cors: list(cors), hosts: list(hosts), ..Router::default() })
    }

    #[test]
    fn origins_are_compared_whole_and_applications_may_end_in_a_star() {
        let listed =
            ["https://App.example.com:443", "app://obsidian.md", "vscode-webview://*", "http://localhost:3000/"];
        let browsers = browsers(&listed, &[]).unwrap();
        for origin in ["https://app.example.com", "app://obsidian.md", "vscode-webview://1a2b", "http://localhost:3000"]
        {
            assert!(browsers.allow_origin(origin), "{origin}");
        }
        let foreign =
            ["https://app.example.com.evil.example", "http://app.example.com", "null", "vscode-webview://", ""];
        for origin in foreign {
            assert!(!browsers.allow_origin(origin), "{origin}");
        }
    }

    #[test]
    fn what_would_allow_every_page_is_refused() {
        for origin in
            ["*", "null", "https://*", "https://*.example.com", "example.com", "https://a/b", "://x", "app://"]
        {
            let problem = browsers(&[origin], &[]).unwrap_err().0;
            assert!(problem.contains(&format!("router.cors: `{origin}`")), "{problem}");
        }
        for host in ["http://x", "x:8080", "*", "", "a b"] {
            assert!(browsers(&[], &[host]).is_err(), "{host}");
        }
        assert!(browsers(&[], &["Host.Docker.Internal."]).unwrap().allow_host("host.docker.internal"));
    }
}
