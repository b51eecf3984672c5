//! Figures for Prometheus, by the names of the OpenTelemetry conventions for generative AI where those have one.
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::state::usage::Row;

/// The bounds of times, in seconds, as the conventions give them.
const SECONDS: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// The bounds of tokens, as the conventions give them.
const TOKENS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
/// The most rules, and the most models, that are counted: somebody may have many of them.
const SERIES_MAX: usize = 2_000;

/// One histogram.
#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Histogram {
    fn add(&mut self, bounds: &[f64], value: f64) {
        self.buckets.resize(bounds.len(), 0);
        if let Some(place) = bounds.iter().position(|bound| value <= *bound) {
            self.buckets[place] += 1;
        }
        self.sum += value;
        self.count += 1;
    }
}

/// What is counted of one model.
#[derive(Debug, Clone, Default)]
struct OfModel {
    /// Calls by how they ended.
    attempts: HashMap<String, u64>,
    /// In dollars; none where no price is known.
    cost: Option<f64>,
    /// By class, as in `CLASSES`.
    tokens: [Histogram; CLASSES.len()],
    duration: Histogram,
    first: Histogram,
}

/// The classes of tokens.
const CLASSES: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

/// What is counted, by what there is: a request finds its places without writing a label.
#[derive(Debug, Default)]
struct Counted {
    rules: HashMap<String, HashMap<&'static str, u64>>,
    models: HashMap<String, OfModel>,
}

/// The figures as they are told: by name and labels.
#[derive(Debug, Default)]
struct Series {
    counters: BTreeMap<(&'static str, String), f64>,
    histograms: BTreeMap<(&'static str, String), Histogram>,
}

/// A family of figures: its name, its kind, what it says, and the bounds of a histogram.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    bounds: &'static [f64],
}

const REQUESTS: &str = "claude_router_requests_total";
const ATTEMPTS: &str = "claude_router_attempts_total";
const COST: &str = "claude_router_cost_dollars_total";
const USAGE: &str = "gen_ai_client_token_usage";
const DURATION: &str = "gen_ai_client_operation_duration_seconds";
const FIRST: &str = "gen_ai_server_time_to_first_token_seconds";

const FAMILIES: &[Family] = &[
    Family {
        name: REQUESTS,
        kind: "counter",
        help: "Requests, by the rule that decided and how they ended.",
        bounds: &[],
    },
    Family { name: ATTEMPTS, kind: "counter", help: "Calls to providers, by how they ended.", bounds: &[] },
    Family { name: COST, kind: "counter", help: "What calls cost, in US dollars.", bounds: &[] },
    Family { name: USAGE, kind: "histogram", help: "Tokens of a request, by their class.", bounds: TOKENS },
    Family { name: DURATION, kind: "histogram", help: "From a request to the end of its answer.", bounds: SECONDS },
    Family { name: FIRST, kind: "histogram", help: "From a call to the first byte of its answer.", bounds: SECONDS },
];

/// All figures that only grow.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(Arc<Mutex<Counted>>);

/// Labels as the format writes them.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut made = String::with_capacity(128);
    for (name, value) in pairs {
        if !made.is_empty() {
            made.push(',');
        }
        made.push_str(name);
        made.push_str("=\"");
        if value.contains(['\\', '"', '\n']) {
            made.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
        } else {
            made.push_str(value);
        }
        made.push('"');
    }
    made
}

/// The place of a name; none where there are too many.
fn place<'m, T: Default>(all: &'m mut HashMap<String, T>, name: &str) -> Option<&'m mut T> {
    if !all.contains_key(name) {
        if all.len() >= SERIES_MAX {
            return None;
        }
        all.insert(name.to_owned(), T::default());
    }
    all.get_mut(name)
}

impl Counted {
    #[expect(clippy::cast_precision_loss, reason = "figures are approximate")]
    fn series(&self) -> Series {
        let mut series = Series::default();
        for (rule, outcomes) in &self.rules {
            for (outcome, n) in outcomes {
                series.counters.insert((REQUESTS, labels(&[("rule", rule), ("outcome", outcome)])), *n as f64);
            }
        }
        for (model, counted) in &self.models {
            for (outcome, n) in &counted.attempts {
                series.counters.insert((ATTEMPTS, labels(&[("model", model), ("outcome", outcome)])), *n as f64);
            }
            if let Some(cost) = counted.cost {
                series.counters.insert((COST, labels(&[("model", model)])), cost);
            }
            let (provider, plain) = model.split_once('/').unwrap_or(("", model));
            let operation = ("gen_ai_operation_name", "chat");
            let who = [operation, ("gen_ai_provider_name", provider), ("gen_ai_request_model", plain)];
            let mut add = |name, labels, histogram: &Histogram| {
                if histogram.count > 0 {
                    series.histograms.insert((name, labels), histogram.clone());
                }
            };
            for (class, histogram) in CLASSES.iter().zip(&counted.tokens) {
                let mut pairs = who.to_vec();
                pairs.push(("gen_ai_token_type", class));
                add(USAGE, labels(&pairs), histogram);
            }
            add(DURATION, labels(&who), &counted.duration);
            add(FIRST, labels(&who), &counted.first);
        }
        series
    }
}

impl Metrics {
    /// A request is over.
    #[expect(clippy::cast_precision_loss, reason = "figures are approximate")]
    pub(super) fn add(&self, row: &Row) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcomes) = place(&mut counted.rules, &row.rule) {
            *outcomes.entry(row.outcome.word()).or_default() += 1;
        }
        for attempt in &row.attempts {
            let model = place(&mut counted.models, &attempt.model);
            if let Some(n) = model.and_then(|model| place(&mut model.attempts, &attempt.outcome)) {
                *n += 1;
            }
        }
        let Some(model) = row.model.as_ref().and_then(|model| place(&mut counted.models, model)) else { return };
        if let Some(cost) = row.cost {
            *model.cost.get_or_insert(0.0) += crate::traffic::report::usd(cost);
        }
        let tokens = [row.tokens.input, row.tokens.output, row.tokens.cache_read, row.tokens.cache_write];
        for (histogram, tokens) in model.tokens.iter_mut().zip(tokens).filter(|(_, tokens)| *tokens > 0) {
            histogram.add(TOKENS, tokens as f64);
        }
        model.duration.add(SECONDS, row.total_ms as f64 / 1_000.0);
        if let Some(first) = row.first_byte_ms {
            model.first.add(SECONDS, first as f64 / 1_000.0);
        }
    }

    /// All of it as text; `gauges` are figures of the moment: name, help, labels and value.
    pub(super) fn text(&self, gauges: &[(&str, &str, String, f64)]) -> String {
        let mut out = String::new();
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner).series();
        for family in FAMILIES {
            let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {}", family.name, family.help, family.name, family.kind);
            for ((_, labels), value) in series.counters.iter().filter(|((name, _), _)| *name == family.name) {
                let _ = writeln!(out, "{}{{{labels}}} {value}", family.name);
            }
            for ((_, labels), histogram) in series.histograms.iter().filter(|((name, _), _)| *name == family.name) {
                let mut sum = 0;
                for (bound, n) in family.bounds.iter().zip(&histogram.buckets) {
                    sum += n;
                    let _ = writeln!(out, "{}_bucket{{{labels},le=\"{bound}\"}} {sum}", family.name);
                }
                let _ = writeln!(out, "{}_bucket{{{labels},le=\"+Inf\"}} {}", family.name, histogram.count);
                let _ = writeln!(out, "{}_sum{{{labels}}} {}", family.name, histogram.sum);
                let _ = writeln!(out, "{}_count{{{labels}}} {}", family.name, histogram.count);
            }
        }
        let mut before = "";
        for (name, help, labels, value) in gauges {
            if *name != before {
                let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
                before = name;
            }
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = writeln!(out, "{name}{labels} {value}");
        }
        out
    }
}

/// The labels of a gauge.
pub(super) fn label(name: &str, value: &str) -> String {
    labels(&[(name, value)])
}
