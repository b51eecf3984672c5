//! Recorded traffic through a rule set: who would get what, at what cost, beside what happened.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::features::tokens::Counter;
use crate::lang::input::{DOLLAR, Feature};
use crate::lang::plan::Plan;
use crate::traffic::line::Line;
use crate::traffic::report::{Form, Table, Totals, dollars, grouped, times, usd};
use crate::traffic::simulate::{Incoming, Served, Simulation};

/// The most pairs of models that are listed, unless all are asked for.
const PAIRS_MAX: usize = 20;

/// What became of traffic, and what would have.
#[derive(Debug)]
pub struct Replay<'p> {
    plan: &'p Plan,
    counter: &'p Counter,
    simulation: Simulation<'p>,
    rules: BTreeMap<String, Both>,
    models: BTreeMap<String, Both>,
    /// From where to where, of requests that go elsewhere than they went.
    pairs: BTreeMap<(String, String), Pair>,
    all: Both,
    sessions: HashSet<String>,
    times: Option<(i64, i64)>,
    /// Requests of which it is known what became of them.
    known: u64,
    moves: u64,
    moved: i64,
    without_body: u64,
    /// What could not be read, in words.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Default)]
struct Both {
    now: Totals,
    then: Totals,
}

#[derive(Debug, Default)]
struct Pair {
    then: Totals,
    now: Totals,
}

/// Where a recorded request went, in the words of `Served::target`.
fn went(line: &Line) -> Option<String> {
    match (&line.model, line.status) {
        (Some(model), Some(200) | None) => Some(model.clone()),
        (_, Some(status)) => Some(format!("nobody ({status})")),
        (None, None) => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "`as` saturates")]
fn nano(usd: f64) -> i64 {
    (usd * DOLLAR as f64).round() as i64
}

impl<'p> Replay<'p> {
    /// Through a rule set, in a time zone.
    pub fn new(plan: &'p Plan, counter: &'p Counter, zone: Option<&str>) -> Self {
        Self {
            plan,
            counter,
            simulation: Simulation::new(plan, zone),
            rules: BTreeMap::new(),
            models: BTreeMap::new(),
            pairs: BTreeMap::new(),
            all: Both::default(),
            sessions: HashSet::new(),
            times: None,
            known: 0,
            moves: 0,
            moved: 0,
            without_body: 0,
            unreadable: Vec::new(),
        }
    }

    /// Routes the next request.
    pub fn take(&mut self, incoming: &Incoming) {
        let simulation = &mut self.simulation;
        let served = incoming.with_features(self.plan, self.counter, |request| {
            let session = request.text(Feature::Session, None).map(std::borrow::Cow::into_owned);
            (simulation.serve(incoming, request), session)
        });
        match served {
            Ok((served, session)) => {
                self.sessions.extend(session);
                self.add(incoming, &served);
            }
            Err(why) => self.unreadable.push(format!("{}: {why}", incoming.place)),
        }
    }

    fn add(&mut self, incoming: &Incoming, served: &Served) {
        if incoming.line.time.is_some() {
            let (first, last) = self.times.unwrap_or((incoming.unix_ms, incoming.unix_ms));
            self.times = Some((first.min(incoming.unix_ms), last.max(incoming.unix_ms)));
        }
        self.without_body += u64::from(incoming.recorded.is_none());
        let target = served.target();
        let counts = [served.input, served.cached, served.output];
        for totals in [
            &mut self.all.now,
            &mut self.rules.entry(served.rule.clone()).or_default().now,
            &mut self.models.entry(target.clone()).or_default().now,
        ] {
            totals.add(counts, served.cost);
        }
        if served.moved > 0 {
            self.moves += 1;
            self.moved = self.moved.saturating_add(served.moved);
        }
        let line = &incoming.line;
        let Some(went) = went(line) else { return };
        self.known += 1;
        let usage = line.usage.unwrap_or_default();
        let counts = [usage.all_input(), usage.cache_read, usage.output];
        let cost = if line.model.is_some() { line.cost_usd.map(nano) } else { Some(0) };
        let rule = line.rule.clone().unwrap_or_default();
        for totals in [
            &mut self.all.then,
            &mut self.rules.entry(rule).or_default().then,
            &mut self.models.entry(went.clone()).or_default().then,
        ] {
            totals.add(counts, cost);
        }
        if went != target {
            let pair = self.pairs.entry((went, target)).or_default();
            pair.then.add(counts, cost);
            pair.now.add([served.input, served.cached, served.output], served.cost);
        }
    }

    fn head(&self) -> String {
        let n = self.all.now.requests;
        let mut text = format!("{} request{}", grouped(n), if n == 1 { "" } else { "s" });
        if !self.sessions.is_empty() {
            let n = self.sessions.len();
            let _ = write!(text, " of {} conversation{}", grouped(n as u64), if n == 1 { "" } else { "s" });
        }
        if let Some((first, last)) = self.times {
            let show = |ms| Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%F %H:%M").to_string();
            let _ = write!(text, ", {} to {} UTC", show(first), show(last));
        }
        text
    }

    /// For people. `all` lists every pair of models.
    pub fn text(&self, form: Form, all: bool) -> String {
        let mut text = match form {
            Form::Human => format!("{}\n", self.head()),
            Form::Markdown => format!("**{}**\n", self.head()),
        };
        for (name, rows) in [("rule", &self.rules), ("model", &self.models)] {
            text.push('\n');
            self.table(name, rows).write(&mut text, form);
        }
        text.push('\n');
        if self.moves > 0 {
            let (times, cost) = (times(self.moves), dollars(self.moved));
            let _ = writeln!(text, "Conversations leave a model whose cache holds them {times}, which costs {cost}.");
        }
        if self.without_body > 0 {
            let n = grouped(self.without_body);
            let _ = writeln!(
                text,
                "{n} requests were recorded without their bodies: rules that ask about texts or files see none."
            );
        }
        if self.known > 0 {
            self.write_pairs(&mut text, form, all);
        }
        text
    }

    fn table(&self, name: &str, rows: &BTreeMap<String, Both>) -> Table {
        let then: &[&str] = if self.known > 0 { &["then", "cost then"] } else { &[] };
        let head = [&[name, "requests", "input", "from caches", "output", "cost"][..], then].concat();
        let mut table = Table::new(&head);
        let mut row = |name: &str, both: &Both| {
            let now = &both.now;
            let mut cells = vec![name.to_owned()];
            cells.extend([now.requests, now.input, now.cached, now.output].map(grouped));
            cells.push(now.dollars());
            if self.known > 0 {
                cells.extend([grouped(both.then.requests), both.then.dollars()]);
            }
            table.row(cells);
        };
        let mut sorted: Vec<(&String, &Both)> = rows.iter().collect();
        sorted.sort_by_key(|(_, both)| std::cmp::Reverse((both.now.requests, both.then.requests)));
        for (name, both) in sorted {
            row(name, both);
        }
        row("all", &self.all);
        table
    }

    fn write_pairs(&self, text: &mut String, form: Form, all: bool) {
        let n: u64 = self.pairs.values().map(|pair| pair.now.requests).sum();
        let known = grouped(self.known);
        if n == 0 {
            let _ = writeln!(text, "Every one of the {known} goes where it went.");
            return;
        }
        let _ = writeln!(text, "{} of {known} go elsewhere than they went:\n", grouped(n));
        let mut table = Table::new(&["went to", "goes to", "requests", "cost then", "cost"]);
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_by_key(|(_, pair)| std::cmp::Reverse(pair.now.requests));
        let shown = if all { pairs.len() } else { PAIRS_MAX };
        for ((went, goes), pair) in pairs.iter().take(shown) {
            let (then, now) = (pair.then.dollars(), pair.now.dollars());
            table.row(vec![went.clone(), goes.clone(), grouped(pair.now.requests), then, now]);
        }
        table.write(text, form);
        if pairs.len() > shown {
            let _ = writeln!(text, "and {} more (--verbose lists all)", pairs.len() - shown);
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let both = |both: &Both| json!({"now": both.now.json(), "then": both.then.json()});
        let rows = |rows: &BTreeMap<String, Both>| -> Value {
            rows.iter().map(|(name, row)| (name.clone(), both(row))).collect::<serde_json::Map<_, _>>().into()
        };
        let pairs: Vec<Value> = self
            .pairs
            .iter()
            .map(|((went, goes), pair)| {
                json!({
                    "went": went, "goes": goes, "requests": pair.now.requests, "then": pair.then.json(), "now": pair.now.json(),
                })
            })
            .collect();
        let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
        json!({
            "requests": self.all.now.requests, "conversations": self.sessions.len(), "known": self.known,
            "first": self.times.map(|times| time(times.0)), "last": self.times.map(|times| time(times.1)),
            "without_body": self.without_body, "rules": rows(&self.rules), "models": rows(&self.models),
            "all": both(&self.all), "elsewhere": pairs,
            "moves": {"times": self.moves, "cost_usd": usd(self.moved)}, "unreadable": self.unreadable,
        })
    }
}
