//! THE PROXY. Only here live axum, tokio and reqwest. `handle` is the life of a request, one line a stage.

mod admin;
mod admit;
mod attempts;
mod cached;
mod call;
mod checks;
mod content_encoding;
mod decide;
mod door;
mod echo;
mod failure;
mod file_limit;
mod gate;
mod handle;
mod headers;
mod http2;
mod keys;
mod learnt;
mod listen;
pub mod logging;
mod metrics;
mod models;
pub mod open;
mod outgoing;
mod profile;
mod record;
pub mod recording;
pub mod reload;
mod reseal;
mod respond;
mod silent;
mod stats;
mod tally;
pub mod tasks;
mod unread;
mod upstream;

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::routing::{any, get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use crate::config::Configuration;
use crate::config::cache::Place;
use crate::config::providers::Provider;
use crate::config::secrets;
use crate::config::service::Tuning;
use crate::features::tokens::Counter;
use crate::lang::input::Fact;
use crate::lang::ir::{Outcome, Setting, Slot, Strategy, Target};
use crate::lang::plan::Plan;
use crate::lang::schema::fields::Read;
use crate::proxy::attempts::Hedges;
use crate::proxy::gate::Gate;
use crate::proxy::keys::Keyring;
use crate::proxy::learnt::Learnt;
pub use crate::proxy::listen::DRAIN;
use crate::proxy::metrics::Metrics;
use crate::proxy::profile::Profile;
use crate::proxy::recording::Recording;
use crate::proxy::tasks::Tasks;
use crate::state::State;
use crate::state::cache::Cache;
use crate::state::clock::Clock;
use crate::state::names::Names;
use crate::state::outside;
use crate::state::store::Store;

pub(crate) use crate::proxy::upstream::reason;

/// How long an idle connection to a provider is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How long each part of what is left may take when connections have ended.
const FINISH: Duration = Duration::from_secs(1);
/// The most addresses that are remembered.
const URLS_MAX: usize = 256;

/// A random number: the standard library seeds its hash maps with the system's randomness.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

/// What serves at a moment: swapped as a whole when a file changes.
#[derive(Debug)]
pub struct Active {
    /// Who can be called.
    pub configuration: Configuration,
    /// Who gets what.
    pub plan: Plan,
    /// Every request is answered with its own explanation.
    pub dry_run: bool,
    /// The models of the catalogue, as state is kept under them.
    pub names: Names,
    /// Why each model cannot be called, if it cannot.
    pub not_ready: Arc<Vec<Option<String>>>,
    /// The rules look at something that other replicas change.
    pub(crate) reads_shared: bool,
    /// A condition looks at a budget.
    pub(crate) reads_budgets: bool,
    /// Something looks at what providers' caches hold.
    pub(crate) reads_caches: bool,
}

impl Active {
    /// What serves, with all that each request would have to look up.
    pub fn new(configuration: Configuration, plan: Plan, dry_run: bool) -> Self {
        let models = &plan.program.catalogue.models;
        let names = Names::of_catalogue(&plan.program.catalogue);
        let not_ready = models.iter().map(|card| match configuration.provider(&card.provider) {
            _ if dry_run => None,
            Some(provider) => provider.not_ready.clone(),
            None => Some("nobody serves it".to_owned()),
        });
        let not_ready = Arc::new(not_ready.collect());
        let program = &plan.program;
        let reads = |wanted: &[Fact]| {
            program.slots.iter().any(|slot| match slot {
                Slot::Field(field, _) => matches!(field.row().read, Read::Fact(fact) if wanted.contains(&fact)),
                Slot::Label(_) => false,
            })
        };
        let reads_budgets = reads(&[Fact::Spent, Fact::Remaining, Fact::Used]);
        let cheapest = program.pools.iter().any(|pool| pool.strategy == Strategy::Cheapest);
        let reads_caches = cheapest || reads(&[Fact::Cost, Fact::SwitchCost]);
        let same = program.rules.iter().chain(&program.default).any(|rule| match &rule.outcome {
            Some(Outcome::Route(chain)) => chain.iter().any(|(target, _)| *target == Target::Same),
            Some(Outcome::Reject { .. }) | None => false,
        });
        let pools = program.pools.iter().any(|pool| pool.sticky.is_some());
        let reads_shared = reads_budgets
            || reads_caches
            || same
            || pools
            || reads(&[Fact::SessionModel])
            || !program.budgets.is_empty();
        Self { configuration, plan, dry_run, names, not_ready, reads_shared, reads_budgets, reads_caches }
    }
}

impl Active {
    /// Every secret of the configuration and of the headers that rules set.
    pub fn secrets(&self) -> Vec<String> {
        let configured = self.configuration.secrets.iter().map(|secret| secret.reveal().to_owned());
        let program = &self.plan.program;
        let rules = program.rules.iter().chain(&program.adjusts).chain(&program.default);
        let set = rules.flat_map(|rule| &rule.settings).filter_map(|(setting, _)| match setting {
            Setting::Header(name, value) if secrets::is_credential(name, value) => Some(secrets::of_value(value)),
            _ => None,
        });
        configured.chain(set.flatten()).collect()
    }

    /// Where answers are kept, and whether compressed; none where nobody wants it.
    fn cache_place(&self) -> Option<(Place, bool)> {
        let asked = self.configuration.cache.as_ref().map(|cache| (cache.place.clone(), cache.compress));
        let program = &self.plan.program;
        let rules = program.rules.iter().chain(&program.adjusts).chain(&program.default);
        let by_rules =
            || rules.flat_map(|rule| &rule.settings).any(|(setting, _)| matches!(setting, Setting::CacheFor(_)));
        asked.or_else(|| by_rules().then(|| (crate::config::cache::for_rules_alone(), true)))
    }
}

/// What all requests share.
#[derive(Debug, Clone)]
pub struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What stands behind an `App`.
#[derive(Debug)]
pub struct Shared {
    active: ArcSwap<Active>,
    client: reqwest::Client,
    /// By proxy: those that providers are called through.
    proxied: Mutex<HashMap<String, reqwest::Client>>,
    /// Addresses that were called.
    urls: Mutex<HashMap<String, reqwest::Url>>,
    counter: Counter,
    clock: Clock,
    state: State,
    store: Arc<dyn Store>,
    gate: ArcSwap<Gate>,
    keyring: Keyring,
    profile: Profile,
    metrics: Metrics,
    hedges: Hedges,
    cache: ArcSwapOption<Cache>,
    recording: ArcSwapOption<Recording>,
    tasks: Tasks,
    learnt: Learnt,
    reload: reload::Report,
    /// Places for work on large bodies: as many as there are processors, so that small requests find one too.
    large: Arc<Semaphore>,
    /// Such work that goes on, also where nobody waits for it any more.
    computing: Computing,
    /// Cancelled when the time for what is under way is over.
    cut: CancellationToken,
    spread: AtomicU64,
    serial: AtomicU64,
    /// A number that no other process has.
    replica: u64,
    calls: AtomicU64,
}

/// Counts computations that go on.
#[derive(Debug, Default)]
struct Computing(AtomicUsize);

impl Computing {
    /// Counts one, until what is returned is dropped.
    fn enter(&self) -> impl Drop + '_ {
        struct One<'c>(&'c AtomicUsize);
        impl Drop for One<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        One(&self.0)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn client_builder(tuning: Tuning) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(tuning.connect)
        .pool_max_idle_per_host(tuning.idle_connections)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
}

impl App {
    /// An application that serves this, and records it where there is something to record with.
    pub fn new(
        active: Active,
        recording: Option<Recording>,
        clock: Clock,
        state: State,
        store: Arc<dyn Store>,
        tasks: Tasks,
    ) -> Result<Self, reqwest::Error> {
        outside::know(active.secrets());
        let provider = rustls::crypto::ring::default_provider();
        // A second installation is refused, and is no harm: it would be the same.
        let _ = provider.install_default();
        let client = client_builder(active.configuration.tuning).build()?;
        let (salt, replica) = (random(), random());
        let gate = Gate::new(active.configuration.overload);
        let cache = open::cache(&active, &clock).unwrap_or_else(|why| {
            tracing::error!("{why}: nothing is kept");
            None
        });
        Ok(Self(Arc::new(Shared {
            active: ArcSwap::from_pointee(active),
            client,
            proxied: Mutex::default(),
            urls: Mutex::default(),
            counter: Counter::default(),
            clock,
            state,
            store,
            gate: ArcSwap::from_pointee(gate),
            keyring: Keyring::default(),
            profile: Profile::default(),
            metrics: Metrics::default(),
            hedges: Hedges::default(),
            cache: ArcSwapOption::from_pointee(cache),
            recording: ArcSwapOption::from_pointee(recording),
            tasks,
            learnt: Learnt::default(),
            reload: reload::Report::default(),
            large: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get))),
            computing: Computing::default(),
            cut: CancellationToken::new(),
            spread: AtomicU64::new(salt),
            serial: AtomicU64::new(salt),
            replica,
            calls: AtomicU64::default(),
        })))
    }

    /// An address, which was read before for most calls.
    fn url(&self, address: &str) -> Option<reqwest::Url> {
        let mut known = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = known.get(address) {
            return Some(url.clone());
        }
        let url = reqwest::Url::parse(address).ok()?;
        // Clients choose what stands behind a `?`.
        if known.len() >= URLS_MAX {
            known.clear();
        }
        known.insert(address.to_owned(), url.clone());
        Some(url)
    }

    /// What a provider is called with.
    fn client_of(&self, provider: &Provider) -> Result<reqwest::Client, String> {
        let Some(proxy) = &provider.proxy else { return Ok(self.client.clone()) };
        let mut proxied = self.proxied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = proxied.get(proxy.reveal()) {
            return Ok(client.clone());
        }
        // The address may hold a password, so that the reason is not told.
        let wrong = |_| "its proxy cannot be used".to_owned();
        let through = reqwest::Proxy::all(proxy.reveal()).map_err(wrong)?;
        let client = client_builder(self.active().configuration.tuning).proxy(through).build().map_err(wrong)?;
        proxied.insert(proxy.reveal().to_owned(), client.clone());
        Ok(client)
    }

    /// The number of this process, which no other has.
    pub fn instance(&self) -> String {
        format!("{:016x}", self.replica)
    }

    /// When it began, in seconds since 1970.
    pub fn started(&self) -> i64 {
        self.clock.unix_seconds() - i64::try_from(self.clock.instant().as_secs()).unwrap_or(0)
    }

    /// How many requests may be in, and who is.
    fn gate(&self) -> Arc<Gate> {
        self.gate.load_full()
    }

    /// A number from 0 to 1 that nobody foresees.
    fn chance(&self) -> f64 {
        let n = self.spread.fetch_add(0x9E37_79B9_7F4A_7C15, std::sync::atomic::Ordering::Relaxed);
        f64::from(u32::try_from(n >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// What serves now.
    pub fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// Serves this from the next request on. Where the recording cannot be written as it is asked for now, it stays as
    /// it was.
    pub fn replace(&self, active: Active) {
        outside::know(active.secrets());
        let wanted = &active.configuration.record;
        let known = self.recording.load_full();
        let other_keys = self.active().configuration.encryption != active.configuration.encryption;
        if known.as_ref().map(|recording| &recording.settings) != wanted.as_ref() || other_keys {
            match open::recording(&active, &self.clock) {
                Ok(recording) => {
                    self.recording.store(recording.map(Arc::new));
                    known.inspect(|known| known.close());
                }
                Err(why) => tracing::error!("{why}"),
            }
        }
        let before = self.active();
        for setting in before.configuration.needs_restart(&active.configuration) {
            tracing::warn!("`{setting}` changed, which counts from the next start on");
        }
        if before.cache_place() != active.cache_place() || other_keys {
            match open::cache(&active, &self.clock) {
                Ok(cache) => self.cache.store(cache.map(Arc::new)),
                Err(why) => tracing::error!("{why}: the cache stays as it was"),
            }
        }
        if active.configuration.overload != self.gate().settings {
            self.gate.store(Arc::new(Gate::new(active.configuration.overload)));
        }
        self.active.store(Arc::new(active));
    }
}

/// The paths that are served.
fn router(app: App) -> Router {
    let figures = app.active().configuration.logging.metrics.clone();
    let mut router = Router::new();
    if let Some(path) = figures {
        // Where it would stand in the way of something else it is not served.
        let taken = path.contains(['{', '}', '*']) || path.starts_with("/v1") || path.starts_with("/api");
        if !taken && !path.starts_with("/health") && !path.starts_with("/debug") && path != "/" {
            router = router.route(&path, get(stats::metrics));
        }
    }
    let packed = app.active().configuration.compression;
    let router = router
        .route("/v1/messages", post(handle::messages))
        .route("/v1/messages/count_tokens", post(handle::count_tokens))
        .route("/v1/chat/completions", post(handle::completions))
        .route("/v1/responses", post(handle::responses))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/api/explain", post(handle::explain))
        .route("/api/hello", any(admin::hello))
        .route("/api/stats", get(stats::all))
        .route("/api/stats/models", get(stats::models))
        .route("/api/stats/costs", get(stats::costs))
        .route("/api/stats/performance", get(stats::performance))
        .route("/api/stats/rules", get(stats::rules))
        .route("/health", get(admin::health))
        .route("/health/detailed", get(stats::detailed))
        .route("/health/models", get(stats::health_of_models))
        .route("/debug/profile", get(stats::profile))
        .route("/", any(admin::hello))
        .fallback(admin::not_found)
        .method_not_allowed_fallback(admin::wrong_method);
    let router = match packed {
        None => router,
        Some(packed) => {
            let level = CompressionLevel::Precise(i32::try_from(packed.level).unwrap_or(1));
            // A stream is given on as it comes, and packing would hold it back.
            let whole = NotForContentType::const_new("text/event-stream");
            let answers = SizeAbove::new(packed.threshold).and(whole);
            router.layer(CompressionLayer::new().quality(level).compress_when(answers))
        }
    };
    router
        .layer(axum::middleware::from_fn_with_state(app.clone(), door::guard))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app)
}

/// Serves until `stop` is done, then waits for what is under way.
pub async fn serve(app: App, listener: TcpListener, stop: impl Future<Output = ()>) {
    app.tasks.spawn_idle(checks::run(app.clone()));
    app.tasks.spawn_idle(stats::log_figures(app.clone()));
    app.tasks.spawn_idle(reseal::run(app.clone()));
    let (tasks, shared) = (app.tasks.clone(), app.clone());
    let overload = app.gate().settings;
    let places = listen::Places { working: overload.concurrent, waiting: overload.queue };
    let connections = tasks.clone();
    let spawn = |connection: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| connections.spawn_idle(connection);
    let cut = shared.cut.clone();
    listen::serve(listener, router(app), places, shared.clock.clone(), stop, cut, spawn).await;
    tasks.finish(FINISH).await;
    if tokio::time::timeout(FINISH, shared.store.close()).await.is_err() {
        tracing::warn!("the store could not be closed within {} s", FINISH.as_secs());
    }
    if let Some(recording) = shared.recording.swap(None) {
        let closing = tokio::task::spawn_blocking(move || recording.close());
        let _ = tokio::time::timeout(FINISH, closing).await;
    }
}
