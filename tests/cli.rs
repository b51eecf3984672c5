//! The command line: what is not stated must be empty.

use std::path::Path;

use crate::support::router::{Folder, run, run_with_input};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[track_caller]
fn check(folder: &Path, arguments: &[&str], out: &str, err: &str, code: i32) {
    let ended = run(folder, arguments);
    assert_eq!((ended.out.as_str(), ended.err.as_str(), ended.code), (out, err, code), "{arguments:?}");
}

#[test]
fn every_example_request_is_explained_as_it_must_be() {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"[0-9.]+ µs", "N µs");
    settings.bind(|| {
        insta::glob!(ROOT, "examples/requests/*.json", |path| {
            let name = format!("examples/requests/{}", path.file_name().unwrap().to_string_lossy());
            let ended = run(
                Path::new(ROOT),
                &[
                    "explain",
                    "--rules",
                    "examples/policy.route",
                    "--what-if",
                    "time=12:00",
                    "--what-if",
                    "weekday=wed",
                    &name,
                ],
            );
            assert_eq!((ended.err.as_str(), ended.code), ("", 0));
            assert!(ended.out.lines().all(|line| line.chars().count() <= 100), "{}", ended.out);
            insta::assert_snapshot!(ended.out);
        });
    });
}

#[test]
fn explain_as_json_holds_what_is_promised() {
    let ended = run(
        Path::new(ROOT),
        &[
            "explain",
            "--json",
            "--rules",
            "examples/policy.route",
            "--what-if",
            "time=12:00",
            "--what-if",
            "weekday=wed",
            "--what-if",
            "healthy(\"gpt-5\")=false",
            "examples/requests/claude-code-main.json",
            "missing.json",
        ],
    );
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("\"microseconds\": [0-9.]+", "\"microseconds\": N");
    let lines: Vec<serde_json::Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), ended.err.as_str(), ended.code), (2, "", 1));
    assert!(lines[1]["error"].is_string() && lines[1]["request"] == "missing.json");
    settings.bind(|| insta::assert_snapshot!(serde_json::to_string_pretty(&lines[0]).unwrap()));
    let schema = claude_router::tools::schema::explain();
    for name in schema["required"].as_array().unwrap() {
        assert!(lines[0].get(name.as_str().unwrap()).is_some(), "{name} is missing");
    }
}

#[test]
fn explain_shows_the_plan_as_a_tree() {
    let ended = run(Path::new(ROOT), &["explain", "--tree", "--rules", "examples/policy.route"]);
    assert_eq!((ended.err.as_str(), ended.code), ("", 0));
    assert!(ended.out.lines().all(|line| line.chars().count() <= 100), "{}", ended.out);
    insta::assert_snapshot!(ended.out);
    // Before the explanation of a request, where there is one.
    let request = "examples/requests/implement.json";
    let both = run(Path::new(ROOT), &["explain", "--tree", "--rules", "examples/policy.route", request]);
    assert!(both.out.starts_with(&ended.out) && both.out.contains("decided by"), "{}", both.out);
    let neither = run(Path::new(ROOT), &["explain"]);
    assert!(neither.code == 2 && neither.err.contains("<REQUESTS>"), "{}", neither.err);
}

#[test]
fn explain_takes_standard_input_headers_and_what_ifs() {
    let folder = Folder::new();
    folder.file("my.route", "rule core { when header(\"x-team\") is \"core\" and key is \"ci\" and files contains any [\".rs\"] and no_temperature route \"gpt-5\" }\nlet no_temperature = not has temperature\ndefault { route \"gpt-5-mini\" }\n");
    let body = b"{\"model\":\"x\",\"temperature\":1,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    let arguments = [
        "explain",
        "--json",
        "--rules",
        "my.route",
        "--header",
        "X-Team: Core",
        "--what-if",
        "key=ci",
        "--what-if",
        "files=a.py,b.rs",
        "--what-if",
        "temperature=none",
        "-",
    ];
    let ended = run_with_input(&folder.0, &arguments, body);
    assert!(ended.out.contains("\"rule\":\"core\""), "{ended:?}");
    let wrong = run(&folder.0, &["explain", "--rules", "my.route", "--what-if", "tokns=5", "x.json"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("unknown field `tokns`") && wrong.err.contains("did you mean `tokens`?"),
        "{}",
        wrong.err
    );
}

#[test]
fn lint_says_what_is_wrong_and_how_bad_it_is() {
    let folder = Folder::new();
    folder.file("good.route", "default { route \"gpt-5\" }\n");
    check(&folder.0, &["lint", "good.route"], "", "", 0);
    folder.file("warn.route", "let spare = 5\n\ndefault { route \"gpt-5\" }\n");
    let report = "warning[W401]: nothing uses the let `spare`\n --> warn.route:1:5\n  | let spare = 5\n  |     ^^^^^\n  = help: take it out, or use it\n\n1 warning\n";
    check(&folder.0, &["lint", "warn.route"], report, "", 0);
    check(&folder.0, &["lint", "--deny", "warnings", "warn.route"], report, "", 1);
    check(
        &folder.0,
        &["lint", "--format", "github", "warn.route"],
        "::warning file=warn.route,line=1,col=5,title=W401::nothing uses the let `spare` (take it out, or use it)\n",
        "",
        0,
    );
    let json: serde_json::Value =
        serde_json::from_str(&run(&folder.0, &["lint", "--format", "json", "warn.route"]).out).unwrap();
    assert_eq!((&json[0]["code"], &json[0]["column"], &json[0]["end_column"]), (&"W401".into(), &5.into(), &10.into()));
    let sarif = run(&folder.0, &["lint", "--format", "sarif", "warn.route"]).out;
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    let column = &result["locations"][0]["physicalLocation"]["region"]["startColumn"];
    assert_eq!((&sarif["version"], &result["ruleId"], column), (&"2.1.0".into(), &"W401".into(), &5.into()));
    let junit = run(&folder.0, &["lint", "--format", "junit", "warn.route", "good.route"]).out;
    assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
    assert!(junit.contains("warn.route:1:5: nothing uses the let `spare`"), "{junit}");
    folder.file("bad.route", [0x64, 0xff]);
    check(&folder.0, &["lint", "bad.route"], "", "router: bad.route: it is not UTF-8 at byte 1\n", 2);
    check(&folder.0, &["lint", "none.route"], "", "router: none.route: No such file or directory (os error 2)\n", 2);
    assert!(run(&folder.0, &["lint", "--explain", "E203"]).out.starts_with("E203 type-mismatch (error)\n"));
    // A configuration makes an unknown model an error; without one it is a warning.
    folder.file("typo.route", "default { route \"gtp-5\" }\n");
    assert_eq!(run(&folder.0, &["lint", "typo.route"]).code, 0);
    folder.file("router.json", "{}");
    let typo = run(&folder.0, &["lint", "typo.route"]);
    assert!(typo.code == 1 && typo.out.contains("did you mean `gpt-5`?"), "{typo:?}");
}

#[test]
fn fmt_writes_one_layout_and_never_half_a_file() {
    let folder = Folder::new();
    let file = folder.file("a.route", "default{route \"gpt-5\"  }# why\n");
    check(&folder.0, &["fmt", "--check", "a.route"], "a.route is not formatted\n", "", 1);
    check(&folder.0, &["fmt", "a.route"], "", "", 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "default { route \"gpt-5\" }  # why\n");
    check(&folder.0, &["fmt", "--check", "."], "", "", 0);
    let broken = folder.file("b.route", "default { route }\n");
    assert_eq!(run(&folder.0, &["fmt", "b.route"]).code, 1);
    assert_eq!(std::fs::read_to_string(broken).unwrap(), "default { route }\n");
    assert_eq!(run_with_input(&folder.0, &["fmt", "-"], b"default{route \"x\"}").out, "default { route \"x\" }\n");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2, "nothing is left beside the files");
}

#[test]
fn test_shows_a_failing_one_as_explain_would_and_what_is_not_reached() {
    let folder = Folder::new();
    folder.file("request.json", "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"from a file\"}]}");
    folder.file(
        "a.route",
        "let long = tokens > 9k\nrule r { when prompt contains \"file\" route \"gpt-5\" }\nrule never { when stream or long route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }\ntest \"good\" { given request \"request.json\" expect rule r }\ntest \"bad\" { given prompt \"x\", time 03:00 expect rule r expect route \"gpt-5\" }\ntest \"too late\" { given prompt \"a file\", stream true expect rule never }\ntest \"no such file\" { given request \"none.json\" expect rule r }\n",
    );
    folder.file("b.route", "default { route \"gpt-55\" tag 5 }\n");
    for format in ["human", "json", "junit"] {
        let ended = run(&folder.0, &["test", "--format", format, "a.route", "b.route"]);
        assert_eq!((ended.err.as_str(), ended.code), ("", 1));
        insta::assert_snapshot!(format!("test_as_{format}"), ended.out);
    }
    folder.file("c.route", "rule r { when stream route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }\ntest \"streams\" { given stream true expect rule r }\n");
    check(
        &folder.0,
        &["test", "-v", "--coverage-min", "75%", "c.route"],
        "ok      streams\nc.route:2:1: no test is decided by `default`, such as one with `given prompt \"Hello\"`\nc.route:1:15: in `r`, no test saw it fail: `stream`\n1 passed, 0 failed\nreached: 1 of 2 rules, 1 of 2 outcomes of conditions (50%)\n",
        "configuration: the built-in one\ntests reach 50% of the rules and conditions, less than 75%\n",
        1,
    );
    assert_eq!(run(&folder.0, &["test", "--coverage-min", "50", "c.route"]).code, 0);
    assert_eq!(run(&folder.0, &["test", "--coverage-min", "101", "c.route"]).code, 2);
    let shipped = run(Path::new(ROOT), &["test", "rules", "examples"]);
    assert_eq!(shipped.code, 0, "{}", shipped.out);
}

#[test]
fn a_folder_serves_its_main_or_its_only_program() {
    let folder = Folder::new();
    folder.file("x/a.route", "default { route \"gpt-5\" }");
    folder.file("r.json", "{\"model\":\"x\",\"messages\":[]}");
    assert_eq!(run(&folder.0, &["explain", "--rules", "x", "r.json"]).code, 0);
    folder.file("x/b.route", "default { route \"gpt-5-mini\" }");
    check(
        &folder.0,
        &["explain", "--rules", "x", "r.json"],
        "",
        "router: x: which of x/a.route, x/b.route? Name one, or call one main.route\n",
        2,
    );
    folder.file("x/main.route", "use \"a.route\"");
    assert!(run(&folder.0, &["explain", "-v", "--rules", "x", "r.json"]).err.contains("rules: x/main.route"));
}

#[test]
fn a_configuration_that_is_wrong_says_where() {
    let folder = Folder::new();
    folder.file("router.json", "{\n  // ports\n  \"router\": {\"prot\": 1,},\n}");
    check(
        &folder.0,
        &["config"],
        "",
        "router: router.json:3:19: unknown field `prot`, expected one of `port`, `host`, `logLevel`, `enableCors`, `cors`, `hosts`, `strict`; did you mean `port`?\n",
        2,
    );
    folder.file("router.json", "{\"openai\": {\"apiKey\": \"${NOT_THERE}\"}, \"timezone\": \"Europe/Zurich\", }");
    let shown = run(&folder.0, &["config"]);
    assert!(shown.code == 0 && shown.out.contains("NOT_THERE is not set"), "{shown:?}");
    folder.file("router.json", "{\"openai\": {\"apiKey\": \"sk-secret\"}}");
    assert!(!run(&folder.0, &["config"]).out.contains("sk-secret"));
    let open = run(&folder.0, &["start", "--host", "0.0.0.0", "--port", "0"]);
    assert!(open.code == 2 && open.err.contains("nobody would have to authenticate"), "{open:?}");
}

#[test]
fn wrong_arguments_get_help() {
    let folder = Folder::new();
    let ended = run(&folder.0, &["explian"]);
    assert!(ended.code == 2 && ended.err.contains("explain"), "{ended:?}");
    assert_eq!(run(&folder.0, &["--help"]).code, 0);
    assert!(run(&folder.0, &["--version"]).out.starts_with("router "));
}
