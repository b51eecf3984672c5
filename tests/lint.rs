//! Lints: defects planted in the policies are found with requests that show them, and what is mended decides as before.

use std::collections::BTreeSet;

use claude_router::tools::lint::LINTS;
use serde_json::Value;

use crate::support::router::{Folder, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const POLICIES: &[&str] = &["by-task", "cost-first", "default", "local-first", "long-context", "team"];

/// Where a defect is planted.
#[derive(Clone, Copy)]
enum At {
    /// Before the first rule.
    Top,
    /// Before the default.
    Bottom,
    /// Instead of the default's chain.
    Default,
    /// As `Top`, with no chain that leaves the model to the client.
    Named,
}

/// A defect of each kind, in words that fit every policy.
const DEFECTS: &[(&str, At, &str)] = &[
    ("W401", At::Top, "let planted = \"gpt-5\""),
    ("W402", At::Top, "label planted { big when tokens > 9k small otherwise }"),
    ("W403", At::Top, "pool planted cheapest sticky session { \"gpt-5\" \"claude-sonnet-4-6\" }"),
    ("W404", At::Top, "budget planted = $1 per day"),
    ("W405", At::Top, "pool planted weighted sticky session { \"gpt-5\" 40% \"claude-sonnet-4-6\" 40% }"),
    ("W406", At::Top, "rule planted { when prompt contains any [word \"quux\", word \"Quux\"] route \"gpt-4.1\" }"),
    ("W407", At::Top, "rule planted { when prompt contains any [\"quuxes\", \"two quuxes\"] route \"gpt-4.1\" }"),
    (
        "W408",
        At::Top,
        "label planted { big when tokens > 9k confidence 90% odd when stream confidence 50% small otherwise }\nrule planted_rule { when planted is big route \"gpt-4.1\" }",
    ),
    ("W409", At::Top, "pool planted cheapest { \"gpt-5\" }"),
    ("W410", At::Top, "pool planted weighted { \"gpt-5\" 50% \"claude-sonnet-4-6\" 50% }"),
    ("W411", At::Top, "rule planted { when prompt contains \"fix\" route \"gpt-4.1\" }"),
    ("W412", At::Top, "rule planted { when client contains exact \"Claude\" route \"gpt-4.1\" }"),
    ("W413", At::Top, "rule planted { when prompt contains \" quux \" route \"gpt-4.1\" }"),
    ("W421", At::Top, "rule planted { when bucket < 120% route \"gpt-4.1\" }"),
    ("W422", At::Top, "rule planted { when header(\"x-planted\") is not \"ann\" route \"gpt-4.1\" }"),
    ("W423", At::Top, "rule planted { when switch_cost(\"gpt-5\") < $0.10 route \"gpt-5\" }"),
    (
        "W431",
        At::Top,
        "rule planted_a { when header(\"x-planted\") is \"a\" and tokens < 9k route \"gpt-4.1\" }\nrule planted_b { when header(\"x-planted\") is \"a\" and tokens > 5k route \"gpt-5\" }\nrule planted_c { when header(\"x-planted\") is \"a\" and stream route \"gpt-5-mini\" }",
    ),
    ("W432", At::Top, "rule planted { when tokens > 500 and tokens < 100 route \"gpt-4.1\" }"),
    ("W433", At::Top, "rule planted { when tokens >= 0 route \"gpt-4.1\" }"),
    (
        "W434",
        At::Bottom,
        "rule planted_a { when tokens < 777 route \"gpt-4.1\" }\nrule planted_b { when tokens >= 777 route \"gpt-5\" }",
    ),
    ("W435", At::Top, "rule planted { when messages > 100 and messages > 50 route \"gpt-4.1\" }"),
    (
        "W436",
        At::Top,
        "rule planted { when header(\"x-planted\") is \"b\" route \"gpt-4.1\" }\nrule planted_b { when header(\"x-planted\") is \"b\" or header(\"x-planted\") is \"c\" route \"gpt-4.1\" }",
    ),
    (
        "W437",
        At::Top,
        "rule planted_a { when messages < 70 and stream route \"gpt-4.1\" }\nrule planted_b { when messages > 70 and stream route \"gpt-5\" }",
    ),
    (
        "W438",
        At::Top,
        "rule planted_a { when messages <= 70 and stream route \"gpt-4.1\" }\nrule planted_b { when messages >= 70 and stream and messages < 90 route \"gpt-5\" }",
    ),
    (
        "W439",
        At::Top,
        "label planted { big when tokens > 9k confidence 60% huge when tokens > 60k confidence 50% small otherwise }\nrule planted_a { when planted is huge route \"gpt-4.1\" }\nrule planted_b { when planted is big route \"gpt-5\" }",
    ),
    ("W441", At::Top, "rule planted { when header(\"x-planted\") is \"d\" route \"ollama/qwen3-coder\" }"),
    ("W442", At::Top, "rule planted { when stream route \"gpt-4.1\" else \"claude-sonnet-4-6\" else \"gpt-4.1\" }"),
    ("W443", At::Default, "\"gpt-5\" else \"gpt-5-mini\""),
    ("W444", At::Top, "rule planted { when stream route \"claude-3-opus\" else \"gpt-5\" }"),
    ("W445", At::Top, "rule planted { when has tools route same }"),
    (
        "W451",
        At::Top,
        "budget planted = $10 per day hard\nrule planted_rule { when stream route \"claude-sonnet-5\" else \"gpt-5\" }",
    ),
    (
        "W452",
        At::Named,
        "budget planted = $5 per day for model \"claude-3-haiku\"\nrule planted_rule { when planted.used > 90% route \"gpt-4.1\" }",
    ),
    (
        "W461",
        At::Top,
        "# lint: allow(W406) planted\nrule planted { when prompt contains word \"quux\" route \"gpt-4.1\" }",
    ),
    (
        "W462",
        At::Top,
        "rule planted { when stream route \"gpt-4.1\" set header \"x-upstream-key\" \"sk-proj-abcdefghijklmnopqrstuvwx0123456789\" }",
    ),
    ("W463", At::Top, "rule planted { when header(\"x-planted\") is \"e\" route \"gpt-4.1\" }"),
];

/// A policy with a defect in it, and the lines that the defect fills.
fn planted(policy: &str, at: At, defect: &str) -> (String, std::ops::RangeInclusive<u64>) {
    let named =
        policy.replace("route model else", "route").replace(" else model", "").replace("route same else", "route");
    let policy = if matches!(at, At::Named) { &named } else { policy };
    let lines: Vec<&str> = policy.lines().collect();
    let place = |starts: &[&str]| lines.iter().position(|line| starts.iter().any(|start| line.starts_with(start)));
    let n = defect.lines().count() as u64;
    match at {
        At::Default => {
            let at = place(&["default {"]).unwrap();
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            lines[at] = format!("default {{ route {defect} }}");
            (lines.join("\n") + "\n", at as u64 + 1..=at as u64 + 1)
        }
        At::Top | At::Named | At::Bottom => {
            let mut at = place(if matches!(at, At::Bottom) { &["default {"] } else { &["rule "] }).unwrap();
            // What is said of a rule stays with it.
            while lines[at - 1].starts_with('#') {
                at -= 1;
            }
            let mut lines = lines;
            lines.splice(at..at, defect.lines());
            (lines.join("\n") + "\n", at as u64 + 1..=at as u64 + n)
        }
    }
}

/// The problems of a file, as JSON.
fn told(folder: &Folder, file: &str) -> Vec<Value> {
    let ended = run(&folder.0, &["lint", "--format", "json", file]);
    assert_eq!(ended.err, "");
    serde_json::from_str(&ended.out).unwrap()
}

/// Holds a witness to what `explain` says of it.
fn hold(folder: &Folder, file: &str, problem: &Value) -> usize {
    let witnesses = problem["witnesses"].as_array().unwrap();
    for witness in witnesses {
        folder.file("request.json", witness["request"].to_string());
        let mut arguments = vec!["explain", "--json", "--rules", file];
        for what_if in witness["what_if"].as_array().unwrap() {
            arguments.extend(["--what-if", what_if.as_str().unwrap()]);
        }
        arguments.push("request.json");
        let ended = run(&folder.0, &arguments);
        let explained: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}\n{problem:#}", ended.err));
        let rule = explained["rule"].as_str().unwrap();
        let by = match rule {
            "default" => "the default".to_owned(),
            budget if budget.starts_with("budget ") => format!("the {budget}"),
            rule => format!("rule {rule}"),
        };
        let outcome = match (explained["route"]["model"].as_str(), &explained["reject"]) {
            (Some(model), _) => format!(": {model}"),
            (None, reject) if reject.is_object() => {
                format!(": {} {}", reject["status"], reject["message"].as_str().unwrap())
            }
            (None, _) => String::new(),
        };
        assert_eq!(witness["shows"].as_str().unwrap(), format!("{by} decides{outcome}"), "{problem:#}");
    }
    witnesses.len()
}

#[test]
fn every_planted_defect_is_found_with_requests_that_show_it() {
    let kinds: BTreeSet<&str> = DEFECTS.iter().map(|(code, ..)| *code).collect();
    // Of a configuration beside rule files: see `sections`.
    let all: BTreeSet<&str> = LINTS.iter().map(|lint| lint.code.id).filter(|id| *id != "W464").collect();
    assert_eq!(kinds, all, "each lint has a defect here");
    let (mut witnesses, mut missed) = (0, Vec::new());
    for policy in POLICIES {
        let text = std::fs::read_to_string(format!("{ROOT}/rules/{policy}.route")).unwrap();
        let folder = Folder::new();
        folder.file("clean.route", &text);
        assert_eq!(told(&folder, "clean.route"), Vec::<Value>::new(), "{policy}");
        for (code, at, defect) in DEFECTS {
            let (text, lines) = planted(&text, *at, defect);
            folder.file("planted.route", &text);
            let told = told(&folder, "planted.route");
            let here = |one: &&Value| one["code"] == *code && lines.contains(&one["line"].as_u64().unwrap());
            // Of what is never reached, the default is, and rules after the defect are.
            let found = told.iter().find(|one| here(one) || (*code == "W434" && one["code"] == *code));
            let Some(found) = found else {
                let codes: Vec<_> = told.iter().map(|one| (&one["code"], &one["line"])).collect();
                missed.push(format!("{policy}: no {code} in {lines:?}, but {codes:?}"));
                continue;
            };
            assert_eq!(found["severity"], "warning");
            witnesses += hold(&folder, "planted.route", found);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(witnesses > 60, "{witnesses} witnesses");
}

#[test]
fn what_is_mended_is_what_a_person_would_write() {
    insta::glob!(ROOT, "tests/cases/fix/*.route", |path| {
        let folder = Folder::new();
        folder.file("a.route", std::fs::read(path).unwrap());
        let first = run(&folder.0, &["lint", "--fix", "a.route"]);
        let text = std::fs::read_to_string(folder.0.join("a.route")).unwrap();
        insta::assert_snapshot!(format!("{text}=== says\n{}{}", first.err, first.out));
        let again = run(&folder.0, &["lint", "--fix", "a.route"]);
        assert_eq!((again.err.as_str(), again.out), ("", first.out));
    });
}

#[test]
fn a_file_that_two_programs_use_is_mended_when_both_are_told() {
    let folder = Folder::new();
    folder.file("lib.route", "let a = \"gpt-5\"\nlet b = \"gpt-5-mini\"\nlet c = \"claude-sonnet-4-6\"\n");
    folder.file("one.route", "use \"lib.route\"\ndefault { route a else c }\n");
    folder.file("two.route", "use \"lib.route\"\ndefault { route c else a }\n");
    let ended = run(&folder.0, &["lint", "--fix", "."]);
    assert_eq!((ended.err.as_str(), ended.out.as_str(), ended.code), ("mended 1 problem in lib.route\n", "", 0));
    folder.file("three.route", "use \"lib.route\"\ndefault { route c }\n");
    let ended = run(&folder.0, &["lint", "--fix", "."]);
    assert!(ended.err.is_empty() && ended.out.contains("W401"), "{ended:?}");
    let lib = std::fs::read_to_string(folder.0.join("lib.route")).unwrap();
    assert_eq!(lib, "let a = \"gpt-5\"\nlet c = \"claude-sonnet-4-6\"\n");
}

#[test]
fn secrets_are_in_no_report() {
    let secret = "sk-proj-abcdefghijklmnopqrstuvwx0123456789";
    let folder = Folder::new();
    let rule = format!(
        "rule a {{ when prompt contains any [\"{secret}\", \"{secret}\", \"x {secret}\"] and header(\"x-key\") is \"{secret}\" route \"gpt-5\" set header \"x-upstream-key\" \"{secret}\" }}\n"
    );
    let text =
        format!("let {} = 1\n{rule}{}default {{ route \"gpt-5\" }}\n", "unused", rule.replace("rule a", "rule b"));
    folder.file("a.route", &text);
    folder.file("old.route", "default { route \"gpt-5\" }\n");
    let request = format!(
        "{{\"path\":\"/v1/messages\",\"headers\":{{\"x-key\":\"{secret}\"}},\"body\":{{\"model\":\"gpt-5\",\"messages\":[{{\"role\":\"user\",\"content\":\"{secret}\"}}]}}}}"
    );
    folder.file("request.json", &request);
    let mut reports: Vec<Vec<&str>> = Vec::new();
    for format in ["human", "json", "sarif", "github", "junit"] {
        reports.push(vec!["lint", "--format", format, "a.route"]);
    }
    // Where a name or a model is expected, and help would write it another way.
    folder.file("names.route", format!("rule {secret} {{ route \"gpt-5\" }}\ndefault {{ route {secret} }}\n"));
    reports.push(vec!["lint", "names.route"]);
    for format in ["human", "json", "markdown"] {
        reports.push(vec!["diff", "--format", format, "old.route", "a.route"]);
    }
    reports.push(vec!["explain", "--rules", "a.route", "request.json"]);
    reports.push(vec!["explain", "--json", "--rules", "a.route", "request.json"]);
    for report in reports {
        let ended = run(&folder.0, &report);
        assert!(!ended.out.is_empty() && ended.out.contains('•'), "{report:?} {ended:?}");
        assert!(!ended.out.contains("abcdefghij") && !ended.err.contains("abcdefghij"), "{report:?} {}", ended.out);
    }
}

#[test]
fn what_is_not_known_is_said_only_when_asked_for() {
    let folder = Folder::new();
    folder.file(
        "a.route",
        "rule a { when prompt matches /q[a-z]{20,80}q[0-9]{5,90}/ and not (prompt matches /[a-z]{20,80}q[0-9]{5,90}/) route \"gpt-5-mini\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }\n",
    );
    let ended = run(&folder.0, &["lint", "a.route"]);
    assert_eq!((ended.out.as_str(), ended.err.as_str(), ended.code), ("", "", 0));
    let ended = run(&folder.0, &["lint", "-v", "a.route"]);
    assert!(ended.err.contains("given up: whether the rule `a` is ever reached\n"), "{}", ended.err);
}

#[test]
fn what_has_no_effect_is_said_as_it_is_written_and_the_way_out_keeps_every_decision() {
    let rules = "rule never { when tokens > 100 and tokens < 50 route \"gpt-5-mini\" else \"claude-haiku-4-5\" }\nrule inside { when stream or (tokens > 100 and tokens < 50) route \"gpt-5-mini\" else \"claude-haiku-4-5\" }\nrule negated { when prompt matches /a+b/ and not prompt matches /c+d/ and not tokens < 0 route \"gpt-5-mini\" else \"claude-haiku-4-5\" }\nrule outer { when not (messages > 9 and messages < 4) and has tools route \"gpt-5-mini\" else \"claude-haiku-4-5\" }\nrule infix { when turns not in 1..3 and turns not in 1..2 route \"gpt-5-mini\" else \"claude-haiku-4-5\" }\ndefault { route \"gpt-5\" else \"claude-sonnet-4-6\" }\n";
    let folder = Folder::new();
    folder.file("a.route", rules);
    let told = run(&folder.0, &["lint", "--format", "json", "a.route"]);
    let found: Vec<serde_json::Value> = serde_json::from_str(&told.out).unwrap();
    let idle: Vec<(&str, &str)> = found
        .iter()
        .filter(|problem| problem["code"] == "W435")
        .map(|problem| (problem["message"].as_str().unwrap(), problem["help"].as_str().unwrap()))
        .collect();
    assert_eq!(
        idle,
        [
            (
                "`tokens < 50` makes all of its `and` never hold in `inside`: wherever it matters, the other parts settle that it fails",
                "mend it, or take out all of its `and`"
            ),
            (
                "`messages < 4` makes all of its `and` never hold in `outer`: wherever it matters, the other parts settle that it fails",
                "mend it, or take out all of its `and`"
            ),
            (
                "`turns not in 1..2` has no effect in `infix`: wherever it matters, the other parts settle that it holds",
                "take it out"
            ),
        ],
        "{told:?}"
    );
    let domain = found.iter().find(|problem| problem["code"] == "W421").unwrap();
    assert_eq!(domain["message"], "`tokens < 0` never holds");
    // Of a condition that never holds, that is said, and nothing of its parts.
    let first: Vec<&str> =
        found.iter().filter(|problem| problem["line"] == 1).map(|problem| problem["code"].as_str().unwrap()).collect();
    assert_eq!(first, ["W432"]);
    run(&folder.0, &["lint", "--fix", "a.route"]);
    let mended = std::fs::read_to_string(folder.0.join("a.route")).unwrap();
    assert_eq!(mended, rules.replace(" and turns not in 1..2", ""));
}

#[test]
fn a_condition_of_thousands_of_parts_is_given_up_and_the_rest_is_proved() {
    let parts: Vec<String> = (0..3_000).map(|n| format!("prompt contains \"w{n}\"")).collect();
    let rules = format!(
        "rule wide {{ when {} route \"gpt-5\" }}\nrule idle {{ when tokens > 100 and tokens > 50 route \"gpt-5-mini\" }}\ndefault {{ route \"gpt-5\" }}\n",
        parts.join(" and ")
    );
    let folder = Folder::new();
    folder.file("a.route", &rules);
    let told = run(&folder.0, &["lint", "--verbose", "a.route"]);
    let all = format!("{}{}", told.out, told.err);
    assert!(all.contains("whether every part of the condition of `wide` has an effect"), "{all:.2000}");
    assert!(all.contains("`tokens > 50` has no effect in `idle`"), "{all:.2000}");
}
