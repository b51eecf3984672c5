//! Weights of a pool that do not add up to 100%.

use crate::lang::diagnostic::{Code, Diagnostic, Severity};
use crate::lang::input::WHOLE;
use crate::lang::schema::types::Type;
use crate::tools::lint::Lint;

pub(super) static LINT: Lint = Lint {
    code: &Code {
        id: "W405",
        name: "pool-weights",
        severity: Severity::Warning,
        doc: "The weights of a pool add up to less than 100%. They are scaled, so that each share is larger than it says.",
        bad: "pool p weighted sticky session { \"gpt-5\" 40% \"claude-sonnet-4-6\" 40% }\ndefault { route p }",
        good: "pool p weighted sticky session { \"gpt-5\" 50% \"claude-sonnet-4-6\" 50% }\ndefault { route p }",
    },
    check: |context, found| {
        for pool in &context.program().pools {
            let Some(written) = pool.written_weight.filter(|written| *written < WHOLE && *written > 0) else {
                continue;
            };
            let message = format!("the weights of `{}` add up to {}, not 100%", pool.name, Type::Percent.show(written));
            found.push(
                Diagnostic::new(LINT.code, pool.span, message)
                    .help("make them 100%, or leave one member without a weight"),
            );
        }
    },
};
