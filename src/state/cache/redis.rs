//! Answers in Redis, which lets them go by itself. When it cannot be reached nothing is found, and nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};

use crate::state::cache::{Key, name};
use crate::state::clock::Clock;
use crate::state::store::redis::trouble;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long Redis is left alone when it failed.
const REST: Duration = Duration::from_secs(2);

/// Answers in Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    client: Client,
    prefix: String,
    clock: Clock,
    state: Arc<Mutex<Connected>>,
}

#[derive(Default)]
struct Connected {
    connection: Option<MultiplexedConnection>,
    rests_until: Duration,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").finish_non_exhaustive()
    }
}

impl Redis {
    /// At an address, which is never shown.
    pub fn new(url: &str, prefix: String, clock: Clock) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| "cache.connection: it is not an address of Redis".to_owned())?;
        Ok(Self { client, prefix, clock, state: Arc::default() })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Connected) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        let now = self.clock.instant();
        if self.with(|state| state.rests_until > now) {
            return None;
        }
        if let Some(connection) = self.with(|state| state.connection.clone()) {
            return Some(connection);
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(TIMEOUT)).set_response_timeout(Some(TIMEOUT));
        match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => {
                self.with(|state| state.connection = Some(connection.clone()));
                Some(connection)
            }
            Err(error) => {
                self.failed(&trouble(&error, "cache.connection"));
                None
            }
        }
    }

    fn failed(&self, why: &str) {
        tracing::warn!("the cache in Redis is left alone for {} s: {why}", REST.as_secs());
        let until = self.clock.instant() + REST;
        self.with(|state| *state = Connected { connection: None, rests_until: until });
    }

    pub(super) async fn find(&self, key: &Key) -> Option<Vec<u8>> {
        let mut connection = self.connection().await?;
        let found = redis::cmd("GET")
            .arg(format!("{}{}", self.prefix, name(key)))
            .query_async::<Option<Vec<u8>>>(&mut connection)
            .await;
        found.unwrap_or_else(|error| {
            self.failed(&trouble(&error, "cache.connection"));
            None
        })
    }

    pub(super) async fn keep(&self, key: &Key, packed: Vec<u8>, ttl_ms: i64) {
        let Some(mut connection) = self.connection().await else { return };
        let mut set = redis::cmd("SET");
        set.arg(format!("{}{}", self.prefix, name(key))).arg(packed).arg("PX").arg(ttl_ms.max(1));
        if set.query_async::<()>(&mut connection).await.is_err() {
            self.failed("it does not answer");
        }
    }
}
