//! A line of a label that never gives its class.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::tools::lint::Lint;
use crate::tools::lint::context::Context;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W439",
        name: "class-never-wins",
        severity: Severity::Warning,
        doc: "The line never wins: wherever its condition holds, a line with a higher confidence, or an earlier one of the same, holds too.",
        bad: "label size { big when tokens > 9k confidence 60% huge when tokens > 60k confidence 50% small otherwise }\nrule a { when size is huge route \"gemini-2.5-pro\" }\nrule b { when size is big route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" else \"gemini-2.5-flash\" }",
        good: "label size { big when tokens > 9k confidence 60% huge when tokens > 60k confidence 80% small otherwise }\nrule a { when size is huge route \"gemini-2.5-pro\" }\nrule b { when size is big route \"gpt-5\" else \"gemini-2.5-pro\" }\ndefault { route \"gpt-5-mini\" else \"gemini-2.5-flash\" }",
    },
    check,
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(proofs) = &context.proofs else { return };
    for (index, label) in context.program().labels.iter().enumerate() {
        if context.is_built_in(label.span) {
            continue;
        }
        for (line_index, line) in label.lines.iter().enumerate() {
            match proofs.analysis.line_ever(index, line_index) {
                Some(true) => {}
                None => context.give_up(format!("whether a line of the label `{}` ever wins", label.name)),
                Some(false) => {
                    let class = label.class_of(line_index);
                    let message =
                        format!("this line never makes `{}` to be `{class}`: others always go before it", label.name);
                    let problem = Diagnostic::new(LINT.code, line.span, message);
                    found.push(problem.help("give it a higher confidence, or take it out"));
                }
            }
        }
    }
}
