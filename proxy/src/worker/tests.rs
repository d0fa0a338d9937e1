use super::*;
use crate::fence::boottime;
use crate::reactor::TcpStream as Ours;
use crate::reactor::tests::run;
use crate::relay::Relay;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use stolon_model::generation::Generation;
use stolon_model::uid::DbUid;

/// A connection, both ends.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let ours = TcpStream::connect(listener.local_addr().expect("its address"));
    let (theirs, _) = listener.accept().expect("the other end");
    theirs.set_read_timeout(Some(Duration::from_secs(60))).expect("a bound");
    (ours.expect("a connection"), theirs)
}

/// A routing with a target, and settings.
fn target() -> (Arc<Routing>, Arc<Settings>) {
    let routing = Arc::new(Routing::new());
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let deadline = boottime() + Duration::from_secs(3600);
    routing.forward(Generation(1), DbUid::new("db"), address, deadline);
    (routing, Arc::default())
}

/// Two threads with a target.
fn two_threads() -> (Workers, Arc<Routing>, Arc<Settings>) {
    let (routing, settings) = target();
    let workers = Workers::start(2, &routing, &settings).expect("threads");
    (workers, routing, settings)
}

/// A session of the current target that has left its thread and has not come to another, and its two peers.
fn on_its_way(routing: &Routing, settings: &Settings) -> (Parcel, TcpStream, TcpStream) {
    let ((client, its), (master, theirs)) = (pair(), pair());
    let target = routing.load().target().cloned().expect("a target");
    let place = settings.connections.take().expect("a place");
    let (packed, parcel) = std::sync::mpsc::channel();
    run(move |reactor| async move {
        let adopt = |socket: TcpStream| {
            socket.set_nonblocking(true).expect("it does not block");
            Rc::new(Ours::adopt(&reactor, socket).expect("a socket of the reactor"))
        };
        let relay = Relay::new(adopt(client), adopt(master), Vec::new());
        let parcel = Parcel::pack(relay, target, place).expect("nobody else has its sockets");
        packed.send(parcel).expect("it is waited for");
    });
    (parcel.recv().expect("a parcel"), its, theirs)
}

#[tokio::test]
async fn what_is_on_its_way_when_its_target_goes_is_ended_before_a_second_answer() {
    let (workers, routing, settings) = two_threads();
    let (parcel, mut client, mut master) = on_its_way(&routing, &settings);
    let epoch = routing.hold();
    let ask = async || workers.tell_all(|done| Command::Retire(epoch, End::Fence, done)).await;
    assert!(ask().await, "there is no session yet");
    workers.workers[1].send(Command::Adopt(Box::new(parcel))).await.expect("the thread lives");
    assert!(ask().await);
    master.set_nonblocking(true).expect("a socket");
    let reset = master.read(&mut [0]).expect_err("nothing was sent");
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset, "it has been reset already");
    assert_eq!(client.read(&mut [0]).expect("an end in order"), 0);
    drop(client);
    workers.empty().await;
    assert_eq!(workers.totals().closed_by(End::Fence), 1);
    assert_eq!(settings.connections.taken(), 0);
}

/// How many of the peers a read finds ended as `is_it` says, without waiting.
fn ended(peers: &mut [TcpStream], is_it: impl Fn(std::io::Result<usize>) -> bool) -> usize {
    peers.iter_mut().filter(|peer| is_it((&**peer).read(&mut [0]))).count()
}

#[test]
fn all_masters_are_let_go_before_clients_are_told_and_sockets_closed() {
    // More than one turn tells.
    const SESSIONS: usize = 200;
    let (routing, settings) = target();
    let (mut parcels, mut clients, mut masters) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let (parcel, client, master) = on_its_way(&routing, &settings);
        for peer in [&client, &master] {
            peer.set_nonblocking(true).expect("it does not block");
        }
        parcels.push(parcel);
        clients.push(client);
        masters.push(master);
    }
    run(move |reactor| async move {
        let doors = Doors::new(std::iter::empty());
        let thread = Thread::new(&reactor, Arc::default(), Arc::clone(&routing), settings, doors);
        let thread = Rc::new(thread);
        for parcel in parcels {
            adopt(&thread, parcel, None);
        }
        reactor.yield_now().await;
        let epoch = routing.hold();
        thread.registry.stop_before(epoch, End::Target);
        thread.registry.detached_before(epoch).await;
        let is_reset = |read: std::io::Result<usize>| {
            read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
        };
        let is_told = |read: std::io::Result<usize>| read.is_ok_and(|bytes| bytes == 0);
        assert_eq!(ended(&mut masters, is_reset), SESSIONS);
        assert_eq!(ended(&mut clients, is_told), 0, "somebody was told before");
        while ended(&mut clients, is_told) < SESSIONS {
            reactor.yield_now().await;
        }
        // Most of the sockets are still to be closed.
        assert_eq!(thread.settings.connections.taken(), 0, "who was told finds no place");
        thread.registry.empty().await;
        assert_eq!(Totals::of([&*thread.counts]).closed_by(End::Target), SESSIONS as u64);
    });
}

#[tokio::test]
async fn what_is_on_its_way_when_all_are_ended_is_ended_when_it_comes() {
    let (workers, routing, settings) = two_threads();
    let (parcel, client, _master) = on_its_way(&routing, &settings);
    workers.stop_all(End::Drain).await;
    let mut empty = std::pin::pin!(workers.empty());
    let early = tokio::time::timeout(Duration::from_millis(50), &mut empty).await;
    assert!(early.is_err(), "it is not in a registry, and still it is there");
    workers.workers[0].send(Command::Adopt(Box::new(parcel))).await.expect("the thread lives");
    drop(client);
    tokio::time::timeout(Duration::from_secs(60), empty).await.expect("all are gone");
    assert_eq!(workers.totals().closed_by(End::Drain), 1);
}
