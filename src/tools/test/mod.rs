//! Running `test` items: each by itself, through the same decision as everything else.

mod coverage;
mod report;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::features::tokens::Counter;
use crate::lang::eval::decision::{Action, Decided, Decision};
use crate::lang::eval::{self, trace::Trace};
use crate::lang::input::{Fact, Facts, Feature, Features, Input, WHOLE};
use crate::lang::ir::{Argument, Expect, Given, GivenValue, Setting, Slot, Target, TestItem};
use crate::lang::plan::Plan;
use crate::lang::schema::fields::{Read, of_read};
use crate::lang::source::Span;
use crate::tools::given::{With, give_facts, minimal_body};
use crate::tools::request::{self, Recorded};
use crate::wire::Client;

pub use coverage::Coverage;
pub use report::{Format, Tested, percent, render};

/// The model that a minimal request asks for.
const MODEL: &str = "claude-sonnet-4-5";
/// The prompt of a minimal request.
const PROMPT: &str = "Hello";

/// What became of a test.
#[derive(Debug)]
pub struct Outcome {
    /// The test's place among the program's.
    pub index: usize,
    /// What was expected and did not come; empty when it passed.
    pub failures: Vec<Failure>,
    /// Why it could not be run.
    pub broken: Option<String>,
    /// What was decided, for the report of a failure.
    pub decided: Option<(Decision, Trace)>,
    /// Fields that were not given, and whose other values would change the outcome.
    pub notes: Vec<String>,
    /// How each condition of the program came out, where the test saw it.
    seen: Vec<Option<bool>>,
}

impl Outcome {
    /// Whether everything came as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() && self.broken.is_none()
    }
}

/// An expectation that was not met.
#[derive(Debug)]
pub struct Failure {
    /// Where it stands.
    pub span: Span,
    /// What came instead.
    pub found: String,
    /// Why the rule that was expected did not decide.
    pub why: Option<String>,
}

/// What a test gives, ready for deciding.
struct Prepared {
    recorded: Recorded,
    given: Vec<Given>,
    facts: Facts,
}

fn prepare(plan: &Plan, test: &TestItem, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Prepared, String> {
    let recorded = recorded(test, read)?;
    let mut facts = Facts::of_tests(plan.program.budgets.len(), plan.program.pools.len());
    give_facts(&mut facts, &test.given, &plan.program);
    let given = main_agent(test).into_iter().chain(test.given.iter().cloned()).collect();
    Ok(Prepared { recorded, given, facts })
}

/// What is decided of a test's request, and nothing else. `read` gives the text of a request file beside the rule file.
pub fn decide(
    plan: &Plan,
    index: usize,
    counter: &Counter,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Decision, String> {
    let prepared = prepare(plan, &plan.program.tests[index], read)?;
    let decided = request::with_features(&prepared.recorded, &plan.program.catalogue, counter, None, |features, _| {
        let with = With::new(features, &prepared.given);
        eval::decide(plan, &Input { request: &with, facts: &prepared.facts })
    });
    decided.map_err(|error| error.0)
}

/// Reads a request file that a test names, beside the rule file.
pub type Files<'a> = &'a (dyn Fn(&str) -> Result<Vec<u8>, String> + Sync);

/// What became of the tests of a program.
#[derive(Debug)]
pub struct Ran {
    /// In the order in which they stand.
    pub outcomes: Vec<Outcome>,
    /// What of the program they reach.
    pub coverage: Coverage,
}

/// Runs all tests of a program, as many at a time as there are processors.
pub fn run_all(plan: &Plan, counter: &Counter, read: Files<'_>) -> Ran {
    let conditions = coverage::conditions(&plan.program);
    let n = plan.program.tests.len();
    let (next, workers) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, usize::from));
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= n {
                return done;
            }
            done.push(run_seen(plan, index, counter, read, &conditions));
        }
    };
    let mut outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers.min(n)).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    outcomes.sort_by_key(|outcome| outcome.index);
    let coverage = Coverage::of(plan, &conditions, &outcomes, counter);
    Ran { outcomes, coverage }
}

/// Runs one test.
pub fn run(plan: &Plan, index: usize, counter: &Counter, read: Files<'_>) -> Outcome {
    run_seen(plan, index, counter, read, &[])
}

fn run_seen(
    plan: &Plan,
    index: usize,
    counter: &Counter,
    read: Files<'_>,
    conditions: &[coverage::Condition<'_>],
) -> Outcome {
    let test = &plan.program.tests[index];
    let mut outcome =
        Outcome { index, failures: Vec::new(), broken: None, decided: None, notes: Vec::new(), seen: Vec::new() };
    let prepared = match prepare(plan, test, read) {
        Ok(prepared) => prepared,
        Err(why) => {
            outcome.broken = Some(why);
            return outcome;
        }
    };
    let facts = &prepared.facts;
    let run = request::with_features(&prepared.recorded, &plan.program.catalogue, counter, None, |features, _| {
        let with = With::new(features, &prepared.given);
        let input = Input { request: &with, facts };
        let (decision, trace) = eval::explain(plan, &input, false);
        for (expect, span) in &test.expects {
            if let Some(found) = unmet(plan, &input, &decision, expect) {
                outcome.failures.push(Failure { span: *span, found, why: why_not(plan, &input, &decision, expect) });
            }
        }
        outcome.seen = coverage::seen(plan, &input, &decision, conditions);
        outcome.notes = notes(plan, test, &with, facts, &decision);
        outcome.decided = Some((decision, trace));
    });
    if let Err(error) = run {
        outcome.broken = Some(error.0);
    }
    outcome
}

/// The request that a test starts from.
fn recorded(test: &TestItem, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Recorded, String> {
    if let Some(path) = &test.request {
        let bytes = read(path).map_err(|why| format!("the request `{path}` cannot be read: {why}"))?;
        return request::read(&bytes, None).map_err(|error| format!("the request `{path}`: {}", error.0));
    }
    let given = |feature: Feature| {
        test.given.iter().rev().find(|given| given.slot.feature() == Some(feature)).and_then(|given| {
            match &given.value {
                GivenValue::Text(text) => Some(text.as_str()),
                GivenValue::Absent | GivenValue::Ordinal(_) | GivenValue::Set(_) => None,
            }
        })
    };
    let body = minimal_body(given(Feature::Model).unwrap_or(MODEL), given(Feature::Prompt).unwrap_or(PROMPT));
    Ok(Recorded { client: Client::Messages, body, headers: Vec::new() })
}

/// Unless a request or the test says otherwise, the main agent speaks.
fn main_agent(test: &TestItem) -> Option<Given> {
    let slot = Slot::Field(of_read(Read::Feature(Feature::Agent)), Argument::None);
    test.request.is_none().then_some(Given { slot, value: GivenValue::Ordinal(0), span: test.span })
}

/// What came instead of an expectation; none when it was met.
fn unmet(plan: &Plan, input: &Input<'_>, decision: &Decision, expect: &Expect) -> Option<String> {
    let decided = decided_name(plan, decision);
    match expect {
        Expect::Rule(name) => (decided != *name).then(|| format!("`{decided}` decided")),
        Expect::NotRule(name) => (decided == *name).then(|| format!("`{decided}` decided")),
        Expect::Route(target) => {
            let met = decision.attempts.first().is_some_and(|attempt| match target {
                Target::Model(model) => attempt.model == *model,
                Target::Pool(pool) => attempt.pool == Some(*pool),
                Target::Asked | Target::Same | Target::Unknown(_) => {
                    decision.chain.get(attempt.element) == Some(target)
                }
            });
            (!met).then(|| format!("it goes to {}", taken_name(plan, decision)))
        }
        Expect::Set(setting) => unset(decision, setting),
        Expect::Reject(status) => {
            let found = decision
                .rejection
                .as_ref()
                .filter(|_| decision.action == Action::Reject)
                .map(|rejection| rejection.status);
            (found != Some(*status)).then(|| {
                found.map_or_else(
                    || format!("it goes to {}", taken_name(plan, decision)),
                    |found| format!("it is rejected with {found}"),
                )
            })
        }
        Expect::Unservable => {
            (decision.action != Action::Unservable).then(|| format!("it goes to {}", taken_name(plan, decision)))
        }
        Expect::Condition(condition) => (!eval::holds(plan, input, condition)).then(|| "it does not hold".to_owned()),
    }
}

/// Why a rule that was expected did not decide.
fn why_not(plan: &Plan, input: &Input<'_>, decision: &Decision, expect: &Expect) -> Option<String> {
    let Expect::Rule(name) = expect else { return None };
    let index = plan.program.rules.iter().position(|rule| rule.name == *name)?;
    let (_, trace) = eval::explain(plan, input, true);
    let rule = trace.rules.iter().find(|rule| rule.index == index)?;
    if rule.matched {
        return Some(format!("its condition holds, and `{}` stands before it", decided_name(plan, decision)));
    }
    let because = rule.because.iter().find(|because| !because.held)?;
    let words = plan.program.sources.slice(because.span).split_whitespace().collect::<Vec<_>>().join(" ");
    let words = if because.outer_not { format!("not {words}") } else { words };
    Some(format!("`{words}` fails: {}", because.value))
}

fn unset(decision: &Decision, setting: &Setting) -> Option<String> {
    if let Setting::MaxTokens(wanted) = setting {
        let found = decision.effective.max_tokens(None);
        return (found != Some(*wanted))
            .then(|| found.map_or_else(|| "it is not set".to_owned(), |found| format!("it is {found}")));
    }
    let same = |held: &Setting| std::mem::discriminant(held) == std::mem::discriminant(setting);
    let held: Vec<&Setting> =
        decision.effective.settings.iter().map(|held| &held.setting).filter(|held| same(held)).collect();
    if held.contains(&setting) {
        return None;
    }
    let found: Vec<String> = held.iter().map(|held| crate::tools::explain::setting_words(held)).collect();
    Some(if found.is_empty() { "it is not set".to_owned() } else { format!("in effect: {}", found.join(", ")) })
}

/// Who decided, as `expect rule` names it.
pub fn decided_name(plan: &Plan, decision: &Decision) -> String {
    match decision.decided {
        Decided::Rule(index) => plan.program.rules[index].name.clone(),
        Decided::Default => "default".to_owned(),
        Decided::Budget(budget) => format!("budget {}", plan.program.budgets[budget.index()].name),
    }
}

fn taken_name(plan: &Plan, decision: &Decision) -> String {
    match (decision.attempts.first(), &decision.rejection) {
        (Some(attempt), _) => plan.program.catalogue.card(attempt.model).name.clone(),
        (None, Some(rejection)) => format!("nobody: {} {}", rejection.status, rejection.message),
        (None, None) => "nobody".to_owned(),
    }
}

/// Facts that a test leaves as they are fixed, and that decide its outcome all the same.
fn notes(plan: &Plan, test: &TestItem, request: &dyn Features, facts: &Facts, decision: &Decision) -> Vec<String> {
    let mut notes = Vec::new();
    let is_given = |fact: Fact| test.given.iter().any(|given| given.slot.fact() == Some(fact));
    let asks = |fact: Fact| plan.program.slots.iter().any(|slot| slot.fact() == Some(fact));
    let mut try_other = |fact: Fact, name: &str, others: Vec<Facts>| {
        if !asks(fact) || is_given(fact) {
            return;
        }
        let changes = others.iter().any(|other| {
            let input = Input { request, facts: other };
            let found = eval::decide(plan, &input);
            (found.decided, found.attempts.first().map(|attempt| attempt.model))
                != (decision.decided, decision.attempts.first().map(|attempt| attempt.model))
        });
        if changes {
            notes.push(format!(
                "another `{name}` would change the outcome; give it, so that the test says what it means"
            ));
        }
    };
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut other = facts.clone();
        change(&mut other);
        other
    };
    try_other(Fact::Time, "time", (0..24).map(|hour| with(&|facts: &mut Facts| facts.minute = hour * 60)).collect());
    try_other(Fact::Weekday, "weekday", (0..7).map(|day| with(&|facts: &mut Facts| facts.weekday = day)).collect());
    try_other(
        Fact::Bucket,
        "bucket",
        [0, WHOLE / 2, WHOLE - 1].iter().map(|value| with(&|facts: &mut Facts| facts.bucket = Some(*value))).collect(),
    );
    notes
}
