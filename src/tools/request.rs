//! Request files: a body of one of the APIs, or one that was recorded with its path and headers.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::features::tokens::Counter;
use crate::features::{Call, Request};
use crate::lang::catalogue::{Catalogue, Tokenizer, Vocabulary};
use crate::lang::diagnostic::secret;
use crate::lang::input::Features;
use crate::wire::chat::{BadBody, Chat};
use crate::wire::credential::{HeaderClass, header_class, is_credential_value};
use crate::wire::{Client, request};

/// The largest request file, in bytes.
pub const BYTES_MAX: u64 = 100 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The API that it is for.
    pub client: Client,
    /// Its body.
    pub body: Vec<u8>,
    /// Its headers: folded names, values as they came.
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    path: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<Vec<ToolMarks<'a>>>,
    #[serde(borrow, default)]
    messages: Option<Vec<MessageMarks<'a>>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolMarks<'a> {
    #[serde(borrow, default)]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageMarks<'a> {
    #[serde(borrow)]
    role: crate::wire::text::Str<'a>,
}

/// Reads a request file. `client` is what the caller says; otherwise its path or its own form tells.
pub fn read(bytes: &[u8], client: Option<Client>) -> Result<Recorded, BadBody> {
    let not_json = |error: serde_json::Error| BadBody(format!("the request is not valid JSON: {error}"));
    if let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(bytes) {
        let body = envelope.body.get().as_bytes().to_vec();
        let by_path = envelope.path.as_deref().map(Client::at);
        let headers = envelope.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let headers = headers.filter(|(name, value)| is_seen_by_rules(name, value)).collect();
        let client = client.or(by_path).unwrap_or_else(|| client_of(&body));
        return Ok(Recorded { client, body, headers });
    }
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(not_json)?;
    let body = raw.get().as_bytes().to_vec();
    let client = client.unwrap_or_else(|| client_of(&body));
    Ok(Recorded { client, body, headers: Vec::new() })
}

/// Whether rules see a header of a recorded request: a router that serves withholds credentials from them.
pub fn is_seen_by_rules(name: &str, value: &str) -> bool {
    match header_class(name) {
        HeaderClass::Known | HeaderClass::Hop => true,
        HeaderClass::Credential => false,
        HeaderClass::Unknown => value != secret::HIDDEN_VALUE && !is_credential_value(value.as_bytes()),
    }
}

/// Which API a bare body is for.
fn client_of(body: &[u8]) -> Client {
    let Ok(marks) = serde_json::from_slice::<Marks<'_>>(body) else { return Client::Messages };
    if marks.input.is_some() && marks.messages.is_none() {
        return Client::Responses;
    }
    let roles: Vec<&str> = marks.messages.iter().flatten().map(|message| &*message.role).collect();
    let openai = marks.max_completion_tokens.is_some()
        || marks.tools.iter().flatten().any(|tool| tool.function.is_some())
        || roles.iter().any(|role| matches!(*role, "tool" | "developer"))
        || roles.first() == Some(&"system");
    if openai && marks.system.is_none() { Client::Completions } else { Client::Messages }
}

/// How the tokens of a model that a client asks for are counted; for one that nobody knows, by an estimate that errs high.
pub fn tokenizer_of(catalogue: &Catalogue, model: &str) -> Tokenizer {
    let known = catalogue.find_asked(model).map(|id| catalogue.card(id).tokenizer);
    known.unwrap_or(Tokenizer { vocabulary: Vocabulary::O200k, factor_percent: 115 })
}

/// Reads a request and gives its features to somebody.
pub fn with_features<T>(
    recorded: &Recorded,
    catalogue: &Catalogue,
    counter: &Counter,
    key: Option<&str>,
    take: impl FnOnce(&dyn Features, &Chat<'_>) -> T,
) -> Result<T, BadBody> {
    let chat = request::decode(recorded.client, &recorded.body)?;
    let tokenizer = tokenizer_of(catalogue, &chat.model);
    let call = Call { chat: &chat, body: &recorded.body, headers: &recorded.headers, key, tokenizer };
    let request = Request::new(&call, counter);
    Ok(take(&request, &chat))
}
