//! The reference, printed from the tables: it cannot say anything else than what the program does.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::features::tables;
use crate::lang::catalogue::Catalogue;
use crate::lang::check;
use crate::lang::diagnostic::{codes, render};
use crate::lang::ir::load::NoFiles;
use crate::lang::schema::fields::{Argument, FIELDS};
use crate::lang::schema::settings::SETTINGS;
use crate::lang::source::Source;
use crate::tools::lint;

/// The pages, by their file names. The catalogue is what the examples of lints are checked with.
pub fn pages(catalogue: &Arc<Catalogue>) -> Vec<(&'static str, String)> {
    vec![
        ("fields.md", fields()),
        ("settings.md", settings()),
        ("codes.md", errors()),
        ("lints.md", lints(catalogue)),
        ("tables.md", closed_tables()),
    ]
}

const MADE: &str = "<!-- Printed by `router reference`; change the tables, not this page. -->\n\n";

fn fields() -> String {
    let mut text = format!(
        "# Fields\n\n{MADE}Everything that a condition can ask about.\n\n| field | type | absent | meaning | example |\n|---|---|---|---|---|\n"
    );
    for field in FIELDS {
        let argument = match field.argument {
            Argument::None => "",
            Argument::MaybeText => "(\"name\")?",
            Argument::Text => "(\"name\")",
            Argument::Model => "(\"model\")",
        };
        let absent = field.absent.unwrap_or("–");
        let _ = writeln!(
            text,
            "| `{}{argument}` | {} | {absent} | {} | `{}` |",
            field.name,
            field.ty.words(),
            field.doc,
            field.example.replace('|', "\\|")
        );
    }
    text
}

fn settings() -> String {
    let mut text =
        format!("# Settings\n\n{MADE}What `set` can set.\n\n| setting | meaning | example |\n|---|---|---|\n");
    for row in SETTINGS {
        let _ = writeln!(text, "| `{}` | {} | `{}` |", row.name, row.doc, row.example);
    }
    text
}

fn errors() -> String {
    let mut text = format!(
        "# Codes\n\n{MADE}Every error of the language, and the warnings that need no proof. What `router lint` finds beside them: [lints.md](lints.md).\n"
    );
    for code in codes::CODES {
        let _ = write!(text, "\n## {} {} ({})\n\n{}\n", code.id, code.name, code.severity.word(), code.doc);
        if !code.bad.is_empty() {
            let _ = write!(text, "\nWrong:\n\n```text\n{}\n```\n", code.bad);
        }
        let _ = write!(text, "\nRight:\n\n```route\n{}\n```\n", code.good);
    }
    text
}

fn lints(catalogue: &Arc<Catalogue>) -> String {
    let mut text = format!(
        "# Lints\n\n{MADE}What `router lint` finds in rules that compile. Every claim is proved, and comes with a request that shows it where one can. A lint is silenced on the line or item behind `# lint: allow(CODE) why`. `--fix` mends what says so here; it changes no decision.\n\n| code | name | finds | `--fix` |\n|---|---|---|---|\n"
    );
    let mut rest = String::new();
    for lint in lint::LINTS {
        let code = lint.code;
        let checked = check(vec![Source::new("rules.route", code.bad)], &NoFiles, catalogue);
        let mut told = lint::run(&checked, &|_| Err(String::new())).problems;
        told.retain(|one| one.code.id == code.id);
        let mends = if told.iter().any(|one| !one.fix.is_empty()) { "mends it" } else { "" };
        let first = code.doc.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let anchor = format!("{}-{}", code.id.to_lowercase(), code.name);
        let _ = writeln!(text, "| [{}](#{anchor}) | {} | {first} | {mends} |", code.id, code.name);
        let says = render::human(&checked.sources, &told, false);
        let _ = write!(rest, "\n## {} {}\n\n{}\n", code.id, code.name, code.doc);
        let _ = write!(rest, "\nWrong:\n\n```text\n{}\n```\n", code.bad);
        let _ = write!(rest, "\nSays:\n\n```text\n{}\n```\n", says.trim_end());
        let _ = write!(rest, "\nRight:\n\n```route\n{}\n```\n", code.good);
    }
    text + &rest
}

fn closed_tables() -> String {
    let mut text = format!(
        "# Closed tables\n\n{MADE}What the fields `prompt`, `files`, `agent`, `client`, `project` and `compacted` are read by.\n"
    );
    let lists: &[(&str, &[&str])] = &[
        ("Elements that agents inject", tables::INJECTED),
        ("Members of tools' inputs that hold paths", tables::PATH_INPUTS),
        ("Extensions of files", tables::EXTENSIONS),
        ("Files known by their whole name", tables::FILE_NAMES),
        ("Words that look like files and are none", tables::NOT_FILES),
        ("What stands before a working directory", tables::PROJECT_MARKS),
        ("How the system prompts of Claude Code's sub-agents begin", tables::SUB_AGENT_PROMPTS),
        ("Tools that only Claude Code's main agent is offered", tables::MAIN_AGENT_TOOLS),
        ("How a compacted conversation begins", tables::COMPACTED_MARKS),
    ];
    for (title, list) in lists {
        let words: Vec<String> = list.iter().map(|word| format!("`{word}`")).collect();
        let _ = write!(text, "\n## {title}\n\n{}\n", words.join(" "));
    }
    text.push_str("\n## Clients, by how their user agent begins\n\n| user agent | client |\n|---|---|\n");
    for (start, client) in tables::CLIENTS {
        let _ = writeln!(text, "| `{start}` | `{client}` |");
    }
    text
}
