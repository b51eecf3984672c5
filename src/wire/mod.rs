//! PROVIDER FORMATS. Bytes to values and back, no I/O: the requests of three APIs into one chat and out of it into six,
//! answers as events, streams that decode alike however they are cut.
//!
//! A request goes `request` → [`chat::Chat`] → [`wanted::Wanted`] → `provider`; its answer goes `provider` →
//! [`event::Event`] → `reply`. What an API of a provider is, is one row of [`provider::TABLE`].

pub mod chat;
pub mod credential;
pub mod event;
pub mod foreign;
pub mod ids;
pub mod lines;
pub mod loss;
pub mod overflow;
pub mod patch;
pub mod provider;
pub mod refused;
pub mod reply;
pub mod request;
pub mod retry;
pub mod sse;
pub mod text;
pub mod wanted;
pub mod weave;

/// The API that a client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Anthropic Messages.
    Messages,
    /// OpenAI chat completions.
    Completions,
    /// OpenAI Responses.
    Responses,
}

impl Client {
    /// The path that it is called at.
    pub fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Completions => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
        }
    }

    /// The API that is called at a path, whatever stands before it and behind it.
    pub fn at(path: &str) -> Self {
        if path.contains("chat/completions") {
            Self::Completions
        } else if path.contains("/responses") {
            Self::Responses
        } else {
            Self::Messages
        }
    }

    /// The API of providers that speaks the same.
    pub fn api(self) -> Api {
        match self {
            Self::Messages => Api::Messages,
            Self::Completions => Api::Completions,
            Self::Responses => Api::Responses,
        }
    }
}

/// The API that a provider is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Anthropic Messages.
    Messages,
    /// OpenAI chat completions.
    Completions,
    /// OpenAI Responses.
    Responses,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's `/api/chat`.
    Ollama,
    /// Ollama's `/api/generate`.
    Generate,
}
