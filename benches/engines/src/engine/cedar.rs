//! Cedar, of Amazon: one policy a rule; the answer names all that hold.

use cedar_policy::{Authorizer, Context, Decision, Entities, Policy, PolicyId, PolicySet, Request as Question};

use crate::engine::{Engine, condition};
use crate::{Request, Rule};

struct Cedar {
    policies: PolicySet,
    authorizer: Authorizer,
    entities: Entities,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let mut policies = PolicySet::new();
    for (index, rule) in rules.iter().enumerate() {
        let text =
            condition(rule, "context.tokens", "context.ext", |keyword| format!("context.prompt like \"*{keyword}*\""));
        let text = format!("permit(principal, action, resource) when {{ {text} }};");
        let policy = Policy::parse(Some(PolicyId::new(index.to_string())), text).map_err(|error| error.to_string())?;
        policies.add(policy).map_err(|error| error.to_string())?;
    }
    Ok(Box::new(Cedar { policies, authorizer: Authorizer::new(), entities: Entities::empty() }))
}

impl Engine for Cedar {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let context = serde_json::json!({
            "prompt": request.folded, "tokens": request.tokens, "ext": request.extension,
        });
        let context = Context::from_json_value(context, None).ok()?;
        let id = |text: &str| text.parse().ok();
        let question = Question::new(id("U::\"u\"")?, id("Action::\"a\"")?, id("R::\"r\"")?, context, None).ok()?;
        let answer = self.authorizer.is_authorized(&question, &self.policies, &self.entities);
        if answer.decision() != Decision::Allow {
            return None;
        }
        let numbers = answer.diagnostics().reason().filter_map(|policy| policy.to_string().parse::<usize>().ok());
        numbers.min()
    }
}
