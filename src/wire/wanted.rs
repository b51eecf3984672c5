//! What a provider is to be asked for: the client's parameters with the rules' settings on top, less what the model or its
//! API does not take. What is left out is told.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::wire::Api;
use crate::wire::chat::{Chat, Mark, Thinking};
use crate::wire::ids::hex;
use crate::wire::patch::Changes;

/// How one server differs from the letter of its API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// OpenAI itself: `max_completion_tokens`, and no field that is not in its reference.
    pub openai: bool,
    /// OpenRouter: reasoning as an object, and back with the conversation; marks of caches are kept.
    pub openrouter: bool,
    /// A model's thinking goes back as `reasoning_content` of the message that called tools (`DeepSeek`, Kimi).
    pub echoes_thinking: bool,
}

/// The model that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The API that it is called by.
    pub api: Api,
    /// How its server differs.
    pub dialect: Dialect,
    /// It reasons before it answers.
    pub reasoning: bool,
    /// It thinks when it is asked to.
    pub thinking: bool,
    /// The longest answer, in tokens.
    pub output_max: u64,
    /// Input and output together, in tokens, where a server has to be told.
    pub window: Option<u64>,
    /// What it refuses, by the names of [`PARAMETERS`].
    pub refuses: &'a [String],
    /// The efforts that it takes, from the least to the most; empty where it takes none, or what its API usually takes.
    pub efforts: &'a [String],
}

impl Target<'static> {
    /// A model that takes everything, at a server that follows its API to the letter.
    pub fn of(api: Api) -> Self {
        Self {
            api,
            dialect: Dialect::default(),
            reasoning: false,
            thinking: true,
            output_max: 8_192,
            window: None,
            refuses: &[],
            efforts: &[],
        }
    }
}

impl Target<'_> {
    /// Whether the model does not take something.
    pub fn refuses(&self, parameter: &str) -> bool {
        self.refuses.iter().any(|refused| refused == parameter)
    }

    /// Whether rules may stand in the middle of a conversation, or have to be said there as a reminder: the templates of
    /// many models know them only at the beginning, and fail.
    pub fn takes_rules_anywhere(&self) -> bool {
        (self.dialect.openai || self.api == Api::Responses) && !self.refuses("system_messages")
    }
}

/// What a model may refuse, as a configuration names it, and what that means.
pub const PARAMETERS: &[(&str, &str)] = &[
    ("temperature", "how random the answer is"),
    ("top_p", "from how much of the probability words are drawn"),
    ("top_k", "from how many candidates words are drawn"),
    ("stop", "texts that end the answer"),
    ("thinking", "thinking with a budget of tokens"),
    ("thinking_off", "that it does not think"),
    ("effort", "how much it reasons"),
    ("effort_with_tools", "how much it reasons, in a request that offers tools"),
    ("schema", "a JSON schema that the answer follows"),
    ("parallel_tools", "that it calls one tool at a time"),
    ("system_messages", "system messages in the middle of a conversation"),
];

/// Efforts from the least to the most.
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
/// What a reasoning model takes that says nothing else.
const EFFORTS_USUAL: &[&str] = &["minimal", "low", "medium", "high"];
/// Thinking budgets below these are this effort, in tokens.
const BUDGETS: &[(u64, &str)] = &[(4_096, "low"), (16_384, "medium"), (u64::MAX, "high")];
/// The budget of an effort, in tokens.
const EFFORT_BUDGETS: &[(&str, u64)] =
    &[("minimal", 512), ("low", 1_024), ("medium", 8_192), ("high", 24_576), ("xhigh", 24_576), ("max", 24_576)];
/// The most texts that end an answer, by API.
const STOP_MAX: &[(Api, usize)] = &[(Api::Completions, 4), (Api::Gemini, 5)];
/// What an API has no place for.
const NO_PLACE: &[(Api, &[&str])] = &[(Api::Completions, &["top_k"]), (Api::Responses, &["top_k", "stop"])];
/// What OpenAI's reasoning models refuse.
const REASONING_REFUSES: &[&str] = &["temperature", "top_p", "stop"];
/// The first words of the block that Claude Code bills by: it changes, and would keep every other cache from working.
const BILLING_HEADER: &str = "x-anthropic-billing-header";

/// A request's parameters for one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// The model's name at its provider.
    pub model: String,
    /// The longest answer.
    pub max_tokens: Option<u64>,
    /// As set or asked.
    pub temperature: Option<f64>,
    /// As set or asked.
    pub top_p: Option<f64>,
    /// As set or asked.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// An effort that the model takes.
    pub effort: Option<String>,
    /// Extended thinking.
    pub thinking: Thinking,
    /// The JSON schema that the answer must follow.
    pub schema: Option<Value>,
    /// Not more than one tool at a time.
    pub one_tool_at_a_time: bool,
    /// What a provider's cache may go by: the same for all requests of a session.
    pub cache_key: Option<String>,
    /// Put before the system prompt.
    pub system_before: Vec<String>,
    /// Put behind it.
    pub system_after: Vec<String>,
    /// What is not sent, in the client's words.
    pub lost: Vec<String>,
}

impl Wanted {
    /// Of a chat with its changes, for a target.
    pub fn of(chat: &Chat<'_>, changes: &Changes, target: &Target<'_>) -> Self {
        let thinking = match changes.thinking {
            Some(None) => Thinking::Off,
            Some(Some(budget)) => Thinking::On(Some(budget)),
            None => chat.thinking,
        };
        let stop = changes.stop.clone();
        let schema = chat.schema.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let mut wanted = Self {
            model: changes.model.clone().unwrap_or_else(|| chat.model.to_string()),
            max_tokens: changes.max_tokens.or(chat.max_tokens),
            temperature: changes.temperature.or(chat.temperature).or(changes.temperature_default),
            top_p: changes.top_p.or(chat.top_p),
            top_k: changes.top_k.or(chat.top_k),
            stop: stop.unwrap_or_else(|| chat.stop.iter().map(|text| text.to_string()).collect()),
            effort: changes.effort.clone().or_else(|| chat.effort.as_ref().map(|effort| effort.to_string())),
            thinking,
            schema,
            one_tool_at_a_time: chat.one_tool_at_a_time,
            cache_key: cache_key(chat, target),
            system_before: changes.system_before.clone(),
            system_after: changes.system_after.clone(),
            lost: Vec::new(),
        };
        wanted.reason(target, chat.offered().next().is_some());
        wanted.leave_out(target);
        wanted
    }

    /// Thinking and effort, as the target knows them.
    fn reason(&mut self, target: &Target<'_>, has_tools: bool) {
        let takes_budget = matches!(target.api, Api::Messages | Api::Gemini) || target.dialect.openrouter;
        let is_ollama = matches!(target.api, Api::Ollama | Api::Generate);
        // Both at once would contradict themselves, and are refused.
        if self.thinking == Thinking::Off {
            self.effort = None;
        }
        if target.api == Api::Gemini && !target.thinking && !target.reasoning {
            // Not even that it does not think may be said of a model that cannot.
            if matches!(std::mem::take(&mut self.thinking), Thinking::On(_)) {
                self.lose("thinking");
            }
        }
        if is_ollama && target.efforts.is_empty() {
            // Its models think or do not; how much is known to few of them.
            match self.effort.take().as_deref() {
                Some("none") => self.thinking = Thinking::Off,
                Some(_) if self.thinking == Thinking::Unsaid => self.thinking = Thinking::On(None),
                Some(_) | None => {}
            }
            return;
        }
        if let (Thinking::On(Some(budget)), None, false) = (self.thinking, &self.effort, takes_budget) {
            let word = BUDGETS.iter().find(|(below, _)| budget < *below).map(|(_, word)| (*word).to_owned());
            self.effort = word.filter(|_| target.reasoning || is_ollama);
        }
        if matches!(self.thinking, Thinking::On(_)) && !takes_budget && !target.reasoning && !is_ollama {
            self.lose("thinking");
        }
        if self.effort.is_some() && target.refuses("effort_with_tools") && has_tools {
            self.effort = None;
            self.lost.push("effort is not sent: with tools this model takes it by the Responses API alone".to_owned());
        }
        let Some(asked) = self.effort.take() else { return };
        // A model that thinks by a budget alone is given one.
        if target.api == Api::Gemini && target.efforts.is_empty() && target.thinking {
            if !matches!(self.thinking, Thinking::On(Some(_))) {
                let budget = EFFORT_BUDGETS.iter().find(|(word, _)| *word == asked).map(|(_, budget)| *budget);
                self.thinking = budget.map_or(self.thinking, |budget| Thinking::On(Some(budget)));
            }
            return;
        }
        let usual = || EFFORTS_USUAL.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let is_known = target.reasoning || target.dialect.openrouter;
        let takes = if target.efforts.is_empty() && is_known { usual() } else { target.efforts.to_vec() };
        self.effort = nearest(&asked, &takes);
        if self.effort.is_none() {
            self.lose("effort");
        }
    }

    fn leave_out(&mut self, target: &Target<'_>) {
        let is_openai = target.dialect.openai || target.api == Api::Responses;
        let no_place = NO_PLACE.iter().find(|(api, _)| *api == target.api).map_or(&[][..], |(_, names)| *names);
        let refused = |name: &str| {
            (no_place.contains(&name) && !target.dialect.openrouter)
                || (target.reasoning && is_openai && REASONING_REFUSES.contains(&name))
                || target.refuses(name)
        };
        let mut lost = Vec::new();
        let mut drop_if = |name: &str, words: &str, is_there: bool| -> bool {
            let drops = is_there && refused(name);
            let verb = if words.ends_with('s') { "are" } else { "is" };
            lost.extend(drops.then(|| format!("{words} {verb} not sent")));
            drops
        };
        if drop_if("temperature", "temperature", self.temperature.is_some()) {
            self.temperature = None;
        }
        if drop_if("top_p", "top_p", self.top_p.is_some()) {
            self.top_p = None;
        }
        if drop_if("top_k", "top_k", self.top_k.is_some()) {
            self.top_k = None;
        }
        if drop_if("stop", "stop_sequences", !self.stop.is_empty()) {
            self.stop.clear();
        }
        if drop_if("effort", "effort", self.effort.is_some()) {
            self.effort = None;
        }
        if drop_if("thinking", "thinking", matches!(self.thinking, Thinking::On(_))) {
            self.thinking = Thinking::Unsaid;
        }
        if drop_if("thinking_off", "that it does not think", self.thinking == Thinking::Off) {
            self.thinking = Thinking::Unsaid;
        }
        if drop_if("schema", "the JSON schema", self.schema.is_some()) {
            self.schema = None;
        }
        if drop_if("parallel_tools", "parallel_tool_calls", self.one_tool_at_a_time) {
            self.one_tool_at_a_time = false;
        }
        self.lost.extend(lost);
        if target.api == Api::Messages {
            if self.temperature.is_some_and(|value| value > 1.0) {
                self.temperature = Some(1.0);
                self.lose("temperature above 1");
            }
            if self.temperature.is_some() && self.top_p.take().is_some() {
                self.lose("top_p beside temperature");
            }
        }
        let most = STOP_MAX.iter().find(|(api, _)| *api == target.api).map_or(usize::MAX, |(_, most)| *most);
        if self.stop.len() > most {
            self.stop.truncate(most);
            self.lost.push(format!("stop_sequences beyond {most} are not sent"));
        }
    }

    fn lose(&mut self, name: &str) {
        self.lost.push(format!("{name} is not sent"));
    }

    /// The system prompt's texts, each with whether a cache is wanted up to it. Claude Code's billing header is left out.
    pub fn system<'c>(&'c self, chat: &'c Chat<'_>) -> Vec<(&'c str, bool)> {
        let own =
            chat.system.iter().enumerate().map(|(index, text)| (&**text, chat.cached.contains(&Mark::System(index))));
        let before = self.system_before.iter().map(|text| (text.as_str(), false));
        let after = self.system_after.iter().map(|text| (text.as_str(), false));
        let all = before.chain(own).chain(after);
        all.filter(|(text, _)| !text.is_empty() && !text.starts_with(BILLING_HEADER)).collect()
    }

    /// The system prompt as one text; none where there is none.
    pub fn system_text(&self, chat: &Chat<'_>) -> Option<String> {
        let texts: Vec<&str> = self.system(chat).into_iter().map(|(text, _)| text).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }
}

/// A key for OpenAI's cache. The user's id holds the session, and is not shown to anybody.
fn cache_key(chat: &Chat<'_>, target: &Target<'_>) -> Option<String> {
    let takes = target.dialect.openai || target.api == Api::Responses;
    let user = chat.user.as_ref().filter(|user| takes && !user.is_empty())?;
    Some(format!("router-{}", hex(&Sha256::digest(user.as_bytes()), 12)))
}

/// The effort that is nearest to what was asked, of those that a model takes: not more than was asked, where it can be.
fn nearest(asked: &str, takes: &[String]) -> Option<String> {
    if takes.iter().any(|word| word == asked) {
        return Some(asked.to_owned());
    }
    let rank = |word: &str| EFFORTS.iter().position(|known| *known == word);
    let wanted = rank(asked)?;
    let below = takes.iter().filter(|word| rank(word).is_some_and(|rank| rank <= wanted)).max_by_key(|word| rank(word));
    below.or_else(|| takes.first()).cloned()
}
