//! A watch on etcd that knows when its stream is dead.

use super::members::Members;
use crate::error::StoreError;
use crate::store::{Watch, WatchTarget};
use async_trait::async_trait;
use etcd_client::{Client, Error, WatchOptions, WatchResponse, WatchStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A stream that has been silent for this long is asked for a sign of life.
const PROBE_AFTER: Duration = Duration::from_millis(800);

/// How long the answer may take, at least and at most. In between it is four times what the last answer took, so that a slow
/// network does not look like a dead member.
const SHORTEST_WAIT: Duration = Duration::from_millis(900);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct EtcdWatch {
    target: WatchTarget,
    members: Arc<Members>,
    member: usize,
    stream: WatchStream,
    heard: Instant,
    asked: Option<Instant>,
    wait: Duration,
}

impl EtcdWatch {
    pub async fn open(members: Arc<Members>, target: WatchTarget) -> Result<Self, StoreError> {
        let begun = Instant::now();
        let watched = target.clone();
        let answer = members
            .request(format!("watch {target}"), move |client: Client| {
                let target = watched.clone();
                async move { create(client, target).await }
            })
            .await?;
        let heard = Instant::now();
        let mut watch = Self {
            target,
            member: answer.member,
            stream: answer.value,
            heard,
            asked: None,
            wait: SHORTEST_WAIT,
            members,
        };
        watch.learn(heard - begun);
        Ok(watch)
    }

    fn learn(&mut self, took: Duration) {
        self.wait = (took * 4).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    }

    /// Takes note of a message, and says whether it tells of a change.
    fn hear(&mut self, message: &WatchResponse) -> Result<bool, StoreError> {
        self.heard = Instant::now();
        if let Some(asked) = self.asked.take() {
            self.learn(self.heard - asked);
        }
        if message.compact_revision() > 0 {
            return Err(StoreError::Compacted { target: self.target.to_string() });
        }
        if message.canceled() {
            return Err(self.ended(message.cancel_reason().to_owned()));
        }
        Ok(!message.events().is_empty())
    }

    fn ended(&self, reason: String) -> StoreError {
        StoreError::WatchEnded { target: self.target.to_string(), reason }
    }

    fn failed(&self, error: &Error) -> StoreError {
        self.members.pass_over(self.member);
        self.ended(match error {
            Error::GRpcStatus(status) => status.message().to_owned(),
            other => other.to_string(),
        })
    }
}

/// Opens a stream and waits until the watch on it exists.
async fn create(client: Client, target: WatchTarget) -> Result<WatchStream, Error> {
    let mut watches = client.watch_client();
    let mut stream = match target {
        WatchTarget::Key(key) => watches.watch(key, None).await?,
        WatchTarget::Prefix(prefix) => {
            watches.watch(prefix, Some(WatchOptions::new().with_prefix())).await?
        }
    };
    match stream.message().await? {
        Some(message) if message.created() && !message.canceled() => Ok(stream),
        Some(message) => Err(Error::WatchError(message.cancel_reason().to_owned())),
        None => Err(Error::WatchError("the stream was closed".to_owned())),
    }
}

#[async_trait]
impl Watch for EtcdWatch {
    async fn changed(&mut self) -> Result<(), StoreError> {
        loop {
            let patience = match self.asked {
                None => self.heard + PROBE_AFTER,
                Some(asked) => asked + self.wait,
            };
            tokio::select! {
                biased;
                message = self.stream.message() => match message {
                    Ok(Some(message)) => {
                        if self.hear(&message)? {
                            return Ok(());
                        }
                    }
                    Ok(None) => return Err(self.ended("the stream was closed".to_owned())),
                    Err(error) => return Err(self.failed(&error)),
                },
                () = sleep_until(patience) => match self.asked {
                    None => {
                        if let Err(error) = self.stream.request_progress().await {
                            return Err(self.failed(&error));
                        }
                        self.asked = Some(Instant::now());
                    }
                    Some(_) => {
                        self.members.fell_silent(self.member).await;
                        return Err(self.ended("the store fell silent".to_owned()));
                    }
                },
            }
        }
    }
}
