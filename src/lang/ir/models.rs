//! Names of models and pools, and chains of them.

use crate::lang::catalogue::{Found, ModelId};
use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::scope::Meaning;
use crate::lang::ir::value::{Members, ValKind};
use crate::lang::ir::{Kind, Target};
use crate::lang::schema::{suggest, text};
use crate::lang::source::Span;
use crate::lang::syntax::tree::{self, Bound, Condition, ModelName, Name, Operator};

impl<'t> Resolver<'t> {
    /// The text that a let stands for.
    pub(super) fn let_text(&mut self, name: &Name) -> Option<String> {
        match self.scope.find(&name.text) {
            Some(Meaning::Let(bound)) => self.bound_text(bound, name),
            other => {
                self.unknown_name(name, other.is_some(), &[Kind::Let]);
                None
            }
        }
    }

    fn bound_text(&mut self, bound: &'t Bound, name: &Name) -> Option<String> {
        let wrong = |this: &mut Self| {
            let message = format!("`{}` is no text, where a model's name is expected", name.text);
            this.report(Diagnostic::new(&codes::TYPE_MISMATCH, name.span(), message));
            None
        };
        match bound {
            Bound::Value(value) => match self.value(value, &Members::None)?.kind {
                ValKind::Text(chars) => Some(text::plain(&chars)),
                _ => wrong(self),
            },
            Bound::Condition(Condition::Test(test))
                if matches!(test.operator, Operator::Bare) && test.field.argument.is_none() =>
            {
                if !self.enter_let(&test.field) {
                    return None;
                }
                let found = self.let_text(&test.field.name);
                self.lets.pop();
                found
            }
            Bound::Condition(_) => wrong(self),
        }
    }

    fn unknown_name(&mut self, name: &Name, defined: bool, kinds: &[Kind]) {
        if defined {
            let message = format!("`{}` stands for no model here", name.text);
            self.report(Diagnostic::new(&codes::TYPE_MISMATCH, name.span(), message));
            return;
        }
        let near = suggest::nearest(&name.text, self.scope.names(kinds));
        let quoted =
            matches!(self.catalogue.find(&name.text), Found::One(_)).then(|| format!("write `\"{}\"`", name.text));
        let problem = Diagnostic::new(&codes::UNKNOWN_NAME, name.span(), format!("`{}` is not defined", name.text));
        self.report(problem.maybe_help(quoted).meant(near, str::to_owned));
    }

    /// A model by its text, or by a let of one.
    pub(super) fn model(&mut self, name: &ModelName) -> Option<ModelId> {
        let text = self.model_text(name)?;
        self.model_of_text(&text, name.span())
    }

    /// The model of a name that stands in a rule file.
    pub(super) fn model_of_text(&mut self, text: &str, span: Span) -> Option<ModelId> {
        match self.catalogue.find(text) {
            Found::One(id) => Some(id),
            Found::Several(ids) => {
                let providers: Vec<&str> = ids.iter().map(|id| self.catalogue.card(*id).provider.as_str()).collect();
                let message = format!("`{text}` is a model of {}", providers.join(" and of "));
                let help = format!("write `\"{}/{text}\"`, or set `providerOrder` in the configuration", providers[0]);
                self.report(Diagnostic::new(&codes::TWO_PROVIDERS, span, message).help(help));
                None
            }
            Found::None => {
                self.unknown_model(text, span);
                None
            }
        }
    }

    fn unknown_model(&mut self, text: &str, span: Span) {
        let provider = text.split_once('/').map(|(provider, _)| provider);
        let unknown_provider = provider.filter(|name| !self.catalogue.providers.iter().any(|known| known == name));
        let problem = if let Some(provider) = unknown_provider {
            let known = self.catalogue.providers.iter().map(String::as_str);
            Diagnostic::new(&codes::UNKNOWN_PROVIDER, span, format!("no provider is called `{provider}`"))
                .meant(suggest::nearest(provider, known), |near| text::quote(&text.replacen(provider, near, 1)))
        } else {
            let near = self.catalogue.nearest(text.rsplit('/').next().unwrap_or(text));
            Diagnostic::new(&codes::UNKNOWN_MODEL, span, format!("no provider has a model `{text}`"))
                .help("add it to the configuration")
                .meant(near, text::quote)
        };
        let softened = if self.catalogue.configured { problem } else { problem.as_warning() };
        self.report(softened);
    }

    /// A model as an element of a chain. One that nobody knows stays there, to be passed over with its name.
    fn model_target(&mut self, text: String, span: Span) -> Option<Target> {
        let unknown = !self.catalogue.configured && self.catalogue.find(&text) == Found::None;
        let found = self.model_of_text(&text, span).map(Target::Model);
        if unknown { Some(Target::Unknown(text)) } else { found }
    }

    /// An element of a chain.
    pub(super) fn target(&mut self, target: &tree::Target) -> Option<Target> {
        match target {
            tree::Target::Asked(_) => Some(Target::Asked),
            tree::Target::Same(_) => Some(Target::Same),
            tree::Target::Named(ModelName::Text(literal)) => {
                let text = self.plain_text(literal)?;
                self.model_target(text, literal.span())
            }
            tree::Target::Named(ModelName::Name(name)) => match self.scope.find(&name.text) {
                Some(Meaning::Pool(pool)) => Some(Target::Pool(pool)),
                Some(Meaning::Let(bound)) => {
                    let text = self.bound_text(bound, name)?;
                    self.model_target(text, name.span())
                }
                other => {
                    self.unknown_name(name, other.is_some(), &[Kind::Let, Kind::Pool]);
                    None
                }
            },
        }
    }
}
