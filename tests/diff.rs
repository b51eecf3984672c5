//! How two rule sets differ: as a review reads it, and held to deciding requests by both.

use std::path::Path;
use std::sync::Arc;

use claude_router::config;
use claude_router::lang::analysis::Analysis;
use claude_router::lang::analysis::effect::Effect;
use claude_router::lang::catalogue::Catalogue;
use claude_router::lang::compile;
use claude_router::lang::eval::naive;
use claude_router::lang::input::Input;
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::plan::Plan;
use claude_router::lang::source::Source;

use crate::support::generate::{self, Random};
use crate::support::router::run;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn a_difference_reads_like_a_review() {
    insta::glob!(ROOT, "tests/cases/diff/*.old.route", |path| {
        let old = format!("tests/cases/diff/{}", path.file_name().unwrap().to_string_lossy());
        let new = old.replace(".old.", ".new.");
        let told = run(Path::new(ROOT), &["diff", &old, &new]);
        let markdown = run(Path::new(ROOT), &["diff", "--format", "markdown", &old, &new]);
        assert_eq!((told.err.as_str(), markdown.err.as_str()), ("", ""));
        assert_eq!(told.code, i32::from(!told.out.starts_with("every request is decided as before")));
        insta::assert_snapshot!(format!("{}\n=== markdown\n{}", told.out, markdown.out));
    });
}

#[test]
fn each_request_of_a_difference_is_decided_as_it_says() {
    for (old, new) in [("default", "cost-first"), ("cost-first", "team"), ("by-task", "long-context")] {
        let [old, new] = [old, new].map(|name| format!("rules/{name}.route"));
        let told = run(Path::new(ROOT), &["diff", "--format", "json", &old, &new]);
        let found: serde_json::Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!((found["complete"].as_bool(), told.code), (Some(true), 1));
        for change in found["groups"].as_array().unwrap().iter().flat_map(|group| group["changes"].as_array().unwrap())
        {
            let (witness, before) = (&change["witness"], change["what_if_before"].as_array().unwrap());
            let after = witness["what_if"].as_array().unwrap();
            let sides = [(&old, "was", if before.is_empty() { after } else { before }), (&new, "now", after)];
            for (rules, side, what_ifs) in sides {
                let folder = crate::support::router::Folder::new();
                folder.file("request.json", witness["request"].to_string());
                let request = folder.0.join("request.json").display().to_string();
                let mut arguments = vec!["explain", "--json", "--rules", rules];
                for what_if in what_ifs {
                    arguments.extend(["--what-if", what_if.as_str().unwrap()]);
                }
                arguments.push(&request);
                let explained = run(Path::new(ROOT), &arguments);
                let explained: serde_json::Value = serde_json::from_str(&explained.out).unwrap();
                assert_eq!(explained["rule"], change[side], "{change:#}");
            }
        }
    }
}

fn compiled(text: &str, catalogue: &Arc<Catalogue>) -> Plan {
    compile(vec![Source::new("a.route", text)], &NoFiles, catalogue).0.expect("generated rules compile")
}

/// A rule set with something changed: a rule gone, two rules in another order, another threshold, another target.
fn changed(text: &str, random: &mut Random) -> String {
    let mut parts: Vec<String> = text.split_inclusive("}\n").map(str::to_owned).collect();
    let rules: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].starts_with("rule r")).collect();
    let at = rules[random.below(rules.len())];
    match random.below(4) {
        0 => parts[at].clear(),
        1 => {
            let other = rules[random.below(rules.len())];
            parts.swap(at, other);
        }
        2 => parts[at] = parts[at].replace("500", "501").replace("60k", "59_999").replace("fix", "go"),
        _ => parts[at] = parts[at].replacen("route ", "route \"gpt-5-nano\" else ", 1),
    }
    parts.concat()
}

#[test]
fn what_is_decided_differently_is_told_and_nothing_else() {
    let catalogue = Arc::new(config::catalogue::alone());
    let (mut complete, mut different) = (0, 0);
    for seed in 0..60 {
        let mut random = Random(seed);
        let text = generate::policy(&mut random);
        let other = changed(&text, &mut random);
        let plans = [compiled(&text, &catalogue), compiled(&other, &catalogue)];
        let found = Analysis::of_two(&plans[0], &plans[1]).difference();
        complete += usize::from(found.is_complete);
        let effect = |plan: &Plan, rule: Option<usize>| {
            rule.map_or_else(
                || Effect::of_default(&plan.program),
                |rule| Effect::of(&plan.program, &plan.program.rules[rule]),
            )
        };
        for group in &found.groups {
            assert_ne!(group.was, group.now, "seed {seed}");
            for pair in &group.pairs {
                let decided = [0, 1].map(|side| {
                    let program = &plans[side].program;
                    let facts = pair.situation.facts(program, side);
                    naive::winner(program, &Input { request: &pair.situation, facts: &facts })
                });
                assert_eq!(decided, [pair.was, pair.now], "seed {seed}\n{text}\n---\n{other}");
                assert_eq!(effect(&plans[0], pair.was), group.was);
                assert_eq!(effect(&plans[1], pair.now), group.now);
            }
        }
        for _ in 0..300 {
            let mut request = generate::request(&mut random);
            let (budgets, pools) = (plans[0].program.budgets.len(), plans[0].program.pools.len());
            let mut facts = generate::facts(&mut random, budgets, catalogue.models.len(), pools);
            generate::realistic(&mut request, &mut facts);
            let [was, now] = [0, 1].map(|side| {
                let program = &plans[side].program;
                effect(&plans[side], naive::winner(program, &Input { request: &request, facts: &facts }))
            });
            if was != now {
                different += 1;
                let told = found.groups.iter().any(|group| group.was == was && group.now == now);
                assert!(told || !found.is_complete, "seed {seed}: {was:?} → {now:?}\n{text}\n---\n{other}");
            }
        }
    }
    assert!(complete >= 55 && different > 500, "{complete} of 60 complete, {different} requests differ");
}
