//! Everything there is, in one place that all of its parts can reach.

use crate::executor::Executor;
use crate::node::Node;
use crate::oracle::Oracle;
use crate::settings::Settings;
use crate::store::Store;
use crate::trace::Trace;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// Time and tasks.
    pub executor: Executor,
    /// What kind of world it is.
    pub settings: Settings,
    /// The store.
    pub store: Rc<Store>,
    /// Machines with keepers.
    pub nodes: RefCell<Vec<Rc<Node>>>,
    /// Watches over the rules.
    pub oracle: Oracle,
    /// What happens, for people.
    pub trace: Trace,
    /// Whether things go wrong at the moment.
    pub is_faulty: Cell<bool>,
    rng: RefCell<fastrand::Rng>,
    last_id: Cell<u64>,
}

impl World {
    /// A world without inhabitants.
    pub fn new(settings: Settings, seed: u64, trace: Trace) -> Rc<Self> {
        let executor = Executor::default();
        Rc::new(Self {
            store: Rc::new(Store::new(executor.clone())),
            executor,
            settings,
            nodes: RefCell::default(),
            oracle: Oracle::default(),
            trace,
            is_faulty: Cell::new(false),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            last_id: Cell::default(),
        })
    }

    /// Adds a line to the trace.
    pub fn say(&self, who: &str, what: impl FnOnce() -> String) {
        self.trace.say(self.executor.now(), who, what);
    }

    /// True in `permille` of a thousand cases.
    pub fn chance(&self, permille: u32) -> bool {
        permille > 0 && self.rng.borrow_mut().u32(..1000) < permille
    }

    /// True in `permille` of a thousand cases while things go wrong.
    pub fn fails(&self, permille: u32) -> bool {
        self.is_faulty.get() && self.chance(permille)
    }

    /// A span of `from` to `to` milliseconds.
    pub fn span(&self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.rng.borrow_mut().u64(from * 1000..=to * 1000))
    }

    /// A number below `limit`.
    pub fn pick(&self, limit: usize) -> usize {
        self.rng.borrow_mut().usize(..limit.max(1))
    }

    /// A source of random numbers for one part.
    pub fn fork_rng(&self) -> fastrand::Rng {
        self.rng.borrow_mut().fork()
    }

    /// A number that was never given before.
    pub fn fresh_id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    /// The machine with this address.
    pub fn node_at(&self, address: &str) -> Option<Rc<Node>> {
        self.nodes.borrow().get(Node::index_of(address)?).cloned()
    }

    /// All machines.
    pub fn all_nodes(&self) -> Vec<Rc<Node>> {
        self.nodes.borrow().clone()
    }
}
