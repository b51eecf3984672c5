//! Configurations of others become rules that decide as they did.

use claude_router::lang::source::{Source, SourceId};
use claude_router::lang::syntax;
use claude_router::tools::import;
use serde_json::{Value, json};

use crate::support::generate::Random;
use crate::support::router::{Folder, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with a configuration imported into it.
fn imported(name: &str) -> (Folder, String) {
    let folder = Folder::new();
    folder.file("config.json", std::fs::read(format!("{ROOT}/tests/cases/import/{name}.json")).unwrap());
    let ended = run(&folder.0, &["import", "config.json", "--out", "new"]);
    assert_eq!((ended.err.as_str(), ended.code), ("", 0), "{}", ended.out);
    (folder, ended.out)
}

#[test]
fn configurations_become_rules_with_where_each_came_from() {
    for name in ["musistudio", "sections"] {
        let (folder, said) = imported(name);
        let file = |name: &str| std::fs::read_to_string(folder.0.join("new").join(name)).unwrap();
        let (rules, configuration) = (file("imported.route"), file("router.json"));
        assert!(!format!("{said}{rules}{configuration}").contains("abcdefghij"), "a key is copied");
        insta::assert_snapshot!(name, format!("{rules}=== router.json\n{configuration}=== says\n{said}"));
        assert_eq!(run(&folder.0, &["fmt", "--check", "new"]).code, 0);
        let lint = run(&folder.0, &["lint", "--config", "new/router.json", "--format", "json"]);
        let found: Vec<Value> = serde_json::from_str(&lint.out).unwrap();
        assert!(found.iter().all(|one| one["severity"] == "warning"), "{found:#?}");
    }
}

/// The rule and the target of a request, by the imported rules.
fn decided(folder: &Folder, request: &Value, what_ifs: &[&str]) -> (String, String) {
    folder.file("request.json", request.to_string());
    let mut arguments = vec!["explain", "--json", "--config", "new/router.json"];
    what_ifs.iter().for_each(|what_if| arguments.extend(["--what-if", what_if]));
    arguments.push("request.json");
    let ended = run(&folder.0, &arguments);
    let explained: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let route = &explained["route"];
    (text(&explained["rule"]), format!("{}/{}", text(&route["provider"]), text(&route["model"])))
}

fn ask(model: &str, prompt: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
}

#[test]
fn musistudios_scenarios_are_taken_as_its_router_takes_them() {
    let (folder, _) = imported("musistudio");
    let of = |request: Value, what_ifs: &[&str]| decided(&folder, &request, what_ifs);
    let pair = |rule: &str, target: &str| (rule.to_owned(), target.to_owned());
    let usual = ask("claude-sonnet-4-5", "hello");
    assert_eq!(of(usual.clone(), &[]), pair("default", "deepseek/deepseek-chat"));
    assert_eq!(of(usual.clone(), &["tokens=60001"]), pair("long_context", "openrouter/google/gemini-2.5-pro-preview"));
    assert_eq!(of(usual.clone(), &["tokens=60000"]), pair("default", "deepseek/deepseek-chat"));
    let background = ask("claude-haiku-4-5-20251001", "title");
    assert_eq!(of(background.clone(), &[]), pair("background", "ollama/qwen2.5-coder:latest"));
    assert_eq!(of(background, &["tokens=70k"]).0, "long_context");
    let mut thinks = usual.clone();
    thinks["thinking"] = json!({"type": "enabled", "budget_tokens": 2048});
    assert_eq!(of(thinks.clone(), &[]), pair("think", "deepseek/deepseek-reasoner"));
    thinks["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    assert_eq!(of(thinks, &[]), pair("search", "gemini/gemini-2.5-flash"));
    assert_eq!(of(ask("aihubmix,Z/glm-4.5", "hello"), &[]).0, "asked_for");
    assert_eq!(of(usual, &["images=1"]).0, "pictures");
}

#[test]
fn sections_are_taken_in_their_order() {
    let (folder, _) = imported("sections");
    let of = |prompt: &str, what_ifs: &[&str]| decided(&folder, &ask("claude-3-sonnet", prompt), what_ifs).0;
    assert_eq!(of("implement it in src/a.py", &[]), "code_generation");
    assert_eq!(of("comment on this document", &[]), "documentation");
    assert_eq!(of("hello", &["tokens=900"]), "cost_optimization");
    assert_eq!(of("hello", &["tokens=400", "complexity=high"]), "cost_1");
    assert_eq!(of("hello", &["tokens=500", "complexity=high"]), "cost_2");
    assert_eq!(of("brainstorm", &["tokens=2000"]), "cost_3");
}

#[test]
fn what_cannot_be_imported_says_why_and_nothing_is_written_over() {
    let folder = Folder::new();
    let complains = |text: &str, why: &str| {
        folder.file("c.json", text);
        let ended = run(&folder.0, &["import", "c.json"]);
        assert!(ended.code == 2 && ended.out.is_empty() && ended.err.contains(why), "{text}: {ended:?}");
    };
    complains("[1]", "c.json: it is not a JSON object");
    complains("{\"Providers\": []}", "c.json: it has no `Router`");
    complains("{\"router\": {\"port\": 1}}", "c.json: it has no section that routes");
    complains("{\"Router\": ", "c.json:1:");
    assert_eq!(run(&folder.0, &["import", "none.json"]).code, 2);
    folder.file("c.json", "{\"routing\": {\"defaultModel\": \"gpt-5\"}}");
    folder.file("imported.route", "# mine\n");
    let ended = run(&folder.0, &["import", "c.json"]);
    assert!(ended.code == 2 && ended.err.contains("it is there already"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(folder.0.join("imported.route")).unwrap(), "# mine\n");
    assert!(!folder.0.join("router.json").exists());
    let printed = run(&folder.0, &["import", "--print", "c.json"]);
    assert!(printed.code == 0 && printed.out.ends_with("default { route \"gpt-5\" }\n"), "{printed:?}");
    assert_eq!(run(&folder.0, &["import", "--force", "c.json"]).code, 0);
    // A model that nobody has is told at once.
    folder.file("c.json", "{\"routing\": {\"defaultModel\": \"gtp-5\"}}");
    let ended = run(&folder.0, &["import", "--force", "c.json"]);
    assert!(ended.code == 1 && ended.err.contains("did you mean `gpt-5`?"), "{ended:?}");
}

/// JSON of any shape, with the words that the importers look for.
fn any(random: &mut Random, depth: usize) -> Value {
    const WORDS: &[&str] = &[
        "Router",
        "Providers",
        "fallback",
        "default",
        "think",
        "longContextThreshold",
        "name",
        "models",
        "transformer",
        "use",
        "api_base_url",
        "api_key",
        "routing",
        "routingRules",
        "loadBalancing",
        "costOptimization",
        "intelligentRouting",
        "rules",
        "condition",
        "messageContains",
        "fileTypes",
        "taskType",
        "tokenCount",
        "min",
        "max",
        "targetModel",
        "priority",
        "model",
        "patterns",
        "confidence",
        "budget",
        "daily",
        "weights",
        "strategy",
        "enabled",
        "openai",
        "apiKey",
        "defaultModel",
        "API_TIMEOUT_MS",
        "a,b",
        "",
        "é\n\"\\",
        "rule",
        "123",
        "tokenCount < 5 && !(",
        "$KEY",
        "maxtoken",
        "max_tokens",
    ];
    let word = |random: &mut Random| WORDS[random.below(WORDS.len())].to_owned();
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.chance(50)),
        2 => json!([-1, 0, 1, 500, i64::MAX][random.below(5)]),
        3 => json!([0.4, -0.5, 1e300][random.below(3)]),
        4 => json!(word(random)),
        5 | 6 => (0..random.below(4)).map(|_| any(random, depth - 1)).collect(),
        _ => Value::Object((0..random.below(7) + 1).map(|_| (word(random), any(random, depth - 1))).collect()),
    }
}

#[test]
fn whatever_is_imported_parses() {
    let mut n = 0;
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let mut value = any(&mut random, 5);
        if let Value::Object(members) = &mut value {
            let section = ["Router", "routing"][random.below(2)];
            members.insert(section.to_owned(), json!({"default": "a,b", "defaultModel": "x"}));
        }
        let Ok(made) = import::import(&value, "a\nb.json", "imported.route") else { continue };
        n += 1;
        let (_, problems) = syntax::parse(&Source::new("i.route", made.rules.clone()), SourceId::default());
        assert!(problems.is_empty(), "seed {seed}: {problems:?}\n{}\n{value:#}", made.rules);
    }
    assert!(n > 500, "{n}");
}
