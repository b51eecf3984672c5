//! Actions: outcomes and settings.

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::input::{NUMBER, SECOND};
use crate::lang::ir::resolve::Resolver;
use crate::lang::ir::value::{Members, Val, ValKind};
use crate::lang::ir::{Outcome, Rule, Setting};
use crate::lang::schema::quantity::Quantity;
use crate::lang::schema::settings::{self, SETTINGS, SettingRow, Takes};
use crate::lang::schema::types::{EFFORT, Type};
use crate::lang::schema::{suggest, text};
use crate::lang::source::Span;
use crate::lang::syntax::tree::{Action, ActionKind, Literal, Set, Target as TreeTarget, Value, ValueKind};

/// The most attempts that `retry` adds.
const RETRY_MAX: i64 = 10;
/// The longest chain.
const CHAIN_MAX: usize = 32;
/// The longest timeout and retry-after.
const DURATION_MAX_US: i64 = 7 * 86_400 * SECOND;

impl<'t> Resolver<'t> {
    /// Resolves the actions of a rule, the default or an adjust.
    pub(super) fn actions(&mut self, actions: &'t [Action], rule: &mut Rule, adjust: bool) {
        let mut outcomes = 0usize;
        let mut last = rule.span;
        for action in actions {
            let span = action.place.0;
            match &action.kind {
                ActionKind::Route(_) | ActionKind::Reject { .. } if adjust => {
                    let message = "an `adjust` changes requests and decides nothing";
                    self.report(Diagnostic::new(&codes::NOT_HERE, span, message).help("put it into a rule"));
                }
                ActionKind::Route(chain) => {
                    outcomes += 1;
                    last = span;
                    rule.outcome = self.route(chain, span).or(rule.outcome.take());
                }
                ActionKind::Reject { status, message, retry_after } => {
                    outcomes += 1;
                    last = span;
                    rule.outcome = self.reject(status, message, retry_after.as_ref()).or(rule.outcome.take());
                }
                kind => {
                    if let Some(setting) = self.setting(kind) {
                        rule.settings.push((setting, span));
                    }
                }
            }
        }
        if !adjust && outcomes != 1 && !self.broken {
            let message = match outcomes {
                0 => format!("`{}` neither routes nor rejects", rule.name),
                n => format!("`{}` has {n} outcomes", rule.name),
            };
            let help = if outcomes == 0 { "add `route \"...\"`" } else { "a chain is written `route a else b`" };
            self.report(Diagnostic::new(&codes::ONE_OUTCOME, last, message).help(help));
        }
    }

    fn route(&mut self, chain: &[TreeTarget], span: Span) -> Option<Outcome> {
        if chain.len() > CHAIN_MAX {
            self.report(Diagnostic::new(&codes::TOO_MANY, span, format!("a chain has at most {CHAIN_MAX} elements")));
            return None;
        }
        let mut targets = Vec::with_capacity(chain.len());
        for target in chain {
            if let Some(resolved) = self.target(target) {
                targets.push((resolved, target.span()));
            }
        }
        (!targets.is_empty()).then_some(Outcome::Route(targets))
    }

    fn reject(&mut self, status: &Literal, message: &Literal, retry_after: Option<&Literal>) -> Option<Outcome> {
        let code = self.status(status);
        let text = self.plain_text(message);
        let after = retry_after.map(|literal| self.duration(literal));
        let retry_after_s = match after {
            Some(None) => return None,
            Some(Some(value)) => Some(u64::try_from((value + SECOND - 1) / SECOND).unwrap_or(0)),
            None => None,
        };
        Some(Outcome::Reject { status: code?, message: text?, retry_after_s })
    }

    /// A status that a rejection may have.
    pub(super) fn status(&mut self, literal: &Literal) -> Option<u16> {
        let value = self.quantity(literal, Type::Number)?;
        let status =
            u16::try_from(value / NUMBER).ok().filter(|status| value % NUMBER == 0 && (400..=599).contains(status));
        if status.is_none() {
            let problem = Diagnostic::new(
                &codes::OUT_OF_RANGE,
                literal.span(),
                format!("`{}` is not a status of an error", literal.raw),
            );
            self.report(problem.help("a rejection has a status from 400 to 599"));
        }
        status
    }

    fn duration(&mut self, literal: &Literal) -> Option<i64> {
        let value = self.quantity(literal, Type::Duration)?;
        if value == 0 || value > DURATION_MAX_US {
            let message = format!("`{}` is not between 0 and {}", literal.raw, Type::Duration.show(DURATION_MAX_US));
            self.report(Diagnostic::new(&codes::OUT_OF_RANGE, literal.span(), message));
            return None;
        }
        Some(value)
    }

    fn setting(&mut self, kind: &'t ActionKind) -> Option<Setting> {
        match kind {
            ActionKind::Route(_) | ActionKind::Reject { .. } => None,
            ActionKind::Set(set) => self.set(set),
            ActionKind::Timeout { total: false, duration } => self.duration(duration).map(Setting::TimeoutFirst),
            ActionKind::Timeout { total: true, duration } => self.duration(duration).map(Setting::TimeoutTotal),
            ActionKind::Retry(literal) => {
                let value = self.quantity(literal, Type::Number)?;
                if value % NUMBER != 0 || value > RETRY_MAX * NUMBER {
                    let message = format!("`{}` is not a whole number up to {RETRY_MAX}", literal.raw);
                    self.report(Diagnostic::new(&codes::OUT_OF_RANGE, literal.span(), message));
                    return None;
                }
                u32::try_from(value / NUMBER).ok().map(Setting::Retry)
            }
            ActionKind::Cache(None) => Some(Setting::CacheOff),
            ActionKind::Cache(Some(literal)) => self.duration(literal).map(Setting::CacheFor),
            ActionKind::Tag(literal) => self.plain_text(literal).map(Setting::Tag),
            ActionKind::Mirror(name) => self.model(name).map(Setting::Mirror),
            ActionKind::Transform(literal) => self.plain_text(literal).map(Setting::Transform),
        }
    }

    /// A `set`, by the row of its setting.
    pub(super) fn set(&mut self, set: &'t Set) -> Option<Setting> {
        let name = set.setting.text.as_str();
        let Some(row) = settings::find(name) else {
            let near = suggest::nearest(name, SETTINGS.iter().map(|row| row.name));
            let problem =
                Diagnostic::new(&codes::BAD_SETTING, set.setting.span(), format!("there is no setting `{name}`"));
            self.report(problem.meant(near, str::to_owned));
            return None;
        };
        let found = self.set_values(row, &set.values);
        if found.is_none() {
            let before = self.problems.iter().any(|problem| {
                set.values.iter().any(|value| {
                    value.span().start <= problem.span.start
                        && problem.span.end <= value.span().end
                        && problem.span.source == value.span().source
                })
            });
            if !before {
                let message = format!("`{name}` cannot be set to this");
                self.report(
                    Diagnostic::new(&codes::BAD_SETTING, set.setting.span(), message)
                        .help(format!("such as `{}`", row.example)),
                );
            }
        }
        found
    }

    fn set_values(&mut self, row: &'static SettingRow, values: &'t [Value]) -> Option<Setting> {
        match (row.takes, values) {
            (Takes::Number { low, high, whole }, [value]) => {
                let value = self.number_between(value, low, high, whole)?;
                match row.name {
                    "temperature" => Some(Setting::Temperature(value)),
                    "top_p" => Some(Setting::TopP(value)),
                    _ => u64::try_from(value / NUMBER).ok().map(Setting::TopK),
                }
            }
            (Takes::Cap, [value]) => self.tokens(value, 1).map(Setting::MaxTokens),
            (Takes::Cap, [at, most, value]) if word_of(at) == Some("at") && word_of(most) == Some("most") => {
                self.tokens(value, 1).map(Setting::MaxTokensCap)
            }
            (Takes::Thinking, [value]) if word_of(value) == Some("off") => Some(Setting::ThinkingOff),
            (Takes::Thinking, [value]) => self.tokens(value, 1_024).map(Setting::ThinkingBudget),
            (Takes::Effort, [value]) => {
                let member = word_of(value).and_then(|word| EFFORT.members.iter().find(|member| **member == word));
                if member.is_none() {
                    let problem = Diagnostic::new(&codes::UNKNOWN_MEMBER, value.span(), "this is no reasoning effort");
                    self.report(problem.help(format!("known are {}", EFFORT.members.join(", "))));
                }
                member.map(|member| Setting::Effort((*member).to_owned()))
            }
            (Takes::Texts, [value]) => self.texts(value).map(Setting::Stop),
            (Takes::Header, [name, value]) => self.header(name, value),
            (Takes::Edit, [edit, value]) => {
                let text = self.one_text(value)?;
                match word_of(edit) {
                    Some("prepend") => Some(Setting::SystemPrepend(text)),
                    Some("append") => Some(Setting::SystemAppend(text)),
                    _ => None,
                }
            }
            (
                Takes::Number { .. }
                | Takes::Cap
                | Takes::Thinking
                | Takes::Effort
                | Takes::Texts
                | Takes::Header
                | Takes::Edit,
                _,
            ) => None,
        }
    }

    fn header(&mut self, name: &'t Value, value: &'t Value) -> Option<Setting> {
        let (header, text) = (self.one_text(name)?.to_ascii_lowercase(), self.one_text(value)?);
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let bad_name = header.is_empty() || !header.bytes().all(token);
        let bad_value = text.chars().any(char::is_control);
        let ours = ["host", "content-length", "transfer-encoding", "connection", "authorization", "x-api-key"];
        if bad_name || bad_value || ours.contains(&header.as_str()) {
            let span = if bad_value { value.span() } else { name.span() };
            let message = if bad_value {
                "a header's value holds no control characters".to_owned()
            } else {
                format!("`{header}` is not a header that a rule can set")
            };
            self.report(Diagnostic::new(&codes::BAD_SETTING, span, message));
            return None;
        }
        Some(Setting::Header(header, text))
    }

    fn number_between(&mut self, value: &'t Value, low: i64, high: i64, whole: bool) -> Option<i64> {
        let span = value.span();
        let value = self.value(value, &Members::None)?;
        let Val { kind: ValKind::Quantity(Quantity { ty: Type::Number, value }), .. } = value else { return None };
        if value < low || value > high || (whole && value % NUMBER != 0) {
            let kind = if whole { "a whole number" } else { "a number" };
            let (low, high) = (Type::Number.show(low), Type::Number.show(high));
            self.report(Diagnostic::new(&codes::OUT_OF_RANGE, span, format!("expected {kind} from {low} to {high}")));
            return None;
        }
        Some(value)
    }

    fn tokens(&mut self, value: &'t Value, least: i64) -> Option<u64> {
        let value = self.number_between(value, least * NUMBER, i64::MAX, true)?;
        u64::try_from(value / NUMBER).ok()
    }

    fn one_text(&mut self, value: &'t Value) -> Option<String> {
        match self.value(value, &Members::None)?.kind {
            ValKind::Text(chars) => Some(text::plain(&chars)),
            _ => None,
        }
    }

    fn texts(&mut self, value: &'t Value) -> Option<Vec<String>> {
        let value = self.value(value, &Members::None)?;
        let list = match value.kind {
            ValKind::List(list) => list,
            _ => vec![value],
        };
        list.into_iter()
            .map(|value| if let ValKind::Text(chars) = value.kind { Some(text::plain(&chars)) } else { None })
            .collect()
    }
}

/// The word that stands where a value is expected.
fn word_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Name(field) if field.argument.is_none() => Some(&field.name.text),
        _ => None,
    }
}
