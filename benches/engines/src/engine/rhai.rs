//! A scripting language for embedding, one expression a rule.

use rhai::{AST, Engine as Rhai, Scope};

use crate::engine::{Engine, condition};
use crate::{Request, Rule};

struct Scripts {
    engine: Rhai,
    scripts: Vec<AST>,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let engine = Rhai::new();
    let mut scripts = Vec::with_capacity(rules.len());
    for rule in rules {
        let text = condition(rule, "tokens", "ext", |keyword| format!("prompt.contains(\"{keyword}\")"));
        scripts.push(engine.compile_expression(&text).map_err(|error| error.to_string())?);
    }
    Ok(Box::new(Scripts { engine, scripts }))
}

impl Engine for Scripts {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let mut scope = Scope::new();
        scope.push_constant("prompt", rhai::ImmutableString::from(request.folded.as_str()));
        scope.push_constant("tokens", request.tokens);
        scope.push_constant("ext", rhai::ImmutableString::from(request.extension.as_str()));
        self.scripts.iter().position(|script| matches!(self.engine.eval_ast_with_scope(&mut scope, script), Ok(true)))
    }
}
