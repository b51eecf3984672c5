//! The requests of clients: bodies of three APIs to chats.

pub mod completions;
pub mod messages;
pub mod responses;

use crate::wire::Client;
use crate::wire::chat::{BadBody, Chat};

/// Reads a body.
pub fn decode(client: Client, body: &[u8]) -> Result<Chat<'_>, BadBody> {
    match client {
        Client::Messages => messages::decode(body),
        Client::Completions => completions::decode(body),
        Client::Responses => responses::decode(body),
    }
}
