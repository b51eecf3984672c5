//! The language from its outside: text in, diagnostics, layouts and decisions out.

use std::sync::Arc;

use claude_router::config;
use claude_router::lang::diagnostic::render;
use claude_router::lang::eval::{self, decision::Action, naive};
use claude_router::lang::input::{Facts, Feature, Input, NUMBER};
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::plan::Plan;
use claude_router::lang::schema::fields::FIELDS;
use claude_router::lang::schema::quantity;
use claude_router::lang::schema::settings::SETTINGS;
use claude_router::lang::source::Source;
use claude_router::lang::{Checked, catalogue::Catalogue, check, compile};
use claude_router::tools::{fmt, lint, test};

use crate::support::generate::{Fixed, Random, request};

fn catalogue() -> Arc<Catalogue> {
    let mut catalogue = config::catalogue::alone();
    catalogue.configured = true;
    Arc::new(catalogue)
}

fn checked(text: &str) -> Checked {
    check(vec![Source::new("case.route", text)], &NoFiles, &catalogue())
}

/// The codes that a program is told.
fn codes(text: &str) -> Vec<&'static str> {
    let found = lint::run(&checked(text), &|_| Err("there are no files here".to_owned()));
    let mut codes: Vec<&str> = found.problems.iter().map(|problem| problem.code.id).collect();
    codes.dedup();
    codes
}

#[track_caller]
fn plan(text: &str) -> Plan {
    let (plan, sources, problems) = compile(vec![Source::new("case.route", text)], &NoFiles, &catalogue());
    plan.unwrap_or_else(|| panic!("{}\n{text}", render::human(&sources, &problems, false)))
}

#[test]
fn every_code_is_told_for_its_wrong_example_and_not_for_its_right_one() {
    let mut wrong = Vec::new();
    for code in lint::all_codes() {
        if !code.bad.is_empty() && !codes(code.bad).contains(&code.id) {
            wrong.push(format!("{} is not told for its wrong example: {:?}", code.id, codes(code.bad)));
        }
        let good = codes(code.good);
        if !good.is_empty() {
            wrong.push(format!("the right example of {} is told {good:?}", code.id));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_field_compiles_in_its_example_and_is_asked() {
    for field in FIELDS {
        let item = if field.only_in_adjust() { "adjust x { when" } else { "rule x { when" };
        let action = if field.only_in_adjust() { "tag \"t\"" } else { "route \"gpt-5\"" };
        let text = format!(
            "budget daily = $10 per day\n{item} {} {action} }}\ndefault {{ route \"gpt-5-mini\" }}",
            field.example
        );
        let plan = plan(&text);
        let name = field.name.replace("NAME", "daily");
        let asked = plan.needs().iter().any(|slot| eval::trace::slot_name(&plan.program, slot).starts_with(&name));
        assert!(asked, "`{}` is not asked by `{}`", field.name, field.example);
    }
}

#[test]
fn every_setting_compiles_in_its_example() {
    for setting in SETTINGS {
        let plan = plan(&format!("default {{ route \"gpt-5\" {} }}", setting.example));
        assert_eq!(plan.program.default.as_ref().unwrap().settings.len(), 1, "{}", setting.name);
    }
}

#[test]
fn quantities_are_exact_or_refused() {
    let good = [
        ("500", "500"),
        ("1_200", "1200"),
        ("60k", "60_000"),
        ("1.5M", "1_500_000"),
        ("0.8", "0.8"),
        ("$10.00", "$10.00"),
        ("$0.000_03", "$0.00003"),
        ("90%", "90%"),
        ("0.5%", "0.5%"),
        ("250ms", "250ms"),
        ("5min", "5min"),
        ("18:30", "18:30"),
        ("24:00", "24:00"),
        ("2026-01-31", "2026-01-31"),
        ("$0.000000001", "$0.000000001"),
    ];
    for (written, shown) in good {
        let quantity = quantity::parse(written).unwrap_or_else(|wrong| panic!("{written}: {wrong:?}"));
        assert_eq!(quantity.ty.show(quantity.value), shown);
    }
    let bad = [
        ("60K", Some("write `60k`")),
        ("5m", Some("write `5min`")),
        (".5", Some("write `0.5`")),
        ("1__0", Some("write `10`")),
        ("$0.0000000001", None),
        ("0.00001%", None),
        ("25:00", Some("from `00:00` to `24:00`")),
        ("7:30", Some("write `07:30`")),
        ("2026-02-30", Some("write the year, the month and the day: `2026-01-31`")),
        ("99999999999", Some("at most 9_223_372_036.854775807")),
    ];
    for (written, help) in bad {
        let wrong = quantity::parse(written).expect_err(written);
        assert_eq!(wrong.help.as_deref(), help, "{written}: {}", wrong.message);
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    insta::glob!("cases/diagnostics/*.route", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let checked = check(vec![Source::new(name, text)], &NoFiles, &catalogue());
        let found = lint::run(&checked, &|_| Err("there are no files here".to_owned()));
        insta::assert_snapshot!(render::human(&checked.sources, &found.problems, false));
    });
}

#[test]
fn a_file_with_five_mistakes_reports_five() {
    let text = "rule a { when promt contains \"x\" route \"gpt-5\" }\nrule b { when tokens > > 5 route \"gpt-5\" set temprature 1 }\nrule c { when tokens < $5 route \"gtp-5\" }\ndefault { route \"gpt-5\" }";
    assert_eq!(codes(text), ["E201", "E101", "E218", "E203", "E208"]);
}

#[test]
fn used_files_stand_where_they_are_used_and_stay_inside() {
    struct Files;
    impl claude_router::lang::ir::load::Reader for Files {
        fn read(&self, path: &str) -> Result<String, String> {
            match path {
                "sub/b.route" => Ok("use \"../c.route\"\nrule from_b { when stream route small }".to_owned()),
                "c.route" => Ok("let small = \"gpt-5-mini\"".to_owned()),
                "loop.route" => Ok("use \"loop.route\"".to_owned()),
                _ => Err("not here".to_owned()),
            }
        }
        fn show(&self, path: &str) -> String {
            path.to_owned()
        }
    }
    let load = |text: &str| check(vec![Source::new("dir/main.route", text)], &Files, &catalogue());
    let good =
        load("use \"sub/b.route\"\nuse \"c.route\"\nrule own { when stream route small }\ndefault { route small }");
    assert!(good.problems.is_empty(), "{:?}", good.problems);
    assert_eq!(good.program.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["from_b", "own"]);
    for wrong in [
        "use \"../x.route\"",
        "use \"/etc/x.route\"",
        "use \"sub/../../x.route\"",
        "use \"loop.route\"",
        "use \"none.route\"",
    ] {
        let found = load(&format!("{wrong}\ndefault {{ route \"gpt-5\" }}"));
        assert_eq!(found.problems.iter().map(|problem| problem.code.id).collect::<Vec<_>>(), ["E220"], "{wrong}");
    }
}

/// What compiles answers as the naive evaluator does, and what does not names its limit.
#[test]
fn rule_sets_made_to_be_slow_are_compiled_or_refused() {
    let compiled = |rules: String| {
        let text = rules + "default { route \"gpt-5\" }";
        let (plan, _, problems) = compile(vec![Source::new("r.route", text)], &NoFiles, &catalogue());
        plan.ok_or(problems)
    };
    let mut random = Random(5);
    let mut word = |most| (0..10 + random.below(most)).map(|_| ['a', 'b'][random.below(2)]).collect::<String>();
    let overlapping: String = (0..300)
        .map(|n| {
            let words: Vec<String> = (0..100).map(|_| format!("\"{}\"", word(30))).collect();
            format!("rule r{n} {{ when prompt contains any [{}] route \"gpt-5\" }}\n", words.join(", "))
        })
        .collect();
    let plan = compiled(overlapping).expect("it compiles");
    for length in [8, 20, 400] {
        let mut fixed = Fixed::default();
        fixed.texts.insert((Feature::Prompt, None), word(length));
        let (facts, fixed) = (Facts::default(), fixed);
        let input = Input { request: &fixed, facts: &facts };
        assert_eq!(eval::winner(&plan, &input), naive::winner(&plan.program, &input));
    }
    let thresholds =
        (0..20_000).rev().map(|n| format!("rule r{n} {{ when tokens > {} route \"gpt-5\" }}\n", n * 7 + 1)).collect();
    let plan = compiled(thresholds).expect("it compiles");
    for (tokens, rule) in [(1, None), (2, Some(19_999)), (100, Some(19_985)), (139_995, Some(0))] {
        let mut fixed = Fixed::default();
        fixed.ordinals.insert(Feature::Tokens, tokens * NUMBER);
        let facts = Facts::default();
        assert_eq!(eval::winner(&plan, &Input { request: &fixed, facts: &facts }), rule, "{tokens}");
    }
    for (regex, told) in [("x[a-z]{0,50}", 1), ("x\\w{1,40}", 66)] {
        let many = (0..10_000)
            .map(|n| format!("rule r{n} {{ when prompt matches /{n}{regex}/ route \"gpt-5\" }}\n"))
            .collect();
        let problems = compiled(many).expect_err("it is refused");
        let last = problems.last().unwrap();
        assert_eq!((last.code.id, problems.len()), ("E303", told));
        assert!(last.message.contains("larger than 64 MiB when compiled"), "{}", last.message);
    }
}

#[test]
fn hostile_files_are_refused_within_limits() {
    assert!(codes("").is_empty(), "an empty file holds no rule, and needs no default");
    assert_eq!(codes(&"#".repeat(17 << 20)), ["E301"]);
    for open in ["(", "not (", "[", "{"] {
        let deep = format!("rule a {{ when {}stream", open.repeat(10_000));
        assert_eq!(codes(&deep), ["E302"], "{open}");
    }
    let nots = format!(
        "rule a {{ when {} stream route \"gpt-5\" }}\ndefault {{ route \"gpt-5-mini\" }}",
        "not ".repeat(10_000)
    );
    assert!(codes(&nots).is_empty());
    let many: String = (0..100_000).map(|n| format!("rule r{n} {{ when stream route \"gpt-5\" }}\n")).collect();
    assert_eq!(codes(&many), ["E303"]);
    let doubling: String = (1..60).map(|n| format!("let a{n} = a{} and a{}\n", n - 1, n - 1)).collect();
    let doubling =
        format!("let a0 = stream\n{doubling}rule r {{ when a59 route \"gpt-5\" }}\ndefault {{ route \"gpt-5\" }}");
    assert!(codes(&doubling).contains(&"E303"));
    let chain: String = (1..1_000).map(|n| format!("let a{n} = a{}\n", n - 1)).collect();
    assert!(
        codes(&format!(
            "let a0 = stream\n{chain}rule r {{ when a999 route \"gpt-5\" }}\ndefault {{ route \"gpt-5\" }}"
        ))
        .contains(&"E206")
    );
    for noise in [
        "\u{0}\u{1}{{{",
        "rule",
        "rule \"",
        "default { route \"\\u{110000}\" }",
        "let x = /((/",
        "// nope",
        "\u{feff}default",
        "label l { }",
    ] {
        assert!(!codes(noise).is_empty(), "{noise}");
    }
}

#[test]
fn the_whole_file_of_the_reference_compiles_passes_and_is_laid_out() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policy.route")).unwrap();
    assert!(codes(&text).is_empty());
    assert_eq!(fmt::format(&Source::new("policy.route", text.clone())).unwrap(), text);
    let plan = plan(&text);
    let outcome = test::run(&plan, 0, &claude_router::features::tokens::Counter::default(), &|_| Err(String::new()));
    assert!(outcome.passed(), "{outcome:?}");
}

#[test]
fn a_test_that_fails_says_what_came_instead() {
    let plan = plan(
        "rule a { when tokens > 5 route \"gpt-5\" set temperature 0.3 }\ndefault { reject 403 \"no\" }\ntest \"t\" { given tokens 9 expect rule default expect route \"gpt-5-mini\" expect set temperature 0.4 expect reject 403 expect tokens > 10 expect unservable expect not rule a }",
    );
    let outcome = test::run(&plan, 0, &claude_router::features::tokens::Counter::default(), &|_| Err(String::new()));
    let found: Vec<&str> = outcome.failures.iter().map(|failure| failure.found.as_str()).collect();
    assert_eq!(
        found,
        [
            "`a` decided",
            "it goes to gpt-5",
            "in effect: temperature 0.3",
            "it goes to gpt-5",
            "it does not hold",
            "it goes to gpt-5",
            "`a` decided"
        ]
    );
}

/// What becomes of a request, in a few words.
fn outcome(text: &str, change: impl Fn(&mut Facts), tokens: i64) -> String {
    let plan = plan(text);
    let mut facts = Facts::of_tests(plan.program.budgets.len(), plan.program.pools.len());
    change(&mut facts);
    let mut fixed = request(&mut Random(1));
    use claude_router::lang::input::{Feature, NUMBER};
    for feature in [Feature::Images, Feature::Documents, Feature::Thinking] {
        fixed.ordinals.insert(feature, 0);
    }
    fixed.sets.clear();
    fixed.ordinals.insert(Feature::Tokens, tokens * NUMBER);
    fixed.ordinals.insert(Feature::MaxTokens, 4_000 * NUMBER);
    let decision = eval::decide(&plan, &Input { request: &fixed, facts: &facts });
    let models: Vec<&str> =
        decision.attempts.iter().map(|attempt| plan.program.catalogue.card(attempt.model).name.as_str()).collect();
    let skipped: Vec<String> =
        decision.skipped.iter().map(|skipped| format!("{}:{}", skipped.model, skipped.reason.word())).collect();
    let end = match decision.action {
        Action::Route => models.join(">"),
        Action::Reject | Action::Unservable => {
            format!("{} {}", decision.action.word(), decision.rejection.map_or(0, |rejection| rejection.status))
        }
    };
    format!("{end} [{}]", skipped.join(" "))
}

#[test]
fn targets_are_passed_over_for_stated_reasons() {
    let id = |name: &str| match catalogue().find(name) {
        claude_router::lang::catalogue::Found::One(id) => id.0,
        other => panic!("{name}: {other:?}"),
    };
    let route = "default { route \"gpt-4\" else \"gpt-5\" else \"gemini-2.5-pro\" }";
    assert_eq!(outcome(route, |_| (), 100), "gpt-4>gpt-5>gemini-2.5-pro []");
    assert_eq!(outcome(route, |_| (), 7_500), "gpt-5>gemini-2.5-pro [gpt-4:context_window]");
    let sick = |facts: &mut Facts| facts.models.of_mut(id("gpt-5")).healthy = false;
    assert_eq!(outcome(route, sick, 7_500), "gemini-2.5-pro [gpt-4:context_window gpt-5:unhealthy]");
    assert_eq!(
        outcome("default { route \"gpt-4\" else \"gpt-5\" }", sick, 7_500),
        "gpt-5 [gpt-4:context_window]",
        "an unhealthy one is tried when nothing else is left"
    );
    assert_eq!(
        outcome("default { route \"gpt-4\" else same }", |_| (), 9_000),
        "unservable 400 [gpt-4:context_window same:first_turn]"
    );
    let spent = "budget own = $1 per day for model \"gpt-5\" hard\ndefault { route \"gpt-5\" else \"gpt-5-mini\" }";
    assert_eq!(outcome(spent, |facts| facts.spent = vec![Some(1_000_000_000)], 100), "gpt-5-mini [gpt-5:budget]");
    let alone = "budget own = $1 per day for model \"gpt-5\" hard\ndefault { route \"gpt-5\" }";
    assert_eq!(outcome(alone, |facts| facts.spent = vec![Some(1_000_000_000)], 100), "reject 402 [gpt-5:budget]");
    let general = "budget total = $1 per day hard\ndefault { route \"gpt-5\" }";
    assert_eq!(outcome(general, |facts| facts.spent = vec![Some(1_000_000_000)], 100), "reject 402 []");
    let free = "budget total = $1 per day hard\ndefault { route \"ollama/llama3.3\" }";
    assert_eq!(
        outcome(free, |facts| facts.spent = vec![Some(1_000_000_000)], 100),
        "llama3.3 []",
        "what costs nothing still passes"
    );
    assert_eq!(
        outcome(
            "default { route same else \"gpt-5\" }",
            |facts| facts.session_model = Some("openai/gpt-5-mini".to_owned()),
            1
        ),
        "gpt-5-mini>gpt-5 []"
    );
}

#[test]
fn pools_take_by_their_strategy() {
    let pool = |strategy: &str| {
        format!("pool p {strategy} {{ \"gpt-5\" \"gpt-5-mini\" \"gpt-5-nano\" }}\ndefault {{ route p }}")
    };
    assert_eq!(outcome(&pool("round_robin"), |facts| facts.turns = vec![4], 1), "gpt-5-mini>gpt-5-nano>gpt-5 []");
    assert_eq!(outcome(&pool("cheapest"), |_| (), 1), "gpt-5-nano>gpt-5-mini>gpt-5 []");
    let shares = "pool p weighted { \"gpt-5\" 25% \"gpt-5-mini\" }\ndefault { route p }";
    // Smoothly: any twenty requests in a row have their shares, give or take one.
    let first: Vec<bool> =
        (0..100).map(|turn| outcome(shares, |facts| facts.turns = vec![turn], 1) == "gpt-5>gpt-5-mini []").collect();
    for some in first.windows(20) {
        assert!((4..=6).contains(&some.iter().filter(|first| **first).count()), "{first:?}");
    }
    let model = |name: &str| match catalogue().find(name) {
        claude_router::lang::catalogue::Found::One(id) => id.0,
        other => panic!("{other:?}"),
    };
    let slow_first = |spread: Option<u64>| {
        move |facts: &mut Facts| {
            facts.spread = spread;
            for (name, peak) in [("gpt-5", 30), ("gpt-5-mini", 20), ("gpt-5-nano", 10)] {
                facts.models.of_mut(model(name)).peak_us = Some(peak);
            }
        }
    };
    assert_eq!(outcome(&pool("fastest"), slow_first(None), 1), "gpt-5-nano>gpt-5-mini>gpt-5 []");
    // Of two that chance takes the faster one: the slowest of three is never first, the fastest is two times of three.
    let firsts: Vec<String> = (0..600).map(|spread| outcome(&pool("fastest"), slow_first(Some(spread)), 1)).collect();
    let begin = |name: &str| firsts.iter().filter(|order| order.starts_with(&format!("{name}>"))).count();
    assert_eq!([begin("gpt-5"), begin("gpt-5-mini"), begin("gpt-5-nano")], [0, 200, 400]);
    // A model that comes back from a rest has its place now and then.
    let recovering = |spread| {
        move |facts: &mut Facts| {
            facts.spread = Some(spread);
            facts.models.of_mut(model("gpt-5-nano")).share = 250_000;
        }
    };
    let cheap =
        (0..1_000).filter(|spread| outcome(&pool("cheapest"), recovering(*spread), 1).starts_with("gpt-5-nano"));
    assert!((200..300).contains(&cheap.count()));
    let kept = |facts: &mut Facts| {
        if let claude_router::lang::catalogue::Found::One(id) = catalogue().find("gpt-5-nano") {
            facts.sticky = vec![Some(id.0)];
        }
    };
    assert_eq!(outcome(&pool("round_robin sticky session"), kept, 1), "gpt-5-nano>gpt-5>gpt-5-mini []");
}

#[test]
fn the_bucket_is_the_same_on_every_replica_and_release() {
    // SHA-256 of the name, a zero byte and the id; its first eight bytes, big-endian, modulo 10,000.
    let found: Vec<i64> = [("", "id"), ("trial", "id"), ("trial", "other")]
        .iter()
        .map(|(name, id)| eval::read::bucket(name, id))
        .collect();
    insta::assert_debug_snapshot!(found);
    assert!(found.iter().all(|bucket| (0..1_000_000).contains(bucket) && bucket % 100 == 0));
}

#[test]
fn files_are_laid_out_as_a_person_would() {
    insta::glob!(env!("CARGO_MANIFEST_DIR"), "tests/cases/fmt/*.route", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (_, problems) =
            claude_router::lang::syntax::parse(&Source::new("f.route", text.clone()), Default::default());
        assert!(problems.is_empty(), "{problems:?}");
        insta::assert_snapshot!(fmt::format(&Source::new("f.route", text)).unwrap());
    });
}
