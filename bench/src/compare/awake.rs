//! Keeps the cores awake.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The least urgent there is: who has something to do takes the core at once.
const NICENESS: i32 = 19;

/// While it lives no core sleeps. A lone message wakes a core at each of its stations; where that takes longer than the way
/// between them, as in virtual machines, it is all that would be measured.
#[derive(Debug)]
pub struct Awake {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Awake {
    /// Gives each core something to do that can wait.
    pub fn start() -> Result<Self> {
        let mut awake = Self { enough: Arc::default(), threads: Vec::new() };
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            let enough = Arc::clone(&awake.enough);
            let thread = std::thread::Builder::new().spawn(move || {
                // For Linux a process here is a thread: this one. It may always be less urgent.
                if rustix::process::setpriority_process(None, NICENESS).is_ok() {
                    while !enough.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                }
            })?;
            awake.threads.push(thread);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}
