//! The provider that is nobody: its answer is the explanation of the decision, so that the first minute needs no account.

use axum::body::Body;
use axum::response::Response;

use crate::proxy::respond::{Reply, stream_of, whole};
use crate::wire::event::{Event, Opened, Stop, Usage, assemble};
use crate::wire::reply::Writer;

/// How many characters a piece of the stream has, about.
const PIECE_CHARS: usize = 80;

/// Answers with a text.
pub(super) fn answer(reply: &Reply, words: &str) -> Response {
    let usage = Usage { input: reply.head.input_at_most, output: words.len() as u64 / 4, ..Usage::default() };
    let mut events = vec![Event::Start { id: None, usage: Usage { output: 0, ..usage } }, Event::Open(Opened::Text)];
    events.extend(pieces(words).map(Event::Delta));
    events.extend([Event::Close, Event::End { stop: Stop::EndTurn, sequence: None, usage }]);
    if !reply.stream {
        let answer = assemble(&events).expect("the events above end well");
        return whole(reply, &answer);
    }
    let mut writer = Writer::new(reply.client, reply.head.clone());
    let pieces: Vec<Result<String, std::convert::Infallible>> = events
        .iter()
        .map(|event| {
            let mut out = String::new();
            writer.write(std::slice::from_ref(event), &mut out);
            Ok(out)
        })
        .collect();
    stream_of(Body::from_stream(futures_util::stream::iter(pieces)))
}

/// A text in pieces that end where lines or words do.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut made: Vec<String> = vec![String::new()];
    for word in text.split_inclusive([' ', '\n']) {
        let last = made.last_mut().expect("there is one from the beginning");
        if last.chars().count() + word.chars().count() > PIECE_CHARS {
            made.push(word.to_owned());
        } else {
            last.push_str(word);
        }
    }
    made.into_iter().filter(|piece| !piece.is_empty())
}
