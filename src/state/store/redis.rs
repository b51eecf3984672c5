//! The store of several replicas: Redis. What a call asks for is one script, so one round trip and atomic; notes go in
//! pipelines that nobody waits for. When Redis fails, calls are told at once instead of waiting, and notes wait for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, Script, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::state::State;
use crate::state::clock::Clock;
use crate::state::ledger::{Held, Window};
use crate::state::store::{Admission, Answered, Ask, Denied, Note, Reads, Seen, Settled, Store};
use crate::state::usage::{self, By, Row, Totals};

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));
static SWEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("sweep.lua")));

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long notes may take.
const NOTES: Duration = Duration::from_secs(5);
/// How often a replica says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(3);
/// How long a replica that says nothing counts as living.
const ALIVE: Duration = Duration::from_secs(15);
/// How long a call may be under way before nobody believes that it is: twice the longest answer.
const OPEN_MAX: Duration = Duration::from_hours(2);
/// The first pause before Redis is tried again, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often somebody who waits for room in a budget looks again.
const ROOM_EVERY: Duration = Duration::from_millis(25);
/// The most notes of one pipeline.
const BATCH_MAX: usize = 500;
/// More than this many notes that wait: rows of usage are left out, money never is.
const WAITING_MAX: usize = 100_000;
/// How many rows of usage Redis keeps, about.
const ROWS_MAX: usize = 200_000;
/// How many outcomes of calls Redis keeps, about.
const OUTCOMES_MAX: usize = 2_000;
/// How long ago an outcome may have been that a new replica hears of, in milliseconds.
const OUTCOMES_MS: i64 = 5 * 60 * 1_000;
/// How long a conversation is remembered, in seconds.
const SESSION_S: i64 = 86_400;
/// How long after its end a budget's window is kept, in seconds.
const WINDOW_S: i64 = 7 * 86_400;
/// How long the reader of outcomes waits for one, in milliseconds.
const READ_MS: usize = 2_000;
/// How many rows are read at a time.
const PAGE: usize = 2_000;

/// How Redis is reached and used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://...`, with a password where it has one: never shown.
    pub url: String,
    /// What every key begins with. In braces, so that a cluster keeps all of it in one place.
    pub prefix: String,
    /// How long a call waits for an answer.
    pub timeout: Duration,
}

/// Redis.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    settings: Settings,
    replica: String,
    state: State,
    clock: Clock,
    connection: Mutex<Option<MultiplexedConnection>>,
    down: Mutex<Option<String>>,
    notes: UnboundedSender<Message>,
    waiting: AtomicUsize,
    left_out: AtomicU64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("replica", &self.replica).finish_non_exhaustive()
    }
}

enum Message {
    Note(Note),
    Close(oneshot::Sender<()>),
}

impl Redis {
    /// Connects; where that fails now, it is tried on, and why is said. `replica` is a name that no other process has;
    /// `spawn` runs what goes on in the background.
    pub async fn open(
        settings: Settings,
        replica: String,
        state: State,
        clock: Clock,
        spawn: impl Fn(BoxFuture<'static, ()>),
    ) -> Result<(Self, Option<String>), String> {
        // The address may hold a password: an error says what is wrong with it, never what it is.
        let client = Client::open(settings.url.as_str()).map_err(|error| format!("store.url: {}", said(&error)))?;
        let (notes, receiver) = unbounded_channel();
        let inner = Inner {
            client,
            settings,
            replica,
            state,
            clock,
            connection: Mutex::new(None),
            down: Mutex::new(Some("it is not connected yet".to_owned())),
            notes,
            waiting: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
        };
        let store = Self(Arc::new(inner));
        let connected = store.connect().await;
        spawn(Box::pin(store.clone().write(receiver)));
        spawn(Box::pin(store.clone().live()));
        spawn(Box::pin(store.clone().listen()));
        let problem = connected.err().map(|error| format!("store: {}; it is tried on", trouble(&error, "store.url")));
        Ok((store, problem))
    }

    /// Connects, and tells Redis the scripts.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(NOTES));
        let mut connection = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        for script in [&*ADMIT, &*SETTLE, &*SWEEP] {
            script.prepare_invoke().load_async(&mut connection).await?;
        }
        self.sweep(&mut connection).await?;
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        let was = self.0.down.lock().unwrap_or_else(PoisonError::into_inner).take();
        if was.is_some() {
            tracing::info!("Redis answers");
        }
        Ok(connection)
    }

    fn connection(&self) -> Option<MultiplexedConnection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Redis failed: nobody tries it until it was reached again.
    fn failed(&self, why: String) {
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut down = self.0.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.is_none() {
            tracing::error!("Redis cannot be used: {why}");
        }
        *down = Some(why);
    }

    async fn sweep(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let settled: u64 = SWEEP
            .key(&self.0.settings.prefix)
            .arg(&self.0.replica)
            .arg(millis(ALIVE))
            .arg(millis(OPEN_MAX).saturating_mul(1_000))
            .invoke_async(connection)
            .await?;
        if settled > 0 {
            tracing::warn!("{settled} calls of replicas that died count with their highest cost");
        }
        Ok(())
    }

    /// Says that this replica lives, settles for those that do not, and connects again when the connection failed.
    async fn live(self) {
        let mut pause = PAUSE;
        loop {
            match self.connection() {
                Some(mut connection) => {
                    pause = PAUSE;
                    match tokio::time::timeout(self.0.settings.timeout.max(CONNECT), self.sweep(&mut connection)).await
                    {
                        Ok(Ok(())) => tokio::time::sleep(ALIVE_EVERY).await,
                        Ok(Err(error)) => self.failed(said(&error)),
                        Err(_) => self.failed("it does not answer".to_owned()),
                    }
                }
                None => {
                    if !matches!(tokio::time::timeout(CONNECT, self.connect()).await, Ok(Ok(_))) {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                }
            }
        }
    }

    async fn ask(&self, ask: &Ask) -> Admission {
        let unreachable = |why: String| Admission { verdict: Err(Denied::Unreachable(why)), seen: None };
        if let Some(why) = self.down() {
            return unreachable(why);
        }
        let Some(mut connection) = self.connection() else { return unreachable("it is not connected".to_owned()) };
        let mut call = ADMIT.key(&self.0.settings.prefix);
        arguments(&mut call, &self.0.replica, ask);
        let answered = tokio::time::timeout(self.0.settings.timeout, call.invoke_async::<Reply>(&mut connection)).await;
        let reply = match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                self.failed(said(&error));
                return unreachable(said(&error));
            }
            Err(_) => {
                self.failed("it does not answer".to_owned());
                return unreachable("it does not answer".to_owned());
            }
        };
        let (status, place, after, turn, windows, session, kept, turns) = reply;
        let place = place.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let seen = seen(&ask.reads, &windows, &session, &kept, &turns);
        self.learn(&seen);
        let verdict = match status.as_str() {
            "ok" => {
                let turn = turn.parse().ok();
                if let (Some(pool), Some(turn)) = (&ask.pool, turn) {
                    self.0.state.sessions.put_turn(pool, turn + 1);
                }
                Ok(turn)
            }
            "limit" => Err(Denied::Limit(place, Duration::from_micros(after.parse().unwrap_or(0)))),
            "spent" => Err(Denied::Spent(place)),
            "set_aside" => Err(Denied::SetAside(place)),
            _ => Err(Denied::Unreachable("the call was given up".to_owned())),
        };
        Admission { verdict, seen: Some(seen) }
    }

    /// The next decision guesses from what this one was told.
    fn learn(&self, seen: &Seen) {
        for (window, held) in &seen.windows {
            self.0.state.ledger.put(window.clone(), *held);
        }
        seen.answered.iter().for_each(|answered| self.0.state.sessions.answered(answered));
        for ((pool, id), model) in &seen.kept {
            if let Some(model) = model {
                self.0.state.sessions.keep(pool, id, model);
            }
        }
        for (pool, turn) in &seen.turns {
            self.0.state.sessions.put_turn(pool, *turn);
        }
    }

    async fn admitted(&self, ask: &Ask) -> Admission {
        let mut undo = Undo { store: self, ask: Some(ask) };
        let end = self.0.clock.moment(ask.patience);
        let admitted = loop {
            let admission = self.ask(ask).await;
            let waits = matches!(admission.verdict, Err(Denied::SetAside(_)));
            if !waits || self.0.clock.moment(ROOM_EVERY) >= end {
                break admission;
            }
            tokio::time::sleep(ROOM_EVERY).await;
        };
        // Whether a script ran whose answer did not come, nobody knows: it is undone. Any other answer is sure.
        if !matches!(admitted.verdict, Err(Denied::Unreachable(_))) {
            undo.ask = None;
        }
        admitted
    }

    // --- notes ---------------------------------------------------------------------------------------------------------

    async fn write(self, mut receiver: UnboundedReceiver<Message>) {
        let mut batch: VecDeque<Note> = VecDeque::new();
        let mut closing: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            if batch.is_empty() {
                for closed in closing.drain(..) {
                    let _ = closed.send(());
                }
                let Some(message) = receiver.recv().await else { return };
                take(message, &mut batch, &mut closing);
            }
            while batch.len() < BATCH_MAX {
                let Ok(message) = receiver.try_recv() else { break };
                take(message, &mut batch, &mut closing);
            }
            if batch.is_empty() {
                continue;
            }
            let Some(mut connection) = self.connection() else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let mut pipe = redis::pipe();
            batch.iter().for_each(|note| self.add(&mut pipe, note));
            match tokio::time::timeout(NOTES, pipe.query_async::<Value>(&mut connection)).await {
                Ok(Ok(_)) => {
                    self.0.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
                    batch.clear();
                }
                Ok(Err(error)) => self.failed(said(&error)),
                Err(_) => self.failed("it does not answer".to_owned()),
            }
        }
    }

    fn add(&self, pipe: &mut redis::Pipeline, note: &Note) {
        let prefix = &self.0.settings.prefix;
        match note {
            Note::Settle(settled) => self.add_settled(pipe, settled),
            Note::Usage(row) => {
                let json = serde_json::to_string(row).unwrap_or_default();
                let mut add = redis::cmd("XADD");
                add.arg(format!("{prefix}usage")).arg("MAXLEN").arg("~").arg(ROWS_MAX).arg("*").arg("r").arg(json);
                pipe.add_command(add).ignore();
            }
            Note::Session(answered) => {
                let key = format!("{prefix}session:{}", plain(&answered.session));
                let value = format!("{} {}", answered.tokens, answered.at_ms);
                pipe.hset(&key, &answered.model, value).ignore().expire(&key, SESSION_S).ignore();
            }
            Note::Kept { pool, id, model } => {
                pipe.cmd("SET").arg(format!("{prefix}kept:{}", kept_name(pool, id))).arg(model);
                pipe.arg("EX").arg(SESSION_S).ignore();
            }
            Note::Outcome { model, good, first_byte_us, at_ms } => {
                let mut add = redis::cmd("XADD");
                add.arg(format!("{prefix}outcomes")).arg("MAXLEN").arg("~").arg(OUTCOMES_MAX).arg("*");
                add.arg("by").arg(&self.0.replica).arg("m").arg(model).arg("g").arg(i32::from(*good));
                add.arg("f").arg(*first_byte_us).arg("t").arg(*at_ms);
                pipe.add_command(add).ignore();
            }
        }
    }

    fn add_settled(&self, pipe: &mut redis::Pipeline, settled: &Settled) {
        let mut call = SETTLE.key(&self.0.settings.prefix);
        call.arg(&self.0.replica).arg(&settled.id).arg(settled.cost);
        for (charge, used) in &settled.used {
            let delta = charge.rate.micros(*used) - charge.rate.micros(charge.cost);
            if delta != 0 {
                call.arg(plain(&charge.id)).arg(delta);
            }
        }
        pipe.invoke_script(&call).ignore();
    }

    // --- what other replicas saw ----------------------------------------------------------------------------------------

    /// Takes in the outcomes of other replicas' calls, so that all see the same health.
    async fn listen(self) {
        let key = format!("{}outcomes", self.0.settings.prefix);
        let mut last = format!("{}-0", (self.0.clock.unix_ms() - OUTCOMES_MS).max(0));
        loop {
            // Waiting holds up a connection: this one is its own.
            let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
            if let Ok(mut connection) = self.0.client.get_multiplexed_async_connection_with_config(&config).await {
                loop {
                    let mut read = redis::cmd("XREAD");
                    read.arg("BLOCK").arg(READ_MS).arg("COUNT").arg(PAGE).arg("STREAMS").arg(&key).arg(&last);
                    let reply =
                        tokio::time::timeout(NOTES, read.query_async::<Option<StreamReadReply>>(&mut connection));
                    let Ok(Ok(reply)) = reply.await else { break };
                    for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids) {
                        last.clone_from(&entry.id);
                        self.heard(&entry);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn heard(&self, entry: &redis::streams::StreamId) {
        let text = |name: &str| entry.get::<String>(name);
        if text("by").as_deref() == Some(self.0.replica.as_str()) {
            return;
        }
        let (Some(model), Some(good), Some(at_ms)) = (text("m"), text("g"), entry.get::<i64>("t")) else { return };
        let ago = Duration::from_millis(u64::try_from(self.0.clock.unix_ms() - at_ms).unwrap_or(0));
        let first = Duration::from_micros(entry.get::<u64>("f").unwrap_or(0));
        self.0.state.health.heard(&model, self.0.clock.instant().saturating_sub(ago), good == "1", first);
    }

    async fn rows(&self, by: By, since_ms: i64) -> Result<Totals, String> {
        let reached = || "Redis cannot be reached".to_owned();
        let mut connection = self.connection().ok_or_else(reached)?;
        let key = format!("{}usage", self.0.settings.prefix);
        let (mut totals, day) = (Totals::new(), |ms| self.0.clock.day(ms));
        // Rows are written when their request is over; what began long ago may be older than its entry, never younger.
        let mut from = format!("{}", since_ms.max(0));
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(&key).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let page = range.query_async::<redis::streams::StreamRangeReply>(&mut connection).await;
            let page = page.map_err(|error| said(&error))?;
            let Some(last) = page.ids.last().map(|entry| entry.id.clone()) else { return Ok(totals) };
            for entry in &page.ids {
                let row = entry.get::<String>("r").and_then(|json| serde_json::from_str::<Row>(&json).ok());
                if let Some(row) = row.filter(|row| row.at_ms >= since_ms) {
                    usage::add(&mut totals, by, &row, &day);
                }
            }
            from = format!("({last}");
        }
    }
}

/// Gives back what a call may have taken: the client went while it was asked for, or the answer did not come.
struct Undo<'u> {
    store: &'u Redis,
    ask: Option<&'u Ask>,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(ask) = self.ask else { return };
        self.store.note(Note::Settle(Settled::undone(ask)));
    }
}

impl Store for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn down(&self) -> Option<String> {
        self.0.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn admit<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Admission> {
        Box::pin(self.admitted(ask))
    }

    fn note(&self, note: Note) {
        match &note {
            Note::Usage(row) => self.0.state.rows.push((**row).clone()),
            Note::Session(answered) => self.0.state.sessions.answered(answered),
            Note::Kept { pool, id, model } => self.0.state.sessions.keep(pool, id, model),
            Note::Settle(_) | Note::Outcome { .. } => {}
        }
        let full = self.0.waiting.load(Ordering::Relaxed) > WAITING_MAX;
        if full && !matches!(note, Note::Settle(_)) {
            let n = self.0.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            if n.is_power_of_two() {
                tracing::warn!("Redis falls behind: {n} notes are left out");
            }
            return;
        }
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.0.notes.send(Message::Note(note));
    }

    fn totals(&self, by: By, since_ms: i64) -> BoxFuture<'_, Result<Totals, String>> {
        Box::pin(self.rows(by, since_ms))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let (closed, is_closed) = oneshot::channel();
            let _ = self.0.notes.send(Message::Close(closed));
            let _ = tokio::time::timeout(NOTES, is_closed).await;
        })
    }
}

fn take(message: Message, batch: &mut VecDeque<Note>, closing: &mut Vec<oneshot::Sender<()>>) {
    match message {
        Message::Note(note) => batch.push_back(note),
        Message::Close(closed) => closing.push(closed),
    }
}

// --- the words of the scripts -------------------------------------------------------------------------------------------

/// Status, place, wait in microseconds, turn, windows, session, members that are kept, turns.
type Reply = (String, String, String, String, Vec<String>, Vec<String>, Vec<String>, Vec<String>);

fn arguments(call: &mut redis::ScriptInvocation<'_>, replica: &str, ask: &Ask) {
    let opens = !ask.claims.is_empty() || ask.charges.iter().any(|charge| charge.tokens);
    call.arg(replica).arg(&ask.id).arg(ask.amount).arg(ask.worst);
    call.arg(plain(ask.pool.as_deref().unwrap_or_default())).arg(i32::from(opens));
    call.arg(ask.claims.len());
    for claim in &ask.claims {
        call.arg(name(&claim.window)).arg(claim.limit.map(|limit| limit.to_string()).unwrap_or_default());
        call.arg(claim.window.ends + WINDOW_S);
    }
    call.arg(ask.charges.len());
    for charge in &ask.charges {
        call.arg(plain(&charge.id)).arg(charge.rate.micros(charge.rate.units)).arg(charge.rate.micros(charge.cost));
    }
    let reads = &ask.reads;
    call.arg(reads.windows.len());
    for window in &reads.windows {
        call.arg(name(window));
    }
    call.arg(plain(reads.session.as_deref().unwrap_or_default()));
    call.arg(reads.kept.len());
    for (pool, id) in &reads.kept {
        call.arg(kept_name(pool, id));
    }
    call.arg(reads.turns.len());
    for pool in &reads.turns {
        call.arg(plain(pool));
    }
}

fn seen(reads: &Reads, windows: &[String], session: &[String], kept: &[String], turns: &[String]) -> Seen {
    let number = |text: &String| text.parse::<i64>().unwrap_or(0);
    let held = windows
        .chunks(2)
        .map(|pair| Held { settled: pair.first().map_or(0, number), reserved: pair.get(1).map_or(0, number).max(0) });
    let answered = session.chunks(2).filter_map(|pair| {
        let [model, value] = pair else { return None };
        let (tokens, at_ms) = value.split_once(' ')?;
        let session = reads.session.clone()?;
        Some(Answered { session, model: model.clone(), tokens: tokens.parse().ok()?, at_ms: at_ms.parse().ok()? })
    });
    let mut answered: Vec<Answered> = answered.collect();
    answered.sort_by_key(|answered| answered.at_ms);
    let kept = kept.iter().map(|model| (!model.is_empty()).then(|| model.clone()));
    Seen {
        windows: reads.windows.iter().cloned().zip(held).collect(),
        answered,
        kept: reads.kept.iter().cloned().zip(kept).collect(),
        turns: reads.turns.iter().cloned().zip(turns.iter().map(|turn| turn.parse().unwrap_or(0))).collect(),
    }
}

fn name(window: &Window) -> String {
    format!("{}:{}:{}-{}", plain(&window.budget), plain(&window.whose), window.start, window.ends)
}

fn kept_name(pool: &str, id: &str) -> String {
    format!("{}:{}", plain(pool), plain(id))
}

/// A name without what the scripts take as a border.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What is wrong, without the address.
/// Returns why a connection to Redis cannot be used, in words that say what to correct. No word of the address is in it.
pub(in crate::state) fn trouble(error: &RedisError, setting: &str) -> String {
    let cause = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    match (error.kind(), error.code()) {
        (_, Some("NOAUTH")) => format!("Redis wants a password, and `{setting}` has none"),
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
            format!("Redis refused the password of `{setting}`")
        }
        (_, Some("NOPERM")) => format!("Redis does not permit the user of `{setting}` what is needed"),
        _ if has(&["DB index", "database"]) => format!("Redis has no database with the number in `{setting}`"),
        (ErrorKind::Parse, _) => format!("the server of `{setting}` does not speak the protocol of Redis"),
        _ if has(&["certificate", "UnknownIssuer"]) => {
            format!("the certificate of the server of `{setting}` is not accepted")
        }
        (ErrorKind::Io, _) if !error.is_connection_refusal() && !error.is_timeout() => {
            format!(
                "the connection to the server of `{setting}` failed: check its address, and that `rediss://` stands for a server with TLS, `redis://` for one without"
            )
        }
        _ => format!("Redis cannot be reached: {}", said(error)),
    }
}

fn said(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::InvalidClientConfig => "it is not an address of Redis".to_owned(),
        _ => error.category().to_owned() + &error.detail().map_or_else(String::new, |detail| format!(": {detail}")),
    }
}
