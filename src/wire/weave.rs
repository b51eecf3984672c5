//! Blocks that a provider sends at the same time, as the one block at a time that clients read: the first one goes out as
//! it comes, what came behind it waits until it is done.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use crate::wire::event::{Event, Opened, Stop, Usage};
use crate::wire::foreign;
use crate::wire::ids::{Names, clean_id};

/// What is not the call of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Text.
    Text,
    /// Thinking.
    Thinking,
}

/// A piece of a call: what it says of the call, and more of its arguments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece<'a> {
    /// The call's place among its like, where the provider gives one.
    pub index: Option<u64>,
    /// The call's id; empty where this piece does not say it.
    pub id: &'a str,
    /// The tool; empty where this piece does not say it.
    pub name: &'a str,
    /// More of the JSON of its input.
    pub arguments: &'a str,
}

#[derive(Debug)]
enum Kind {
    Plain(Plain),
    Call { index: Option<u64>, id: String, name: String },
}

/// How many blocks may wait, and how many calls an answer may have: no answer has as many.
const BLOCKS_MAX: usize = 4_096;
/// How much of an answer may wait for what comes before it, or for its end, in bytes: no answer has as much.
const WAITING_MAX: usize = 64 << 20;

#[derive(Debug)]
struct Part {
    kind: Kind,
    /// All of a call; of text and thinking what was not sent yet.
    body: String,
    /// Of all that was thought.
    thought: Sha256,
    /// How much of it went out, in bytes.
    sent: usize,
    signature: Option<String>,
    opened: bool,
    done: bool,
}

impl Part {
    fn new(kind: Kind) -> Self {
        Self { kind, body: String::new(), thought: Sha256::new(), sent: 0, signature: None, opened: false, done: false }
    }

    /// What matches a piece: the same id, else the same place, else whatever call is the last.
    fn takes(&self, piece: &Piece<'_>) -> bool {
        let Kind::Call { index, id, .. } = &self.kind else { return false };
        match (piece.index, piece.id.is_empty()) {
            (_, false) if !id.is_empty() => id == piece.id,
            (Some(wanted), _) => *index == Some(wanted),
            (None, _) => true,
        }
    }
}

/// Makes events of what a provider sends; keeps their grammar, whatever comes.
#[derive(Debug)]
pub struct Weaver {
    names: Names,
    parts: VecDeque<Part>,
    started: bool,
    done: bool,
    has_calls: bool,
    n_calls: usize,
    used_ids: Vec<String>,
    /// Calls that went out whole: what a provider says of them again is nothing new.
    gone: Vec<Part>,
}

impl Weaver {
    /// For one answer; `names` are those that the request shortened.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            parts: VecDeque::new(),
            started: false,
            done: false,
            has_calls: false,
            n_calls: 0,
            used_ids: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// The answer ended, well or not.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Something arrived.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// The answer holds calls of tools.
    pub fn has_calls(&self) -> bool {
        self.has_calls
    }

    /// It begins; the first time only.
    pub fn start(&mut self, id: Option<&str>, usage: Usage, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let usage = Usage { output: 0, reasoning: 0, ..usage };
            events.push(Event::Start { id: id.map(str::to_owned), usage });
        }
    }

    /// More text, or more thinking. Nothing opens for an empty one.
    pub fn text(&mut self, kind: Plain, text: &str, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        let continues = self
            .parts
            .back()
            .is_some_and(|part| !part.done && matches!(part.kind, Kind::Plain(known) if known == kind));
        if !continues {
            self.push(Part::new(Kind::Plain(kind)));
        }
        if let Some(part) = self.parts.back_mut() {
            part.body.push_str(text);
            if kind == Plain::Thinking {
                part.thought.update(text);
            }
        }
        self.advance(events);
    }

    /// The signature of the thinking that came last; where there was none, an empty one stands for it.
    pub fn sign(&mut self, signature: String, events: &mut Vec<Event>) {
        let signs = |part: &Part| matches!(part.kind, Kind::Plain(Plain::Thinking)) && part.signature.is_none();
        if !self.parts.back().is_some_and(signs) {
            self.push(Part::new(Kind::Plain(Plain::Thinking)));
        }
        if let Some(part) = self.parts.back_mut() {
            (part.signature, part.done) = (Some(signature), true);
        }
        self.advance(events);
    }

    /// A piece of a call.
    pub fn call(&mut self, piece: Piece<'_>, events: &mut Vec<Event>) {
        let place = match self.parts.iter().rposition(|part| part.takes(&piece)) {
            Some(place) => place,
            None if self.gone.iter().any(|part| part.takes(&piece)) => return,
            None => {
                self.push(Part::new(Kind::Call { index: piece.index, id: String::new(), name: String::new() }));
                self.parts.len() - 1
            }
        };
        let part = &mut self.parts[place];
        if let Kind::Call { id, name, .. } = &mut part.kind {
            if id.is_empty() {
                piece.id.clone_into(id);
            }
            if name.is_empty() {
                piece.name.clone_into(name);
            }
            self.has_calls |= !name.is_empty();
        }
        if !part.done {
            part.body.push_str(piece.arguments);
        }
        self.advance(events);
    }

    /// A call is whole. `all` is its input as the provider gives it at the end: what of it was not sent yet follows.
    pub fn call_done(&mut self, piece: Piece<'_>, all: Option<&str>, events: &mut Vec<Event>) {
        self.call(Piece { arguments: "", ..piece }, events);
        let Some(part) = self.parts.iter_mut().rev().find(|part| part.takes(&piece)) else { return };
        let missing = all.and_then(|all| all.strip_prefix(part.body.as_str()));
        if let Some(missing) = missing.filter(|_| !part.done) {
            part.body.push_str(missing);
        }
        part.done = true;
        self.advance(events);
    }

    /// The last text or thinking is whole; what comes next is another block.
    pub fn plain_done(&mut self, events: &mut Vec<Event>) {
        if let Some(part) = self.parts.back_mut().filter(|part| matches!(part.kind, Kind::Plain(_))) {
            part.done = true;
        }
        self.advance(events);
    }

    /// It ends well.
    pub fn end(&mut self, stop: Stop, usage: Usage, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        self.start(None, usage, events);
        self.parts.retain(|part| !matches!(&part.kind, Kind::Call { name, .. } if name.is_empty()));
        self.parts.iter_mut().for_each(|part| part.done = true);
        self.advance(events);
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        events.push(Event::End { stop, sequence: None, usage });
    }

    /// It broke.
    pub fn fail(&mut self, kind: &str, message: &str, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Error { kind: kind.to_owned(), message: message.to_owned() });
        }
    }

    /// What comes behind text and thinking ends it; a call may go on beside others.
    fn push(&mut self, part: Part) {
        if let Some(last) = self.parts.back_mut().filter(|part| matches!(part.kind, Kind::Plain(_))) {
            last.done = true;
        }
        self.parts.push_back(part);
    }

    /// Sends what may go: all of the first block that is known, and the next one when it is done.
    fn advance(&mut self, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        while let Some(part) = self.parts.front() {
            if !part.opened {
                let Some(opened) = self.opened(0) else { break };
                events.push(Event::Open(opened));
            }
            let Some(part) = self.parts.front_mut() else { return };
            part.opened = true;
            let rest = part.body.get(part.sent..).unwrap_or_default();
            if !rest.is_empty() {
                events.push(Event::Delta(rest.to_owned()));
            }
            part.sent = part.body.len();
            if matches!(part.kind, Kind::Plain(_)) {
                part.body.clear();
                part.sent = 0;
            }
            if !part.done {
                break;
            }
            if matches!(part.kind, Kind::Plain(Plain::Thinking)) {
                let thought = std::mem::take(&mut part.thought).finalize();
                let signature = part.signature.take().unwrap_or_else(|| foreign::signature_of(&thought));
                events.push(Event::Signature(signature));
            }
            events.push(Event::Close);
            let Some(Part { kind: kind @ Kind::Call { .. }, .. }) = self.parts.pop_front() else { continue };
            self.gone.push(Part::new(kind));
        }
        let waiting: usize = self.parts.iter().map(|part| part.body.len()).sum();
        if waiting > WAITING_MAX || self.parts.len() > BLOCKS_MAX || self.n_calls > BLOCKS_MAX {
            self.parts.clear();
            self.fail("api_error", "the upstream's answer is too large", events);
        }
    }

    /// A block's beginning: a call's under an id that every API takes and that no other call has; none while the call has
    /// no name.
    fn opened(&mut self, place: usize) -> Option<Opened> {
        let (id, name) = match &self.parts.get(place)?.kind {
            Kind::Plain(Plain::Text) => return Some(Opened::Text),
            Kind::Plain(Plain::Thinking) => return Some(Opened::Thinking),
            Kind::Call { name, .. } if name.is_empty() => return None,
            Kind::Call { id, name, .. } => (id, name),
        };
        let mut unique = if id.is_empty() { self.names.call_id(self.n_calls) } else { clean_id(id) };
        while self.used_ids.contains(&unique) {
            unique = format!("{unique}_{}", self.n_calls);
        }
        let opened = Opened::ToolUse { id: unique.clone(), name: self.names.restore(name) };
        self.n_calls += 1;
        self.used_ids.push(unique);
        Some(opened)
    }
}
