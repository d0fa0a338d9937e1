//! Measures the threads from period to period, and passes on the orders of [`crate::spread`]. A thread is not asked for it: the
//! kernel knows how long it was on a CPU, and its counters the rest.

use super::Command;
use crate::counters::{Counters, Totals};
use crate::spread::{Load, PERIOD, Spread, WorkerId};
use nix::time::{ClockId, clock_gettime};
use rustix::thread::Pid;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a thread has been on a CPU, asked from any other.
#[derive(Clone, Debug, Default)]
pub(super) struct CpuClock(Arc<OnceLock<Pid>>);

impl CpuClock {
    /// Measures the calling thread from now on.
    pub(super) fn of_this_thread(&self) {
        let _ = self.0.set(rustix::thread::gettid());
    }

    /// Zero before the thread has begun.
    fn read(&self) -> io::Result<Duration> {
        let Some(thread) = self.0.get() else { return Ok(Duration::ZERO) };
        // As pthread_getcpuclockid(3) makes it: CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED of the kernel's linux/posix-timers_types.h.
        let clock = (!thread.as_raw_nonzero().get() << 3) | 0b110;
        Ok(clock_gettime(ClockId::from_raw(clock))?.into())
    }
}

/// What is known of one thread.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) counts: Arc<Counters>,
    pub(super) clock: CpuClock,
}

/// What the clocks and counters of a thread said.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    on_cpu: Duration,
    bytes: u64,
}

impl Watched {
    fn read(&self) -> io::Result<Reading> {
        let totals = Totals::of([&*self.counts]);
        Ok(Reading {
            on_cpu: self.clock.read()?,
            bytes: totals.bytes_up.wrapping_add(totals.bytes_down),
        })
    }

    /// A thread that is behind with its commands gets none: this order would be old when it comes to it. True: it gets it.
    fn order(&self, command: Command) -> bool {
        self.commands.upgrade().is_some_and(|commands| {
            commands.capacity() == commands.max_capacity() && commands.try_send(command).is_ok()
        })
    }
}

impl Reading {
    #[expect(clippy::cast_precision_loss, reason = "a rate, whose last digits do not matter")]
    fn load_since(self, earlier: Self, passed: Duration) -> Load {
        let passed = passed.as_secs_f64();
        Load {
            busy: self.on_cpu.saturating_sub(earlier.on_cpu).as_secs_f64() / passed,
            rate: self.bytes.wrapping_sub(earlier.bytes) as f64 / passed,
        }
    }
}

/// Balances the threads until it is aborted, and says how many are in use.
pub(super) async fn balance(threads: Vec<Watched>, in_use: Arc<AtomicUsize>) {
    if let Err(error) = measure_and_order(&threads, &in_use).await {
        in_use.store(threads.len(), Relaxed);
        tracing::warn!(%error, "cannot measure the worker threads: each keeps the sessions that it has accepted");
    }
}

async fn measure_and_order(threads: &[Watched], in_use: &AtomicUsize) -> io::Result<()> {
    let mut spread = Spread::default();
    let mut periods = tokio::time::interval(PERIOD);
    periods.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    periods.tick().await;
    let mut began = Instant::now();
    let mut before = threads.iter().map(Watched::read).collect::<io::Result<Vec<_>>>()?;
    loop {
        periods.tick().await;
        let now = Instant::now();
        let readings = threads.iter().map(Watched::read).collect::<io::Result<Vec<_>>>()?;
        let passed = now.saturating_duration_since(began).max(PERIOD / 2);
        let loads: Vec<_> = readings
            .iter()
            .zip(&before)
            .map(|(reading, earlier)| reading.load_since(*earlier, passed))
            .collect();
        for order in spread.decide(&loads) {
            let (WorkerId(place), command) = Command::of(order);
            if !threads.get(place).is_some_and(|thread| thread.order(command)) {
                spread.was_not_heard(order);
            }
        }
        in_use.store(spread.in_use(), Relaxed);
        (began, before) = (now, readings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_thread_runs_while_it_works_and_stands_while_it_waits() {
        let clock = CpuClock::default();
        assert_eq!(clock.read().expect("no clock yet"), Duration::ZERO);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (done, worked) = std::sync::mpsc::channel();
        let its = clock.clone();
        let thread = std::thread::spawn(move || {
            its.of_this_thread();
            let mut now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
            let end = Duration::from(now) + Duration::from_millis(20);
            while Duration::from(now) < end {
                now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
            }
            done.send(()).expect("somebody waits");
            // It sleeps until the clock is read twice.
            let _ = gone.recv();
        });
        worked.recv().expect("it has worked");
        let after_work = clock.read().expect("its clock");
        assert!(after_work >= Duration::from_millis(20), "{after_work:?}");
        // Another thread's work is not its own.
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(20) {}
        let after_waiting = clock.read().expect("its clock");
        assert!(after_waiting < after_work + Duration::from_millis(10), "{after_waiting:?}");
        drop(go);
        thread.join().expect("it ends");
    }
}
