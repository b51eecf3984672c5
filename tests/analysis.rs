//! What the analysis claims, held to the evaluators: on generated rule sets of every kind, and on small worlds that can be
//! tried from end to end.

use std::collections::BTreeSet;
use std::sync::Arc;

use claude_router::config;
use claude_router::lang::analysis::situation::{Situation, Value};
use claude_router::lang::analysis::variable::{Owned, Variable};
use claude_router::lang::analysis::{Analysis, Reach};
use claude_router::lang::catalogue::Catalogue;
use claude_router::lang::eval::naive;
use claude_router::lang::input::{Fact, Feature, Input, NUMBER};
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::plan::Plan;
use claude_router::lang::source::Source;
use claude_router::lang::{compile, diagnostic::render};

use crate::support::generate::{self, Random};

fn catalogue() -> Arc<Catalogue> {
    Arc::new(config::catalogue::alone())
}

#[track_caller]
fn compiled(text: &str, catalogue: &Arc<Catalogue>) -> Plan {
    let (plan, sources, problems) = compile(vec![Source::new("a.route", text)], &NoFiles, catalogue);
    plan.unwrap_or_else(|| panic!("{}\n{text}", render::human(&sources, &problems, false)))
}

/// The rule that decides in a situation, by the direct reading of the language.
fn winner(plan: &Plan, situation: &Situation) -> Option<usize> {
    let facts = situation.facts(&plan.program, 0);
    naive::winner(&plan.program, &Input { request: situation, facts: &facts })
}

#[test]
fn what_is_said_of_generated_rule_sets_is_so() {
    let catalogue = catalogue();
    let (mut n, mut unknown) = (0, 0);
    for seed in 0..150 {
        let text = generate::policy(&mut Random(seed));
        let plan = compiled(&text, &catalogue);
        let analysis = Analysis::of(&plan);
        let verdicts: Vec<Reach> = (0..plan.program.rules.len()).map(|rule| analysis.reach(Some(rule))).collect();
        for (rule, verdict) in verdicts.iter().enumerate() {
            n += 1;
            match verdict {
                Reach::Reached(situation) => {
                    assert_eq!(winner(&plan, situation), Some(rule), "seed {seed}: {situation:?}\n{text}");
                }
                Reach::Never(cover) => {
                    for taken in cover {
                        assert_eq!(winner(&plan, &taken.situation), Some(taken.by), "seed {seed}\n{text}");
                    }
                }
                Reach::Impossible => {}
                Reach::Unknown => unknown += 1,
            }
        }
        let mut random = Random(seed ^ 0x5555);
        for _ in 0..200 {
            let mut request = generate::request(&mut random);
            let (budgets, pools) = (plan.program.budgets.len(), plan.program.pools.len());
            let mut facts = generate::facts(&mut random, budgets, catalogue.models.len(), pools);
            generate::realistic(&mut request, &mut facts);
            if let Some(rule) = naive::winner(&plan.program, &Input { request: &request, facts: &facts }) {
                let reached = matches!(verdicts[rule], Reach::Reached(_) | Reach::Unknown);
                assert!(reached, "seed {seed}, rule {rule}: {:?}\n{request:?}\n{facts:?}\n{text}", verdicts[rule]);
            }
        }
    }
    // Pools that mix what their members are, and little else, are out of reach.
    assert!(n > 900 && unknown * 100 <= n, "{unknown} of {n} unknown");
}

/// A field of a small world: tests of it, and values that tell all of them apart in every combination there is.
struct Small {
    tests: &'static [&'static str],
    values: fn() -> Vec<(Variable, Value)>,
}

fn feature(of: Feature, values: impl IntoIterator<Item = Value>) -> Vec<(Variable, Value)> {
    values.into_iter().map(|value| (Variable::Feature(of, None), value)).collect()
}

/// Every choice among some words.
fn subsets(words: &[&str]) -> Vec<Vec<String>> {
    let of = |bits: usize| (0..words.len()).filter(|at| bits >> at & 1 == 1).map(|at| words[at].to_owned()).collect();
    (0..1 << words.len()).map(of).collect()
}

fn numbers(values: &[i64]) -> Vec<Value> {
    values.iter().map(|value| Value::Ordinal(value * NUMBER)).collect()
}

const SMALL: &[Small] = &[
    Small {
        tests: &[
            "prompt contains \"implement\"",
            "prompt contains \"implement it\"",
            "prompt contains word \"fix\"",
            "prompt contains \"fix\"",
            "prompt contains any [\"prefix\", \"implement it\"]",
            "prompt contains all [\"fix\", \"implement\"]",
            "prompt contains exact \"FIX\"",
            "prompt matches /fix|implement/i",
        ],
        values: || {
            let words = subsets(&["implement", "implement it", "fix", "xfix", "prefix", "FIX", "xFIX"]);
            feature(Feature::Prompt, words.into_iter().map(|words| Value::Text(words.join(", "))))
        },
    },
    Small {
        tests: &["tokens < 500", "tokens >= 500", "tokens > 500", "tokens in 500..=2k", "tokens != 2k", "tokens < 1"],
        values: || feature(Feature::Tokens, numbers(&[0, 1, 499, 500, 501, 1_999, 2_000, 2_001])),
    },
    Small {
        tests: &["stream", "not stream"],
        values: || feature(Feature::Stream, [Value::Ordinal(0), Value::Ordinal(1)]),
    },
    Small {
        tests: &["agent is main", "agent is not main", "agent in [sub, background]", "agent is other"],
        values: || feature(Feature::Agent, (0..4).map(Value::Ordinal)),
    },
    Small {
        tests: &["effort >= high", "effort < low", "effort in [low, max]", "effort >= none"],
        values: || feature(Feature::Effort, std::iter::once(Value::Absent).chain((0..7).map(Value::Ordinal))),
    },
    Small {
        tests: &[
            "files contains \".rs\"",
            "files contains any [\".py\", \"Dockerfile\"]",
            "files contains \"src/**\"",
            "files contains \"src/*.rs\"",
            "has files",
        ],
        values: || {
            let paths = subsets(&["a.rs", "src/a.rs", "src/b/a.rs", "a.py", "src/a.py", "Dockerfile", "src/a", "a"]);
            feature(Feature::Files, paths.into_iter().map(Value::Set))
        },
    },
    Small {
        tests: &["daily.used >= 90%", "daily.remaining < $5", "daily.spent > $9.50", "daily.spent > daily.remaining"],
        values: || {
            let daily = Variable::Spent(Owned { name: "daily".to_owned(), program: None });
            let cents = [0, 499, 500, 501, 899, 900, 950, 951, 1_000, 1_100];
            cents.iter().map(|cents| (daily.clone(), Value::Ordinal(cents * NUMBER / 100))).collect()
        },
    },
    Small {
        tests: &["time in 22:00..06:00", "time >= 06:00", "time < 12:00"],
        values: || {
            let minutes = [0, 359, 360, 719, 720, 1_319, 1_320, 1_439];
            minutes.iter().map(|minute| (Variable::Moment(Fact::Time), Value::Ordinal(*minute))).collect()
        },
    },
    Small {
        tests: &["user is \"Ann\"", "user like \"a*\"", "user like \"*n\"", "has user", "user in [\"bob\", \"ann\"]"],
        values: || {
            let texts = ["ann", "an", "ab", "bob", "bn", "n", "b"].map(|text| Value::Text(text.to_owned()));
            feature(Feature::User, texts.into_iter().chain([Value::Absent]))
        },
    },
];

/// A condition over the tests of some fields.
fn condition(random: &mut Random, tests: &[&str], depth: usize) -> String {
    if depth == 0 || random.chance(35) {
        let test = random.pick(tests).to_owned();
        return if random.chance(15) { format!("not ({test})") } else { test };
    }
    let word = random.pick(&["and", "or", "and"]);
    let parts: Vec<String> =
        (0..2 + random.below(2)).map(|_| format!("({})", condition(random, tests, depth - 1))).collect();
    parts.join(&format!(" {word} "))
}

/// Every situation of a small world, one after another.
fn each(fields: &[&Small], mut visit: impl FnMut(&Situation)) {
    let values: Vec<Vec<(Variable, Value)>> = fields.iter().map(|field| (field.values)()).collect();
    let mut at = vec![0usize; values.len()];
    loop {
        let mut situation = Situation::default();
        for (place, values) in at.iter().zip(&values) {
            let (variable, value) = values[*place].clone();
            situation.set(variable, value);
        }
        visit(&situation);
        let Some(next) = (0..at.len()).find(|field| at[*field] + 1 < values[*field].len()) else { return };
        at[next] += 1;
        at[..next].fill(0);
    }
}

#[test]
fn of_five_hundred_small_worlds_exactly_the_shadowed_rules_are_found() {
    let catalogue = catalogue();
    let (mut shadowed, mut defaults) = (0, 0);
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut fields: Vec<&Small> = Vec::new();
        while fields.len() < 2 + usize::from(random.chance(30)) {
            let field = &SMALL[random.below(SMALL.len())];
            if !fields.iter().any(|known| std::ptr::eq(*known, field)) {
                fields.push(field);
            }
        }
        let size: usize = fields.iter().map(|field| (field.values)().len()).product();
        if size > 20_000 {
            fields.pop();
        }
        let tests: Vec<&str> = fields.iter().flat_map(|field| field.tests).copied().collect();
        let mut text = String::from("budget daily = $10 per day\n");
        text.push_str(&format!(
            "label kind {{\n  a when {} confidence 80%\n  b when {} confidence 90%\n  rest otherwise\n}}\n",
            condition(&mut random, &tests, 1),
            condition(&mut random, &tests, 1)
        ));
        let with_label: Vec<&str> =
            tests.iter().copied().chain(["kind is a", "kind is not rest", "kind.confidence > 80%"]).collect();
        for rule in 0..3 + random.below(6) {
            let when = condition(&mut random, &with_label, 2);
            text.push_str(&format!("rule r{rule} {{\n  when {when}\n  route \"gpt-5\"\n}}\n"));
        }
        text.push_str("default { route \"gpt-5-mini\" }\n");
        let plan = compiled(&text, &catalogue);
        let mut reached: BTreeSet<Option<usize>> = BTreeSet::new();
        each(&fields, |situation| {
            reached.insert(winner(&plan, situation));
        });
        let analysis = Analysis::of(&plan);
        let all = (0..plan.program.rules.len()).map(Some).chain([None]);
        for rule in all {
            let verdict = analysis.reach(rule);
            match &verdict {
                Reach::Reached(situation) => {
                    assert_eq!(winner(&plan, situation), rule, "seed {seed}\n{text}");
                    assert!(reached.contains(&rule), "seed {seed}, {rule:?} by {situation:?}\n{text}");
                }
                Reach::Never(_) | Reach::Impossible => {
                    assert!(!reached.contains(&rule), "seed {seed}, {rule:?}: {verdict:?}\n{text}");
                    shadowed += usize::from(rule.is_some());
                    defaults += usize::from(rule.is_none());
                }
                Reach::Unknown => panic!("seed {seed}, {rule:?} is not known\n{text}"),
            }
        }
    }
    assert!(shadowed > 500 && defaults > 20, "{shadowed} rules and {defaults} defaults are never reached");
}

/// What is found of the rules of a program, each in a word or by those that cover it.
fn verdicts(text: &str) -> Vec<String> {
    let plan = compiled(text, &catalogue());
    let analysis = Analysis::of(&plan);
    let name = |rule: usize| plan.program.rules[rule].name.as_str();
    (0..plan.program.rules.len())
        .map(|rule| match analysis.reach(Some(rule)) {
            Reach::Reached(_) => "reached".to_owned(),
            Reach::Impossible => "impossible".to_owned(),
            Reach::Never(cover) => cover.iter().map(|taken| name(taken.by)).collect::<Vec<_>>().join(" "),
            Reach::Unknown => "unknown".to_owned(),
        })
        .collect()
}

#[track_caller]
fn never(condition: &str) {
    let budget = "budget daily = $10 per day\nbudget each_user = $1 per day for each user\n";
    let text = format!("{budget}rule r {{ when {condition} route \"gpt-5\" }}\ndefault {{ route \"gpt-5-mini\" }}");
    assert_eq!(verdicts(&text), ["impossible"], "{condition}");
}

#[track_caller]
fn sometimes(condition: &str) {
    let budget = "budget daily = $10 per day\nbudget each_user = $1 per day for each user\n";
    let text = format!("{budget}rule r {{ when {condition} route \"gpt-5\" }}\ndefault {{ route \"gpt-5-mini\" }}");
    assert_eq!(verdicts(&text), ["reached"], "{condition}");
}

#[test]
fn what_can_never_be_is_known_of_every_kind_of_field() {
    // Numbers, money, percentages, durations, times, dates, members.
    never("tokens > 5 and tokens < 6");
    sometimes("temperature > 0.5 and temperature < 0.6");
    never("has temperature and not temperature >= 1 and not temperature < 1");
    never("daily.used >= 90% and daily.remaining > $1");
    sometimes("daily.used >= 90% and daily.remaining >= $1");
    never("cost(\"gpt-5\") > $1 and tokens < 1k");
    never("tokens > 10M and cost(\"gpt-5\") < $0.10");
    never("cost(\"ollama/qwen3-coder\") > $0");
    never("latency(\"gpt-5\") > 5s and latency(\"gpt-5\") < 2s");
    never("time >= 18:00 and time < 06:00");
    never("date == 2026-01-31 and weekday is mon");
    sometimes("date == 2026-01-31 and weekday is sat");
    never("date in 2026-01-01..=2026-01-03 and weekday is mon");
    never("agent is main and agent is sub");
    never("agent is not main and agent is not sub and agent is not background and agent is not other");
    never("effort > high and effort < xhigh");
    never("bucket >= 100%");
    never("bucket(\"a\") > 99.99%");
    sometimes("bucket(\"a\") < 1% and bucket(\"b\") > 99%");
    // Fields compared with fields.
    never("tokens > max_tokens and tokens < max_tokens");
    never("tokens > 5k and max_tokens < 4k and max_tokens > tokens");
    never("max_tokens == tokens and thinking.budget > max_tokens and thinking.budget < tokens");
    sometimes("max_tokens == tokens and thinking.budget > max_tokens");
    never("cost(\"gpt-5\") > daily.remaining and cost(\"gpt-5\") < $1 and daily.spent < $5");
    never("daily.spent > daily.remaining and daily.used < 50%");
    // Texts.
    never("prompt contains \"implement it\" and not prompt contains \"implement\"");
    never("prompt contains word \"fix\" and not prompt contains \"fix\"");
    sometimes("prompt contains \"fix\" and not prompt contains word \"fix\"");
    never("prompt contains exact \"TODO\" and not prompt contains \"todo\"");
    never("prompt contains word \"fix\" and not prompt contains word \"fix*\"");
    never("user is \"ann\" and user like \"b*\"");
    never("user like \"a*\" and user like \"*b\" and not user like \"a*b\"");
    never("user is \"Ann\" and user is not \"ann\"");
    never("session.model is model and session.model is \"a\" and model is \"b\"");
    never("session.model is model and session.model is \"a\" and model is not \"a\"");
    never("prompt is \"x \"");
    never("client contains exact \"Claude\"");
    never("prompt contains \"fix #12\" and not prompt matches /fix #\\d+/i");
    sometimes("prompt contains \"fix #12\" and not prompt matches /fix #\\d+/");
    never("prompt matches /^a+$/ and prompt contains \"b\"");
    never("prompt matches /^fix/ and prompt matches /^mend/");
    sometimes("prompt matches /fix(es|ed)? #\\d+/ and not prompt contains \"fix #\"");
    // Sets.
    never("files contains \"src/*.rs\" and not files contains \".rs\"");
    never("files contains \".tar.gz\" and not files contains \".gz\"");
    sometimes("files contains \".rs\" and files contains \"src/**\" and not files contains \"src/**/*.rs\"");
    never("files contains \"src\\\\main.rs\"");
    never("files contains \".rs\" and not files.all contains \".rs\"");
    never("files contains \"src/*.rs\" and not files.all contains \".rs\"");
    never("has files and not has files.all");
    never("tools contains \"mcp__db\" and not tools contains \"mcp__*\"");
    // Between fields.
    never("turns > 3 and messages < 2");
    never("system.tokens > 2k and tools.tokens > 2k and tokens < 3k");
    never("system.tokens > 2k and tokens < 2k");
    never("has images and messages == 0");
    never("has thinking.budget and not thinking");
    never("web_search and not has tools");
    never("has prompt and prompt.tokens == 0");
    never("switch_cost(\"gpt-5\") > $0 and not has session.model");
    never("each_user.spent > $0 and not has user");
    sometimes("each_user.spent > $0 and has user");
    // Labels, also of the prelude.
    never("task is code and task is debug");
    never("task is general and task.confidence > 0%");
    never("task is debug and task.confidence < 85%");
    never("task is code and prompt contains \"traceback\" and prompt contains word \"traceback\"");
    never("complexity is low and tokens > 60k");
}

#[test]
fn a_rule_is_covered_by_those_that_take_it_and_no_others() {
    let text = "rule small { when tokens < 500 route \"gpt-5\" }\nrule streamed { when stream route \"gpt-5\" }\n\
        rule large { when tokens > 400 route \"gpt-5\" }\nrule never { when agent is sub route \"gpt-5\" }\n\
        rule streamed_again { when stream and tokens > 9 route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }";
    assert_eq!(verdicts(text), ["reached", "reached", "reached", "small large", "streamed"]);
    let ladder: String = (0..40)
        .map(|n| format!("rule r{n} {{ when tokens in {}..{} route \"gpt-5\" }}\n", n * 10, n * 10 + 10))
        .collect();
    let text =
        format!("{ladder}rule never {{ when tokens < 400 route \"gpt-5\" }}\ndefault {{ route \"gpt-5-mini\" }}");
    let found = verdicts(&text);
    assert_eq!(found[40].split(' ').count(), 40, "all forty are needed");
}
