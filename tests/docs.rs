//! What the documents say is so: their programs compile, their commands run, their output is what comes out.

use std::path::Path;
use std::sync::Arc;

use claude_router::config;
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::source::Source;
use claude_router::lang::{compile, diagnostic::render};
use claude_router::tools::{reference, schema};

use crate::support::router::{Folder, Router, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGES: &[&str] = &[
    "README.md",
    "docs/guide/language.md",
    "docs/guide/configuration.md",
    "docs/guide/reviewing.md",
    "docs/guide/editors.md",
    "docs/reference/codes.md",
    "docs/reference/lints.md",
];

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// The blocks of a page, each with its language.
fn all_blocks(page: &str) -> Vec<(&str, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(&str, String)>);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    all_blocks(page).into_iter().filter(|(of, _)| *of == language).map(|(_, text)| text).collect()
}

#[test]
fn every_program_in_the_documents_compiles_and_its_tests_pass() {
    let catalogue = Arc::new(config::catalogue::alone());
    let mut n = 0;
    for name in PAGES {
        for text in blocks(&page(name), "route") {
            let (plan, sources, problems) = compile(vec![Source::new(*name, text.clone())], &NoFiles, &catalogue);
            let plan = plan.unwrap_or_else(|| panic!("{}\n{text}", render::human(&sources, &problems, false)));
            for index in 0..plan.program.tests.len() {
                let outcome = claude_router::tools::test::run(
                    &plan,
                    index,
                    &claude_router::features::tokens::Counter::default(),
                    &|_| Err(String::new()),
                );
                assert!(outcome.passed(), "{name}: {outcome:?}");
            }
            n += 1;
        }
    }
    assert!(n > 40, "{n} programs");
}

#[test]
fn the_readme_shows_what_explain_prints() {
    let readme = page("README.md");
    let shown = blocks(&readme, "text").remove(0);
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
            "examples/requests/claude-code-main.json",
        ],
    );
    assert!(ended.out.starts_with(shown.trim_end()), "{}\n{}", ended.out, shown);
}

#[test]
fn the_review_shows_what_comes_out() {
    let page = page("docs/guide/reviewing.md");
    let rules = blocks(&page, "route");
    let folder = Folder::new();
    folder.file("before.route", &rules[0]);
    folder.file("after.route", &rules[1]);
    let all = all_blocks(&page);
    let mut n = 0;
    for pair in all.windows(2) {
        let [("sh", command), ("text", shown)] = pair else { continue };
        let arguments: Vec<&str> = command.trim().strip_prefix("router ").unwrap().split(' ').collect();
        assert_eq!(run(&folder.0, &arguments).out.trim_end(), shown.trim_end(), "{command}");
        n += 1;
    }
    assert_eq!(n, 3);
    // What is said beside: the lint that can be mended is mended, and a folder of requests is traffic.
    run(&folder.0, &["lint", "--fix", "after.route"]);
    assert!(!std::fs::read_to_string(folder.0.join("after.route")).unwrap().contains("and tokens > 50k"));
    let requests = Path::new(ROOT).join("examples/requests");
    let requests = requests.to_str().unwrap();
    assert!(run(&folder.0, &["replay", "--rules", "after.route", requests]).out.contains("requests of"));
    assert!(run(&folder.0, &["diff", "--traffic", requests, "before.route", "after.route"]).out.contains("Traffic\n"));
}

#[test]
fn the_readmes_commands_and_configuration_work() {
    let readme = page("README.md");
    let commands = blocks(&readme, "sh").concat();
    assert!(
        commands.contains("cargo run --release -- start\n") && commands.contains("./test\n"),
        "the two commands stand there"
    );
    // The first one, and the request that the README sends to it.
    let router = Router::start_in(Folder::new(), &[], &[]);
    let body = commands.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let answer = router.post("/v1/messages", body);
    assert!(answer.text().contains("this request goes to claude-sonnet-4-6"), "{}", answer.body);
    for subcommand in ["lint", "test", "fmt", "explain", "diff", "replay", "import", "lsp", "start", "config"] {
        assert_eq!(run(Path::new(ROOT), &[subcommand, "--help"]).code, 0);
    }
    let folder = Folder::new();
    folder.file("router.json", &blocks(&readme, "json")[0]);
    folder.file("my.route", "default { route \"my-model\" }");
    let ended = run(&folder.0, &["config"]);
    assert!(ended.code == 0 && ended.out.contains("OPENAI_API_KEY is not set"), "{ended:?}");
}

#[test]
fn the_reference_is_that_of_the_tables() {
    for (name, text) in reference::pages(&std::sync::Arc::new(claude_router::config::catalogue::alone())) {
        assert_eq!(page(&format!("docs/reference/{name}")), text, "run `router reference docs/reference`");
    }
    assert_eq!(page("docs/reference/explain.schema.json"), format!("{:#}\n", schema::explain()));
    assert_eq!(page("docs/reference/models.schema.json"), claude_router::config::catalogue::SCHEMA);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for name in PAGES.iter().chain(&["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/benchmarks.md"]) {
        let folder = Path::new(ROOT).join(name).parent().unwrap().to_path_buf();
        for link in page(name)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|link| !link.contains("://"))
        {
            // A place on a page is one of its headings.
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { Path::new(ROOT).join(name) } else { folder.join(file) };
            assert!(target.exists(), "{name}: {link}");
            let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == place;
            let found =
                || std::fs::read_to_string(&target).unwrap().lines().any(|line| line.starts_with('#') && heading(line));
            assert!(place.is_empty() || found(), "{name}: {link}");
        }
    }
}

#[test]
fn configurations_of_the_security_guide_are_right() {
    let folder = Folder::new();
    for text in blocks(&page("docs/guide/security.md"), "json") {
        folder.file("router.json", &text);
        let checked = run(&folder.0, &["config", "check"]);
        assert_eq!(checked.code, 0, "{text}: {checked:?}");
    }
}
