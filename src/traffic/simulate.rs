//! A router that calls nobody: requests come in the order in which they were recorded, at the times at which they came,
//! and conversations, caches, pools and budgets move as they would have.

use crate::features::tokens::Counter;
use crate::lang::catalogue::ModelId;
use crate::lang::eval;
use crate::lang::eval::decision::Action;
use crate::lang::eval::read::EXPECTED_OUTPUT_TOKENS;
use crate::lang::input::{Feature, Features, Input, NUMBER};
use crate::lang::plan::Plan;
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::facts::{sticky_id, takes_turns};
use crate::state::health::Fault;
use crate::state::ledger::{self, Caller};
use crate::state::names::Names;
use crate::state::store::Answered;
use crate::tools::request::{self, Recorded};
use crate::tools::test::decided_name;
use crate::traffic::line::Line;

/// A request of a log.
#[derive(Debug)]
pub struct Incoming {
    /// Where it stands: file and line.
    pub place: String,
    /// What was recorded of it.
    pub line: Line,
    /// The request itself; none where its body was not recorded.
    pub recorded: Option<Recorded>,
    /// When it came, in milliseconds since 1970.
    pub unix_ms: i64,
}

impl Incoming {
    /// Gives its features to somebody.
    pub fn with_features<T>(
        &self,
        plan: &Plan,
        counter: &Counter,
        take: impl FnOnce(&dyn Features) -> T,
    ) -> Result<T, String> {
        match (&self.recorded, &self.line.fields) {
            (Some(recorded), _) => {
                let catalogue = &plan.program.catalogue;
                request::with_features(recorded, catalogue, counter, None, |features, _| take(features))
                    .map_err(|error| error.0)
            }
            (None, Some(kept)) => Ok(take(kept)),
            (None, None) => Err("neither its body nor its fields are there".to_owned()),
        }
    }

    /// Whether its client marks what a cache should hold, which some providers charge for.
    fn marks_caches(&self) -> bool {
        let counted = self.line.usage.is_some_and(|usage| usage.cache_write > 0);
        let marked = self
            .recorded
            .as_ref()
            .is_some_and(|recorded| memchr::memmem::find(&recorded.body, b"\"cache_control\"").is_some());
        counted || marked
    }
}

/// What would have become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The rule that decides; `default`, or `budget NAME`.
    pub rule: String,
    /// `provider/model` that answers; none where nobody does.
    pub model: Option<String>,
    /// Of a pool, its name.
    pub pool: Option<String>,
    /// The HTTP status: 200 where somebody answers.
    pub status: u16,
    /// Input tokens; none of what nobody answers.
    pub input: u64,
    /// How many of them the model's cache holds.
    pub cached: u64,
    /// Output tokens: as they were counted then, else as an estimate expects them.
    pub output: u64,
    /// In nano-dollars; none where the price is not known.
    pub cost: Option<i64>,
    /// How much of the cost is there because the conversation moved away from a model whose cache held it.
    pub moved: i64,
}

impl Served {
    /// Where the request goes, in words.
    pub fn target(&self) -> String {
        match &self.model {
            Some(model) => model.clone(),
            None => format!("nobody ({})", self.status),
        }
    }
}

/// A rule set that recorded requests are routed through.
#[derive(Debug)]
pub struct Simulation<'p> {
    plan: &'p Plan,
    names: Names,
    state: State,
    clock: Clock,
    spread: u64,
}

impl<'p> Simulation<'p> {
    /// With nothing seen yet, in a time zone.
    pub fn new(plan: &'p Plan, zone: Option<&str>) -> Self {
        let names = Names::of_catalogue(&plan.program.catalogue);
        Self { plan, names, state: State::default(), clock: Clock::that_is_set(zone, 0), spread: 0 }
    }

    /// Routes the next request.
    pub fn serve(&mut self, incoming: &Incoming, request: &dyn Features) -> Served {
        self.clock.stop_at(incoming.unix_ms);
        let now = self.clock.instant();
        let line = &incoming.line;
        let program = &self.plan.program;
        let text = |feature| request.text(feature, None).map(std::borrow::Cow::into_owned);
        let (session, user) = (text(Feature::Session), text(Feature::User));
        let caller = Caller { key: None, user: user.as_deref(), session: session.as_deref() };
        let mut facts = self.state.facts(self.plan, &self.names, caller, &self.clock, None);
        facts.spread = Some(self.spread);
        self.spread = self.spread.wrapping_add(0x9E37_79B9);
        let input = Input { request, facts: &facts };
        let decision = eval::decide(self.plan, &input);
        let tokens = match line.usage {
            Some(usage) => usage.all_input(),
            None => ordinal(request, Feature::Tokens).unwrap_or(0),
        };
        let expected = EXPECTED_OUTPUT_TOKENS.unsigned_abs();
        let output = match line.usage {
            Some(usage) => usage.output,
            None => ordinal(request, Feature::MaxTokens).unwrap_or(expected).min(expected),
        };
        // Who failed then would have failed for these rules too.
        for failed in &line.failed {
            self.state.health.failure(failed, now, &Fault::default());
        }
        if let Some(model) = &line.model {
            let first = std::time::Duration::from_millis(line.first_byte_ms.unwrap_or(0));
            self.state.health.success(model, now, first);
        }
        let mut served = Served {
            rule: decided_name(self.plan, &decision),
            model: None,
            pool: None,
            status: decision.rejection.as_ref().map_or(502, |rejection| rejection.status),
            input: 0,
            cached: 0,
            output: 0,
            cost: Some(0),
            moved: 0,
        };
        if decision.action != Action::Route {
            return served;
        }
        for attempt in &decision.attempts {
            let name = self.names.of(attempt.model);
            if line.failed.iter().any(|failed| failed == name) {
                continue;
            }
            let estimate = eval::cost(self.plan, &input, attempt.model).unwrap_or(0);
            let periods = self.clock.periods();
            let claims = ledger::claims(&program.budgets, attempt.model.0, caller, &periods);
            if self.state.ledger.reserve(&claims, estimate, self.clock.unix_seconds()).is_err() {
                served.status = 402;
                continue;
            }
            let (cached, cost, moved) = self.cost(incoming, &facts, attempt.model, tokens, output);
            self.state.ledger.settle(&claims, estimate, cost.unwrap_or(estimate));
            if let Some(session) = &session {
                let (session, model, at_ms) = (session.clone(), name.to_owned(), incoming.unix_ms);
                self.state.sessions.answered(&Answered { session, model, tokens, at_ms });
            }
            if let Some(pool) = attempt.pool {
                let pool = &program.pools[pool.index()];
                if takes_turns(pool) {
                    self.state.sessions.take_turn(&pool.name);
                }
                if let Some(id) = pool.sticky.and_then(|sticky| sticky_id(sticky, caller)) {
                    self.state.sessions.keep(&pool.name, id, name);
                }
                served.pool = Some(pool.name.clone());
            }
            let model = Some(name.to_owned());
            return Served { model, status: 200, input: tokens, cached, output, cost, moved, ..served };
        }
        served
    }

    /// Tokens that the model's cache holds, what the call costs, and what of that a move costs.
    fn cost(
        &self,
        incoming: &Incoming,
        facts: &crate::lang::input::Facts,
        model: ModelId,
        tokens: u64,
        output: u64,
    ) -> (u64, Option<i64>, i64) {
        let catalogue = &self.plan.program.catalogue;
        let held = |model: ModelId| facts.model(model.0 as usize).cached_tokens.min(tokens);
        let cached = held(model);
        let Some(prices) = catalogue.card(model).prices else { return (cached, None, 0) };
        let writes = incoming.marks_caches();
        let of = |cached: u64| {
            let fresh = tokens - cached;
            let (input, written) = if writes { (0, fresh) } else { (fresh, 0) };
            prices.of([input, output, cached, written, 0])
        };
        let last = facts.session_model.as_deref().and_then(|name| catalogue.find_asked(name));
        let had = last.filter(|last| *last != model).map_or(0, held);
        (cached, Some(of(cached)), (of(cached) - of(cached.max(had))).max(0))
    }
}

fn ordinal(request: &dyn Features, feature: Feature) -> Option<u64> {
    request.ordinal(feature, &[]).and_then(|bounds| u64::try_from(bounds.low / NUMBER).ok())
}
