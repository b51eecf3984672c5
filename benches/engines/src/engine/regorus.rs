//! Rego, by Microsoft's interpreter: one policy, whose answer is the set of rules that hold.

use regorus::{CompiledPolicy, Engine as Rego, Value};

use crate::engine::Engine;
use crate::{Request, Rule};

struct Policy(CompiledPolicy);

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let mut engine = Rego::new();
    // A file may be a megabyte.
    for (file, part) in rules.chunks(1_000).enumerate() {
        let mut text = String::from("package r\nimport rego.v1\n");
        for (index, rule) in (file * 1_000..).zip(part) {
            let [one, other] = &rule.extensions;
            text.push_str(&format!(
                "hit contains {index} if {{\n  input.tokens > {}\n  input.ext in {{\"{one}\", \"{other}\"}}\n  \
                 some k in {:?}\n  contains(input.prompt, k)\n}}\n",
                rule.tokens_above, rule.keywords
            ));
        }
        engine.add_policy(format!("r{file}.rego"), text).map_err(short)?;
    }
    Ok(Box::new(Policy(engine.compile_with_entrypoint(&"data.r.hit".into()).map_err(short)?)))
}

/// The first line of an error, for a cell of a table.
fn short(error: impl std::fmt::Display) -> String {
    error.to_string().lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

impl Engine for Policy {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let input = Value::from(serde_json::json!({
            "prompt": request.folded, "tokens": request.tokens, "ext": request.extension,
        }));
        let hits = self.0.eval_with_input(input).ok()?;
        let numbers = hits.as_set().ok()?.iter().filter_map(|hit| hit.as_i64().ok());
        numbers.min().and_then(|index| usize::try_from(index).ok())
    }
}
