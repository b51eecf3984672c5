//! The language server over the protocol: what an editor shows while somebody writes rules.

use serde_json::{Value, json};

use crate::support::editor::{Editor, edited};

const RULES: &str = "let frontier = \"claude-sonnet-4-6\"\nlet web = [\".ts\", \".js\"]\n\nlabel size { big when tokens > 9k small otherwise }\n\nbudget daily = $10 per day\n\nrule big_ones {\n  when size is big and files contains any web\n  route frontier else \"gpt-5\"\n}\n\nrule poor {\n  when daily.used >= 90%\n  route \"gpt-5-nano\" else \"claude-haiku-4-5\"\n}\n\ndefault { route frontier else \"gpt-5\" }\n\ntest \"big\" {\n  given tokens 10k, files [\"ä.ts\"]\n  expect rule big_ones\n  expect size is big\n}\n\ntest \"poor\" { given daily.used 95% expect rule poor }\n";

fn codes(problems: &[Value]) -> Vec<String> {
    problems.iter().map(|problem| problem["code"].as_str().unwrap_or_default().to_owned()).collect()
}

fn labels(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn problems_are_told_while_somebody_types() {
    let mut editor = Editor::start(&[("a.route", RULES)]);
    editor.open("a.route");
    let told = editor.problems("a.route", |_| true);
    assert_eq!(codes(&told), Vec::<String>::new(), "{told:#?}");
    // A misspelt field is told at the key stroke, with the place in UTF-16.
    editor.change("a.route", [13, 7, 13, 17], "dialy.used");
    let told = editor.problems("a.route", |told| codes(told).contains(&"E201".to_owned()));
    assert!(told[0]["message"].as_str().unwrap().contains("did you mean `daily.used`?"), "{told:#?}");
    assert_eq!(told[0]["range"]["start"], json!({"line": 13, "character": 7}));
    editor.change("a.route", [13, 7, 13, 17], "daily.used");
    // A rule that nothing reaches is told when the typing pauses, with a request that shows it.
    editor.change("a.route", [16, 0, 16, 0], "rule late {\n  when daily.used >= 95%\n  route \"gpt-5\"\n}\n\n");
    let told = editor.problems("a.route", |told| codes(told).contains(&"W431".to_owned()));
    let late = told.iter().find(|problem| problem["code"] == "W431").unwrap();
    let message = late["message"].as_str().unwrap();
    assert!(message.contains("`poor` takes everything") && message.contains("given "), "{message}");
    assert_eq!(late["relatedInformation"][0]["location"]["range"]["start"]["line"], 12);
    assert!(editor.quit());
}

#[test]
fn words_are_explained_found_and_renamed() {
    let mut editor = Editor::start(&[("a.route", RULES)]);
    editor.open("a.route");
    let mut hover = |line, column| {
        editor.at("hover", "a.route", line, column, json!({}))["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(hover(8, 23).contains("**files**: a set of paths"), "{}", hover(8, 23));
    assert!(hover(8, 43).contains("let `web`") && hover(8, 43).contains("let web = [\".ts\", \".js\"]"));
    assert!(hover(8, 8).contains("label `size`") && hover(8, 15).contains("big when tokens > 9k"));
    assert!(hover(13, 9).contains("budget daily = $10 per day") && hover(13, 14).contains("**NAME.used**"));
    assert!(hover(9, 24).contains("**openai/gpt-5**") && hover(9, 24).contains("per million tokens"));
    let definition = editor.at("definition", "a.route", 9, 12, json!({}));
    assert_eq!(definition[0]["range"]["start"], json!({"line": 0, "character": 4}), "{definition}");
    let uses = editor.at("references", "a.route", 0, 5, json!({"context": {"includeDeclaration": true}}));
    assert_eq!(uses.as_array().unwrap().len(), 3, "{uses}");

    let renamed = |editor: &mut Editor, line, column, name: &str| {
        let answer = editor.at("rename", "a.route", line, column, json!({"newName": name}));
        let edits = &answer["changes"][editor.uri("a.route")];
        if edits.is_array() { edited(RULES, edits) } else { answer["message"].as_str().unwrap().to_owned() }
    };
    assert_eq!(renamed(&mut editor, 17, 20, "best"), RULES.replace("frontier", "best"));
    // Behind a character that UTF-16 and bytes count differently.
    assert_eq!(renamed(&mut editor, 22, 17, "huge"), RULES.replace(" big ", " huge ").replace("is big\n", "is huge\n"));
    assert_eq!(renamed(&mut editor, 13, 8, "money"), RULES.replace("daily", "money"));
    assert_eq!(renamed(&mut editor, 7, 6, "large"), RULES.replace("big_ones", "large"));
    assert_eq!(renamed(&mut editor, 7, 6, "poor"), "`poor` is defined already");
    assert_eq!(renamed(&mut editor, 7, 6, "when"), "`when` is a word of the language");
    assert_eq!(renamed(&mut editor, 7, 6, "a b"), "`a b` is no name: a letter or `_`, then letters, digits and `_`");
    assert_eq!(renamed(&mut editor, 8, 25, "x"), "there is no name here that can be changed");
    let symbols = editor.ask("textDocument/documentSymbol", json!({"textDocument": {"uri": editor.uri("a.route")}}));
    let names: Vec<&str> =
        symbols["result"].as_array().unwrap().iter().map(|symbol| symbol["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["frontier", "web", "size", "daily", "big_ones", "poor", "default", "big", "poor"]);
    assert!(editor.quit());
}

#[test]
fn what_can_stand_at_the_cursor_is_offered() {
    let mut editor = Editor::start(&[("a.route", RULES)]);
    editor.open("a.route");
    // A line of its own in the first rule, typed over again and again.
    let mut offered = |typed: &str| {
        editor.change("a.route", [8, 0, 8, 1_000], typed);
        let column = u32::try_from(typed.encode_utf16().count()).unwrap();
        labels(&editor.at("completion", "a.route", 8, column, json!({})))
    };
    let has = |found: &[String], wanted: &[&str], not: &[&str]| {
        for word in wanted {
            assert!(found.iter().any(|label| label == word), "{word} is not offered: {found:?}");
        }
        for word in not {
            assert!(!found.iter().any(|label| label == word), "{word} is offered: {found:?}");
        }
    };
    has(&offered("  "), &["when"], &["route", "tokens"]);
    has(&offered("  when "), &["tokens", "size", "daily.used", "web", "has", "files"], &["route", "gpt-5"]);
    has(&offered("  when pro"), &["prompt", "prompt.tokens"], &[]);
    has(&offered("  when files "), &["contains any"], &["<", "is"]);
    has(&offered("  when tokens "), &["<", ">=", "in"], &["contains"]);
    has(&offered("  when agent is "), &["main", "background"], &["tokens"]);
    has(&offered("  when size is "), &["big", "small"], &["main"]);
    has(&offered("  when size is not "), &["big", "small"], &["tokens"]);
    has(&offered("  when weekday in [sat, "), &["sun"], &["tokens"]);
    has(&offered("  when healthy("), &["gpt-5", "frontier"], &["tokens"]);
    has(&offered("  when task is "), &["debug", "general"], &["big"]);
    has(&offered("  when stream and "), &["tokens"], &["route"]);
    has(&offered("  when stream "), &["and", "route", "set"], &["tokens"]);
    has(&offered("  when stream route "), &["model", "same", "frontier", "gpt-5", "claude-sonnet-4-6"], &["tokens"]);
    has(&offered("  when stream route \"gpt"), &["gpt-5", "gpt-5-mini"], &["frontier", "tokens"]);
    has(&offered("  when stream route \"gpt-5\" set "), &["temperature", "max_tokens"], &["tokens"]);
    has(&offered("  when stream route \"gpt-5\" set effort "), &["high"], &[]);
    has(&offered("  when stream # route "), &[], &["gpt-5", "tokens"]);
    has(&offered("}\n\n"), &[], &["when"]);
    assert!(editor.quit());

    let mut editor = Editor::start(&[(
        "b.route",
        "\ntest \"x\" {\n  \n}\n\nbudget daily = $1 per \npool p \nrule a { when stream route \"gpt-5\" }\ndefault { route \"gpt-5\" }\n",
    )]);
    editor.open("b.route");
    let mut at = |line, column| labels(&editor.at("completion", "b.route", line, column, json!({})));
    has(&at(0, 0), &["rule", "label", "default", "test"], &["tokens"]);
    has(&at(2, 2), &["given", "expect"], &["tokens"]);
    has(&at(5, 22), &["day", "month"], &[]);
    has(&at(6, 7), &["weighted", "cheapest"], &["day"]);
    editor.change("b.route", [2, 2, 2, 2], "expect rule ");
    has(&labels(&editor.at("completion", "b.route", 2, 14, json!({}))), &["a", "default"], &["tokens"]);
    editor.change("b.route", [2, 2, 2, 14], "given age");
    has(&labels(&editor.at("completion", "b.route", 2, 11, json!({}))), &["agent", "tokens"], &["rule"]);
    // What is typed is replaced as a whole, dots and quotes with it.
    editor.change("b.route", [7, 27, 7, 34], "\"gpt-5\"");
    let items = editor.at("completion", "b.route", 7, 32, json!({}));
    let item = items.as_array().unwrap().iter().find(|item| item["label"] == "gpt-5-mini").unwrap();
    assert_eq!(item["textEdit"]["newText"], "\"gpt-5-mini\"");
    assert_eq!(item["textEdit"]["range"]["start"]["character"], 27);
    assert!(editor.quit());
}

#[test]
fn problems_are_mended_and_files_laid_out() {
    let text = "let unused = 5k\nrule a {\n  when tokens > 100 and tokens > 50\n  route \"gtp-5\"\n}\n\nrule b { when prompt contains \"fix\" route \"gpt-5\" else \"claude-sonnet-4-6\" }\ndefault { route \"gpt-5\" else \"claude-sonnet-4-6\" }\n";
    let mut editor = Editor::start(&[("router.json", "{}"), ("a.route", text)]);
    editor.open("a.route");
    let told = editor.problems("a.route", |told| codes(told).contains(&"E208".to_owned()));
    assert!(told[0]["message"].as_str().unwrap().contains("did you mean"), "{told:#?}");
    let actions = |editor: &mut Editor, line: u32, only: Value| {
        let place = json!({"line": line, "character": 9});
        let context =
            if only.is_null() { json!({"diagnostics": []}) } else { json!({"diagnostics": [], "only": only}) };
        let uri = editor.uri("a.route");
        let params = json!({"textDocument": {"uri": uri}, "range": {"start": place, "end": place}, "context": context});
        editor.ask("textDocument/codeAction", params)["result"].as_array().unwrap().clone()
    };
    let uri = editor.uri("a.route");
    let after = |action: &Value, text: &str| edited(text, &action["edit"]["changes"][&uri]);
    // The misspelt model.
    let found = actions(&mut editor, 3, Value::Null);
    assert!(after(&found[0], text).contains("route \"gpt-5\"\n}"), "{found:#?}");
    let text = text.replace("gtp-5", "gpt-5-mini");
    editor.change("a.route", [3, 8, 3, 15], "\"gpt-5-mini\"");
    let wanted = ["W401", "W411", "W435"];
    editor.problems("a.route", |told| wanted.iter().all(|code| codes(told).contains(&(*code).to_owned())));
    let found = actions(&mut editor, 2, json!(["quickfix"]));
    let idle = found.iter().find(|action| action["isPreferred"] == true).unwrap_or_else(|| panic!("{found:#?}"));
    assert!(after(idle, &text).contains("when tokens > 100\n"), "{idle:#}");
    let silence = found.iter().find(|action| action["title"].as_str().unwrap().contains("silence")).unwrap();
    assert!(after(silence, &text).contains("  # lint: allow(W435) say why\n  when tokens"), "{silence:#}");
    let place = json!({"line": 6, "character": 31});
    let params =
        json!({"textDocument": {"uri": uri}, "range": {"start": place, "end": place}, "context": {"diagnostics": []}});
    let found = editor.ask("textDocument/codeAction", params)["result"].as_array().unwrap().clone();
    assert!(found.iter().any(|action| after(action, &text).contains("contains word \"fix\"")), "{found:#?}");
    let found = actions(&mut editor, 2, json!(["source.fixAll"]));
    let mended = after(&found[0], &text);
    assert!(!mended.contains("unused") && !mended.contains("tokens > 50"), "{mended}");
    let layout = editor.ask(
        "textDocument/formatting",
        json!({"textDocument": {"uri": uri}, "options": {"tabSize": 2, "insertSpaces": true}}),
    );
    assert!(edited(&text, &layout["result"]).contains("rule b {\n  when prompt contains \"fix\"\n"), "{layout}");
    assert!(editor.quit());
}

#[test]
fn files_of_one_program_are_seen_together() {
    let lib = "let frontier = \"claude-sonnet-4-6\"\n";
    let main = "use \"lib/names.route\"\ndefault { route frontier else \"gpt-5\" }\n";
    let mut editor = Editor::start(&[
        ("lib/names.route", lib),
        ("main.route", main),
        ("other.route", "default { route \"gpt-5\" }\n"),
    ]);
    // A file that another one uses is judged as a part of that one: its let is used.
    editor.open("lib/names.route");
    assert_eq!(codes(&editor.problems("lib/names.route", |_| true)), Vec::<String>::new());
    let answer = editor.at("rename", "lib/names.route", 0, 5, json!({"newName": "best"}));
    let changes = answer["changes"].as_object().unwrap();
    assert_eq!(changes.len(), 2, "{answer:#}");
    assert_eq!(edited(main, &changes[&editor.uri("main.route")]), main.replace("frontier", "best"));
    // What is typed in one is a problem in the other.
    editor.change("lib/names.route", [0, 4, 0, 12], "best");
    let told = editor.problems("main.route", |told| !told.is_empty());
    assert_eq!(codes(&told), ["E202"]);
    editor.change("lib/names.route", [0, 4, 0, 8], "frontier");
    editor.problems("main.route", <[Value]>::is_empty);
    assert!(editor.quit());
}

#[test]
fn what_others_write_is_seen() {
    let main = "use \"names.route\"\ndefault { route \"own\" else big }\n";
    let mut editor = Editor::start(&[("main.route", main), ("names.route", "let small = \"gpt-5\"\n")]);
    editor.open("main.route");
    let told = editor.problems("main.route", |told| !told.is_empty());
    assert_eq!(codes(&told), ["E208", "E202"], "{told:#?}");
    let models = "{\"providers\": {\"mine\": {\"baseUrl\": \"http://127.0.0.1:1/v1\", \"models\": {\"own\": {\"contextWindow\": 9000}}}}}";
    editor.folder.file("router.json", models);
    editor.folder.file("names.route", "let big = \"gpt-5\"\n");
    let changes: Vec<Value> =
        ["router.json", "names.route"].map(|name| json!({"uri": editor.uri(name), "type": 1})).into();
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": changes}));
    editor.problems("main.route", |told| codes(told).iter().all(|code| code.starts_with('W')));
    assert!(editor.quit());
}

#[test]
fn whatever_is_asked_gets_an_answer() {
    let mut editor = Editor::start(&[("a.route", "rule a { when \u{1F600} \"")]);
    editor.open("a.route");
    for (line, column) in [(0, 0), (0, 14), (0, 15), (0, 17), (0, 99), (7, 3)] {
        for method in ["hover", "completion", "definition", "prepareRename"] {
            let answer = editor.at(method, "a.route", line, column, json!({}));
            assert!(answer["code"].is_null(), "{method} at {line}:{column}: {answer}");
        }
    }
    editor.change("a.route", [0, 3, 9, 9], "");
    editor.change("a.route", [5, 0, 0, 0], "x");
    assert_eq!(editor.ask("textDocument/unknown", json!({}))["error"]["code"], -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({"x": 1}))["error"]["code"], -32602);
    editor.tell("textDocument/didOpen", json!({"nonsense": true}));
    assert_eq!(editor.at("hover", "not%20open.route", 0, 0, json!({})), Value::Null);
    assert!(editor.quit());
}

#[test]
fn what_is_no_message_ends_it_with_a_reason() {
    let folder = crate::support::router::Folder::new();
    let hello = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"capabilities\":{}}}";
    let hello = format!("content-length: {}\r\nContent-Type: x\r\n\r\n{hello}", hello.len());
    let ready = "{\"jsonrpc\":\"2.0\",\"method\":\"initialized\",\"params\":{}}";
    let ready = format!("{hello}Content-Length: {}\r\n\r\n{ready}", ready.len());
    let long = "x".repeat(10_000);
    for (sent, code, why) in [
        (String::new(), 2, "the editor has gone"),
        ("GET / HTTP/1.1\r\n".to_owned(), 2, "a header was expected"),
        (long, 2, "a header was expected"),
        ("X: y\r\n\r\n".to_owned(), 2, "no `Content-Length`"),
        ("Content-Length: 99999999999999\r\n\r\n{}".to_owned(), 2, "larger than"),
        ("Content-Length: 99999999999999999999999999\r\n\r\n{}".to_owned(), 2, "no `Content-Length`"),
        ("Content-Length: 2\r\n\r\n{}".to_owned(), 2, "cannot be read"),
        ("Content-Length: 200\r\n\r\n{}".to_owned(), 2, "the editor has gone"),
        (format!("{ready}Content-Length: 3\r\n\r\nabc"), 2, "cannot be read"),
        // Whoever goes without a word is gone.
        (ready, 0, ""),
    ] {
        let ended = crate::support::router::run_with_input(&folder.0, &["lsp"], sent.as_bytes());
        assert_eq!(ended.code, code, "{sent:.60}: {ended:?}");
        assert!(ended.err.contains(why), "{sent:.60}: {}", ended.err);
    }
}
