//! `router models`: the catalogue, and whether its models answer.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::cli::{Ended, Failed, Out, Shared};
use crate::cli::{catalogue, running};
use crate::config::{Configuration, Environment};
use crate::lang::catalogue::{Card, Catalogue};
use crate::proxy::tasks::Tasks;
use crate::proxy::{Active, App, open, serve};
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::outside;

/// How long a model may take for its tiny answer.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every model that can be routed to.
    List(List),
    /// Add a model to the configuration.
    Add(catalogue::Add),
    /// Take a model out of the configuration.
    Remove(catalogue::Remove),
    /// Make a model the default: it answers when no rule decides.
    Switch(catalogue::Switch),
    /// Send a tiny request to models, and say what came back.
    Test(Named),
    /// Say how the models of a router that runs are.
    Status(Port),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also those whose provider has no key.
    #[arg(long)]
    all: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Which; all that the configuration names unless said.
    models: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Port {
    /// The router on this port, where several run.
    #[arg(long)]
    port: Option<u16>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    match &arguments.what {
        What::List(asked) => list(asked, shared, environment, out),
        What::Add(asked) => catalogue::add(asked, shared, environment, out),
        What::Remove(asked) => catalogue::remove(asked, shared, environment, out),
        What::Switch(asked) => catalogue::switch(asked, shared, environment, out),
        What::Test(asked) => test(&asked.models, shared, environment, out),
        What::Status(asked) => status(asked, environment, out),
    }
}

fn can_be_called(configuration: &Configuration, card: &Card) -> bool {
    configuration.provider(&card.provider).is_some_and(|provider| provider.is_ready() && !provider.is_implied)
}

fn list(asked: &List, shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let cards: Vec<&Card> = configuration
        .catalogue
        .models
        .iter()
        .filter(|card| card.provider != "echo" && (asked.all || can_be_called(&configuration, card)))
        .collect();
    // Prices are kept in nano-dollars a thousand tokens, and read in dollars a million.
    #[expect(clippy::cast_precision_loss, reason = "prices are small")]
    let dollars = |price: i64| price as f64 / 1e6;
    if asked.json {
        let rows: Vec<_> = cards
            .iter()
            .map(|card| {
                json!({
                    "model": card.full_name(), "context_window": card.window, "max_output_tokens": card.output_max,
                    "input_usd_per_million": card.prices.map(|prices| dollars(prices.input)),
                    "output_usd_per_million": card.prices.map(|prices| dollars(prices.output)),
                    "can_be_called": can_be_called(&configuration, card),
                })
            })
            .collect();
        out.print(&format!("{}\n", json!(rows)));
        return Ok(ExitCode::SUCCESS);
    }
    if cards.is_empty() {
        out.print("no provider has a key; `router models list --all` shows what there would be\n");
        return Ok(ExitCode::SUCCESS);
    }
    let width = cards.iter().map(|card| card.full_name().chars().count()).max().unwrap_or(0);
    for card in cards {
        let price = card.prices.map_or_else(
            || "price unknown".to_owned(),
            |prices| format!("${} in, ${} out a million", dollars(prices.input), dollars(prices.output)),
        );
        let why = if can_be_called(&configuration, card) { "" } else { "  (no key)" };
        out.print(&format!("{:width$}  {:>9} tokens  {price}{why}\n", card.full_name(), card.window));
    }
    Ok(ExitCode::SUCCESS)
}

/// Each model is asked through a router of this process, by the very path that requests take.
fn test(wanted: &[String], shared: &Shared, environment: &Environment, out: &Out) -> Ended {
    let configuration = shared.configuration(environment, out)?;
    let catalogue = std::sync::Arc::clone(&configuration.catalogue);
    let names = names(wanted, &configuration, &catalogue)?;
    if names.is_empty() {
        return Err(Failed("no provider has a key, so that there is nobody to ask".to_owned()));
    }
    let rules = crate::lang::source::Source::new("models.route", "default { route model timeout 60s }");
    let (plan, _, _) = crate::lang::compile(vec![rules], &crate::lang::ir::load::NoFiles, &catalogue);
    let plan = plan.ok_or_else(|| Failed("the rule that asks models does not compile".to_owned()))?;
    let clock = Clock::of_system(None);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let failed = runtime.block_on(async {
        let mut configuration = configuration.clone();
        configuration.store.kind = crate::config::service::StoreKind::Memory;
        (configuration.keys, configuration.cache, configuration.health_check) = (None, None, None);
        let active = Active::new(configuration, plan, false);
        let (state, tasks) = (State::default(), Tasks::default());
        let (store, _) = open::store(&active, &state, &clock, &tasks).await.map_err(Failed)?;
        let app = App::new(active, None, clock.clone(), state, store, tasks)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1/messages", listener.local_addr()?);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = serve(app, listener, async move {
            let _ = stopped.await;
        });
        let asking = async {
            let failed = ask_all(&url, &names, &clock, out).await;
            let _ = stop.send(());
            failed
        };
        let ((), failed) = futures_util::future::join(serving, asking).await;
        failed
    })?;
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn names(wanted: &[String], configuration: &Configuration, catalogue: &Catalogue) -> Result<Vec<String>, Failed> {
    if wanted.is_empty() {
        let cards = catalogue.models.iter().filter(|card| {
            let provider = configuration.provider(&card.provider);
            can_be_called(configuration, card)
                && provider.is_some_and(|provider| provider.is_configured)
                && card.provider != "echo"
        });
        return Ok(cards.map(Card::full_name).collect());
    }
    let one = |name: &String| {
        let id = catalogue.find_asked(name).ok_or_else(|| {
            let near = catalogue.nearest(name).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Failed(format!("no provider has a model `{name}`{near}"))
        })?;
        Ok(catalogue.card(id).full_name())
    };
    wanted.iter().map(one).collect()
}

async fn ask_all(url: &str, names: &[String], clock: &Clock, out: &Out) -> Result<usize, Failed> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut failed = 0;
    for name in names {
        let body = json!({"model": name, "max_tokens": 16, "messages": [{"role": "user", "content": "Say hi."}]});
        let began = clock.instant();
        let answer = client.post(url).body(body.to_string()).send().await?;
        let status = answer.status();
        let value: serde_json::Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        let millis = clock.instant().saturating_sub(began).as_millis();
        let told = if status.is_success() {
            let text = value["content"][0]["text"].as_str().unwrap_or_default();
            let text: String = text.chars().take(40).collect();
            format!("answers in {millis} ms: {}", outside::one_line(&text))
        } else {
            failed += 1;
            let said = value["error"]["message"].as_str().unwrap_or("it gives no reason").to_owned();
            format!("fails with {}: {}", status.as_u16(), outside::one_line(&said))
        };
        out.print(&format!("{name:width$}  {told}\n"));
    }
    Ok(failed)
}

fn status(asked: &Port, environment: &Environment, out: &Out) -> Ended {
    let running = running::the_one(asked.port, environment)?;
    let value = running::ask(&running, "/health/models", environment)?;
    if asked.json {
        out.print(&outside::lines(&format!("{value}\n")));
        return Ok(ExitCode::SUCCESS);
    }
    let models = value["models"].as_object().cloned().unwrap_or_default();
    let width = models.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, model) in models {
        let usual =
            model["usual_first_byte_ms"].as_i64().map_or_else(String::new, |ms| format!(", first byte after {ms} ms"));
        let why = model["why_not"].as_str().map_or_else(String::new, |why| format!(": {}", outside::one_line(why)));
        let (calls, failed) = (&model["calls"], model["failed"].as_u64().unwrap_or(0));
        let breaker = model["breaker"].as_str().unwrap_or_default();
        out.print(&format!("{name:width$}  {breaker}{why}, {calls} recent calls, {failed} failed{usual}\n"));
    }
    Ok(ExitCode::SUCCESS)
}
