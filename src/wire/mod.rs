//! PROVIDER FORMATS. Bytes to values and back, no I/O: requests in two shapes into one chat and out of it, answers as
//! events, streams that decode alike however they are cut.

pub mod anthropic;
pub mod chat;
pub mod completions;
pub mod event;
pub mod foreign;
pub mod ids;
pub mod loss;
pub mod messages;
pub mod openai;
pub mod overflow;
pub mod patch;
pub mod retry;
pub mod sse;
pub mod text;

use crate::wire::event::Decoder;

/// The shape of an API: of the client that called, or of the provider that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI chat completions.
    OpenAi,
}

impl Shape {
    /// A decoder of an answer in this shape, one for each answer.
    pub fn decoder(self, names: ids::Names) -> Box<dyn Decoder> {
        match self {
            Self::Anthropic => Box::new(anthropic::StreamDecoder::default()),
            Self::OpenAi => Box::new(openai::StreamDecoder::new(names)),
        }
    }

    /// The events of a whole answer in this shape.
    pub fn decode_whole(self, body: &[u8], names: &ids::Names) -> Vec<event::Event> {
        match self {
            Self::Anthropic => anthropic::decode_whole(body),
            Self::OpenAi => openai::decode_whole(body, names),
        }
    }
}
