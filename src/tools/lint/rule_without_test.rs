//! A rule that no test is decided by, in a program that has tests.

use std::collections::HashSet;

use crate::lang::analysis::Reach;
use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::eval::decision::Decided;
use crate::tools::lint::Lint;
use crate::tools::lint::context::{Context, with};
use crate::tools::test;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W463",
        name: "rule-without-test",
        severity: Severity::Warning,
        doc: "The program has tests, and none of them is decided by this rule: whoever changes it sees nothing fail.",
        bad: "rule a { when stream route \"gpt-5-mini\" }\nrule b { when has tools route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }\ntest \"streams\" { given stream true expect rule a }",
        good: "rule a { when stream route \"gpt-5-mini\" }\nrule b { when has tools route \"gpt-5\" }\ndefault { route \"claude-sonnet-4-6\" else \"gpt-5\" }\ntest \"streams\" { given stream true expect rule a }\ntest \"tools\" { given tools [\"Bash\"] expect rule b }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    let program = context.program();
    if program.tests.is_empty() {
        return;
    }
    let mut decided: HashSet<usize> = HashSet::new();
    for index in 0..program.tests.len() {
        // A test whose request cannot be read is told when tests are run.
        if let Ok(decision) = test::decide(proofs.plan, index, &proofs.counter, context.read)
            && let Decided::Rule(rule) = decision.decided
        {
            decided.insert(rule);
        }
    }
    for (index, rule) in program.rules.iter().enumerate().filter(|(index, _)| !decided.contains(index)) {
        let shown = match proofs.reach(Some(index)) {
            Reach::Reached(situation) => proofs.witness(situation),
            Reach::Unknown => None,
            // No test could be decided by it, and that is told.
            Reach::Never(_) | Reach::Impossible => continue,
        };
        let help = if shown.is_some() { "add a test, such as one with what is given here" } else { "add a test" };
        let problem = Diagnostic::new(LINT.code, rule.span, format!("no test is decided by `{}`", rule.name));
        found.push(with(problem, shown).help(help));
    }
}
