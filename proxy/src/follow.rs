//! Follows the cluster data: wakes, checks, carries the check's plan out, and lets the fence fall when no check is good for too
//! long.

mod announce;

use crate::check::{Absence, Master, OnFailure, Pace, Plan, Step, Wish, plan, wish};
use crate::fence::boottime;
use crate::gatehouse::Gatehouse;
use crate::metrics::ControlMetrics;
use crate::resolve::resolve;
use crate::status::Status;
use announce::Announcer;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use stolon_model::cluster::ClusterData;
use stolon_model::generation::Generation;
use stolon_model::info::ProxyInfo;
use stolon_model::uid::{InfoUid, ProxyUid, short_uid};
use stolon_store::{ClusterStore, InfoKey, Publisher, WakeStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// The shortest time between two checks, however often the store wakes us.
const BREATH: Duration = Duration::from_millis(20);
/// A failed check is repeated at least this soon: the store may be back before its watch says so.
const RETRY: Duration = Duration::from_secs(1);
/// The longest time between two looks at the clock that runs on while the machine is suspended.
const LOOK: Duration = Duration::from_millis(500);

/// How long a proxy that ends waits for the sentinel to take it out of the enabled ones. Stolon's sentinel does that only when
/// the key is gone.
const LEAVING: Duration = Duration::from_secs(1);

/// What `--stop-listening` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFallen {
    /// The port is closed until the next good reading.
    StopListening,
    /// The port stays open, and connections are closed at once.
    KeepListening,
}

/// The control plane of one proxy. One task runs it; a check that hangs does not keep the fence from falling.
#[derive(Debug)]
pub struct Follower {
    uid: ProxyUid,
    store: ClusterStore,
    gatehouse: Arc<Gatehouse>,
    status: Arc<Status>,
    when_fallen: WhenFallen,
    metrics: ControlMetrics,
    announcer: Announcer,
    rng: RefCell<fastrand::Rng>,
    publisher: RefCell<Option<(Duration, Arc<Publisher>)>>,
    pace: Cell<Pace>,
    /// The generation that was published last.
    applied: Cell<Generation>,
    /// When the fence falls, on CLOCK_BOOTTIME; none when it has fallen.
    falls_at: Cell<Option<Duration>>,
}

impl Follower {
    /// A follower that has checked nothing yet.
    pub fn new(
        uid: ProxyUid,
        store: ClusterStore,
        gatehouse: Arc<Gatehouse>,
        status: Arc<Status>,
        when_fallen: WhenFallen,
        rng: fastrand::Rng,
    ) -> Self {
        let pace = Pace::default();
        Self {
            announcer: Announcer::new(Arc::clone(&status)),
            uid,
            store,
            gatehouse,
            status,
            when_fallen,
            metrics: ControlMetrics::default(),
            rng: RefCell::new(rng),
            publisher: RefCell::new(None),
            pace: Cell::new(pace),
            applied: Cell::new(Generation::NONE),
            falls_at: Cell::new(Some(boottime() + pace.timeout)),
        }
    }

    /// Follows until `shutdown`, and then takes back what this proxy has published. `checked` is called after each check.
    pub async fn run(&self, shutdown: CancellationToken, mut checked: impl FnMut()) {
        let mut wakes = self.store.wake_on_cluster_data(shutdown.clone());
        while !shutdown.is_cancelled() {
            let began = boottime();
            let outcome = tokio::select! {
                outcome = self.while_falling(self.check(began)) => outcome,
                () = shutdown.cancelled() => break,
            };
            let failed = outcome.is_err();
            self.conclude(began, outcome);
            checked();
            let interval = self.pace.get().check_interval;
            let most = if failed {
                RETRY
            } else {
                self.room_for_another(boottime().saturating_sub(began))
            };
            let pause = interval.min(most);
            tokio::select! {
                () = self.while_falling(sleep_or_wake(&mut wakes, pause)) => {}
                () = shutdown.cancelled() => break,
            }
            self.metrics.watch_restarts(wakes.restarts());
            checked();
        }
        self.leave().await;
    }

    /// Takes back what this proxy has published. Its key must not just vanish: a sentinel takes that for a proxy that may still
    /// forward, and waits for it. So it first says that it has closed, and waits a moment for the sentinel to take it out.
    async fn leave(&self) {
        let Some((_, publisher)) = self.publisher.take() else { return };
        if !self.gatehouse.drop_target(&Absence::NoProxy).await {
            // The key stays until its lease ends, and the sentinel waits for the fence.
            return;
        }
        let info = self.info(self.applied.get(), self.pace.get().timeout);
        let info = ProxyInfo { is_closed: true, ..info };
        let taken_out = async {
            publisher.publish(&info).await.map_err(|error| error.to_string())?;
            let stop = CancellationToken::new();
            let _stop_at_end = stop.clone().drop_guard();
            let mut wakes = self.store.wake_on_cluster_data(stop);
            loop {
                let read = self.store.cluster_data().await.map_err(|error| error.to_string())?;
                if !self.is_enabled(read.value.as_ref()) {
                    return Ok::<_, String>(());
                }
                wakes.woken().await;
            }
        };
        match tokio::time::timeout(LEAVING, taken_out).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => info!(error, "cannot tell the sentinel that this proxy has closed"),
            Err(_) => info!("no sentinel has taken this proxy out of the enabled ones"),
        }
        publisher.revoke().await;
    }

    fn is_enabled(&self, data: Option<&ClusterData>) -> bool {
        let proxy = data.and_then(|data| data.proxy.as_ref());
        proxy.is_some_and(|proxy| proxy.spec.enabled_proxies.contains(&self.uid))
    }

    /// Does `work`, and lets the fence fall meanwhile if its time comes.
    async fn while_falling<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let due = self.falls_at.get().map(|at| at.saturating_sub(boottime()));
            if due == Some(Duration::ZERO) {
                self.fall().await;
                continue;
            }
            // A timer stands still while the machine is suspended, so the clock is looked at now and then.
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(due.unwrap_or(LOOK).min(LOOK)) => {}
            }
        }
    }

    async fn fall(&self) {
        self.falls_at.set(None);
        info!("check timeout timer fired");
        self.status.fallen();
        self.announcer.fallen();
        self.gatehouse.fall().await;
        if self.when_fallen == WhenFallen::StopListening {
            self.gatehouse.stop_listening().await;
        }
    }

    /// How long the next check may be put off, should it take as long as the last, so that it ends well before the fence falls.
    fn room_for_another(&self, took: Duration) -> Duration {
        let left = self.falls_at.get().map_or(Duration::ZERO, |at| at.saturating_sub(boottime()));
        left.saturating_sub(took) / 2
    }

    fn conclude(&self, began: Duration, outcome: Result<(), String>) {
        let timeout = self.pace.get().timeout;
        let deadline = began + timeout;
        let outcome = outcome.and_then(|()| {
            if boottime() < deadline {
                return Ok(());
            }
            Err("the check took longer than the proxy timeout".to_owned())
        });
        match outcome {
            Ok(()) => {
                if let Some(target) = self.gatehouse.target() {
                    target.fence.extend(deadline);
                }
                self.falls_at.set(Some(deadline));
                self.status.good_check(began, timeout);
                self.announcer.good();
            }
            Err(why) => {
                self.status.failed_check(&why);
                self.announcer.failed(&why);
            }
        }
    }

    /// One check. An error is its failure; what was forwarded stays forwarded until the fence falls.
    async fn check(&self, began: Duration) -> Result<(), String> {
        let data = self.store.cluster_data().await.map_err(|error| {
            self.metrics.store_error("read");
            format!("cannot get cluster data: {error}")
        })?;
        let started = self.gatehouse.listen().await;
        started.map_err(|error| format!("failed to start proxy: {error}"))?;
        let wish = wish(data.value.as_ref(), &self.uid);
        if !matches!(wish, Wish::Rest(_)) {
            self.metrics.cluster_data_read();
        }
        let current = self.gatehouse.target();
        let resolved = match &wish {
            Wish::Master(Master { host, port, .. }) => {
                resolve(host, port, current.as_ref().map(|target| target.address)).await
            }
            Wish::Rest(_) | Wish::Close(..) => Err(String::new()),
        };
        let plan = plan(wish, resolved, current.as_deref());
        self.carry_out(plan, began).await
    }

    async fn carry_out(&self, plan: Plan, began: Duration) -> Result<(), String> {
        for step in plan.steps {
            match step {
                Step::Drop(absence) => {
                    self.announcer.absent(&absence, self.gatehouse.target().as_deref());
                    if !self.gatehouse.drop_target(&absence).await {
                        return Err("the sessions of the old master have not ended yet".to_owned());
                    }
                }
                Step::Publish(generation, pace, on_failure) => {
                    match self.publish(generation, pace).await {
                        Ok(()) => self.announcer.applied(generation),
                        Err(why) if on_failure == OnFailure::Log => {
                            error!(error = why, "failed to update proxyInfo");
                        }
                        Err(why) => return Err(format!("failed to update proxyInfo: {why}")),
                    }
                }
                Step::Forward(generation, db, address) => {
                    let deadline = began + self.pace.get().timeout;
                    if boottime() >= deadline {
                        return Err("the check took longer than the proxy timeout".to_owned());
                    }
                    self.announcer.forwarding(generation, &db, address);
                    self.gatehouse.forward(generation, db, address, deadline).await;
                }
            }
        }
        plan.fails.map_or(Ok(()), Err)
    }

    /// Publishes under the effective timeout, which is never below the one that is still in force, and then takes over the
    /// times of the specification.
    async fn publish(&self, generation: Generation, pace: Pace) -> Result<(), String> {
        let timeout = self.pace.get().timeout.max(pace.timeout);
        let info = self.info(generation, timeout);
        let (publisher, outdated) = self.publisher_for(timeout * 2);
        publisher.publish(&info).await.map_err(|error| {
            self.metrics.store_error("publish");
            error.to_string()
        })?;
        if let Some(outdated) = outdated {
            // The key hangs on the new lease by now.
            outdated.revoke().await;
        }
        self.pace.set(pace);
        self.applied.set(generation);
        Ok(())
    }

    fn info(&self, generation: Generation, timeout: Duration) -> ProxyInfo {
        ProxyInfo {
            info_uid: InfoUid::new(short_uid(&mut self.rng.borrow_mut())),
            uid: self.uid.clone(),
            generation,
            proxy_timeout_nanos: i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX),
            is_closed: false,
        }
    }

    /// The publisher whose lease lives for `ttl`, and the one before it.
    fn publisher_for(&self, ttl: Duration) -> (Arc<Publisher>, Option<Arc<Publisher>>) {
        let mut slot = self.publisher.borrow_mut();
        match &*slot {
            Some((its, publisher)) if *its == ttl => (Arc::clone(publisher), None),
            _ => {
                let key = InfoKey::Proxy(self.uid.clone());
                let fresh = Arc::new(Publisher::new(self.store.clone(), &key, ttl));
                let outdated = slot.replace((ttl, Arc::clone(&fresh)));
                (fresh, outdated.map(|(_, publisher)| publisher))
            }
        }
    }
}

/// Waits for the store's word, or for `pause`; never less than a breath.
async fn sleep_or_wake(wakes: &mut WakeStream, pause: Duration) {
    let began = Instant::now();
    tokio::select! {
        () = wakes.woken() => tokio::time::sleep_until(began + BREATH).await,
        () = tokio::time::sleep(pause) => {}
    }
}
