//! `router models add`, `remove` and `switch`: changes of the configuration, and of the default of a rule file, that leave
//! all else as it was. What would not work any more is refused, and nothing is written.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::files::replace;
use crate::cli::{Ended, Failed, Out, Shared};
use crate::config::edit::{Change, apply};
use crate::config::file::{self, File, is_toml};
use crate::config::{Configuration, Environment, find, providers, rules};
use crate::lang::diagnostic::{Diagnostic, render};
use crate::lang::ir::Outcome;
use crate::lang::schema::text::quote;
use crate::lang::source::Source;

/// The configuration that is made where there is none.
const MADE: &str = "router.json";

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// PROVIDER/MODEL, the model as its provider calls it.
    model: String,
    /// The window, in tokens.
    #[arg(long, value_name = "TOKENS")]
    context_window: Option<u64>,
    /// The longest answer, in tokens.
    #[arg(long, value_name = "TOKENS")]
    max_output_tokens: Option<u64>,
    /// In dollars per million tokens of input.
    #[arg(long, value_name = "DOLLARS")]
    input_cost: Option<f64>,
    /// In dollars per million tokens of output.
    #[arg(long, value_name = "DOLLARS")]
    output_cost: Option<f64>,
    /// What it can do beside text, with commas: tools, images, thinking, documents.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    supports: Vec<String>,
    /// Of a new provider: which API it speaks.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Of a new provider: where it is called.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Of a new provider: the variable that holds its key. The key itself is written nowhere.
    #[arg(long, value_name = "VARIABLE")]
    key_variable: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// PROVIDER/MODEL, or the model alone where one provider has it.
    model: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Switch {
    /// What answers when no rule decides: PROVIDER/MODEL, or the model alone.
    model: String,
}

/// The configuration file as it is, and as it is to be.
struct Draft {
    path: PathBuf,
    is_new: bool,
    text: String,
    file: File,
}

impl Draft {
    /// Of the configuration that is in use; a new one in the working folder where there is none.
    fn of(shared: &Shared, environment: &Environment) -> Result<Self, Failed> {
        let found = match &shared.config {
            Some(path) if !path.exists() => Some(path.clone()),
            named => find::configuration(named.clone(), environment)?,
        };
        let path = found.unwrap_or_else(|| PathBuf::from(MADE));
        let is_new = !path.exists();
        let text = match is_new {
            true if is_toml(&path) => String::new(),
            true => "{}\n".to_owned(),
            false => std::fs::read_to_string(&path).map_err(|error| Failed(format!("{}: {error}", path.display())))?,
        };
        let file = file::parse(&text, &path.display().to_string())?;
        Ok(Self { path, is_new, text, file })
    }

    fn change(&mut self, path: &[String], change: &Change<'_>) -> Result<(), Failed> {
        let fail = |problem: crate::config::Problem| Failed(format!("{}: {problem}", self.path.display()));
        self.text = apply(&self.text, is_toml(&self.path), path, change).map_err(fail)?;
        Ok(())
    }

    fn set(&mut self, path: &[&str], value: &Value) -> Result<(), Failed> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        self.change(&path, &Change::Set(value))
    }

    /// Reads what it is to be, and its rules. Then nothing is written that does not work.
    fn check(&self, shared: &Shared, environment: &Environment, out: &Out) -> Result<Configuration, Failed> {
        let read = Configuration::of_text(&self.text, &self.path, environment)?;
        let files = shared.rule_files(&read)?;
        let (roots, reader) = rules::roots(&files, read.tier.as_ref())?;
        let (plan, sources, problems) = crate::lang::compile(roots, &reader, &read.catalogue);
        if plan.is_none() {
            let errors: Vec<Diagnostic> = problems.into_iter().filter(Diagnostic::is_error).collect();
            out.complain(&render::human(&sources, &errors, false));
            return Err(Failed("nothing was changed, because the rules would not compile".to_owned()));
        }
        Ok(read)
    }

    fn write(&self) -> Result<(), Failed> {
        if !self.is_new {
            return replace(&self.path, &self.text);
        }
        let mut options = std::fs::File::options();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&self.path).and_then(|mut file| file.write_all(self.text.as_bytes()));
        written.map_err(|error| Failed(format!("{}: {error}", self.path.display())))
    }
}

pub(super) fn add(asked: &Add, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let Some((provider, model)) = asked.model.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty()) else {
        return Err(Failed(format!("`{}` names no provider: write PROVIDER/MODEL", asked.model)));
    };
    if asked.model.chars().any(char::is_control) {
        return Err(Failed("a name of a model holds no control characters".to_owned()));
    }
    let mut draft = Draft::of(shared, environment)?;
    let known = Configuration::of_text(&draft.text, &draft.path, environment)?;
    if !providers::places_of(&draft.file, provider, model).is_empty() {
        return Err(Failed(format!("{}: `{}` is there already", draft.path.display(), asked.model)));
    }
    let section = providers::section_of(&draft.file, provider);
    let mut path: Vec<&str> = section.iter().map(String::as_str).collect();
    let is_new = known.provider(providers::canonical(provider)).is_none();
    let of_provider = [("kind", &asked.kind), ("baseUrl", &asked.base_url)];
    if is_new && asked.base_url.is_none() && asked.kind.is_none() {
        let near = known.providers.iter().map(|provider| provider.name.as_str());
        let near = crate::lang::schema::suggest::nearest(provider, near);
        let near = near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean `{near}`?"));
        return Err(Failed(format!(
            "no provider is called `{provider}`{near} A new one needs --base-url, and --kind unless it is openai-compatible"
        )));
    }
    if is_new && asked.kind.is_none() {
        draft.set(&[&path[..], &["kind"]].concat(), &json!("openai-compatible"))?;
    }
    for (name, value) in of_provider {
        if let Some(value) = value {
            draft.set(&[&path[..], &[name]].concat(), &json!(value))?;
        }
    }
    if let Some(variable) = &asked.key_variable {
        let plain = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || variable.is_empty() {
            let why = "is no name of a variable; the key itself is never written into a file";
            return Err(Failed(format!("--key-variable: this {why}")));
        }
        draft.set(&[&path[..], &["apiKey"]].concat(), &json!(format!("${{{variable}}}")))?;
    }
    path.extend(["models", model]);
    draft.set(&path, &Value::Object(entry(asked)))?;
    let read = draft.check(shared, environment, out)?;
    draft.write()?;
    let made = if draft.is_new { " (a new file)" } else { "" };
    out.print(&format!("added {} to {}{made}\n", asked.model, draft.path.display()));
    if let Some(why) = read.provider(providers::canonical(provider)).and_then(|provider| provider.not_ready.as_ref()) {
        out.print(&format!("before it can be called: {why}\n"));
    }
    out.print(&format!("next: router models test {0}\n", asked.model));
    Ok(ExitCode::SUCCESS)
}

fn entry(asked: &Add) -> Map<String, Value> {
    let mut entry = Map::new();
    let numbers = [("contextWindow", asked.context_window), ("maxOutputTokens", asked.max_output_tokens)];
    for (name, value) in numbers {
        entry.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    for (name, value) in [("inputCost", asked.input_cost), ("outputCost", asked.output_cost)] {
        entry.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    if !asked.supports.is_empty() {
        entry.insert("supports".to_owned(), json!(asked.supports));
    }
    entry
}

pub(super) fn remove(asked: &Remove, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let mut draft = Draft::of(shared, environment)?;
    let known = Configuration::of_text(&draft.text, &draft.path, environment)?;
    let id = known.catalogue.find_asked(&asked.model).ok_or_else(|| no_model(&known, &asked.model))?;
    let card = known.catalogue.card(id);
    let places = providers::places_of(&draft.file, &card.provider, &card.name);
    if places.is_empty() {
        let why = "comes with the router and is in no configuration; `--models` of `router start` leaves models out";
        return Err(Failed(format!("{}: {} {why}", draft.path.display(), card.full_name())));
    }
    for place in &places {
        draft.change(place, &Change::Remove)?;
    }
    draft.check(shared, environment, out)?;
    draft.write()?;
    out.print(&format!("removed {} from {}\n", card.full_name(), draft.path.display()));
    Ok(ExitCode::SUCCESS)
}

fn no_model(known: &Configuration, model: &str) -> Failed {
    let near = known.catalogue.nearest(model).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Failed(format!("no provider has a model `{model}`{near}"))
}

pub(super) fn switch(asked: &Switch, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let mut draft = Draft::of(shared, environment)?;
    let known = Configuration::of_text(&draft.text, &draft.path, environment)?;
    let id = known.catalogue.find_asked(&asked.model).ok_or_else(|| no_model(&known, &asked.model))?;
    // A name that only one provider has stays as short as it was written.
    let name = if known.catalogue.card(id).name == asked.model {
        asked.model.clone()
    } else {
        known.catalogue.card(id).full_name()
    };
    let files = shared.rule_files(&known)?;
    if !files.is_empty()
        && let Some(told) = switch_in_rules(&name, &files, &known)?
    {
        out.print(&told);
        return Ok(ExitCode::SUCCESS);
    }
    let balanced = draft.file.load_balancing.as_ref().is_some_and(|section| section.enabled != Some(false));
    let off = draft.file.routing.as_ref().is_some_and(|routing| routing.load_balancing == Some(false));
    if balanced && !off {
        let why = "requests that no rule takes are balanced by `loadBalancing`; switch it off, or change its `models`";
        return Err(Failed(format!("{}: {why}", draft.path.display())));
    }
    let before = draft.file.routing.as_ref().and_then(|routing| routing.default_model.clone());
    draft.set(&["routing", "defaultModel"], &json!(name))?;
    draft.check(shared, environment, out)?;
    draft.write()?;
    let before = before.map_or_else(String::new, |before| format!(" (it was {before})"));
    out.print(&format!("{}: the default is {name} now{before}\n", draft.path.display()));
    if files.is_empty() && known.tier.is_none() {
        out.print("the rules that are built in do not serve any more, because the configuration routes now\n");
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes the first target of the default in its rule file; says so. None where no rule file has a default.
fn switch_in_rules(name: &str, files: &[PathBuf], known: &Configuration) -> Result<Option<String>, Failed> {
    let (roots, reader) = rules::roots(files, known.tier.as_ref())?;
    let checked = crate::lang::check(roots.clone(), &reader, &known.catalogue);
    let Some(default) = &checked.program.default else { return Ok(None) };
    if Some(default.span.source) == checked.tier {
        return Ok(None);
    }
    let source = checked.sources.get(default.span.source);
    let Some(Outcome::Route(chain)) = &default.outcome else {
        return Err(Failed(format!("{}: the default rejects; write a `route` into it", source.name)));
    };
    let Some((_, span)) = chain.first() else { return Ok(None) };
    let (before, range) = (source.slice(*span).to_owned(), span.range());
    let mut text = source.text.clone();
    text.replace_range(range, &quote(name));
    let mut changed = roots;
    let file = Path::new(&source.name);
    for root in changed.files.iter_mut().filter(|root| root.name == source.name) {
        *root = Source::new(root.name.clone(), text.clone());
    }
    let (plan, ..) = crate::lang::compile(changed, &reader, &known.catalogue);
    if plan.is_none() {
        return Err(Failed(format!("{}: nothing was changed, because the rules would not compile", source.name)));
    }
    replace(file, &text)?;
    let line = source.position(span.start as usize).line;
    Ok(Some(format!("{}:{line}: the default is {name} now (it was {before})\n", source.name)))
}
