//! What of a conversation has no place in the API of a target: encoders write a text in its place, and the client is told.

use crate::wire::Api;
use crate::wire::chat::{Block, Chat, Media, ToolChoice};
use crate::wire::wanted::Target;

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
pub fn of(chat: &Chat<'_>, target: &Target<'_>) -> Vec<String> {
    let api = target.api;
    let mut lost = Vec::new();
    let searches = match api {
        Api::Responses => true,
        Api::Completions => target.dialect.openrouter,
        Api::Gemini => chat.offered().next().is_none(),
        Api::Messages | Api::Ollama | Api::Generate => false,
    };
    for tool in chat.tools.iter().filter(|tool| tool.server.is_some() && !(searches && tool.is_web_search())) {
        lost.push(format!("the tool {} is not sent: only its provider runs it", &*tool.name));
    }
    if let ToolChoice::Tool(name) = &chat.tool_choice
        && !chat.offered().any(|(_, tool)| *tool.name == **name)
    {
        lost.push(format!("that {} is called is not demanded: it is not offered", &**name));
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
