//! What decoders of server-sent events have in common: events cut out of bytes, JSON in each, a weaver that ends once.

use serde_json::Value;

use crate::wire::event::{Decoder, Event};
use crate::wire::sse::{Message, Reader};
use crate::wire::weave::Weaver;

/// An API's part of a decoder: what its JSON says.
pub(super) trait Chunks: Send {
    /// What its blocks go through.
    fn weaver(&mut self) -> &mut Weaver;
    /// The JSON of one event.
    fn chunk(&mut self, value: &Value, events: &mut Vec<Event>);
    /// `[DONE]`, where the API says that.
    fn done(&mut self, _: &mut Vec<Event>) {}
    /// The connection is over.
    fn over(&mut self, events: &mut Vec<Event>);
}

/// A decoder of a stream of events.
#[derive(Debug)]
pub(super) struct Framed<C> {
    reader: Reader,
    chunks: C,
}

impl<C> Framed<C> {
    pub(super) fn new(chunks: C) -> Self {
        Self { reader: Reader::default(), chunks }
    }
}

impl<C: Chunks> Framed<C> {
    fn message(&mut self, message: &Message, events: &mut Vec<Event>) {
        if self.chunks.weaver().is_done() {
            return;
        }
        if message.data.trim() == "[DONE]" {
            self.chunks.done(events);
            return;
        }
        match serde_json::from_str::<Value>(&message.data) {
            Ok(value) => self.chunks.chunk(&value, events),
            Err(_) => self.chunks.weaver().fail("api_error", "the upstream sent an event that is not JSON", events),
        }
    }
}

impl<C: Chunks> Decoder for Framed<C> {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let mut messages = Vec::new();
        let read = self.reader.push(bytes, |message| messages.push(message));
        messages.iter().for_each(|message| self.message(message, events));
        if read.is_err() {
            self.chunks.weaver().fail("api_error", "the upstream sent an event that is too large", events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.chunks.over(events);
    }
}
