//! The JSON sections that route: rules of a second tier, behind those of rule files.

use serde_json::{Value, json};

use crate::support::router::{Ended, Folder, Router, run};
use crate::support::upstream::{Reply, Upstream};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn ask(prompt: &str) -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
}

/// The decision of a request, as JSON.
fn explained(folder: &Folder, request: &Value, more: &[&str]) -> Value {
    folder.file("request.json", request.to_string());
    let ended = run(&folder.0, &[&["explain", "--json"], more, &["request.json"]].concat());
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// Which rule decides, and which model gets the request.
fn decided(folder: &Folder, request: &Value, more: &[&str]) -> (String, String) {
    let explained = explained(folder, request, more);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&explained["rule"]), text(&explained["route"]["model"]))
}

fn is(rule: &str, model: &str) -> (String, String) {
    (rule.to_owned(), model.to_owned())
}

fn lint(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let ended = run(&folder.0, &[&["lint", "--format", "json"], arguments].concat());
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// The configuration that shows every section at once.
fn everything() -> Folder {
    let folder = Folder::new();
    folder.file("router.json", std::fs::read(format!("{ROOT}/tests/cases/config/everything.json")).unwrap());
    folder
}

#[test]
fn every_section_together_decides_in_its_order() {
    let folder = everything();
    let of = |prompt: &str, what_if: &[&str]| {
        let what_if: Vec<&str> = what_if.iter().flat_map(|what| ["--what-if", what]).collect();
        decided(&folder, &ask(prompt), &what_if)
    };
    assert_eq!(of("please implement this", &["files=a.py"]), is("config.code_generation", "gpt-4"));
    assert_eq!(of("document this function", &["task=documentation"]), is("config.documentation", "claude-3-sonnet"));
    assert_eq!(of("hello", &["tokens=400", "complexity=low"]), is("config.cost_optimization", "gpt-3.5-turbo"));
    assert_eq!(of("hello", &["tokens=400", "complexity=high"]), is("config.cost_1", "gpt-3.5-turbo"));
    assert_eq!(of("hello", &["tokens=500", "complexity=high"]), is("config.cost_2", "claude-3-haiku"));
    assert_eq!(of("hello", &["tokens=2000"]), is("config.cost_3", "claude-3-sonnet"));
    let refused = explained(&folder, &ask("hello"), &["--what-if", "config.daily.remaining=$0"]);
    assert_eq!(refused["rule"], "budget config.daily");
    let shown = run(&folder.0, &["config", "check"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown
            .out
            .ends_with("router.json is right: 9 rules, 2 budgets, 2 providers that can be called, 4 without a key\n"),
        "{shown:?}"
    );
}

#[test]
fn explain_says_where_in_the_configuration_a_rule_stands() {
    let folder = everything();
    let explained = explained(&folder, &ask("please implement this"), &["--what-if", "tokens=1500"]);
    assert_eq!(explained["rule"], "config.cost_2");
    let line = |text: &str| {
        let file = std::fs::read_to_string(folder.0.join("router.json")).unwrap();
        file.lines().position(|line| line.contains(text)).unwrap() + 1
    };
    let at = &explained["location"];
    assert_eq!((at["file"].as_str(), at["line"].as_u64()), (Some("router.json"), Some(line(">= 500") as u64)));
    let because: Vec<(&str, &str)> = explained["trace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["rule"].as_str().unwrap(), row["because"]["test"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        because,
        [
            ("config.code_generation", "\"fileTypes\": [ \".py\", \".js\", \".ts\", \".java\" ]"),
            ("config.documentation", "\"messageContains\": [ \"document\", \"explain\", \"comment\" ]"),
            ("config.cost_optimization", "\"max\": 1000"),
            ("config.cost_1", "tokenCount < 500"),
            ("config.cost_2", ""),
        ]
    );
}

#[test]
fn lint_proves_what_the_sections_do() {
    let found = lint(&everything(), &[]);
    let unreachable: Vec<&str> = found
        .iter()
        .filter(|problem| problem["code"] == "W431")
        .map(|problem| problem["message"].as_str().unwrap().split('`').nth(1).unwrap())
        .collect();
    // The cost rules take whatever is left, of any size.
    assert_eq!(unreachable, ["config.code_tasks", "config.analysis_tasks", "config.creative_tasks"]);
    assert!(found.iter().any(|problem| problem["code"] == "W434"), "{found:#?}");
    assert!(found.iter().all(|problem| problem["file"] == "router.json" && problem["line"].as_u64() > Some(1)));
    assert!(found.iter().all(|problem| problem["fix"].is_null() || problem["fix"] == json!([])), "{found:#?}");
}

#[test]
fn rule_files_come_first_and_the_default_is_theirs() {
    let folder = everything();
    folder.file("first.route", "rule mine { when prompt contains \"implement\" route \"gpt-4\" }\n");
    let text = std::fs::read_to_string(folder.0.join("router.json")).unwrap();
    let with = text.replacen('{', "{\n\"rules\": [\"first.route\"],", 1);
    folder.file("router.json", &with);
    assert_eq!(decided(&folder, &ask("implement this"), &[]), is("mine", "gpt-4"));
    assert_eq!(decided(&folder, &ask("hello"), &["--what-if", "tokens=3k"]), is("config.cost_3", "claude-3-sonnet"));
    assert!(lint(&folder, &[]).iter().all(|problem| problem["code"] != "W464"));
    let switched = with.replace("\"costOptimization\": true", "\"costOptimization\": false");
    folder.file(
        "router.json",
        switched.replacen("\"enabled\": true,\n    \"rules\"", "\"enabled\": false,\n    \"rules\"", 1),
    );
    assert_eq!(decided(&folder, &ask("hello"), &["--what-if", "tokens=3k"]), is("default", "claude-3-sonnet"));
    folder.file("first.route", "default { route \"gpt-4\" }\ntest \"t\" { given prompt \"implement\", files [\"a.py\"] expect rule config.code_generation expect route \"gpt-4\" }\n");
    assert_eq!(decided(&folder, &ask("hello"), &["--what-if", "tokens=3k"]), is("default", "gpt-4"));
    let idle: Vec<Value> = lint(&folder, &[]).into_iter().filter(|problem| problem["code"] == "W464").collect();
    assert_eq!(idle.len(), 1);
    assert_eq!(idle[0]["file"], "router.json");
    let tested = run(&folder.0, &["test"]);
    assert_eq!(tested.code, 0, "{tested:?}");
}

#[test]
fn toml_says_the_same() {
    let folder = Folder::new();
    let text = r#"
[routing]
defaultModel = "gpt-5"
fallbackModel = "claude-sonnet-4-6"

[[routingRules]]
name = "Big ones"
targetModel = "gpt-4.1"
priority = 2
condition = { tokenCount = { min = 5000 } }

[[routingRules]]
name = "code"
targetModel = "gpt-5-mini"
priority = 1
[routingRules.condition]
messageContains = ["implement"]

[costOptimization.budget]
weekly = 12.5
"#;
    folder.file("router.toml", text);
    assert_eq!(decided(&folder, &ask("implement it"), &["--what-if", "tokens=9k"]), is("config.code", "gpt-5-mini"));
    let big = explained(&folder, &ask("hello"), &["--what-if", "tokens=9k"]);
    assert_eq!((big["rule"].as_str(), big["location"]["line"].as_u64()), (Some("config.big_ones"), Some(7)));
    assert_eq!(big["trace"][0]["because"]["test"], "messageContains = [\"implement\"]");
    assert_eq!(decided(&folder, &ask("hello"), &[]), is("default", "gpt-5"));
    let unhealthy = ["--what-if", "healthy(\"gpt-5\")=false"];
    assert_eq!(decided(&folder, &ask("hello"), &unhealthy), is("default", "claude-sonnet-4-6"));
}

#[test]
fn a_budget_of_less_than_a_cent_is_not_rounded_to_nothing() {
    let folder = Folder::new();
    let mut cheap = ask("hi");
    cheap["max_tokens"] = json!(1);
    for dollars in [0.001, 0.005, 12.345] {
        let all = json!({"routing": {"defaultModel": "gpt-5"}, "costOptimization": {"budget": {"daily": dollars}}});
        folder.file("router.json", all.to_string());
        let explained = explained(&folder, &cheap, &[]);
        assert_eq!(explained["rule"], "default", "{dollars}: {explained:#}");
        folder.file("c.json", all.to_string());
        let printed = run(&folder.0, &["import", "c.json", "--print"]).out;
        assert!(printed.contains(&format!("budget daily = ${dollars} per day hard")), "{printed}");
    }
}

#[test]
fn what_a_section_cannot_mean_is_an_error_where_it_stands() {
    let cases = [
        json!({"routingRules": [{"name": "a", "condition": {"messageContains": ["x"]}}]}),
        json!({"routingRules": [{"name": "a", "targetModel": "gpt-5", "condition": {}}]}),
        json!({"routingRules": [{"name": "a", "targetModel": "gpt-5", "condition": {"taskType": "codeing"}}]}),
        json!({"routingRules": [{"name": "a", "targetModel": "gtp-5", "condition": {"complexity": "low"}}]}),
        json!({"routingRules": [{"name": "a", "targetModel": "gpt-5", "condition": {"messageContain": ["x"]}}]}),
        json!({"routing": {"defaultModel": "no-such-model"}}),
        json!({"routing": {"default": "gpt-5"}}),
        json!({"loadBalancing": {"strategy": "sometimes", "models": ["gpt-5", "gpt-5-mini"]}}),
        json!({"loadBalancing": {"models": []}}),
        json!({"loadBalancing": {"models": ["gpt-5"], "weights": {"gpt-4": 1}}}),
        json!({"costOptimization": {"budget": {"daily": 0}}}),
        json!({"costOptimization": {"budget": {"daily": 5, "currency": "BRL"}}}),
        json!({"costOptimization": {"rules": [{"condition": "tokenCount <", "model": "gpt-5"}]}}),
        json!({"costOptimization": {"rules": [{"condition": "Math.random() < 0.5", "model": "gpt-5"}]}}),
        json!({"costOptimization": {"rules": [{"condition": "tokenCount > 5 && tokenCount == 'x'", "model": "gpt-5"}]}}),
        json!({"costOptimization": {"rules": [{"condition": "\"tokenCount > 5", "model": "gpt-5"}]}}),
        json!({"intelligentRouting": {"rules": [{"name": "a", "patterns": ["x"], "confidence": 1.5, "model": "gpt-5"}]}}),
    ];
    let (mut told, folder) = (String::new(), Folder::new());
    for case in &cases {
        folder.file("router.json", case.to_string());
        let Ended { code, out, err } = run(&folder.0, &["config", "check"]);
        assert_eq!((code, out.as_str()), (2, ""), "{case}");
        let served = run(&folder.0, &["start", "--port", "0"]);
        assert_eq!(served.code, 2, "{case}");
        told.push_str(&format!("{err}\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn requests_are_routed_by_the_sections_and_a_change_of_them_counts_at_once() {
    let answer = |asked: &crate::support::upstream::Asked| {
        Reply::json(
            200,
            json!({
                "id": "x", "model": asked.json()["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 2}
            }),
        )
    };
    let upstream = Upstream::new(answer);
    let configuration = json!({
        "providers": {"p": {
            "kind": "openai-compatible", "baseUrl": format!("{}/v1", upstream.url()), "models": {"small": {}, "large": {}},
        }},
        "routing": {"defaultModel": "p/large"},
        "routingRules": [{"name": "short", "condition": {"tokenCount": {"max": 500}}, "targetModel": "p/small"}],
    });
    let router = Router::start(&configuration.to_string(), "# Nothing here: the sections decide.\n");
    let debug = |prompt: &str| {
        router.connect().request("POST", "/v1/messages", &[("x-debug", "true")], &ask(prompt).to_string())
    };
    let answer = debug("hello");
    assert_eq!((answer.status, answer.header("x-router-rule")), (200, Some("config.short")), "{}", answer.body);
    assert_eq!(answer.header("x-router-model"), Some("small"));
    let long = debug(&"many words ".repeat(1_000));
    assert_eq!((long.header("x-router-rule"), long.header("x-router-model")), (Some("default"), Some("large")));
    let mut other = configuration;
    other["routingRules"][0]["targetModel"] = json!("p/large");
    router.folder.file("router.json", other.to_string());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while debug("hello").header("x-router-model") != Some("large") {
        assert!(std::time::Instant::now() < until, "the change is not taken in");
    }
}
