use super::*;

fn busy(busy: f64) -> Load {
    Load { busy, ..Load::default() }
}

const STREAMING: Load = Load { busy: 0.2, rate: 2.0 * STREAM };

fn hand_over(from: usize, to: usize, share: Share) -> Order {
    Order::HandOver { from: WorkerId(from), to: WorkerId(to), share }
}

/// The orders of several equal periods.
fn periods(spread: &mut Spread, loads: &[Load], count: u32) -> Vec<Order> {
    (0..count).flat_map(|_| spread.decide(loads)).collect()
}

#[test]
fn what_one_thread_can_carry_is_brought_to_the_first() {
    let mut spread = Spread::default();
    let orders = spread.decide(&[busy(0.1), busy(0.2), busy(0.001)]);
    assert_eq!(orders, [hand_over(1, 0, Share::All)]);
    assert_eq!(spread.in_use(), 1);
}

#[test]
fn what_one_thread_cannot_carry_is_not_brought_to_it_first() {
    let mut spread = Spread::default();
    assert_eq!(spread.decide(&[busy(0.65); 4]), []);
    assert_eq!(spread.in_use(), 4);
    // Three have room for all of it together, but none for what the fourth has.
    assert_eq!(Spread::default().decide(&[busy(0.4), busy(0.4), busy(0.4), busy(0.5)]), []);
    let mut spread = Spread::default();
    let orders = spread.decide(&[busy(0.1), busy(0.2), busy(0.3), busy(0.25)]);
    // Each to the one that is the idlest with what it gets.
    assert_eq!(orders, [hand_over(2, 0, Share::All), hand_over(3, 1, Share::All)]);
    assert_eq!(spread.in_use(), 2);
}

#[test]
fn idle_threads_get_no_orders() {
    let mut spread = Spread::default();
    assert_eq!(periods(&mut spread, &[busy(0.0); 4], 100), []);
    assert_eq!(spread.in_use(), 1);
}

#[test]
fn a_busy_thread_is_weighed_and_then_relieved_by_half() {
    let mut spread = Spread::default();
    assert_eq!(spread.decide(&[busy(0.8), busy(0.0)]), [Order::Weigh(WorkerId(0))]);
    assert_eq!(spread.decide(&[busy(0.8), busy(0.0)]), [hand_over(0, 1, Share::Part(0.5))]);
    assert_eq!(spread.decide(&[busy(0.45), busy(0.4)]), []);
    assert_eq!(spread.in_use(), 2);
}

#[test]
fn a_thread_that_did_not_hear_is_weighed_before_it_is_relieved() {
    let mut spread = Spread::default();
    let loads = [busy(0.8), busy(0.0)];
    for _ in 0..3 {
        let orders = spread.decide(&loads);
        assert_eq!(orders, [Order::Weigh(WorkerId(0))]);
        spread.was_not_heard(orders[0]);
    }
    spread.decide(&loads);
    assert_eq!(spread.decide(&loads), [hand_over(0, 1, Share::Part(0.5))]);
}

#[test]
fn a_stream_takes_a_thread_however_little_it_costs() {
    let mut spread = Spread::default();
    assert_eq!(spread.decide(&[STREAMING, busy(0.0), busy(0.0)]), [Order::Weigh(WorkerId(0))]);
    // And no more than one beside it.
    periods(&mut spread, &[STREAMING, busy(0.5), busy(0.0)], 100);
    assert_eq!(spread.in_use(), 2);
    // What is left over does not go where the stream is.
    let orders = spread.decide(&[STREAMING, busy(0.1), busy(0.05)]);
    assert_eq!(orders.first(), Some(&hand_over(2, 1, Share::All)));
}

#[test]
fn no_more_threads_are_used_than_there_are() {
    let mut spread = Spread::default();
    periods(&mut spread, &[busy(0.9); 3], 10);
    assert_eq!(spread.in_use(), 3);
    let mut alone = Spread::default();
    assert_eq!(periods(&mut alone, &[busy(1.0)], 10), []);
    assert_eq!(alone.in_use(), 1);
    assert_eq!(Spread::default().decide(&[]), []);
}

#[test]
fn a_thread_is_given_up_only_when_it_has_been_calm_for_long() {
    let mut spread = Spread::default();
    periods(&mut spread, &[busy(0.9), busy(0.9)], 2);
    assert_eq!(periods(&mut spread, &[busy(0.1), busy(0.1)], CALM_PERIODS - 1), []);
    assert_eq!(periods(&mut spread, &[busy(0.25), busy(0.25)], 1), []);
    assert_eq!(periods(&mut spread, &[busy(0.1), busy(0.1)], CALM_PERIODS - 1), []);
    assert_eq!(spread.in_use(), 2);
    let orders = spread.decide(&[busy(0.1), busy(0.1)]);
    assert_eq!(orders, [hand_over(1, 0, Share::All)]);
    assert_eq!(spread.in_use(), 1);
}

fn candidates<const N: usize>(works: [u64; N], streams: &[usize]) -> Vec<Candidate<usize>> {
    let all = works.into_iter().enumerate();
    all.map(|(session, work)| Candidate { session, work, is_stream: streams.contains(&session) })
        .collect()
}

#[test]
fn of_a_part_the_heaviest_go_that_fit() {
    let works = [100, 300, 1000, 200, 57, 0];
    assert_eq!(choose(candidates(works, &[]), Share::Part(0.33)), [1, 3]);
    assert_eq!(choose(candidates(works, &[]), Share::All), [0, 1, 2, 3, 4]);
    // Many that do hardly anything are much together.
    let little = [LITTLE_WORK - 1; 10];
    assert_eq!(choose(candidates(little, &[]), Share::Part(0.5)).len(), 5);
    assert!(choose(candidates(little, &[]), Share::All).is_empty());
}

#[test]
fn one_that_does_not_fit_goes_if_it_evens_out() {
    assert_eq!(choose(candidates([500, 450], &[]), Share::Part(0.33)), [1]);
    assert!(choose(candidates([500, 450], &[]), Share::Part(0.3)).is_empty());
    assert!(choose(candidates([1001], &[]), Share::Part(0.5)).is_empty());
    assert!(choose::<usize>(Vec::new(), Share::Part(0.5)).is_empty());
}

#[test]
fn conversations_leave_a_stream_and_streams_leave_each_other() {
    assert_eq!(choose(candidates([900, 50, 40, 0], &[0]), Share::Part(0.5)), [1, 2]);
    assert_eq!(choose(candidates([300, 310, 290], &[0, 1, 2]), Share::Part(0.5)), [1]);
}

/// A session of the model: how much of a thread it takes, and how many bytes it moves in a second, when there is room.
#[derive(Clone, Copy)]
struct Session {
    takes: f64,
    rate: f64,
    on: usize,
    work: u64,
}

/// Threads and sessions that do what the orders say, and no more than a thread can.
struct Model {
    spread: Spread,
    threads: usize,
    sessions: Vec<Session>,
    moves: usize,
}

impl Model {
    /// Sessions that take `takes` each, as the kernel would spread them.
    fn new(threads: usize, sessions: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let spread_out = sessions.into_iter().enumerate();
        let sessions = spread_out
            .map(|(place, (takes, rate))| Session { takes, rate, on: place % threads, work: 0 })
            .collect();
        Self { spread: Spread::default(), threads, sessions, moves: 0 }
    }

    /// What the sessions of a thread would take if there were room.
    fn wanted(&self, thread: usize) -> f64 {
        self.sessions.iter().filter(|session| session.on == thread).map(|its| its.takes).sum()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole messages")]
    fn period(&mut self) {
        let slowed: Vec<f64> =
            (0..self.threads).map(|thread| 1.0 / self.wanted(thread).max(1.0)).collect();
        let mut loads = vec![Load::default(); self.threads];
        for session in &mut self.sessions {
            let pace = slowed[session.on];
            loads[session.on].busy += session.takes * pace;
            loads[session.on].rate += session.rate * pace;
            // A message takes 10 µs.
            session.work += (session.takes * pace * 10_000.0).round() as u64;
        }
        for order in self.spread.decide(&loads) {
            match order {
                Order::Weigh(thread) => {
                    for session in self.sessions.iter_mut().filter(|its| its.on == thread.0) {
                        session.work = 0;
                    }
                }
                Order::HandOver { from, to, share } => {
                    let all = self.sessions.iter().enumerate();
                    let candidates = all
                        .filter(|(_, session)| session.on == from.0)
                        .map(|(place, session)| Candidate {
                            session: place,
                            work: session.work,
                            is_stream: session.rate > STREAM / 2.0,
                        })
                        .collect();
                    for place in choose(candidates, share) {
                        self.sessions[place].on = to.0;
                        self.sessions[place].work = 0;
                        self.moves += 1;
                    }
                }
            }
        }
    }

    fn periods(&mut self, count: usize) {
        for _ in 0..count {
            self.period();
        }
    }

    /// The most that a thread would have to do.
    fn busiest(&self) -> f64 {
        (0..self.threads).map(|thread| self.wanted(thread)).fold(0.0, f64::max)
    }

    /// Lets it settle, and checks that it then stays as it is.
    fn settle(&mut self) {
        self.periods(100);
        let before = self.moves;
        self.periods(200);
        assert_eq!(self.moves, before, "it never settles");
    }
}

#[test]
fn a_few_sessions_gather_and_stay() {
    let mut model = Model::new(4, vec![(0.02, 0.0); 16]);
    model.settle();
    assert_eq!(model.spread.in_use(), 1);
    assert!((model.wanted(0) - 0.32).abs() < 1e-9);
    assert_eq!(model.moves, 12);
}

#[test]
fn many_sessions_of_which_each_does_little_are_spread() {
    // Each 30 transactions a second: three in a period, on average.
    let mut model = Model::new(4, vec![(0.0009, 0.0); 2000]);
    model.periods(3);
    // Also when all of them were idle, and are on one thread.
    let mut gathered = Model::new(4, vec![(0.0009, 0.0); 2000]);
    for session in &mut gathered.sessions {
        session.on = 0;
    }
    gathered.periods(10);
    for mut model in [model, gathered] {
        model.settle();
        assert!(model.busiest() < 0.75, "{}", model.busiest());
    }
}

#[test]
fn a_storm_is_not_gathered_on_one_thread() {
    let mut model = Model::new(4, vec![(0.018, 0.0); 100]);
    for _ in 0..20 {
        model.period();
        assert!(model.busiest() < ROOM + UNEVEN + 0.02, "{}", model.busiest());
    }
}

#[test]
fn one_heavy_session_costs_one_more_thread_and_no_moves() {
    let mut model = Model::new(4, [(0.95, 0.0)]);
    model.settle();
    assert_eq!((model.spread.in_use(), model.moves), (2, 0));
    let mut beside = Model::new(4, [(0.9, 0.0)].into_iter().chain(vec![(0.01, 0.0); 20]));
    beside.settle();
    assert!(beside.busiest() < 0.97, "{}", beside.busiest());
    assert!(beside.spread.in_use() <= 2);
}

#[test]
fn two_heavy_sessions_do_not_stay_together() {
    let mut model = Model::new(2, [(0.45, 0.0), (0.3, 0.0), (0.45, 0.0)]);
    model.settle();
    assert!(model.busiest() <= 0.75 + 1e-9, "{}", model.busiest());
}

#[test]
fn a_stream_and_conversations_are_parted() {
    for (threads, small) in [(2, 0.002), (2, 0.02), (4, 0.02), (4, 0.005)] {
        let stream = std::iter::once((0.25, 600e6));
        let mut model = Model::new(threads, stream.chain(vec![(small, 0.0); 32]));
        model.settle();
        let beside = model.sessions.iter().skip(1).filter(|its| its.on == model.sessions[0].on);
        assert_eq!(beside.count(), 0, "{threads} threads, {small}");
    }
}

#[test]
fn streams_are_spread_over_all_threads() {
    for (threads, count) in [(2, 4), (2, 16), (4, 4), (4, 16)] {
        let mut model = Model::new(threads, vec![(0.4, 500e6); count]);
        for session in &mut model.sessions {
            session.on = 0;
        }
        model.settle();
        for thread in 0..threads {
            let here = model.sessions.iter().filter(|session| session.on == thread).count();
            assert_eq!(here, count / threads, "{threads} threads, {count} streams");
        }
    }
}

#[test]
fn whatever_there_is_it_settles_without_a_thread_that_is_overrun_beside_idle_ones() {
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let threads = rng.usize(2..=8);
        let most = [0.001, 0.01, 0.05, 0.2][rng.usize(..4)];
        // What a CPU second moves: small messages, large ones, and answers that are nearly streams.
        let density = [0.0, 50e6, 300e6][rng.usize(..3)];
        let sessions: Vec<_> = (0..rng.usize(1..400))
            .map(|_| {
                let takes = rng.f64() * most;
                (takes, takes * density)
            })
            .collect();
        let mut model = Model::new(threads, sessions);
        for session in &mut model.sessions {
            session.on = rng.usize(..threads);
        }
        let each = |model: &Model, thread: usize| {
            let here = model.sessions.iter().filter(|session| session.on == thread);
            here.map(|its| its.takes.max(its.rate / STREAM)).sum::<f64>()
        };
        let total: f64 = (0..threads).map(|thread| each(&model, thread)).sum();
        let fair = total / threads as f64;
        if fair > 0.9 {
            // Nobody can see who would do more.
            continue;
        }
        model.periods(200);
        let before = model.moves;
        model.periods(200);
        assert_eq!(model.moves, before, "seed {seed}: it never settles");
        let most = most.max(most * density / STREAM);
        let bound = (fair + UNEVEN + most).max(FULL + most);
        let busiest = (0..threads).map(|thread| each(&model, thread)).fold(0.0, f64::max);
        assert!(busiest <= bound, "seed {seed}: {busiest} of {fair}");
    }
}

#[test]
fn conversations_of_much_do_not_wander() {
    for (threads, sessions) in [
        (2, vec![(0.02, 4.5e6); 10]),
        (2, vec![(0.1, 35e6); 3]),
        (2, vec![(0.02, 5e6); 14]),
        (2, vec![(0.02, 11e6); 14]),
        (4, vec![(0.1, 90e6); 6]),
        (4, vec![(0.1, 110e6); 6]),
    ] {
        Model::new(threads, sessions).settle();
    }
}

#[test]
fn a_stream_beside_what_one_thread_can_carry_takes_two_threads() {
    let stream = std::iter::once((0.25, 600e6));
    let mut model = Model::new(4, stream.chain(vec![(0.01, 0.0); 50]));
    model.settle();
    assert_eq!(model.spread.in_use(), 2);
}
