//! `~/.claude-code-router/config.json` of musistudio's claude-code-router, 1.x and 2.x: `Router`, `Providers`, `fallback`.
//!
//! Source: its README and its dist/cli.js, version 2.0.0 (npm `@musistudio/claude-code-router`). The scenarios are tried in
//! the order that its router tries them in: a model that the client names itself, long context, background, web search,
//! thinking, the default; its image agent comes before all of them.

use serde_json::{Map, Value, json};

use crate::tools::import::{Imported, Writer, one_line, route, texts, variable, without_key};
use crate::tools::sections::names::word;

/// The threshold where none is written.
const LONG_CONTEXT: u64 = 60_000;
/// The port where none is written.
const PORT: u64 = 3_456;

/// Transformers whose work the translation of this program does.
const DONE_BY_TRANSLATION: &[&str] = &[
    "anthropic",
    "openai",
    "deepseek",
    "gemini",
    "openrouter",
    "groq",
    "tooluse",
    "enhancetool",
    "reasoning",
    "streamoptions",
    "customparams",
];

/// Members that need no word.
const SILENT: &[&str] = &[
    "Router",
    "Providers",
    "fallback",
    "PORT",
    "HOST",
    "LOG",
    "LOG_LEVEL",
    "APIKEY",
    "PROXY_URL",
    "API_TIMEOUT_MS",
    "CUSTOM_ROUTER_PATH",
    "transformers",
    "plugins",
    "NON_INTERACTIVE_MODE",
    "StatusLine",
    "tokenStats",
    "presets",
    "forceUseImageAgent",
    "REWRITE_SYSTEM_PROMPT",
    "CLAUDE_PATH",
];

pub(super) fn import(sections: &Map<String, Value>) -> Result<Imported, String> {
    let router = sections.get("Router").and_then(Value::as_object).ok_or("it has no `Router`")?;
    let mut writer = Writer::default();
    let timeout =
        sections.get("API_TIMEOUT_MS").and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    let scenarios = Scenarios { router, fallback: sections.get("fallback").and_then(Value::as_object), timeout };
    scenarios.write(&mut writer);
    let mut configuration = Map::new();
    let mut adjusts = String::new();
    let (providers, keys) = providers(sections, &mut adjusts, &mut writer);
    settings(sections, &mut configuration, &mut writer);
    configuration.insert("providers".to_owned(), Value::Object(providers));
    let rules = format!("{}\n{adjusts}", writer.text);
    Ok(Imported { rules, configuration, notes: writer.notes, keys })
}

struct Scenarios<'c> {
    router: &'c Map<String, Value>,
    fallback: Option<&'c Map<String, Value>>,
    timeout: Option<u64>,
}

/// Milliseconds in the largest unit that they are whole in.
fn duration(ms: u64) -> String {
    match ms {
        ms if ms > 0 && ms.is_multiple_of(60_000) => format!("{}min", ms / 60_000),
        ms if ms > 0 && ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// `provider,model` as `provider/model`.
fn target(written: &str) -> String {
    written.trim().replacen(',', "/", 1)
}

impl Scenarios<'_> {
    fn model(&self, scenario: &str) -> Option<String> {
        self.router.get(scenario)?.as_str().filter(|model| !model.trim().is_empty()).map(target)
    }

    /// The chain of a scenario: its model, then those of `fallback`.
    fn actions(&self, scenario: &str, first: String) -> Vec<String> {
        let mut chain = vec![first];
        for model in texts(self.fallback.and_then(|fallback| fallback.get(scenario))).unwrap_or_default() {
            let model = target(&model);
            if !chain.contains(&model) {
                chain.push(model);
            }
        }
        let mut actions = vec![route(&chain)];
        actions.extend(self.timeout.map(|ms| format!("timeout total {}", duration(ms))));
        actions
    }

    fn rule(&self, writer: &mut Writer, scenario: &str, name: &str, when: &str) {
        if let Some(model) = self.model(scenario) {
            let origin = format!("Router.{scenario}");
            writer.rule(&origin, name, when, &self.actions(scenario, model));
        }
    }

    fn write(&self, writer: &mut Writer) {
        self.rule(writer, "image", "pictures", "has images");
        if self.model("image").is_some() {
            writer.note("`Router.image`: its agent let another model describe pictures; here the whole request goes to a model that sees them");
        }
        let origin = "A client that names its model as `provider,model` gets it.";
        writer.rule(origin, "asked_for", "model contains \",\"", &self.actions("default", "model".to_owned()));
        let threshold = self.router.get("longContextThreshold").and_then(Value::as_u64).unwrap_or(LONG_CONTEXT);
        self.rule(writer, "longContext", "long_context", &format!("tokens > {threshold}"));
        self.rule(writer, "background", "background", "model contains \"claude\" and model contains \"haiku\"");
        self.rule(writer, "webSearch", "search", "web_search");
        self.rule(writer, "think", "think", "thinking");
        let first = self.model("default").unwrap_or_else(|| "model".to_owned());
        writer.default_rule("Router.default", &self.actions("default", first));
        writer.note("a prompt that names its model by `<CCR-SUBAGENT-MODEL>` is routed like every other one");
        let known = ["default", "background", "think", "longContext", "longContextThreshold", "webSearch", "image"];
        for other in self.router.keys().filter(|name| !known.contains(&name.as_str())) {
            writer.note(format!("`Router.{}` is no scenario of the versions that are known here", one_line(other)));
        }
    }
}

/// The providers, with keys as variables; what their transformers set becomes adjusts.
fn providers(
    sections: &Map<String, Value>,
    adjusts: &mut String,
    writer: &mut Writer,
) -> (Map<String, Value>, Vec<(String, String)>) {
    let (mut made, mut keys) = (Map::new(), Vec::new());
    let all = sections.get("Providers").or_else(|| sections.get("providers")).and_then(Value::as_array);
    for (index, provider) in all.map_or(&[][..], Vec::as_slice).iter().enumerate() {
        let text = |member: &str| provider.get(member).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        if name.is_empty() {
            writer.note(format!("`Providers[{index}]` has no name"));
            continue;
        }
        let transformer = provider.get("transformer");
        let uses = used(transformer.and_then(|transformer| transformer.get("use")));
        let (kind, base_url) = address(text("api_base_url"), &uses);
        let base_url = variable(&base_url).map_or(base_url.clone(), |name| format!("${{{name}}}"));
        let mut entry = Map::new();
        entry.insert("kind".to_owned(), json!(kind));
        entry.insert("baseUrl".to_owned(), json!(base_url));
        let local = ["://localhost", "://127.0.0.1", "://[::1]"].iter().any(|host| base_url.contains(host));
        if !local {
            entry.insert("apiKey".to_owned(), provider.get("api_key").cloned().unwrap_or_default());
            if let Some(variable) = without_key(&mut entry, "apiKey", name) {
                keys.push((variable, format!("Providers.{name}.api_key")));
            }
        }
        if entry.get("apiKey").is_some_and(Value::is_null) {
            entry.remove("apiKey");
        }
        let models: Map<String, Value> =
            texts(provider.get("models")).unwrap_or_default().into_iter().map(|model| (model, json!({}))).collect();
        let models_of: Vec<&String> = models.keys().collect();
        transformers(name, None, &uses, adjusts, writer);
        for model in models_of {
            let own = used(transformer.and_then(|transformer| transformer.get(model)).and_then(|own| own.get("use")));
            let carry = |other: &&Value| texts(other.get("models")).is_some_and(|models| models.contains(model));
            let is_alone = all.map_or(0, |all| all.iter().filter(carry).count()) == 1;
            transformers(name, Some((model, is_alone)), &own, adjusts, writer);
        }
        entry.insert("models".to_owned(), Value::Object(models));
        made.insert(name.to_owned(), Value::Object(entry));
    }
    (made, keys)
}

/// The transformers of a `use`: names, and their options where there are some.
fn used(list: Option<&Value>) -> Vec<(String, Option<&Value>)> {
    let all = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter_map(|one| match one {
            Value::String(name) => Some((name.clone(), None)),
            Value::Array(pair) => Some((pair.first()?.as_str()?.to_owned(), pair.get(1))),
            _ => None,
        })
        .collect()
}

/// How a provider is spoken to, and where: its address is that of one call there, and that of its API here.
fn address(written: &str, uses: &[(String, Option<&Value>)]) -> (&'static str, String) {
    let written = written.trim().trim_end_matches('/');
    let says = |name: &str| uses.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if written.contains("generativelanguage.googleapis.com") || says("gemini") {
        let host = written.split("/v1").next().unwrap_or(written);
        return ("openai-compatible", format!("{host}/v1beta/openai"));
    }
    if says("anthropic") || written.ends_with("/v1/messages") {
        return ("anthropic", written.trim_end_matches("/messages").trim_end_matches("/v1").to_owned());
    }
    let base = written.trim_end_matches("/chat/completions");
    let kind = if base.contains("://api.openai.com") { "openai" } else { "openai-compatible" };
    (kind, base.to_owned())
}

/// What transformers set becomes an adjust; what they do is done by the translation, or said. With a model, whether only
/// this provider carries it.
fn transformers(
    provider: &str,
    model: Option<(&String, bool)>,
    uses: &[(String, Option<&Value>)],
    adjusts: &mut String,
    writer: &mut Writer,
) {
    let whose = model.map_or_else(|| format!("`{provider}`"), |(model, _)| format!("`{model}` of `{provider}`"));
    for (name, options) in uses {
        let option = |member: &str| options.and_then(|options| options.get(member)).and_then(Value::as_f64);
        let set: Vec<String> = match name.to_lowercase().as_str() {
            "maxtoken" => option("max_tokens")
                .filter(|tokens| *tokens >= 1.0 && *tokens < 1e9)
                .map(|tokens| format!("set max_tokens at most {tokens:.0}"))
                .into_iter()
                .collect(),
            "sampling" => ["temperature", "top_p", "top_k"]
                .iter()
                .filter_map(|setting| option(setting).map(|value| format!("set {setting} {value}")))
                .collect(),
            known if DONE_BY_TRANSLATION.contains(&known) => {
                if options.is_some() {
                    writer.note(format!("the options of the transformer `{name}` of {whose}"));
                }
                continue;
            }
            _ => {
                writer.note(format!("the transformer `{}` of {}", one_line(name), one_line(&whose)));
                continue;
            }
        };
        if set.is_empty() {
            continue;
        }
        let wanted =
            model.map_or_else(|| format!("{provider} {name}"), |(model, _)| format!("{provider} {model} {name}"));
        let adjust = writer.names.take(&word(&wanted, "adjust"), "adjust");
        let quote = crate::lang::schema::text::quote;
        let by_provider = format!("target.provider is {}", quote(provider));
        let when = match model {
            None => by_provider,
            Some((model, true)) => format!("target is {}", quote(model)),
            Some((model, false)) => format!("{by_provider} and target is {}", quote(model)),
        };
        adjusts.push_str(&format!(
            "# Providers: the transformer {} of {}\nadjust {adjust} {{\n  when {when}\n  {}\n}}\n\n",
            one_line(name),
            one_line(&whose),
            set.join("\n  ")
        ));
    }
}

/// Everything beside the routing.
fn settings(sections: &Map<String, Value>, configuration: &mut Map<String, Value>, writer: &mut Writer) {
    let has = |name: &str| {
        sections.get(name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)) && value != "")
    };
    let port = sections.get("PORT").and_then(|port| port.as_u64().or_else(|| port.as_str()?.parse().ok()));
    let mut router = Map::new();
    router.insert("port".to_owned(), json!(port.filter(|port| *port < 65_536).unwrap_or(PORT)));
    if let Some(level) = sections.get("LOG_LEVEL").and_then(Value::as_str) {
        let level = if level == "fatal" { "error" } else { level };
        if ["error", "warn", "info", "debug", "trace"].contains(&level) {
            router.insert("logLevel".to_owned(), json!(level));
        }
    }
    configuration.insert("router".to_owned(), Value::Object(router));
    if has("HOST") {
        writer.note("`HOST`: this router listens on this machine alone");
    }
    let said = [
        ("APIKEY", "clients had to send it; here every program of this machine may call"),
        ("PROXY_URL", "set the variable `HTTPS_PROXY` instead"),
        ("CUSTOM_ROUTER_PATH", "JavaScript that routes is not run: write its conditions as rules"),
        ("transformers", "JavaScript that rewrites requests is not run"),
        ("plugins", "they are not run"),
        ("REWRITE_SYSTEM_PROMPT", "system prompts stay as they are"),
    ];
    for (name, why) in said {
        if has(name) {
            writer.note(format!("`{name}`: {why}"));
        }
    }
    for other in sections.keys().filter(|name| !SILENT.contains(&name.as_str())) {
        writer.note(format!("`{}`", one_line(other)));
    }
}
