//! `router models add`, `remove` and `switch`: what is changed is what was asked for, and nothing else.

use crate::support::router::{Folder, run};

const JSON: &str = r#"{
  // my keys
  "openai": {
    "apiKey": "${OPENAI_API_KEY}", // from the vault
    "models": {
      "gpt-5": {"contextWindow": 400000},
    },
  },
  /* where it listens */ "router": {"port": 8085},
}
"#;

const TOML: &str = r#"# mine
[openai]
apiKey = "${OPENAI_API_KEY}" # from the vault

[openai.models]
"gpt-5" = { contextWindow = 400000 }

[routing]
defaultModel = "gpt-5" # the usual one
"#;

const STEPS: &[&str] = &[
    "add openai/gpt-new --context-window 200000 --input-cost 1.5 --output-cost 6.25 --supports tools,images",
    "add openai/gpt-new",
    "add lab/m1",
    "add opena/m1",
    "add m1",
    "add lab/m\n1 --base-url http://127.0.0.1:9/v1",
    "add lab/m1 --base-url http://127.0.0.1:9/v1 --key-variable sk-secret-1",
    "add lab/m1 --base-url http://127.0.0.1:9/v1 --key-variable LAB_KEY",
    "switch gtp-new",
    "switch lab/m1",
    "remove lab/m1",
    "remove gpt-5",
    "remove claude-sonnet-4-6",
    "switch openai/gpt-new",
    "remove lab/m1",
];

/// What each step says, and the file in the end.
fn session(name: &str, text: &str) -> String {
    let folder = Folder::new();
    folder.file(name, text);
    let read = || std::fs::read_to_string(folder.0.join(name)).unwrap();
    let mut told = String::new();
    for step in STEPS {
        let before = read();
        let ended = run(&folder.0, &[&["models"], step.split(' ').collect::<Vec<_>>().as_slice()].concat());
        assert_eq!(ended.code == 0, before != read(), "{step}: {ended:?}");
        told.push_str(&format!("$ router models {step}\n{}{}", ended.out, ended.err));
    }
    format!("{told}\n{}", read())
}

#[test]
fn models_of_a_json_file_come_and_go_and_its_comments_stay() {
    insta::assert_snapshot!(session("router.json", JSON).replace("sk-secret-1", "KEY"));
}

#[test]
fn models_of_a_toml_file_come_and_go_and_its_comments_stay() {
    insta::assert_snapshot!(session("router.toml", TOML).replace("sk-secret-1", "KEY"));
}

#[test]
fn the_default_of_a_rule_file_is_changed_in_its_place() {
    let folder = Folder::new();
    let rules =
        "# mine\npool p cheapest { \"gpt-5\" \"gpt-5-mini\" } # both\n\ndefault { route p else \"gpt-4\" } # end\n";
    folder.file("my.route", rules);
    folder.file("router.json", r#"{"rules": ["my.route"]} // here"#);
    let ended = run(&folder.0, &["models", "switch", "claude-sonnet-4-6"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "my.route:4: the default is claude-sonnet-4-6 now (it was p)\n"));
    let text = std::fs::read_to_string(folder.0.join("my.route")).unwrap();
    assert_eq!(text, rules.replace("route p else", "route \"claude-sonnet-4-6\" else"));
    assert_eq!(std::fs::read_to_string(folder.0.join("router.json")).unwrap(), r#"{"rules": ["my.route"]} // here"#);
    folder.file("my.route", "default { reject 403 \"no\" }\n");
    let ended = run(&folder.0, &["models", "switch", "gpt-5"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (2, "router: my.route: the default rejects; write a `route` into it\n")
    );
}

#[test]
fn a_comment_ends_at_a_carriage_return_too() {
    let folder = Folder::new();
    folder.file("router.json", "{ // a/ a \r \n  \n\r}     ");
    assert_eq!(run(&folder.0, &["models", "add", "ollama/qwen-new", "--context-window", "32000"]).code, 0);
    assert_eq!(run(&folder.0, &["config", "check"]).code, 0);
    let listed = run(&folder.0, &["models", "list"]);
    assert!(listed.out.contains("ollama/qwen-new"), "{listed:?}");
}

#[test]
fn where_there_is_no_configuration_one_is_made() {
    let folder = Folder::new();
    let ended = run(&folder.0, &["models", "add", "ollama/qwen-new", "--context-window", "32000"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.starts_with("added ollama/qwen-new to router.json (a new file)\n"), "{ended:?}");
    let listed = run(&folder.0, &["models", "list"]);
    assert!(listed.out.contains("ollama/qwen-new") && listed.out.contains("32000 tokens"), "{listed:?}");
    assert_eq!(run(&folder.0, &["models", "remove", "qwen-new"]).code, 0);
    assert_eq!(run(&folder.0, &["config", "check"]).code, 0);
}
