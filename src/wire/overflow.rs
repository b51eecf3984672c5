//! A request that does not fit into a model's window, as each provider says so, and in the words of the client's API, by
//! which clients shorten the conversation or the answer and go on.
//!
//! Source: messages of the providers and servers as they are published and reported; each stands in a test.

use std::sync::LazyLock;

use regex::Regex;

use crate::wire::Client;

/// What was too much, in tokens as the provider counted them; none where it did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// The input.
    pub input: Option<u64>,
    /// The answer that was asked for.
    pub output: Option<u64>,
    /// What the window holds.
    pub limit: Option<u64>,
    /// What the provider said.
    said: String,
}

/// Messages with their numbers; the first that fits is taken. The names are those of the groups.
const FORMS: &[&str] = &[
    // Anthropic.
    r"prompt is too long: (?<input>\d+) tokens > (?<limit>\d+)",
    r"exceed context limit: (?<input>\d+) \+ (?<output>\d+) > (?<limit>\d+)",
    // OpenAI, DeepSeek, vLLM, OpenRouter, SGLang: a limit, and a sum of parts. Tools are a part of the input.
    r"maximum context length (?:is|of) (?<limit>\d+)\D.*?requested[^(]*\((?<input>\d+) (?:in the messages|in your prompt|of text input)[,;](?: (?<more>\d+) of tool input,)? (?<output>\d+) ",
    r"maximum context length (?:is|of) (?<limit>\d+)\D.*?: (?<input>\d+) tokens from the input messages and (?<output>\d+) tokens for the completion",
    r"too large: (?<output>\d+)\..*?maximum context length is (?<limit>\d+) tokens and your request has (?<input>\d+) input tokens",
    r"maximum context length (?:is|of) (?<limit>\d+)\D.*?resulted in (?<input>\d+) tokens",
    r"exceed the configured limit of (?<limit>\d+) tokens\. Your messages resulted in (?<input>\d+) tokens",
    // xAI, Gemini, llama.cpp, Mistral, Kimi.
    r"maximum prompt length is (?<limit>\d+) but the request contains (?<input>\d+) tokens",
    r"input token count \(?(?<input>\d+)\)? exceeds the maximum number of tokens allowed \(?(?<limit>\d+)",
    r"request \((?<input>\d+) tokens\) exceeds the available context size \((?<limit>\d+) tokens\)",
    r"[Pp]rompt contains (?<input>\d+) tokens.*?too large for model with (?<limit>\d+) maximum context length",
    r"exceeded model token limit: (?<limit>\d+)",
    r"maximum number of tokens allowed \(?(?<limit>\d+)",
    r"maximum context length (?:is|of) (?<limit>\d+)",
];

/// What says it without numbers, in lower case.
const WORDS: &[&str] = &[
    "prompt is too long",
    "context_length_exceeded",
    "maximum context length",
    "exceeds the available context size",
    "exceeds the context window",
    "exceeds the context length",
    "exceeds the model's context",
    "input is too long for requested model",
    "input token count exceeds",
    "reduce the length of the messages",
];

/// How much of a message is read, in characters: the numbers come early.
const READ_CHARS_MAX: usize = 4_000;
/// Statuses with which it is said.
const STATUSES: [u16; 4] = [400, 413, 422, 500];

static READ: LazyLock<Vec<Regex>> =
    LazyLock::new(|| FORMS.iter().filter_map(|form| Regex::new(&format!("(?s){form}")).ok()).collect());

impl Overflow {
    /// What a refusal says of it; none when it is about something else.
    pub fn of(status: u16, message: &str) -> Option<Self> {
        if !STATUSES.contains(&status) {
            return None;
        }
        let said: String = message.chars().take(READ_CHARS_MAX).collect();
        for form in &*READ {
            let Some(found) = form.captures(&said) else { continue };
            let number = |name: &str| found.name(name).and_then(|digits| digits.as_str().parse::<u64>().ok());
            let input = number("input").map(|input| input.saturating_add(number("more").unwrap_or(0)));
            let (output, limit) = (number("output"), number("limit"));
            return Some(Self { input, output, limit, said });
        }
        let folded = said.to_lowercase();
        let is_said = WORDS.iter().any(|words| folded.contains(words));
        is_said.then_some(Self { input: None, output: None, limit: None, said })
    }

    /// Something that is known without asking a provider. No number of it is given as one that was counted.
    pub fn known(said: String) -> Self {
        Self { input: None, output: None, limit: None, said }
    }

    /// As the client's API says it. Numbers are those of one message of the provider or none: clients reckon with them.
    pub fn words(&self, client: Client) -> String {
        match (client, self.input, self.output, self.limit) {
            (Client::Messages, Some(input), Some(output), Some(limit)) if input < limit => format!(
                "input length and `max_tokens` exceed context limit: {input} + {output} > {limit}, decrease input length or `max_tokens` and try again"
            ),
            (Client::Messages, Some(input), _, Some(limit)) => {
                format!("prompt is too long: {input} tokens > {limit} maximum")
            }
            (Client::Messages, ..) if self.said.to_lowercase().starts_with("prompt is too long") => self.said.clone(),
            (Client::Messages, ..) => format!("prompt is too long: {}", self.said),
            (Client::Completions | Client::Responses, Some(input), output, Some(limit)) => {
                let asked = output.map_or_else(
                    || format!("your messages resulted in {input} tokens"),
                    |output| {
                        let all = input.saturating_add(output);
                        format!("you requested {all} tokens ({input} in the messages, {output} in the completion)")
                    },
                );
                format!(
                    "This model's maximum context length is {limit} tokens. However, {asked}. Please reduce the length of the messages or completion."
                )
            }
            (Client::Completions | Client::Responses, ..) => self.said.clone(),
        }
    }
}
