//! The members of the etcd cluster, and how a request finds one that answers.
//!
//! Requests go to the current member. One that fails moves the current member on and is tried with the next; one that is not
//! answered for [`PATIENCE`] is tried with the next as well *while the first attempt goes on*, so that a frozen member costs a
//! second and a slow network costs nothing. Whoever answers first becomes the current member. Every write of this crate
//! bears to be sent twice, see [`crate::Store::put`] and [`Answer::is_repeated`].

use super::{dial, fault::Fault};
use crate::config::{Config, ConfigError};
use crate::error::StoreError;
use etcd_client::{Client, Error};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tonic::transport::Endpoint;
use tracing::{debug, info};

/// How long an attempt may take before another one begins beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most attempts of one request at one time.
const MOST_ATTEMPTS: usize = 3;

/// The pause after every member has failed, doubled up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// A connection that fell silent is replaced, but not one younger than this: on a very slow network it would never get old
/// enough to be of use.
const YOUNG: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Members {
    members: Vec<Member>,
    current: AtomicUsize,
    timeout: Duration,
    names: String,
}

struct Member {
    url: String,
    endpoint: Endpoint,
    connection: Mutex<Connection>,
}

struct Connection {
    client: Client,
    made: Instant,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

impl Member {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a member answered.
#[derive(Debug)]
pub struct Answer<T> {
    pub value: T,
    /// Which member.
    pub member: usize,
    /// More than one attempt was sent, and an earlier one may have been applied without us learning it.
    pub is_repeated: bool,
}

/// An attempt that has not been answered.
struct Pending {
    member: usize,
    since: Instant,
}

type Attempts<T> = JoinSet<(usize, Result<T, Error>)>;

impl Members {
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut members = Vec::with_capacity(config.endpoints.len());
        for url in &config.endpoints {
            let endpoint = dial::endpoint(url, config)?;
            let client = dial::client(&endpoint)
                .await
                .map_err(|error| ConfigError::Client(error.to_string()))?;
            let connection = Mutex::new(Connection { client, made: Instant::now() });
            members.push(Member { url: url.clone(), endpoint, connection });
        }
        Ok(Self {
            members,
            current: AtomicUsize::new(0),
            timeout: config.timeout,
            names: config.endpoints.join(","),
        })
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes `call` with one member after the other until one answers or the time is up. `request` names it in errors.
    pub async fn request<T, F, R>(&self, request: String, call: F) -> Result<Answer<T>, StoreError>
    where
        T: Send + 'static,
        F: Fn(Client) -> R + Sync,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let deadline = Instant::now() + self.timeout;
        // Dropping the set, here or by whoever gives up on the request, ends every attempt.
        let mut attempts: Attempts<T> = JoinSet::new();
        let mut pending: Vec<Pending> = Vec::new();
        let mut turn = self.current();
        let (mut sent, mut failed) = (0_usize, 0_usize);
        let mut pause = SHORTEST_PAUSE;
        let mut next = Instant::now();
        let mut reason = None;
        loop {
            tokio::select! {
                biased;
                Some(joined) = attempts.join_next(), if !pending.is_empty() => {
                    let (member, outcome) = outcome(joined, &pending)?;
                    pending.retain(|attempt| attempt.member != member);
                    match outcome {
                        Ok(value) => {
                            self.prefer(member, &pending).await;
                            return Ok(Answer { value, member, is_repeated: sent > 1 });
                        }
                        Err(error) => match Fault::of(error, &request) {
                            Fault::Final(error) => return Err(error),
                            Fault::Member(fault) => {
                                debug!(member = self.members[member].url, request, error = fault, "a member failed");
                                reason = Some(fault);
                                self.pass_over(member);
                                failed += 1;
                                next = Instant::now();
                                if failed.is_multiple_of(self.members.len()) {
                                    next += pause;
                                    pause = (pause * 2).min(LONGEST_PAUSE);
                                }
                            }
                        },
                    }
                }
                () = sleep_until(deadline) => {
                    for attempt in &pending {
                        self.fell_silent(attempt.member).await;
                    }
                    return Err(self.gave_up(request, reason));
                }
                () = sleep_until(next), if attempts.len() < MOST_ATTEMPTS => {
                    if pending.iter().any(|attempt| attempt.member == turn) {
                        // With one member only, a second attempt is worth it on a connection of its own.
                        self.fell_silent(turn).await;
                    }
                    let attempt = call(self.client(turn));
                    let member = turn;
                    attempts.spawn(async move { (member, attempt.await) });
                    pending.push(Pending { member, since: Instant::now() });
                    sent += 1;
                    turn = (turn + 1) % self.members.len();
                    next = Instant::now() + PATIENCE;
                }
            }
        }
    }

    /// A connection to `member` kept silent: the next request goes elsewhere, and the connection is replaced.
    pub async fn fell_silent(&self, member: usize) {
        self.pass_over(member);
        let renewed = &self.members[member];
        if renewed.connection().made.elapsed() < YOUNG {
            return;
        }
        if let Ok(client) = dial::client(&renewed.endpoint).await {
            debug!(member = renewed.url, "the connection is silent; opening another one");
            *renewed.connection() = Connection { client, made: Instant::now() };
        }
    }

    /// Moves on from `member`, if it still is the current one.
    pub fn pass_over(&self, member: usize) {
        let next = (member + 1) % self.members.len();
        let _ = self.current.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// `member` answered while those `pending` did not.
    async fn prefer(&self, member: usize, pending: &[Pending]) {
        if self.current.swap(member, Ordering::Relaxed) != member {
            info!(member = self.members[member].url, "changed to another member of etcd");
        }
        for other in pending.iter().filter(|other| other.since.elapsed() >= PATIENCE) {
            self.fell_silent(other.member).await;
        }
    }

    fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed) % self.members.len()
    }

    fn client(&self, member: usize) -> Client {
        self.members[member].connection().client.clone()
    }

    /// What a member said beats that the time is up: the last attempt of many refused ones is always under way then.
    fn gave_up(&self, request: String, reason: Option<String>) -> StoreError {
        let endpoints = self.names.clone();
        match reason {
            Some(reason) => StoreError::Unavailable { request, endpoints, reason },
            None => StoreError::Timeout { request, endpoints, timeout: self.timeout },
        }
    }
}

/// What an attempt came to. A panic in it goes on here; it is never cancelled.
fn outcome<T>(
    joined: Result<(usize, Result<T, Error>), JoinError>,
    pending: &[Pending],
) -> Result<(usize, Result<T, Error>), StoreError> {
    match joined {
        Ok(outcome) => Ok(outcome),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => {
                let member = pending.first().map_or(0, |attempt| attempt.member);
                Ok((member, Err(Error::Internal(error.to_string()))))
            }
        },
    }
}
