//! The language of the scripts.
//!
//! ```text
//! spec {JSON}               the initial cluster spec; the cluster data is made of it
//! update {JSON}             merges into the cluster spec, as `stolonctl update --patch` does
//! edit {JSON}               merges into the cluster data, as an operator would
//! lead | follow             the sentinel gains the leadership (a new term), or loses it
//! pass                      one pass, and what it asks for
//! settle                    passes until nothing is to be written
//! up K..                    a cluster of these keepers, the first one master, with nothing to tell of its making
//! run                       everybody does as told, again and again, until nothing changes any more
//! wait SPAN                 time goes by; components publish in their rhythm, the sentinel runs on its own
//! keeper K.. [KEY=VALUE..]  keepers come up, or say something new: can-be-master, can-be-sync, boot, version, cluster,
//!                           healthy, lsn, timeline, system, history (T@LSN,..), sync (DB,.. or auto), oldest, db,
//!                           generation, state=none
//! apply K..                 keepers converge to what the cluster data wants and say so; `all` is every one that talks
//! mute K.. | unmute K..     they say nothing any more, or talk again
//! gone K.. | garbage K..    their record is deleted, or overwritten by nonsense
//! proxy P.. [KEY=VALUE..]   proxies come up, or publish: generation, timeout, closed
//! ack P..                   proxies apply and publish the current generation; `all` is every one that talks
//! fail-writes N             the next writes fail
//! show POINTER..            parts of the cluster data
//! ```

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a script that cannot be played ends its test"
)]

use crate::component::{SimKeeper, SimProxy};
use crate::show::{self, Names};
use crate::world::{REST, World};
use std::collections::BTreeMap;
use std::time::Duration;
use stolon_model::cluster::{PostgresBinaryVersion, TimelineHistory};
use stolon_model::generation::Generation;
use stolon_model::lsn::{Lsn, TimelineId};
use stolon_model::time::GoDuration;
use stolon_model::uid::{ClusterUid, DbUid, KeeperUid, ProxyUid};
use stolon_model::{json, spec};

/// Plays commands on a world and tells what they bring about.
#[derive(Default)]
pub struct Player {
    world: World,
    shown: BTreeMap<String, String>,
    output: Vec<String>,
}

impl Player {
    /// Plays one command.
    pub fn play(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = &Names::of(&self.world.made).resolve(rest);
        let words: Vec<_> = rest.split(' ').filter(|word| !word.is_empty()).collect();
        let world = &mut self.world;
        match verb {
            "spec" => {
                world.initial_spec = Some(parse(rest));
                world.pass();
            }
            "update" => update(world, rest),
            "edit" => edit(world, rest),
            "lead" => world.lead(),
            "follow" => world.term = None,
            "pass" => {
                world.pass();
                self.output.push(show::decision(world));
            }
            "settle" => world.settle(),
            "up" => up(world, &words),
            "run" => run(world),
            "wait" => world.wait(span(rest)),
            "keeper" => keeper(world, &words),
            "apply" => apply(world, &words),
            "mute" | "unmute" | "gone" | "garbage" => disturb(world, verb, &words),
            "proxy" => proxy(world, &words),
            "ack" => acknowledge(world, &words),
            "fail-writes" => world.failing_writes = number(rest),
            "show" => self.show(&words),
            _ => panic!("no such command: {line}"),
        }
        self.world.assert_one_reachable();
    }

    /// What came about since the last time: reasons, what was asked to be shown, and changes of the cluster data.
    pub fn take_news(&mut self) -> Vec<String> {
        let mut lines: Vec<_> = self.world.news.drain(..).map(|new| show::reason(&new)).collect();
        lines.append(&mut self.output);
        let mut state = self.world.data.as_ref().map(show::state).unwrap_or_default();
        state.extend(show::forwarding(&self.world));
        for (subject, line) in &state {
            if self.shown.get(subject) != Some(line) {
                lines.push(format!("{subject}: {line}"));
            }
        }
        for subject in self.shown.keys().filter(|subject| !state.contains_key(*subject)) {
            lines.push(format!("{subject}: removed"));
        }
        self.shown = state;
        let names = Names::of(&self.world.made);
        let mut lines: Vec<_> = lines.iter().map(|line| names.name(line)).collect();
        if let Some(first) = lines.iter().position(|line| line.starts_with("db ")) {
            lines[first..].sort();
        }
        lines
    }

    fn show(&mut self, pointers: &[&str]) {
        let data = json::encode(self.world.data.as_ref().expect("there is cluster data"));
        let data: serde_json::Value = serde_json::from_slice(&data).expect("it is JSON");
        for pointer in pointers {
            let value = data.pointer(pointer).map_or("absent".to_owned(), ToString::to_string);
            self.output.push(format!("{pointer} = {value}"));
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> T {
    json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn span(text: &str) -> Duration {
    let span: GoDuration = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    span.to_std()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn update(world: &mut World, patch: &str) {
    let data = world.data.as_mut().expect("there is cluster data");
    let cluster = data.cluster.as_mut().expect("there is a cluster");
    let known = cluster.spec.clone().expect("there is a spec");
    let patched = spec::patch(&known, patch.as_bytes());
    cluster.spec = Some(patched.unwrap_or_else(|error| panic!("{patch}: {error}")));
}

fn edit(world: &mut World, patch: &str) {
    let data = json::encode(world.data.as_ref().expect("there is cluster data"));
    let mut data: serde_json::Value = serde_json::from_slice(&data).expect("it is JSON");
    json_patch::merge(&mut data, &serde_json::from_str(patch).expect("a patch is JSON"));
    world.data = Some(parse(&data.to_string()));
}

fn keeper(world: &mut World, words: &[&str]) {
    let (uids, settings) = split(words);
    for uid in uids {
        let uid = KeeperUid::new(uid);
        let keeper =
            world.keepers.entry(uid.clone()).or_insert_with(|| SimKeeper::new(uid.clone()));
        for (key, value) in &settings {
            set(keeper, key, value);
        }
        world.publish(&uid);
    }
}

fn set(keeper: &mut SimKeeper, key: &str, value: &str) {
    let state = &mut keeper.state;
    let is_yes = value == "yes";
    match key {
        "can-be-master" => keeper.can_be_master = (value != "unknown").then_some(is_yes),
        "can-be-sync" => keeper.can_be_sync = (value != "unknown").then_some(is_yes),
        "boot" => keeper.boot = number(value),
        "version" => {
            let (maj, min) = value.split_once('.').unwrap_or((value, "0"));
            keeper.version = PostgresBinaryVersion { maj: number(maj), min: number(min) };
        }
        "cluster" => keeper.cluster = Some(ClusterUid::new(value)),
        "healthy" => state.healthy = is_yes,
        "lsn" => state.xlog_pos = Lsn(number(value)),
        "timeline" => state.timeline_id = TimelineId(number(value)),
        "system" => value.clone_into(&mut state.system_id),
        "history" => state.timelines_history = value.split(',').map(history).collect(),
        "sync" => {
            keeper.finds_sync = value == "auto";
            let uids = value.split(',').filter(|uid| !uid.is_empty());
            state.synchronous_standbys = Some(uids.map(DbUid::new).collect());
        }
        "oldest" => value.clone_into(&mut state.older_wal_file),
        "db" => state.uid = DbUid::new(value),
        "generation" => state.generation = Generation(number(value)),
        "state" => keeper.has_state = value != "none",
        _ => panic!("no such setting of a keeper: {key}"),
    }
}

fn history(text: &str) -> TimelineHistory {
    let (timeline, lsn) = text.split_once('@').expect("history is T@LSN");
    TimelineHistory {
        timeline_id: TimelineId(number(timeline)),
        switch_point: Lsn(number(lsn)),
        reason: String::new(),
    }
}

fn apply(world: &mut World, words: &[&str]) {
    for uid in chosen(words, &world.keepers, KeeperUid::new, |keeper| !keeper.is_mute) {
        world.apply(&uid);
        world.publish(&uid);
    }
}

fn up(world: &mut World, uids: &[&str]) {
    let (first, others) = uids.split_at(1);
    for uids in [first, others] {
        keeper(world, uids);
        run(world);
    }
    world.news.clear();
}

fn run(world: &mut World) {
    for _ in 0..REST {
        let before = world.data.as_ref().map(show::state);
        world.settle();
        apply(world, &["all"]);
        acknowledge(world, &["all"]);
        world.settle();
        if world.data.as_ref().map(show::state) == before {
            return;
        }
    }
    panic!("no rest after {REST} rounds");
}

fn disturb(world: &mut World, verb: &str, words: &[&str]) {
    for word in words {
        if let Some(keeper) = world.keepers.get_mut(&KeeperUid::new(*word)) {
            keeper.is_mute = verb != "unmute";
            keeper.is_garbage = verb == "garbage";
            if verb == "gone" {
                keeper.info = None;
            }
        } else if let Some(proxy) = world.proxies.get_mut(&ProxyUid::new(*word)) {
            proxy.is_mute = verb != "unmute";
            proxy.is_garbage = verb == "garbage";
            if verb == "gone" {
                proxy.info = None;
            }
        } else {
            panic!("nobody is called {word}");
        }
    }
}

fn proxy(world: &mut World, words: &[&str]) {
    let (uids, settings) = split(words);
    for uid in uids {
        let uid = ProxyUid::new(uid);
        let proxy = world.proxies.entry(uid.clone()).or_insert_with(|| SimProxy::new(uid.clone()));
        for (key, value) in &settings {
            match *key {
                "generation" => proxy.generation = Generation(number(value)),
                "timeout" => proxy.timeout = span(value),
                "closed" => {
                    proxy.is_closed = *value == "yes";
                    proxy.target = None;
                }
                _ => panic!("no such setting of a proxy: {key}"),
            }
        }
        world.publish_proxy(&uid);
    }
}

fn acknowledge(world: &mut World, words: &[&str]) {
    for uid in chosen(words, &world.proxies, ProxyUid::new, |proxy| !proxy.is_mute) {
        world.apply_proxy(&uid);
        world.publish_proxy(&uid);
    }
}

/// The ones that are named, or all that talk.
fn chosen<U: Ord + Clone, T>(
    words: &[&str],
    all: &BTreeMap<U, T>,
    uid: impl Fn(String) -> U,
    talks: impl Fn(&T) -> bool,
) -> Vec<U> {
    if words == ["all"] {
        return all.iter().filter(|(_, one)| talks(one)).map(|(uid, _)| uid.clone()).collect();
    }
    words.iter().map(|word| uid((*word).to_owned())).collect()
}

fn split<'a>(words: &[&'a str]) -> (Vec<&'a str>, Vec<(&'a str, &'a str)>) {
    let settings = words.iter().filter_map(|word| word.split_once('=')).collect();
    (words.iter().copied().filter(|word| !word.contains('=')).collect(), settings)
}
