//! THE TABLE of fields: everything that a condition can ask about. A row is all there is to a field; the checker, the
//! suggestions, the reference and `explain` read it.

use crate::lang::input::{Fact, Feature};
use crate::lang::schema::types::{AGENT, API, EFFORT, Type, WEEKDAY};

/// What stands in a field's parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A name, or nothing at all.
    MaybeText,
    /// A name.
    Text,
    /// A model or a pool.
    Model,
}

/// What it costs to learn a field, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// It is there already.
    Free,
    /// A look at a part of the request.
    Look,
    /// A pass over the newest texts.
    Read,
    /// A pass over every text.
    ReadAll,
    /// Counting tokens, when bounds do not settle it.
    Count,
}

/// Where a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// Of the request.
    Feature(Feature),
    /// Of the moment.
    Fact(Fact),
}

/// One row.
#[derive(Debug)]
pub struct Field {
    /// As written.
    pub name: &'static str,
    /// The type of its values.
    pub ty: Type,
    /// What stands in its parentheses.
    pub argument: Argument,
    /// When it is absent; none when it never is.
    pub absent: Option<&'static str>,
    /// What it costs to learn.
    pub cost: Cost,
    /// Where it is read.
    pub read: Read,
    /// What it means.
    pub doc: &'static str,
    /// A condition that uses it.
    pub example: &'static str,
}

/// A field, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u8);

impl FieldId {
    /// Its row.
    pub fn row(self) -> &'static Field {
        &FIELDS[self.0 as usize]
    }
}

const fn feature(
    name: &'static str,
    ty: Type,
    cost: Cost,
    of: Feature,
    doc: &'static str,
    example: &'static str,
) -> Field {
    Field { name, ty, argument: Argument::None, absent: None, cost, read: Read::Feature(of), doc, example }
}

const fn fact(name: &'static str, ty: Type, of: Fact, doc: &'static str, example: &'static str) -> Field {
    Field { name, ty, argument: Argument::None, absent: None, cost: Cost::Free, read: Read::Fact(of), doc, example }
}

impl Field {
    const fn absent(self, when: &'static str) -> Self {
        Self { absent: Some(when), ..self }
    }

    const fn of(self, argument: Argument) -> Self {
        Self { argument, ..self }
    }

    const fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// Whether it can be asked in `adjust` only.
    pub fn only_in_adjust(&self) -> bool {
        matches!(self.read, Read::Fact(Fact::Target | Fact::TargetProvider))
    }
}

/// Every field.
pub static FIELDS: &[Field] = &[
    feature("api", Type::Member(&API), Cost::Free, Feature::Api, "The API that was called.", "api is chat"),
    feature("client", Type::Text, Cost::Look, Feature::Client, "The program that called, from its user agent (`claude-code`, `anthropic-python`).", "client is \"claude-code\"").absent("unknown"),
    feature("model", Type::Text, Cost::Free, Feature::Model, "The model that the client asked for.", "model like \"claude-opus-*\""),
    feature("stream", Type::Bool, Cost::Free, Feature::Stream, "The client wants a stream.", "stream"),
    feature("max_tokens", Type::Number, Cost::Free, Feature::MaxTokens, "The longest answer, as asked.", "max_tokens > 8k").absent("not sent"),
    feature("temperature", Type::Number, Cost::Free, Feature::Temperature, "As asked.", "temperature == 0").absent("not sent"),
    feature("effort", Type::Member(&EFFORT), Cost::Free, Feature::Effort, "The reasoning effort, as asked.", "effort >= high").absent("not sent"),
    feature("tokens", Type::Number, Cost::Count, Feature::Tokens, "Input tokens of the whole request, by the tokenizer of the model that was asked for.", "tokens > 150k"),
    feature("prompt.tokens", Type::Number, Cost::Count, Feature::PromptTokens, "Tokens of the prompt.", "prompt.tokens > 2k"),
    feature("system.tokens", Type::Number, Cost::Count, Feature::SystemTokens, "Tokens of the system prompt.", "system.tokens > 10k"),
    feature("tools.tokens", Type::Number, Cost::Count, Feature::ToolsTokens, "Tokens of the definitions of the tools.", "tools.tokens > 20k"),
    feature("history.tokens", Type::Number, Cost::Count, Feature::HistoryTokens, "Tokens of all the rest: the request less prompt, system prompt and tools.", "history.tokens > 100k"),
    feature("prompt", Type::Text, Cost::Read, Feature::Prompt, "The newest text that a person wrote: of the last user message that has text of its own, its text blocks joined by a line end and trimmed, without tool results and without what agents inject. In a sub-agent, the task handed to it.", "prompt contains any [\"implement\", word \"fix*\"]"),
    feature("system", Type::Text, Cost::Read, Feature::System, "The system prompt.", "system contains \"code review\""),
    feature("conversation", Type::Text, Cost::ReadAll, Feature::Conversation, "All texts and the texts of tool results of all messages, oldest first, joined by line ends; no thinking, no inputs of tools, no system prompt.", "conversation contains word \"kubernetes\""),
    feature("messages", Type::Number, Cost::Free, Feature::Messages, "How many messages there are.", "messages > 50"),
    feature("turns", Type::Number, Cost::Read, Feature::Turns, "How many messages a person wrote or attached something in.", "turns <= 1"),
    feature("files", Type::Paths, Cost::Read, Feature::Files, "Files named in the prompt or attached to its message, and those that tools touched after it.", "files contains any [\".py\", \"Dockerfile\"]"),
    feature("files.all", Type::Paths, Cost::ReadAll, Feature::FilesAll, "The same over all messages of a person and all calls of tools.", "files.all contains \"src/**/*.rs\""),
    feature("tools", Type::Texts, Cost::Look, Feature::Tools, "The names of the tools offered, server tools too.", "tools contains \"mcp__*\""),
    feature("images", Type::Number, Cost::Look, Feature::Images, "Images in the messages, inside of tool results too.", "has images"),
    feature("documents", Type::Number, Cost::Look, Feature::Documents, "Documents in the messages, inside of tool results too.", "documents > 1"),
    feature("thinking", Type::Bool, Cost::Free, Feature::Thinking, "Extended thinking is asked for.", "thinking"),
    feature("thinking.budget", Type::Number, Cost::Free, Feature::ThinkingBudget, "Its budget in tokens.", "thinking.budget >= 16k").absent("none given"),
    feature("web_search", Type::Bool, Cost::Look, Feature::WebSearch, "A server tool for searching the web is offered.", "web_search"),
    feature("agent", Type::Member(&AGENT), Cost::Look, Feature::Agent, "Which part of a coding agent speaks, by the marks that it leaves; `other` for any other client.", "agent is background"),
    feature("agent.type", Type::Text, Cost::Look, Feature::AgentType, "The kind of sub-agent, as the client names it.", "agent.type is \"Explore\"").absent("not sent"),
    feature("compacted", Type::Bool, Cost::Look, Feature::Compacted, "The conversation's context was just compacted: its cache is lost anyway.", "compacted"),
    feature("project", Type::Text, Cost::Read, Feature::Project, "The working directory that a coding agent names.", "project like \"*/website\"").absent("not named"),
    feature("session", Type::Text, Cost::Look, Feature::Session, "The conversation.", "has session").absent("not known"),
    feature("user", Type::Text, Cost::Look, Feature::User, "The end user.", "user is \"ann\"").absent("not known"),
    feature("key", Type::Text, Cost::Free, Feature::Key, "The name of the router key that authenticated.", "key in [\"ci\", \"nightly\"]").absent("not known"),
    feature("header", Type::Text, Cost::Look, Feature::Header, "A request header; its name is folded.", "header(\"x-team\") is \"core\"").of(Argument::Text).absent("not sent"),
    feature("metadata", Type::Text, Cost::Look, Feature::Metadata, "A text of the request's metadata.", "metadata(\"team\") is \"core\"").of(Argument::Text).absent("not sent"),
    fact("session.model", Type::Text, Fact::SessionModel, "The plain name of the model that answered this session last.", "session.model is \"gpt-5\"").absent("first turn"),
    fact("time", Type::Time, Fact::Time, "The time of day at the router, in the configured time zone.", "time in 22:00..06:00"),
    fact("weekday", Type::Member(&WEEKDAY), Fact::Weekday, "The day of the week.", "weekday in [sat, sun]"),
    fact("date", Type::Date, Fact::Date, "The date.", "date >= 2026-01-31"),
    fact("bucket", Type::Percent, Fact::Bucket, "A stable hash of the session (else of the user, else of the request), salted by the name, from 0% up to but not at 100%.", "bucket(\"trial\") < 10%").of(Argument::MaybeText).cost(Cost::Look),
    fact("cost", Type::Money, Fact::Cost, "The estimated cost of this request on a model.", "cost(\"gpt-5\") > $0.50").of(Argument::Model).absent("price unknown").cost(Cost::Count),
    fact("switch_cost", Type::Money, Fact::SwitchCost, "What moving this session to a model would add, because the cache of the one that it is on is lost; `$0` when it is there already.", "switch_cost(\"gpt-5\") > $0.25").of(Argument::Model).absent("price unknown, first turn").cost(Cost::Count),
    fact("healthy", Type::Bool, Fact::Healthy, "What the router has lately seen of a model; one never used is healthy.", "healthy(\"gpt-5\")").of(Argument::Model),
    fact("latency", Type::Duration, Fact::Latency, "The usual time to a model's first byte.", "latency(\"gpt-5\") > 5s").of(Argument::Model).absent("nothing seen"),
    fact("errors", Type::Percent, Fact::Errors, "The share of a model's recent calls that failed.", "errors(\"gpt-5\") > 20%").of(Argument::Model).absent("nothing seen"),
    fact("NAME.spent", Type::Money, Fact::Spent, "Spent of the budget NAME, in its window.", "daily.spent > $5").absent("`for each key` and no key"),
    fact("NAME.remaining", Type::Money, Fact::Remaining, "Left of the budget NAME, never below $0.", "daily.remaining < $5").absent("`for each key` and no key"),
    fact("NAME.used", Type::Percent, Fact::Used, "The share of the budget NAME that is spent; it may pass 100%.", "daily.used >= 90%").absent("`for each key` and no key"),
    fact("target", Type::Text, Fact::Target, "In `adjust` only: the plain name of this attempt's model.", "target is \"gpt-5\""),
    fact("target.provider", Type::Text, Fact::TargetProvider, "In `adjust` only: the provider of this attempt.", "target.provider is \"openai\""),
];

/// The row of a name as written, without its parentheses. Budgets' rows are found by `budget_part`.
pub fn find(name: &str) -> Option<FieldId> {
    let index = FIELDS.iter().position(|field| field.name == name)?;
    u8::try_from(index).ok().map(FieldId)
}

/// The row of `NAME.spent` and its like, by the part behind the point.
pub fn budget_part(part: &str) -> Option<FieldId> {
    find(&format!("NAME.{part}")).filter(|id| id.row().name.starts_with("NAME."))
}

/// The row that reads this.
pub fn of_read(read: Read) -> FieldId {
    let index = FIELDS.iter().position(|field| field.read == read).expect("every feature and fact has a row");
    FieldId(u8::try_from(index).expect("there are fewer than 256 fields"))
}
