//! Traffic, written down for `router replay` and `router diff --traffic`: a line for each request that was decided. A thread
//! of its own writes; when it falls behind, lines are left out and counted, and no request waits.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Record;
use crate::proxy::call::Call;
use crate::proxy::decide::Decided;
use crate::proxy::{Active, App, headers};
use crate::state::outside;
use crate::state::rotating::{self, Rotating};
use crate::state::seal::Seal;
use crate::tools::request::{self, Recorded};
use crate::traffic::fields::Kept;
use crate::traffic::line::{Line, Tokens, body_of};
use crate::traffic::sealed;
use crate::wire::event::Usage;

/// The most lines that wait to be written.
const WAITING_MAX: usize = 1_024;
/// The most bytes of bodies that wait to be written.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Where lines go.
#[derive(Debug, Clone)]
pub struct Recording {
    /// How.
    pub settings: Record,
    sender: SyncSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    left_out: Arc<AtomicU64>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Line(Box<Waiting>),
    Reseal,
    Stop,
}

struct Waiting {
    line: Line,
    call: Arc<Call>,
    app: App,
    active: Arc<Active>,
}

impl Recording {
    /// Opens the file, and starts to write. An error says why it cannot be written.
    pub fn open(settings: &Record, seal: Option<Seal>) -> Result<Self, String> {
        let rotating = rotating::Settings {
            path: settings.path.clone(),
            max_size: settings.max_size,
            max_files: settings.max_files,
            compress: false,
        };
        let file = Rotating::open(rotating).map_err(|error| format!("record: {}: {error}", settings.path.display()))?;
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let (bytes, bodies) = (Arc::clone(&waiting_bytes), settings.bodies);
        let work = std::thread::Builder::new().name("recording".to_owned());
        let thread = work.spawn(move || write_all(&receiver, file, bodies, &bytes, seal.as_ref()));
        let thread = thread.map_err(|error| format!("record: {error}"))?;
        Ok(Self {
            settings: settings.clone(),
            sender,
            waiting_bytes,
            left_out: Arc::default(),
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Writes what waits, and ends.
    pub fn close(&self) {
        let _ = self.sender.send(Message::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Has lines that were encrypted with a key of the past encrypted again.
    pub(super) fn reseal(&self) {
        let _ = self.sender.try_send(Message::Reseal);
    }

    fn send(&self, waiting: Waiting) {
        let size = waiting.call.body.len();
        let fits = self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size <= WAITING_BYTES_MAX;
        let sent = fits
            && match self.sender.try_send(Message::Line(Box::new(waiting))) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            };
        if !sent {
            self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            let n = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            if n.is_power_of_two() {
                tracing::warn!("the recording falls behind: {n} requests are not in it");
            }
        }
    }
}

/// What becomes of a request, gathered on its way. Written when nobody holds it any more: the answer is whole then, or the
/// client has gone.
#[derive(Debug, Clone)]
pub(super) struct Entry(Arc<Gathered>);

struct Gathered {
    recording: Recording,
    app: App,
    active: Arc<Active>,
    call: Arc<Call>,
    started: Duration,
    line: Mutex<Line>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("id", &self.call.id).finish_non_exhaustive()
    }
}

impl Entry {
    /// Of a request that was decided, where traffic is recorded.
    pub(super) fn begin(app: &App, active: &Arc<Active>, call: &Arc<Call>, decided: &Decided) -> Option<Self> {
        let recording = app.recording.load_full()?;
        let now = app.clock.zoned().timestamp();
        let time = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let path = call.client.path();
        let hidden = |text: &str| outside::hide(text).into_owned();
        let line = Line {
            time: Some(format!("{time:.3}")),
            id: Some(call.id.clone()),
            rule: Some(decided.rule.clone()),
            asked: Some(hidden(&decided.asked)),
            session: decided.session.as_deref().map(hidden),
            user: decided.user.as_deref().map(hidden),
            path: Some(path.to_owned()),
            headers: headers::for_recording(&call.headers, &call.withheld)
                .into_iter()
                .map(|(name, value)| (name, hidden(&value)))
                .collect(),
            ..Line::default()
        };
        Some(Self(Arc::new(Gathered {
            recording: (*recording).clone(),
            app: app.clone(),
            active: Arc::clone(active),
            call: Arc::clone(call),
            started: app.clock.instant(),
            line: Mutex::new(line),
        })))
    }

    fn with(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.0.line.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A model failed, so that the next one was tried.
    pub(super) fn failed(&self, model: &str) {
        self.with(|line| {
            if line.failed.iter().all(|known| known != model) {
                line.failed.push(model.to_owned());
            }
        });
    }

    /// A model answered: with what usage and at what cost, where that is known.
    pub(super) fn answered(
        &self,
        model: &str,
        usage: Option<Usage>,
        nano_dollars: Option<i64>,
        first_byte: Option<Duration>,
    ) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.with(|line| {
            line.model = Some(model.to_owned());
            // It may have failed before it was tried again.
            line.failed.retain(|failed| failed != model);
            line.usage = usage.map(|usage| Tokens {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
            });
            line.cost_usd = nano_dollars.map(crate::traffic::report::usd);
            line.first_byte_ms = first_byte.map(millis);
        });
    }

    /// The status that the client is given.
    pub(super) fn status(&self, status: u16) {
        self.with(|line| line.status = Some(status));
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let mut line = std::mem::take(self.line.get_mut().unwrap_or_else(PoisonError::into_inner));
        let total = self.app.clock.instant().saturating_sub(self.started);
        line.total_ms = Some(u64::try_from(total.as_millis()).unwrap_or(u64::MAX));
        let (call, app, active) = (Arc::clone(&self.call), self.app.clone(), Arc::clone(&self.active));
        self.recording.send(Waiting { line, call, app, active });
    }
}

// --- the thread that writes --------------------------------------------------------------------------------------------

fn write_all(
    receiver: &Receiver<Message>,
    mut lines: Rotating,
    bodies: bool,
    waiting_bytes: &AtomicUsize,
    seal: Option<&Seal>,
) {
    let mut works = true;
    while let Ok(message) = receiver.recv() {
        let waiting = match message {
            Message::Line(waiting) => waiting,
            Message::Reseal => {
                let resealed = seal.map_or(Ok(()), |seal| lines.change_all(|line| sealed::again(line, seal)));
                if let Err(error) = resealed {
                    tracing::error!("the recording {} cannot be encrypted again: {error}", lines.path().display());
                }
                continue;
            }
            Message::Stop => break,
        };
        let size = waiting.call.body.len();
        let mut line = complete(*waiting, bodies).written();
        if let Cow::Owned(hidden) = outside::hide_known(&line) {
            line = hidden;
        }
        if let Some(seal) = seal {
            line = sealed::line(&line, seal);
        }
        let written = lines.add(line.as_bytes());
        waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        match written {
            Ok(()) => works = true,
            Err(error) if works => {
                tracing::error!("the recording {} cannot be written: {error}", lines.path().display());
                works = false;
            }
            Err(_) => {}
        }
    }
}

/// The line with the request itself.
fn complete(waiting: Waiting, bodies: bool) -> Line {
    let Waiting { mut line, call, app, active } = waiting;
    if bodies {
        line.body = body_of(&call.body);
        return line;
    }
    let headers = headers::for_rules(&call.headers);
    let recorded = Recorded { client: call.client, body: call.body.to_vec(), headers };
    let catalogue = &active.plan.program.catalogue;
    let kept = request::with_features(&recorded, catalogue, &app.counter, None, |features, _| Kept::of(features));
    line.fields = kept.ok();
    line
}
