//! The expressions of GoRules' decision engine, compiled to its bytecode, one a rule.

use zen_expression::vm::VM;
use zen_expression::{Expression, Isolate, Variable, expression::Standard};

use crate::engine::{Engine, condition};
use crate::{Request, Rule};

struct Zen {
    expressions: Vec<Expression<Standard>>,
    vm: VM,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let mut isolate = Isolate::new();
    let mut expressions = Vec::with_capacity(rules.len());
    for rule in rules {
        let text = condition(rule, "tokens", "ext", |keyword| format!("contains(prompt, \"{keyword}\")"));
        let text = text.replace("&&", "and").replace("||", "or");
        expressions.push(isolate.compile_standard(&text).map_err(|error| error.to_string())?);
    }
    Ok(Box::new(Zen { expressions, vm: VM::new() }))
}

impl Engine for Zen {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let context = serde_json::json!({
            "prompt": request.folded, "tokens": request.tokens, "ext": request.extension,
        });
        let context = Variable::from(context);
        let vm = &mut self.vm;
        self.expressions
            .iter()
            .position(|expression| matches!(expression.evaluate_with(context.clone(), vm), Ok(Variable::Bool(true))))
    }
}
