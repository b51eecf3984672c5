//! The log: on the console, in a file that is set aside when it is full, as text or as JSON. A thread of its own writes the
//! file, so that no request waits for a disk; when it falls behind, lines are left out and counted.

use std::borrow::Cow;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::logging::Logging;
use crate::state::outside;
use crate::state::rotating::{Rotating, Settings};

/// The most lines that wait to be written.
const WAITING_MAX: usize = 8_192;

/// Ends the log, with all that waits, when it is dropped.
#[derive(Debug)]
pub struct Guard {
    sender: SyncSender<Option<Vec<u8>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.sender.send(None);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Begins to log. What is logged at `level` is `info`, or by module: `info,claude_router::proxy=debug`.
pub fn begin(settings: &Logging, level: &str) -> Result<Option<Guard>, String> {
    let filter = EnvFilter::try_new(level).map_err(|_| format!("`{level}` is not a log level"))?;
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if settings.console {
        layers.push(layer(settings.json, std::io::stderr));
    }
    let mut guard = None;
    if let Some(file) = &settings.file {
        let rotating = Rotating::open(Settings {
            path: file.path.clone(),
            max_size: file.max_size,
            max_files: file.max_files,
            compress: file.compress,
        })
        .map_err(|error| format!("logging.file: {}: {error}", file.path.display()))?;
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, rotating));
        let thread = thread.map_err(|error| format!("logging.file: {error}"))?;
        layers.push(layer(settings.json, Lines { sender: sender.clone(), left_out: Arc::default() }));
        guard = Some(Guard { sender, thread: Mutex::new(Some(thread)) });
    }
    // A second one is refused, which only tests could notice.
    let _ = tracing_subscriber::registry().with(layers.with_filter(filter)).try_init();
    Ok(guard)
}

fn layer<W>(json: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let plain = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Clean(writer));
    if json { plain.json().flatten_event(true).boxed() } else { plain.boxed() }
}

/// Writes each event on one line: the formatter hands an event over as one text with its line end. Secrets are hidden, and
/// what came from outside can neither end the line nor steer a terminal.
#[derive(Debug, Clone)]
struct Clean<W>(W);

struct CleanLine<W> {
    writer: W,
    /// What looks like a secret is looked for too: providers' messages come as warnings.
    by_form: bool,
}

impl<W: Write> Write for CleanLine<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let hidden = if self.by_form { outside::hide(line) } else { outside::hide_known(line) };
        match (outside::one_line(&hidden), &hidden, &text) {
            (Cow::Borrowed(_), Cow::Borrowed(_), Cow::Borrowed(_)) => self.writer.write_all(bytes)?,
            (clean, ..) => self.writer.write_all(format!("{clean}\n").as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Clean<W> {
    type Writer = CleanLine<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        CleanLine { writer: self.0.make_writer(), by_form: true }
    }

    fn make_writer_for(&'w self, meta: &Metadata<'_>) -> Self::Writer {
        CleanLine { writer: self.0.make_writer_for(meta), by_form: *meta.level() <= Level::WARN }
    }
}

#[derive(Debug, Clone)]
struct Lines {
    sender: SyncSender<Option<Vec<u8>>>,
    left_out: Arc<AtomicU64>,
}

/// One line on its way.
struct Line<'l>(&'l Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.0.sender.try_send(Some(bytes.to_vec())) {
            let n = self.0.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            if n.is_power_of_two() {
                let _ = writeln!(std::io::stderr(), "the log falls behind: {n} lines are not in it");
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line(self)
    }
}

fn write_all(receiver: &Receiver<Option<Vec<u8>>>, mut file: Rotating) {
    let mut works = true;
    while let Ok(Some(line)) = receiver.recv() {
        match file.add(&line) {
            Ok(()) => works = true,
            Err(error) if works => {
                let _ = writeln!(std::io::stderr(), "the log {} cannot be written: {error}", file.path().display());
                works = false;
            }
            Err(_) => {}
        }
    }
}
