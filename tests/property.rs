//! Properties over generated rule sets and requests.

use std::sync::Arc;

use claude_router::config;
use claude_router::lang::eval::read::Reading;
use claude_router::lang::eval::{self, naive};
use claude_router::lang::input::Input;
use claude_router::lang::ir::load::NoFiles;
use claude_router::lang::plan::Plan;
use claude_router::lang::source::Source;
use claude_router::lang::{self, catalogue::Catalogue};
use claude_router::tools::fmt;

use crate::support::generate::{self, Random};

fn compiled(text: &str, catalogue: &Arc<Catalogue>) -> Plan {
    let (plan, sources, problems) = lang::compile(vec![Source::new("g.route", text)], &NoFiles, catalogue);
    plan.unwrap_or_else(|| panic!("{}\n{text}", lang::diagnostic::render::human(&sources, &problems, false)))
}

/// Holds the plan to the naive evaluator for one rule set and some requests.
fn agree(seed: u64, text: &str, requests: usize, catalogue: &Arc<Catalogue>) -> usize {
    let plan = compiled(text, catalogue);
    let program = &plan.program;
    let mut random = Random(seed ^ 0xABCD);
    for round in 0..requests {
        let request = generate::request(&mut random);
        let facts = generate::facts(&mut random, program.budgets.len(), catalogue.models.len(), program.pools.len());
        let input = Input { request: &request, facts: &facts };
        let (fast, slow) = (eval::winner(&plan, &input), naive::winner(program, &input));
        assert_eq!(fast, slow, "seed {seed}, request {round}: {request:?}\n{facts:?}\n{text}");
        let reading = Reading { program, input: &input, target: None };
        for (index, label) in program.labels.iter().enumerate() {
            let (fast, slow) = (eval::label_line(&plan, &input, index), naive::label_line(reading, label));
            assert_eq!(fast, slow, "seed {seed}, request {round}, label {}\n{text}", label.name);
        }
        // Explaining is the same decision, and what it says of each rule is so.
        let (decision, trace) = eval::explain(&plan, &input, true);
        assert_eq!(decision, eval::decide(&plan, &input), "seed {seed}");
        for rule in &trace.rules {
            let holds = naive::holds(reading, &program.rules[rule.index].when);
            assert_eq!(rule.matched, holds, "seed {seed}, rule {}\n{text}", rule.index);
            assert!(
                rule.matched
                    || !rule.because.is_empty()
                    || program.rules[rule.index].when == lang::ir::Condition::Always(false),
                "seed {seed}: nothing says why rule {} fails\n{text}",
                rule.index
            );
        }
    }
    requests
}

#[test]
fn the_plan_decides_as_the_naive_evaluator_does() {
    let catalogue = Arc::new(config::catalogue::alone());
    let pairs: usize = (0..700).map(|seed| agree(seed, &generate::policy(&mut Random(seed)), 16, &catalogue)).sum();
    assert!(pairs >= 10_000);
}

#[test]
fn the_plan_of_many_rules_decides_as_the_naive_evaluator_does() {
    let catalogue = Arc::new(config::catalogue::alone());
    for seed in 0..3 {
        agree(seed, &generate::large_policy(&mut Random(seed), 400), 12, &catalogue);
    }
}

#[test]
fn formatting_twice_is_formatting_once_and_keeps_the_meaning() {
    let catalogue = Arc::new(config::catalogue::alone());
    for seed in 0..300 {
        let mut random = Random(seed);
        let text = generate::policy(&mut random);
        let text = torn(&text, &mut random);
        let once = fmt::format(&Source::new("g.route", text.clone()))
            .unwrap_or_else(|why| panic!("seed {seed}: {why:?}\n{text}"));
        let twice = fmt::format(&Source::new("g.route", once.clone())).expect("what was formatted parses");
        assert_eq!(once, twice, "seed {seed}\n{text}");
        assert!(!once.contains("\n\n\n") && !once.lines().any(|line| line.ends_with(' ')), "seed {seed}\n{once}");
        let wide = once.lines().filter(|line| !line.contains('#')).find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "seed {seed}");
        let programs = [text, once].map(|text| compiled(&text, &catalogue).program);
        assert_eq!(programs[0].rules.len(), programs[1].rules.len());
        assert_eq!(programs[0].atoms, programs[1].atoms, "seed {seed}");
    }
}

/// The same words with other gaps: blanks, line ends, empty lines and comments between any two of them.
fn torn(text: &str, random: &mut Random) -> String {
    let (mut made, mut quote) = (String::new(), None);
    for c in text.chars() {
        made.push(c);
        match quote {
            Some(sign) if c == sign => quote = None,
            None if c == '"' || c == '/' => quote = Some(c),
            None if c == ' ' || c == '\n' => match random.below(40) {
                0 => made.push_str(&format!("# c{}\n", random.below(99))),
                1 => made.push_str(&format!("\n# own{}\n", random.below(99))),
                2 => made.push('\n'),
                3 => made.push_str("\n \n\n\t"),
                4 => made.push_str("   "),
                _ => {}
            },
            _ => {}
        }
    }
    made
}
