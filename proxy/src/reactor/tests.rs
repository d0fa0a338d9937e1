use super::*;
use rustix::event::epoll::EventFlags;
use std::cell::RefCell;
use std::io::{Read, Write};

/// Runs `main` on a reactor of this thread, to its end: a reactor outlives a task that panics, so a failed assertion would go unseen.
pub(crate) fn run<F: Future<Output = ()> + 'static>(main: impl FnOnce(Rc<Reactor>) -> F) {
    let reactor = Reactor::new().expect("descriptors");
    let main = main(Rc::clone(&reactor));
    let has_ended = Rc::new(Cell::new(false));
    let end = Rc::clone(&has_ended);
    let ran = reactor.run(async move {
        main.await;
        end.set(true);
    });
    ran.expect("events");
    assert!(has_ended.get(), "the main task has panicked");
}

/// A connection: the reactor's end and the other one.
pub(crate) async fn pair(reactor: &Rc<Reactor>) -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let kind = socket2::Type::STREAM.nonblocking();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).expect("a socket");
    let ours = TcpStream::connect(reactor, socket, address).await.expect("a connection");
    (ours, listener.accept().expect("the other end").0)
}

#[test]
fn what_came_with_the_end_is_read_and_then_the_end() {
    run(|reactor| async move {
        let (ours, mut theirs) = pair(&reactor).await;
        theirs.write_all(b"last words").expect("written");
        drop(theirs);
        let mut room = [0; 64];
        assert_eq!(ours.read(&mut room).await.expect("words"), 10);
        // Data and end may have come in one event; no other will come.
        assert_eq!(ours.read(&mut room).await.expect("the end"), 0);
    });
}

#[test]
fn a_read_waits_for_each_message() {
    run(|reactor| async move {
        let (ours, theirs) = pair(&reactor).await;
        let echo = std::thread::spawn(move || {
            let (mut theirs, mut word) = (theirs, [0; 4]);
            while theirs.read_exact(&mut word).is_ok() {
                theirs.write_all(&word).expect("written");
            }
        });
        let mut room = [0; 64];
        for _ in 0..100 {
            ours.write_all(b"ping").await.expect("written");
            assert_eq!(ours.read(&mut room).await.expect("an answer"), 4);
        }
        drop(ours);
        echo.join().expect("it ends with the connection");
    });
}

#[test]
fn a_write_waits_for_room() {
    run(|reactor| async move {
        let (ours, mut theirs) = pair(&reactor).await;
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).map(|_| all)
        });
        let much: Vec<u8> = (0..16 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
        ours.write_all(&much).await.expect("written");
        crate::socket::shutdown(&ours, std::net::Shutdown::Write).expect("the end is sent");
        assert!(reader.join().expect("it reads").expect("everything") == much);
    });
}

#[test]
fn a_refused_connection_says_so() {
    run(|reactor| async move {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let kind = socket2::Type::STREAM.nonblocking();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).expect("a socket");
        let refused = TcpStream::connect(&reactor, socket, address).await.expect_err("nobody");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

/// Both sockets have an event in one turn; the task of the first closes the second, and a new one takes its number.
#[test]
fn an_event_of_a_closed_socket_reaches_nobody() {
    run(|reactor| async move {
        let (first, mut to_first) = pair(&reactor).await;
        let (second, mut to_second) = pair(&reactor).await;
        let slot = second.source().slot();
        // The second waits in a task of its own, so that its event has somebody to go to.
        let second = Rc::new(RefCell::new(Some(second)));
        let waits = Rc::clone(&second);
        reactor.spawn(async move {
            std::future::poll_fn(|_| match &*waits.borrow() {
                Some(stream) => stream.source().poll_readable(),
                None => Poll::Ready(()),
            })
            .await;
        });
        reactor.yield_now().await;
        to_first.write_all(b"for the first").expect("written");
        to_second.write_all(b"for the second").expect("written");
        first.readable().await;
        drop(second.borrow_mut().take());
        let (new, _theirs) = pair(&reactor).await;
        assert_eq!(new.source().slot(), slot);
        reactor.yield_now().await;
        reactor.yield_now().await;
        assert!(new.source().poll_readable().is_pending());
    });
}

/// An event that was fetched before its socket was closed names a socket that is no more.
#[test]
fn the_serial_of_an_event_is_compared() {
    run(|reactor| async move {
        let (old, _theirs) = pair(&reactor).await;
        let stale = old.source().event(EventFlags::IN);
        drop(old);
        let (new, _theirs) = pair(&reactor).await;
        assert!(matches!(reactor.sources.note(&stale), source::Noted::Nobody));
        assert!(new.source().poll_readable().is_pending());
        let fresh = new.source().event(EventFlags::IN);
        assert!(matches!(reactor.sources.note(&fresh), source::Noted::Owner(_)));
        assert!(new.source().poll_readable().is_ready());
    });
}

#[test]
fn a_read_that_is_dropped_leaves_nothing() {
    run(|reactor| async move {
        let (ours, mut theirs) = pair(&reactor).await;
        let mut kept = b"kept".to_vec();
        let bound = Duration::from_millis(1);
        assert!(reactor.timeout(bound, ours.read_more(&mut kept, 512)).await.is_err());
        assert_eq!(kept, b"kept");
        theirs.write_all(b" more").expect("written");
        assert_eq!(ours.read_more(&mut kept, 512).await.expect("more"), 5);
        assert_eq!(kept, b"kept more");
    });
}

/// A oneshot looks at its state by a plain load when it is polled again: the wake itself has to order it.
#[test]
fn no_answer_of_another_thread_is_lost() {
    run(|reactor| async move {
        for _ in 0..2_000 {
            let (answer, question) = tokio::sync::oneshot::channel();
            let thread = std::thread::spawn(move || answer.send(()));
            reactor.timeout(Duration::from_secs(20), question).await.expect("woken").expect("sent");
            assert_eq!(thread.join().expect("it ends"), Ok(()));
        }
    });
}

#[test]
fn timers_are_due_in_their_order_and_not_before() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&order);
    run(|reactor| async move {
        let (began, (done, mut all)) = (Instant::now(), tokio::sync::mpsc::channel::<()>(1));
        for millis in [30_u64, 10, 20, 0] {
            let (order, done, its) = (Rc::clone(&order), done.clone(), Rc::clone(&reactor));
            reactor.spawn(async move {
                let due = began + Duration::from_millis(millis);
                its.sleep_until(due).await;
                assert!(Instant::now() >= due);
                order.borrow_mut().push(millis);
                drop(done);
            });
        }
        drop(done);
        assert!(all.recv().await.is_none());
    });
    assert_eq!(*seen.borrow(), [0, 10, 20, 30]);
}

#[test]
fn a_timer_that_is_dropped_or_disarmed_wakes_nobody() {
    run(|reactor| async move {
        let mut timer = reactor.timer();
        assert!(!timer.is_armed() && timer.poll_due().is_pending());
        timer.arm(Instant::now());
        assert!(timer.is_armed() && timer.poll_due().is_pending());
        timer.disarm();
        assert!(reactor.timers.next().is_none());
        timer.arm(Instant::now() + Duration::from_secs(3600));
        assert!(timer.poll_due().is_pending() && reactor.timers.next().is_some());
        drop(timer);
        assert!(reactor.timers.next().is_none());
        let late = reactor.timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert_eq!(late, Err(Elapsed));
        assert_eq!(reactor.timeout(Duration::from_secs(3600), async { 7 }).await, Ok(7));
        assert!(reactor.timers.next().is_none());
    });
}

/// A reason that comes while the task is polled for the one before must not be lost, whichever thread it comes from.
#[test]
fn no_wake_of_another_thread_is_lost() {
    run(|_| async move {
        let (numbers, mut inbox) = tokio::sync::mpsc::channel(1);
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let numbers = numbers.clone();
                std::thread::spawn(move || {
                    (0..5_000).try_for_each(|n| numbers.blocking_send(n)).expect("received");
                })
            })
            .collect();
        drop(numbers);
        let mut count = 0;
        while inbox.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 20_000);
        for sender in senders {
            sender.join().expect("it ends");
        }
    });
}

#[test]
fn a_task_that_panics_ends_alone() {
    run(|reactor| async move {
        let (gone, watch) = tokio::sync::oneshot::channel::<()>();
        reactor.spawn(async move {
            let _gone = gone;
            panic!("on purpose");
        });
        assert!(watch.await.is_err());
    });
}

#[test]
fn a_task_whose_end_panics_ends_alone() {
    struct Fragile;
    impl Future for Fragile {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    run(|reactor| async move {
        reactor.spawn(Fragile);
        reactor.yield_now().await;
    });
}

#[test]
fn a_main_task_that_panics_ends_the_loop() {
    let reactor = Reactor::new().expect("descriptors");
    let its = Rc::clone(&reactor);
    reactor.spawn(async move { its.sleep(Duration::from_secs(3600)).await });
    reactor.run(async { panic!("on purpose") }).expect("events");
}

#[test]
fn tasks_take_turns() {
    let said = Rc::new(RefCell::new(String::new()));
    let seen = Rc::clone(&said);
    run(|reactor| async move {
        let (done, mut all) = tokio::sync::mpsc::channel::<()>(1);
        for name in ['a', 'b'] {
            let (said, done, its) = (Rc::clone(&said), done.clone(), Rc::clone(&reactor));
            reactor.spawn(async move {
                for _ in 0..3 {
                    said.borrow_mut().push(name);
                    its.yield_now().await;
                }
                drop(done);
            });
        }
        drop(done);
        assert!(all.recv().await.is_none());
    });
    assert_eq!(*seen.borrow(), "ababab");
}

#[test]
fn patient_tasks_go_on_in_their_order_a_few_in_each_turn() {
    const PATIENT: usize = 3 * tasks::PATIENT_OF_A_TURN;
    let turns = Rc::new(Cell::new(0));
    let went_on = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&went_on);
    run(|reactor| async move {
        let (done, mut all) = tokio::sync::mpsc::channel::<()>(1);
        let wakers = Rc::new(RefCell::new(Vec::new()));
        for number in 0..PATIENT {
            let (its, turns, went_on) =
                (Rc::clone(&reactor), Rc::clone(&turns), Rc::clone(&went_on));
            let (done, wakers) = (done.clone(), Rc::clone(&wakers));
            reactor.spawn(async move {
                let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                wakers.borrow_mut().push(waker);
                its.after_others().await;
                went_on.borrow_mut().push((number, turns.get()));
                drop(done);
            });
        }
        drop(done);
        let its = Rc::clone(&reactor);
        reactor.spawn(async move {
            loop {
                turns.set(turns.get() + 1);
                // Whatever else wakes them, it is not their turn.
                wakers.borrow().iter().rev().for_each(std::task::Waker::wake_by_ref);
                its.yield_now().await;
            }
        });
        assert!(all.recv().await.is_none());
    });
    let seen = seen.borrow();
    let batches = seen.iter().map(|(number, _)| number / tasks::PATIENT_OF_A_TURN);
    assert!(batches.is_sorted(), "{seen:?}");
    let in_turn = |turn| seen.iter().filter(|(_, its)| *its == turn).count();
    let (first, last) = (seen[0].1, seen[PATIENT - 1].1);
    assert!(first > 0, "somebody went on before the others: {seen:?}");
    assert!((first..=last).all(|turn| in_turn(turn) <= tasks::PATIENT_OF_A_TURN), "{seen:?}");
}

#[test]
fn patient_tasks_go_on_when_nothing_else_happens() {
    const PATIENT: usize = 3 * tasks::PATIENT_OF_A_TURN;
    run(|reactor| async move {
        let (done, mut all) = tokio::sync::mpsc::channel::<()>(1);
        for _ in 0..PATIENT {
            let (its, done) = (Rc::clone(&reactor), done.clone());
            reactor.spawn(async move {
                its.after_others().await;
                its.after_others().await;
                drop(done);
            });
        }
        drop(done);
        let all = reactor.timeout(Duration::from_secs(60), all.recv()).await;
        assert!(all.expect("nobody waits for ever").is_none());
    });
}

#[test]
fn what_is_left_at_the_end_is_dropped() {
    let (held, mut watch) = tokio::sync::oneshot::channel::<()>();
    run(|reactor| async move {
        let (ours, theirs) = pair(&reactor).await;
        let its = Rc::clone(&reactor);
        reactor.spawn(async move {
            let _all = (held, theirs);
            its.timeout(Duration::from_secs(3600), ours.readable()).await.expect("never");
        });
        reactor.yield_now().await;
        assert!(reactor.timers.next().is_some());
    });
    assert_eq!(watch.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed));
}
