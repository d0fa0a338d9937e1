//! A thread that writes lines, so that whoever logs never waits for the reader of stderr.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for the reader.
const QUEUE: usize = 4096;

#[derive(Debug)]
enum Order {
    Write(String),
    /// Answer when everything before is written.
    Flush(SyncSender<()>),
}

/// The handle of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<Order>,
    /// Lines not taken since the reader was last told.
    dropped: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread that writes to `sink`. The sink's errors are ignored: there is no other place to tell them.
    pub(super) fn start(mut sink: impl Write + Send + 'static) -> Self {
        let (queue, orders) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&dropped);
        let thread = thread::Builder::new().name("log".to_owned());
        // Without a thread the receiver is gone, which `write` notices.
        drop(thread.spawn(move || work(&orders, &mut sink, &missing)));
        Self { queue, dropped }
    }

    /// Hands over a line; drops it if the reader is too far behind.
    pub(super) fn write(&self, line: String) {
        match self.queue.try_send(Order::Write(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(Order::Write(line))) => {
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            Err(TrySendError::Disconnected(Order::Flush(_))) => {}
        }
    }

    /// Waits until what was handed over is written, at most `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let (done, written) = sync_channel(1);
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Order::Flush(done.clone())) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        drop(done);
        // An error is a time-out or a thread that is gone; either way there is nothing more to wait for.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn work(orders: &Receiver<Order>, sink: &mut impl Write, dropped: &AtomicU64) {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Write(line) => {
                let _ = sink.write_all(line.as_bytes());
                let missing = dropped.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let _ = writeln!(
                        sink,
                        "{missing} log lines are missing here: stderr was not read in time"
                    );
                }
            }
            Order::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
pub(super) use tests::Capture;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    /// A sink whose text can be read.
    #[derive(Clone, Debug, Default)]
    pub(in super::super) struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Capture {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A sink that takes nothing before its gate opens.
    struct Stuck {
        gate: Receiver<()>,
        capture: Capture,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.gate.recv();
            self.capture.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_but_no_time() {
        let (open, gate) = channel();
        let capture = Capture::default();
        let writer = Writer::start(Stuck { gate, capture: capture.clone() });
        let start = Instant::now();
        for line in 0..QUEUE + 100 {
            writer.write(format!("{line}\n"));
        }
        writer.flush(Duration::from_millis(10));
        assert!(start.elapsed() < Duration::from_secs(10));
        drop(open);
        writer.flush(Duration::from_secs(10));
        let text = capture.text();
        assert!(text.starts_with("0\n"), "{text}");
        assert!(
            text.contains(" log lines are missing here: stderr was not read in time\n"),
            "{text}"
        );
        // What the thread had taken off the queue before it got stuck is at most one line.
        let written = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        assert!((QUEUE..=QUEUE + 1).contains(&written), "{written}");
    }

    #[test]
    fn a_closed_reader_is_no_error() {
        let writer = Writer::start(Broken);
        writer.write("lost\n".to_owned());
        writer.flush(Duration::from_secs(10));
        writer.write("lost too\n".to_owned());
    }
}
