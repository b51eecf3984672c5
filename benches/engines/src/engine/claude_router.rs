//! This project. The decision is whole: the rule, its target with the chain behind it, what is passed over.

use std::borrow::Cow;
use std::sync::Arc;

use claude_router::config;
use claude_router::lang::eval::{self, decision::Decided};
use claude_router::lang::input::{Bounds, Facts, Feature, Features, Input, NUMBER};
use claude_router::lang::plan::Plan;
use claude_router::lang::{compile, ir::load::NoFiles, source::Source};

use crate::engine::Engine;
use crate::{Request, Rule};

struct Router {
    plan: Plan,
    facts: Facts,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let mut text = String::new();
    for (index, rule) in rules.iter().enumerate() {
        let [a, b, c] = &rule.keywords;
        let [one, other] = &rule.extensions;
        text.push_str(&format!(
            "rule r{index} {{ when prompt contains any [\"{a}\", \"{b}\", \"{c}\"] and tokens > {} \
             and files contains any [\"{one}\", \"{other}\"] route \"gpt-5\" }}\n",
            rule.tokens_above
        ));
    }
    text.push_str("default { route \"gpt-5-mini\" }");
    let catalogue = Arc::new(config::catalogue::alone());
    let (plan, _, problems) = compile(vec![Source::new("engines.route", text)], &NoFiles, &catalogue);
    let plan = plan.ok_or_else(|| format!("{:?}", problems.first()))?;
    Ok(Box::new(Router { plan, facts: Facts::default() }))
}

/// What the router would have read of a body.
struct Known<'r> {
    request: &'r Request,
    files: [String; 1],
}

impl Features for Known<'_> {
    fn ordinal(&self, feature: Feature, _asked: &[i64]) -> Option<Bounds> {
        let tokens = feature == Feature::Tokens;
        Some(Bounds::exactly(if tokens { self.request.tokens * NUMBER } else { 0 }))
    }

    fn text(&self, feature: Feature, _name: Option<&str>) -> Option<Cow<'_, str>> {
        match feature {
            Feature::Prompt => Some(Cow::Borrowed(&self.request.prompt)),
            Feature::Model => Some(Cow::Borrowed("gpt-5")),
            _ => None,
        }
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        if feature == Feature::Files { Cow::Borrowed(&self.files) } else { Cow::Borrowed(&[]) }
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}

impl Engine for Router {
    fn first(&mut self, request: &Request) -> Option<usize> {
        let known = Known { request, files: [format!("src/main{}", request.extension)] };
        let decision = eval::decide(&self.plan, &Input { request: &known, facts: &self.facts });
        match decision.decided {
            Decided::Rule(index) => Some(index),
            Decided::Default | Decided::Budget(_) => None,
        }
    }
}
