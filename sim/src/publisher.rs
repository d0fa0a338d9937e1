//! One key under one lease that is kept alive, as keepers and proxies publish what they say of themselves.

use crate::clock::Clock;
use crate::executor::ProcessId;
use crate::wire::{Failure, Wire};
use crate::world::World;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const LONGEST_INTERVAL: Duration = Duration::from_millis(1500);
const SHORTEST_TTL: Duration = Duration::from_secs(20);

/// Publishes one key.
#[derive(Debug)]
pub struct Publisher {
    world: Rc<World>,
    wire: Rc<Wire>,
    clock: Clock,
    key: String,
    ttl: Duration,
    lease: Cell<Option<i64>>,
    value: RefCell<Option<Vec<u8>>>,
}

impl Publisher {
    /// A publisher of `key` for `process`, with a lease of at least `ttl`.
    pub fn new(
        world: &Rc<World>,
        process: ProcessId,
        wire: &Rc<Wire>,
        clock: &Clock,
        key: String,
        ttl: Duration,
    ) -> Rc<Self> {
        let publisher = Rc::new(Self {
            world: world.clone(),
            wire: wire.clone(),
            clock: clock.clone(),
            key,
            ttl: Duration::from_secs(ttl.max(SHORTEST_TTL).as_secs()),
            lease: Cell::default(),
            value: RefCell::default(),
        });
        world.executor.spawn(process, publisher.clone().keep());
        publisher
    }

    /// Puts `value`.
    pub async fn publish(&self, value: Vec<u8>) -> Result<(), Failure> {
        *self.value.borrow_mut() = Some(value.clone());
        self.put(value).await
    }

    async fn put(&self, value: Vec<u8>) -> Result<(), Failure> {
        if let Some(lease) = self.lease.get() {
            match self.write(value.clone(), lease).await {
                Err(Failure::LeaseGone) => self.lease.set(None),
                outcome => return outcome,
            }
        }
        let ttl = self.ttl;
        let granted =
            self.wire.call(&self.clock, &self.world.store, move |store| Ok(store.grant(ttl)));
        let lease = granted.await?;
        self.lease.set(Some(lease));
        self.write(value, lease).await
    }

    async fn write(&self, value: Vec<u8>, lease: i64) -> Result<(), Failure> {
        let key = self.key.clone();
        let write = self.wire.call(&self.clock, &self.world.store, move |store| {
            store.put(&key, &value, Some(lease))?;
            Ok(())
        });
        write.await
    }

    async fn keep(self: Rc<Self>) {
        while Rc::strong_count(&self) > 1 {
            self.clock.sleep(LONGEST_INTERVAL).await;
            let Some(lease) = self.lease.get() else { continue };
            let kept = self
                .wire
                .call(&self.clock, &self.world.store, move |store| Ok(store.keep_alive(lease)?));
            if kept.await == Err(Failure::LeaseGone) && self.lease.get() == Some(lease) {
                self.lease.set(None);
                let value = self.value.borrow().clone();
                if let Some(value) = value {
                    // The next round tries again.
                    let _ = self.put(value).await;
                }
            }
        }
    }

    /// What was published last.
    pub fn last(&self) -> Option<Vec<u8>> {
        self.value.borrow().clone()
    }

    /// Puts the last words of a process that ends in order, if its key is still there.
    pub fn put_last(&self, value: &[u8]) {
        if let Some(lease) = self.lease.get() {
            // A lease that is gone has taken the key with it.
            let _ = self.world.store.put(&self.key, value, Some(lease));
        }
    }

    /// Ends the lease, and the key with it: the last words of a process that ends in order.
    pub fn revoke(&self) {
        if let Some(lease) = self.lease.take() {
            self.world.store.revoke(lease);
        }
    }
}
