//! Google's Common Expression Language, one program a rule.

use std::sync::Arc;

use cel::objects::Value;
use cel::{Context, Env, Program};

use crate::engine::{Engine, condition};
use crate::{Request, Rule};

struct Cel {
    env: Arc<Env>,
    programs: Vec<Program>,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let env = Arc::new(Env::stdlib());
    let mut programs = Vec::with_capacity(rules.len());
    for rule in rules {
        let text = condition(rule, "tokens", "ext", |keyword| format!("prompt.contains(\"{keyword}\")"));
        programs.push(env.compile(&text).map_err(|error| error.to_string())?);
    }
    Ok(Box::new(Cel { env, programs }))
}

impl Engine for Cel {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable("prompt", request.folded.as_str()).ok()?;
        context.add_variable("tokens", request.tokens).ok()?;
        context.add_variable("ext", request.extension.as_str()).ok()?;
        self.programs.iter().position(|program| matches!(program.execute(&context), Ok(Value::Bool(true))))
    }
}
