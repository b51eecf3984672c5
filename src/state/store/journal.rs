//! The journal: an `SQLite` file (WAL) that a thread of its own writes in batches, one transaction each. What a hard budget
//! sets aside is on the disk before its call is made; everything else is written off the request path.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, named_params, params};
use tokio::sync::oneshot;

use crate::state::State;
use crate::state::clock::Clock;
use crate::state::ledger::{Claim, Held, Window};
use crate::state::private;
use crate::state::store::{Answered, Ask, Note};
use crate::state::usage::{self, By, Outcome, Row, Sums, Tokens, Totals};

/// The version of the tables.
const VERSION: i64 = 1;
/// The most entries of one transaction.
const BATCH_MAX: usize = 2_000;
/// More than this many entries that wait: rows of usage are left out, money never is.
const WAITING_MAX: usize = 100_000;
/// How long what nobody waits for is gathered into one transaction.
const LINGER: Duration = Duration::from_millis(20);
/// How often counters that change all the time are written.
const COUNTERS_EVERY: Duration = Duration::from_secs(5);
/// How long rows of usage are kept.
const USAGE_DAYS: i64 = 180;
/// How often a transaction is tried before it is given up.
const TRIES: u32 = 3;
/// How long a process that is just stopping may hold the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
const DAY_MS: i64 = 86_400_000;

const TABLES: &str = "
create table if not exists spent (
    budget text not null, whose text not null, start integer not null, ends integer not null,
    settled integer not null, primary key (budget, whose, start, ends)) without rowid;
create table if not exists reserved (
    id text primary key, at_ms integer not null, amount integer not null, worst integer not null,
    windows text not null) without rowid;
create table if not exists usage (
    at_ms integer not null, id text not null, key text, user text, session text, rule text not null, model text,
    provider text, input integer not null, output integer not null, cache_read integer not null,
    cache_write integer not null, cost integer, first_byte_ms integer, total_ms integer not null,
    outcome text not null, status integer not null, attempts text not null, tags text not null);
create table if not exists kept (
    kind text not null, name text not null, value text not null, at_ms integer not null,
    primary key (kind, name)) without rowid;
";

enum Entry {
    Note(Note),
    Reserve { open: Open, kept: Option<oneshot::Sender<Result<(), String>>> },
    Close(oneshot::Sender<()>),
}

/// A call under way.
struct Open {
    id: String,
    at_ms: i64,
    amount: i64,
    worst: i64,
    claims: Vec<Claim>,
}

impl Entry {
    /// Somebody waits until it is written.
    fn is_urgent(&self) -> bool {
        matches!(self, Self::Reserve { kept: Some(_), .. } | Self::Close(_))
    }

    /// The call that it ends.
    fn settles(&self) -> Option<&str> {
        match self {
            Self::Note(Note::Settle(settled)) => Some(&settled.id),
            _ => None,
        }
    }

    /// The call that it begins.
    fn reserves(&self) -> Option<&str> {
        match self {
            Self::Reserve { open, .. } => Some(&open.id),
            _ => None,
        }
    }
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    sender: Sender<Entry>,
    thread: std::thread::Thread,
    waiting: Arc<AtomicUsize>,
    down: Arc<Mutex<Option<String>>>,
}

impl Journal {
    /// Opens a file, makes it where there is none, and fills the state with what it holds. What was set aside when the
    /// router died counts as spent, at the most that it can have cost.
    pub fn open(path: &Path, state: &State, clock: &Clock) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| format!("store: {}: {error}", path.display());
        private::create_folder_of(path).map_err(|error| said(&error))?;
        let lock = lock(path, clock).map_err(|error| said(&error))?;
        private_files(path).map_err(|error| said(&error))?;
        let mut connection = Connection::open(path).map_err(|error| said(&error))?;
        prepare(&connection).map_err(|error| said(&error))?;
        recover(&mut connection, clock).map_err(|error| said(&error))?;
        load(&connection, state, clock).map_err(|error| said(&error))?;
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let down = Arc::new(Mutex::new(None));
        let writer = Writer {
            connection,
            _lock: lock,
            state: state.clone(),
            clock: clock.clone(),
            waiting: Arc::clone(&waiting),
            down: Arc::clone(&down),
            synchronous: None,
        };
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || writer.run(&receiver)).map_err(|error| said(&error))?;
        Ok(Self { path: path.to_owned(), sender, thread: thread.thread().clone(), waiting, down })
    }

    /// Why it cannot be written at the moment, if it cannot.
    pub fn down(&self) -> Option<String> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what a call sets aside; waits for the disk where a hard budget counts it.
    pub async fn reserve(&self, ask: &Ask) -> Result<(), String> {
        if ask.claims.is_empty() {
            return Ok(());
        }
        let hard = ask.amount > 0 && ask.claims.iter().any(|claim| claim.limit.is_some());
        let (kept, written) = oneshot::channel();
        let (id, claims) = (ask.id.clone(), ask.claims.clone());
        let open = Open { id, at_ms: ask.now / 1_000_000, amount: ask.amount, worst: ask.worst, claims };
        self.send(Entry::Reserve { open, kept: hard.then_some(kept) });
        if hard { written.await.unwrap_or_else(|_| Err("the journal is closed".to_owned())) } else { Ok(()) }
    }

    /// Takes a note.
    pub fn note(&self, note: Note) {
        let full = self.waiting.load(Ordering::Relaxed) > WAITING_MAX;
        if !(full && matches!(note, Note::Usage(_) | Note::Session(_) | Note::Kept { .. })) {
            self.send(Entry::Note(note));
        }
    }

    fn send(&self, entry: Entry) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let urgent = entry.is_urgent();
        let _ = self.sender.send(entry);
        if urgent {
            self.thread.unpark();
        }
    }

    /// Writes what waits.
    pub async fn close(&self, most: Duration) {
        let (closed, is_closed) = oneshot::channel();
        self.send(Entry::Close(closed));
        let _ = tokio::time::timeout(most, is_closed).await;
    }

    /// Sums of all rows since a moment.
    pub async fn totals(&self, by: By, since_ms: i64, clock: Clock) -> Result<Totals, String> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || totals_of(&path, by, since_ms, &clock));
        read.await.map_err(|_| "reading the journal failed".to_owned())?
    }
}

/// Sums of all rows of a file, whether a router writes it or not.
pub fn totals_of(path: &Path, by: By, since_ms: i64, clock: &Clock) -> Result<Totals, String> {
    let read = || -> rusqlite::Result<Totals> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        sums(&connection, by, since_ms, clock)
    };
    read().map_err(|error| format!("store: {}: {error}", path.display()))
}

fn sums(connection: &Connection, by: By, since_ms: i64, clock: &Clock) -> rusqlite::Result<Totals> {
    let column = match by {
        By::Model => "model",
        By::Provider => "provider",
        By::Rule => "rule",
        By::Key => "key",
        By::User => "user",
        By::Session => "session",
        By::Tag => "tags",
        // Days of a time zone are not SQLite's: hours are, nearly everywhere, and quarters of them are everywhere.
        By::Day => "at_ms / 900000",
        By::Outcome => "outcome",
    };
    let query = format!(
        "select {column}, count(*), sum(outcome = 'failed'), sum(input), sum(output), sum(cache_read), \
         sum(cache_write), coalesce(sum(cost), 0), sum(cost is null), sum(total_ms) from usage where at_ms >= ?1 group by 1"
    );
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([since_ms])?;
    let mut totals = Totals::new();
    while let Some(row) = rows.next()? {
        let number = |place: usize| row.get::<_, i64>(place).map(|n| u64::try_from(n).unwrap_or(0));
        let tokens = Tokens { input: number(3)?, output: number(4)?, cache_read: number(5)?, cache_write: number(6)? };
        let found = Sums {
            requests: number(1)?,
            failed: number(2)?,
            tokens,
            cost: row.get(7)?,
            unpriced: number(8)?,
            total_ms: number(9)?,
        };
        let groups = match by {
            By::Day => vec![clock.day(row.get::<_, i64>(0)? * 900_000)],
            By::Tag => tags(&row.get::<_, String>(0)?),
            _ => vec![row.get::<_, Option<String>>(0)?.unwrap_or_else(|| usage::NOBODY.to_owned())],
        };
        for group in groups {
            totals.entry(group).or_default().plus(&found);
        }
    }
    Ok(totals)
}

fn tags(text: &str) -> Vec<String> {
    let tags: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    if tags.is_empty() { vec![usage::NOBODY.to_owned()] } else { tags }
}

// --- opening -----------------------------------------------------------------------------------------------------------

/// Two routers on one file would each think that they are alone. The lock goes with the process, however it ends.
fn lock(path: &Path, clock: &Clock) -> Result<std::fs::File, String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private::append_no_link(Path::new(&name)).map_err(|error| error.to_string())?;
    let end = clock.moment(LOCK_PATIENCE);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if clock.moment(Duration::ZERO) < end => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(
                    "another router uses it; give this one a `store.path` of its own, or share Redis".to_owned()
                );
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(error.to_string()),
        }
    }
}

/// Creates the file, which `SQLite` gives the same permissions to whatever it writes beside it, and makes private what is
/// there: who called what for how much is nobody else's business.
fn private_files(path: &Path) -> std::io::Result<()> {
    private::ensure(path)?;
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        let beside = Path::new(&beside);
        if beside.is_file() {
            private::ensure(beside)?;
        }
    }
    Ok(())
}

fn prepare(connection: &Connection) -> Result<(), String> {
    let said = |error: rusqlite::Error| error.to_string();
    connection.busy_timeout(Duration::from_secs(5)).map_err(said)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(said)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(said)?;
    if version > VERSION {
        return Err(format!("it was written by a newer router (tables {version}, this one knows {VERSION})"));
    }
    connection.execute_batch(TABLES).map_err(said)?;
    connection.pragma_update(None, "user_version", VERSION).map_err(said)
}

/// Settles what was set aside by a router that died.
fn recover(connection: &mut Connection, clock: &Clock) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let open: Vec<(String, i64, i64, String)> = {
        let mut statement = transaction.prepare("select id, at_ms, worst, windows from reserved")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for (id, at_ms, worst, windows) in &open {
        for window in windows_of(windows) {
            spend(&transaction, &window, *worst)?;
        }
        let row = Row {
            id: id.clone(),
            at_ms: *at_ms,
            key: None,
            user: None,
            session: None,
            rule: usage::NOBODY.to_owned(),
            model: None,
            tokens: Tokens::default(),
            cost: Some(*worst),
            first_byte_ms: None,
            total_ms: 0,
            outcome: Outcome::Lost,
            status: 0,
            attempts: Vec::new(),
            tags: Vec::new(),
        };
        insert(&transaction, &row)?;
    }
    transaction.execute("delete from reserved", [])?;
    let now = clock.unix_ms();
    transaction.execute("delete from usage where at_ms < ?1", [now - USAGE_DAYS * DAY_MS])?;
    transaction.execute("delete from spent where ends < ?1", [(now - USAGE_DAYS * DAY_MS) / 1_000])?;
    transaction.execute("delete from kept where at_ms < ?1", [now - DAY_MS])?;
    transaction.commit()?;
    if !open.is_empty() {
        tracing::warn!("{} calls were under way when the router died: they count with their highest cost", open.len());
    }
    Ok(())
}

fn load(connection: &Connection, state: &State, clock: &Clock) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("select budget, whose, start, ends, settled from spent where ends > ?1")?;
    let mut rows = statement.query([clock.unix_ms() / 1_000])?;
    while let Some(row) = rows.next()? {
        let window = Window { budget: row.get(0)?, whose: row.get(1)?, start: row.get(2)?, ends: row.get(3)? };
        state.ledger.put(window, Held { settled: row.get(4)?, reserved: 0 });
    }
    let mut statement = connection.prepare("select kind, name, value, at_ms from kept order by at_ms")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, value): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match kind.as_str() {
            "session" => {
                if let Some((tokens, model)) = value.split_once(' ') {
                    let answered = Answered {
                        session: name,
                        model: model.to_owned(),
                        tokens: tokens.parse().unwrap_or(0),
                        at_ms: row.get(3)?,
                    };
                    state.sessions.answered(&answered);
                }
            }
            "pool" => {
                if let Some((pool, id)) = name.split_once(SEPARATOR) {
                    state.sessions.keep(pool, id, &value);
                }
            }
            "turn" => state.sessions.put_turn(&name, value.parse().unwrap_or(0)),
            "limit" => state.limits.put(name, value.parse().unwrap_or(0)),
            _ => {}
        }
    }
    Ok(())
}

/// Stands between a pool's name and the id that it keeps a member for.
const SEPARATOR: char = '\u{1f}';

// --- writing -----------------------------------------------------------------------------------------------------------

struct Writer {
    connection: Connection,
    _lock: std::fs::File,
    state: State,
    clock: Clock,
    waiting: Arc<AtomicUsize>,
    down: Arc<Mutex<Option<String>>>,
    /// What the connection is set to.
    synchronous: Option<&'static str>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Entry>) {
        let mut counters_at = self.clock.instant();
        loop {
            let mut batch = match receiver.recv_timeout(COUNTERS_EVERY) {
                Ok(first) => vec![first],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.gather(receiver, &mut batch);
            let closes = batch.iter().any(|entry| matches!(entry, Entry::Close(_)));
            let now = self.clock.instant();
            let counters = closes || now.saturating_sub(counters_at) >= COUNTERS_EVERY;
            if counters {
                counters_at = now;
            }
            self.write(batch, counters);
            if closes {
                break;
            }
        }
    }

    /// Takes what else there is, and what comes in a moment when nobody waits: one transaction costs hardly more for many.
    /// The thread sleeps meanwhile, so that an entry wakes nobody up unless somebody waits for it.
    fn gather(&self, receiver: &Receiver<Entry>, batch: &mut Vec<Entry>) {
        let end = self.clock.instant() + LINGER;
        loop {
            batch.extend(receiver.try_iter().take(BATCH_MAX.saturating_sub(batch.len())));
            let left = end.saturating_sub(self.clock.instant());
            if left.is_zero() || batch.len() >= BATCH_MAX || batch.iter().any(Entry::is_urgent) {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn write(&mut self, batch: Vec<Entry>, counters: bool) {
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        let hard = batch.iter().any(|entry| matches!(entry, Entry::Reserve { kept: Some(_), .. }));
        let mut ended = Ok(());
        for again in 0..TRIES {
            if again > 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
            ended = self.transaction(&batch, hard, counters).map_err(|error| error.to_string());
            if ended.is_ok() {
                break;
            }
        }
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = &ended
            && down.is_none()
        {
            tracing::error!("the journal cannot be written: {why}");
        }
        *down = ended.clone().err();
        drop(down);
        for entry in batch {
            match entry {
                Entry::Reserve { kept: Some(kept), .. } => drop(kept.send(ended.clone())),
                Entry::Close(closed) => drop(closed.send(())),
                Entry::Reserve { kept: None, .. } | Entry::Note(_) => {}
            }
        }
    }

    fn transaction(&mut self, batch: &[Entry], hard: bool, counters: bool) -> rusqlite::Result<()> {
        // What a hard budget set aside is on the disk itself; the rest may wait for the system to write it, which loses
        // nothing when the process dies, only when the machine does.
        let wanted = if hard { "full" } else { "normal" };
        if self.synchronous != Some(wanted) {
            self.connection.pragma_update(None, "synchronous", wanted)?;
            self.synchronous = Some(wanted);
        }
        let transaction = self.connection.transaction()?;
        let now = self.clock.unix_ms();
        // What begins and ends within the batch needs no row of its own, and a window is written once.
        let ended: HashSet<&str> = batch.iter().filter_map(Entry::settles).collect();
        let begun: HashSet<&str> = batch.iter().filter_map(Entry::reserves).collect();
        let mut spent: HashMap<&Window, i64> = HashMap::new();
        let mut kept: HashMap<(&str, String), (String, i64)> = HashMap::new();
        for entry in batch {
            match entry {
                Entry::Reserve { open, .. } if ended.contains(open.id.as_str()) => {}
                Entry::Reserve { open, .. } => reserve(&transaction, open)?,
                Entry::Note(Note::Settle(settled)) => {
                    if !settled.claims.is_empty() && !begun.contains(settled.id.as_str()) {
                        transaction.prepare_cached("delete from reserved where id = ?1")?.execute([&settled.id])?;
                    }
                    for claim in &settled.claims {
                        let sum = spent.entry(&claim.window).or_default();
                        *sum = sum.saturating_add(settled.cost);
                    }
                }
                Entry::Note(Note::Usage(row)) => insert(&transaction, row)?,
                Entry::Note(Note::Session(answered)) => {
                    let value = format!("{} {}", answered.tokens, answered.model);
                    kept.insert(("session", answered.session.clone()), (value, answered.at_ms));
                }
                Entry::Note(Note::Kept { pool, id, model }) => {
                    kept.insert(("pool", format!("{pool}{SEPARATOR}{id}")), (model.clone(), now));
                }
                Entry::Note(Note::Outcome { .. }) | Entry::Close(_) => {}
            }
        }
        for (window, cost) in spent.into_iter().filter(|(_, cost)| *cost != 0) {
            spend(&transaction, window, cost)?;
        }
        for ((kind, name), (value, at_ms)) in kept {
            keep(&transaction, kind, &name, &value, at_ms)?;
        }
        if counters {
            for (pool, turn) in self.state.sessions.turns() {
                keep(&transaction, "turn", &pool, &turn.to_string(), now)?;
            }
            for (id, paid) in self.state.limits.unpaid(now.saturating_mul(1_000_000)) {
                keep(&transaction, "limit", &id, &paid.to_string(), now)?;
            }
        }
        transaction.commit()
    }
}

fn windows_text(claims: &[Claim]) -> String {
    let windows: Vec<_> = claims
        .iter()
        .map(|claim| {
            let window = &claim.window;
            (&window.budget, &window.whose, window.start, window.ends)
        })
        .collect();
    serde_json::to_string(&windows).unwrap_or_default()
}

fn windows_of(text: &str) -> Vec<Window> {
    let read: Vec<(String, String, i64, i64)> = serde_json::from_str(text).unwrap_or_default();
    read.into_iter().map(|(budget, whose, start, ends)| Window { budget, whose, start, ends }).collect()
}

fn reserve(transaction: &Transaction<'_>, open: &Open) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("insert or replace into reserved values (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![open.id, open.at_ms, open.amount, open.worst, windows_text(&open.claims)])?;
    Ok(())
}

fn spend(transaction: &Transaction<'_>, window: &Window, cost: i64) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "insert into spent values (?1, ?2, ?3, ?4, ?5) on conflict do update set settled = settled + ?5",
    )?;
    statement.execute(params![window.budget, window.whose, window.start, window.ends, cost])?;
    Ok(())
}

fn keep(transaction: &Transaction<'_>, kind: &str, name: &str, value: &str, at_ms: i64) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("insert or replace into kept values (?1, ?2, ?3, ?4)")?;
    statement.execute(params![kind, name, value, at_ms])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let mut statement = transaction.prepare_cached(
        "insert into usage values (:at_ms, :id, :key, :user, :session, :rule, :model, :provider, :input, :output, \
         :cache_read, :cache_write, :cost, :first_byte_ms, :total_ms, :outcome, :status, :attempts, :tags)",
    )?;
    statement.execute(named_params! {
        ":at_ms": row.at_ms,
        ":id": row.id,
        ":key": row.key,
        ":user": row.user,
        ":session": row.session,
        ":rule": row.rule,
        ":model": row.model,
        ":provider": row.provider(),
        ":input": count(row.tokens.input),
        ":output": count(row.tokens.output),
        ":cache_read": count(row.tokens.cache_read),
        ":cache_write": count(row.tokens.cache_write),
        ":cost": row.cost,
        ":first_byte_ms": row.first_byte_ms.map(count),
        ":total_ms": count(row.total_ms),
        ":outcome": row.outcome.word(),
        ":status": row.status,
        ":attempts": serde_json::to_string(&row.attempts).map_err(json)?,
        ":tags": serde_json::to_string(&row.tags).map_err(json)?,
    })?;
    Ok(())
}
