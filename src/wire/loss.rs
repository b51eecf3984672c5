//! What of a conversation has no place in the API of a target: encoders write a text in its place, and the client is told.

use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Media};

/// Whether an API takes images, or documents, that are given like this.
pub fn takes(api: Api, media: &Media<'_>, is_image: bool) -> bool {
    match (api, media, is_image) {
        // What a client uploaded lies at one provider, whose clients reach it without translation.
        (_, Media::File(_), _) => false,
        (_, Media::Text(_), is_image) => !is_image,
        (Api::Messages | Api::Responses, Media::Base64 { .. } | Media::Url(_), _) => true,
        (Api::Completions, Media::Base64 { .. }, _) | (Api::Completions, Media::Url(_), true) => true,
        (Api::Gemini, Media::Base64 { .. }, _) => true,
        (Api::Ollama | Api::Generate, Media::Base64 { .. }, true) => true,
        (Api::Completions | Api::Gemini | Api::Ollama | Api::Generate, ..) => false,
    }
}

/// What stands in the place of an image or a document that cannot be sent.
pub fn stand_in(media: &Media<'_>, is_image: bool) -> String {
    let what = if is_image { "image" } else { "document" };
    match media {
        Media::Url(url) => format!("[{what}: {}]", &**url),
        Media::Base64 { .. } | Media::File(_) | Media::Text(_) => format!("[{what} omitted]"),
    }
}

/// What a conversation loses on its way into an API, in the client's words. Empty when everything arrives.
pub fn of(chat: &Chat<'_>, api: Api) -> Vec<String> {
    let mut lost = Vec::new();
    for tool in chat.tools.iter().filter(|tool| tool.server.is_some()) {
        lost.push(format!("the tool {} is not sent: only its provider runs it", &*tool.name));
    }
    if api == Api::Generate {
        let n = chat.offered().count();
        lost.extend((n > 0).then(|| format!("tools are not sent: {n}")));
    }
    let (mut images, mut documents) = (0, 0);
    chat.each_block(|_, block| match block {
        Block::Image(media) => images += usize::from(!takes(api, media, true)),
        Block::Document { media, .. } => documents += usize::from(!takes(api, media, false)),
        _ => {}
    });
    let counted = [(images, "images"), (documents, "documents")].into_iter().filter(|(n, _)| *n > 0);
    lost.extend(counted.map(|(n, what)| format!("{what} replaced by a text: {n}")));
    lost
}
