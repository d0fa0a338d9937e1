//! A clock that stands still until it is told to go on.

use crate::clock::Clock;
use async_trait::async_trait;
use std::time::Duration;
use stolon_model::time::Mono;
use tokio::sync::watch;

#[derive(Debug)]
pub struct VirtualClock(watch::Sender<Mono>);

impl Default for VirtualClock {
    fn default() -> Self {
        Self(watch::Sender::new(Mono(Duration::ZERO)))
    }
}

impl VirtualClock {
    pub fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now = now.plus(span));
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Mono {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Mono) {
        // The sender is this clock, which outlives the borrow.
        let _ = self.0.subscribe().wait_for(|now| *now >= at).await;
    }
}
