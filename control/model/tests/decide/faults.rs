//! Disturbances of a world, and what must hold whatever they are.
//!
//! Clients write through the proxies all the time. A commit is acknowledged when every standby that the master's instance
//! was last configured to wait for has it.

use crate::component::{SimKeeper, SimProxy};
use crate::world::World;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::{DbUid, KeeperUid, ProxyUid};

/// Something that happens; indices are taken modulo the number of components.
#[derive(Clone, Debug)]
pub enum Event {
    Pass,
    Wait(u64),
    Apply(usize),
    Publish(usize),
    /// The keeper is cut from the store; its instance lives on.
    CutKeeper(usize),
    /// The keeper is back.
    JoinKeeper(usize),
    LoseRecord(usize),
    SpoilRecord(usize),
    StopInstance(usize),
    StartInstance(usize),
    RestartKeeper(usize),
    CanBeMaster(usize, bool),
    ForceFail(usize),
    CheckProxy(usize),
    CutProxy(usize),
    LoseProxyRecord(usize),
    SpoilProxyRecord(usize),
    /// A client commits through a proxy, and some of the standbys receive it.
    Commit(usize, u8),
    ChangeLeader,
    LoseLeadership,
    FailWrites(usize),
    ChangeParameter(u8),
    ChangeSyncLimits(u16, u16),
    ChangeStandbys(u16),
}

impl Event {
    pub fn any() -> impl Strategy<Value = Event> {
        let n = || 0..6usize;
        prop_oneof![
            4 => Just(Event::Pass),
            6 => (1..40_000u64).prop_map(Event::Wait),
            6 => n().prop_map(Event::Apply),
            3 => n().prop_map(Event::Publish),
            2 => n().prop_map(Event::CutKeeper),
            2 => n().prop_map(Event::JoinKeeper),
            1 => n().prop_map(Event::LoseRecord),
            1 => n().prop_map(Event::SpoilRecord),
            2 => n().prop_map(Event::StopInstance),
            2 => n().prop_map(Event::StartInstance),
            1 => n().prop_map(Event::RestartKeeper),
            1 => (n(), any::<bool>()).prop_map(|(k, yes)| Event::CanBeMaster(k, yes)),
            1 => n().prop_map(Event::ForceFail),
            6 => n().prop_map(Event::CheckProxy),
            2 => n().prop_map(Event::CutProxy),
            1 => n().prop_map(Event::LoseProxyRecord),
            1 => n().prop_map(Event::SpoilProxyRecord),
            10 => (n(), any::<u8>()).prop_map(|(p, who)| Event::Commit(p, who)),
            1 => Just(Event::ChangeLeader),
            1 => Just(Event::LoseLeadership),
            1 => (1..4usize).prop_map(Event::FailWrites),
            1 => (0..3u8).prop_map(Event::ChangeParameter),
            1 => (1..3u16, 0..2u16).prop_map(|(min, more)| Event::ChangeSyncLimits(min, min + more)),
            1 => (1..4u16).prop_map(Event::ChangeStandbys),
        ]
    }
}

/// A world with clients.
pub struct Fault {
    pub world: World,
    keepers: Vec<KeeperUid>,
    proxies: Vec<ProxyUid>,
    commits: u64,
    acknowledged: BTreeSet<u64>,
}

impl Fault {
    pub fn new(mut world: World, keepers: usize, proxies: usize) -> Self {
        let keepers: Vec<_> = (0..keepers).map(|n| KeeperUid::new(format!("keeper{n}"))).collect();
        let proxies: Vec<_> = (0..proxies).map(|n| ProxyUid::new(format!("proxy{n}"))).collect();
        for uid in &keepers {
            world.keepers.insert(uid.clone(), SimKeeper::new(uid.clone()));
        }
        for uid in &proxies {
            world.proxies.insert(uid.clone(), SimProxy::new(uid.clone()));
        }
        Self { world, keepers, proxies, commits: 0, acknowledged: BTreeSet::new() }
    }

    pub fn play(&mut self, event: Event) {
        let world = &mut self.world;
        match event {
            Event::Pass => world.pass(),
            Event::Wait(millis) => world.wait(Duration::from_millis(millis)),
            Event::ChangeLeader => {
                world.lead();
                world.pass();
            }
            Event::LoseLeadership => world.term = None,
            Event::FailWrites(n) => world.failing_writes = n,
            Event::ChangeParameter(n) => {
                let value = n.to_string();
                self.change(|spec| drop(spec.pg_parameters.insert("work_mem".into(), value)));
            }
            Event::ChangeSyncLimits(min, max) => self.change(|spec| {
                spec.min_synchronous_standbys = Some(min);
                spec.max_synchronous_standbys = Some(max);
            }),
            Event::ChangeStandbys(n) => self.change(|spec| spec.max_standbys_per_sender = Some(n)),
            Event::Commit(n, who) => self.commit(n, who),
            Event::CheckProxy(n) => {
                let uid = self.proxy(n);
                let world = &mut self.world;
                if !world.proxies[&uid].is_mute {
                    world.apply_proxy(&uid);
                    world.publish_proxy(&uid);
                }
            }
            Event::CutProxy(n) | Event::LoseProxyRecord(n) | Event::SpoilProxyRecord(n) => {
                self.disturb_proxy(n, &event);
            }
            Event::Apply(n)
            | Event::Publish(n)
            | Event::CutKeeper(n)
            | Event::JoinKeeper(n)
            | Event::LoseRecord(n)
            | Event::SpoilRecord(n)
            | Event::StopInstance(n)
            | Event::StartInstance(n)
            | Event::RestartKeeper(n)
            | Event::CanBeMaster(n, _)
            | Event::ForceFail(n) => self.disturb_keeper(n, &event),
        }
    }

    fn proxy(&self, n: usize) -> ProxyUid {
        self.proxies[n % self.proxies.len()].clone()
    }

    fn disturb_proxy(&mut self, n: usize, event: &Event) {
        let uid = self.proxy(n);
        let Some(proxy) = self.world.proxies.get_mut(&uid) else { return };
        match event {
            Event::CutProxy(_) => proxy.is_mute = !proxy.is_mute,
            // The record of a living proxy is back within two seconds; one that is gone longer is of a dead one.
            // It is cut off too, and goes on until its fence falls.
            Event::LoseProxyRecord(_) => {
                proxy.info = None;
                proxy.is_mute = true;
            }
            _ => proxy.is_garbage = !proxy.is_garbage,
        }
    }

    fn disturb_keeper(&mut self, n: usize, event: &Event) {
        let uid = self.keepers[n % self.keepers.len()].clone();
        let world = &mut self.world;
        let Some(keeper) = world.keepers.get_mut(&uid) else { return };
        match event {
            Event::Apply(_) if !keeper.is_mute && (keeper.state.healthy || !keeper.has_state) => {
                world.apply(&uid);
            }
            Event::Publish(_) if !keeper.is_mute => world.publish(&uid),
            Event::CutKeeper(_) => keeper.is_mute = true,
            Event::JoinKeeper(_) => {
                keeper.is_mute = false;
                keeper.is_garbage = false;
            }
            Event::LoseRecord(_) => keeper.info = None,
            Event::SpoilRecord(_) => keeper.is_garbage = true,
            Event::StopInstance(_) => keeper.state.healthy = false,
            Event::StartInstance(_) => keeper.state.healthy = keeper.has_state,
            Event::RestartKeeper(_) => keeper.boot += 1,
            Event::CanBeMaster(_, yes) => keeper.can_be_master = Some(*yes),
            Event::ForceFail(_) => {
                let data = world.data.as_mut().and_then(|data| data.keepers.get_mut(&uid));
                if let Some(keeper) = data {
                    keeper.status.force_fail = true;
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut ClusterSpec)) {
        let cluster = self.world.data.as_mut().and_then(|data| data.cluster.as_mut());
        if let Some(spec) = cluster.and_then(|cluster| cluster.spec.as_mut()) {
            change(spec);
        }
    }

    fn commit(&mut self, n: usize, who: u8) {
        let now = self.world.now;
        let proxy = self.proxy(n);
        let Some(target) = self.world.proxies[&proxy].forwards_to(now).cloned() else { return };
        let Some((uid, master)) = self.world.keeper_of(&target) else { return };
        if !master.is_writable() {
            return;
        }
        let (uid, applied) = (uid.clone(), master.applied.clone());
        self.commits += 1;
        let Some(master) = self.world.keepers.get_mut(&uid) else { return };
        master.commits.insert(self.commits);
        master.state.xlog_pos.0 += 100;
        let (commits, lsn) = (master.commits.clone(), master.state.xlog_pos);
        let mut received = BTreeSet::new();
        for (bit, keeper) in self.world.keepers.values_mut().enumerate() {
            if who & (1 << bit) != 0 && keeper.streams_from(&target) {
                keeper.commits.clone_from(&commits);
                keeper.state.xlog_pos = lsn;
                received.insert(keeper.state.uid.clone());
            }
        }
        let required = applied.synchronous_standbys.unwrap_or_default();
        let waits_for_nobody = applied.external_synchronous_standbys.unwrap_or_default().is_empty();
        if applied.synchronous_replication
            && waits_for_nobody
            && !required.is_empty()
            && required.iter().all(|uid| received.contains(uid))
        {
            self.acknowledged.insert(self.commits);
        }
    }

    /// The designated master.
    pub fn master(&self) -> DbUid {
        let cluster = self.world.data.as_ref().and_then(|data| data.cluster.as_ref());
        cluster.map(|cluster| cluster.status.master.clone()).unwrap_or_default()
    }

    /// How many commits were acknowledged by enough standbys.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// No two masters are reachable, and the master has every acknowledged commit.
    pub fn assert_safe(&self) {
        let world = &self.world;
        world.assert_one_reachable();
        let master = self.master();
        if let Some((_, keeper)) = world.keeper_of(&master)
            && keeper.is_writable()
        {
            let lost: Vec<_> = self.acknowledged.difference(&keeper.commits).collect();
            assert!(lost.is_empty(), "{master} lacks acknowledged commits {lost:?}");
        }
    }

    /// Ends every disturbance and lets everybody do as told.
    pub fn heal(&mut self) {
        self.world.failing_writes = 0;
        if self.world.term.is_none() {
            self.world.lead();
        }
        self.change(|spec| spec.max_standbys_per_sender = Some(3));
        for keeper in self.world.keepers.values_mut() {
            keeper.is_mute = false;
            keeper.is_garbage = false;
            keeper.can_be_master = Some(true);
            keeper.state.healthy = keeper.has_state;
        }
        for proxy in self.world.proxies.values_mut() {
            proxy.is_mute = false;
            proxy.is_garbage = false;
        }
        for _ in 0..12 {
            for uid in self.keepers.clone() {
                self.world.apply(&uid);
                self.world.publish(&uid);
            }
            for uid in self.proxies.clone() {
                self.world.apply_proxy(&uid);
                self.world.publish_proxy(&uid);
            }
            self.world.settle();
            self.assert_safe();
            self.world.wait(Duration::from_secs(2));
        }
    }
}
