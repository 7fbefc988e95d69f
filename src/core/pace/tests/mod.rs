//! What a pace promises, in virtual time. Here: slots, order, pauses; each module says what it is about.

mod load;
mod windows;

use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;

const WRITES: WindowIndex = WindowIndex(0);
const OF_WRITES: &[WindowIndex] = &[WRITES];
const OF_READS: &[WindowIndex] = &[WindowIndex(1), WindowIndex(2)];
const OF_SHARED_WRITES: &[WindowIndex] = &[WRITES, WindowIndex(2)];

fn limit(count: u32, seconds: u64) -> Option<Limit> {
    let period = Duration::from_secs(seconds);
    Some(Limit { count, period })
}

fn pace(count: u32, seconds: u64) -> Pace {
    Pace::new(&[limit(count, seconds)], None, None)
}

fn write() -> Call {
    Call::in_windows(OF_WRITES)
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What a future has at this moment.
fn look<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    future.now_or_never()
}

#[tokio::test(start_paused = true)]
async fn slots_come_back_one_period_after_the_answer_not_after_the_start() {
    let pace = pace(1, 10);
    let start = Instant::now();
    let permit = pace.permit(write()).await;
    tokio::time::sleep(seconds(3)).await;
    permit.answered();
    let _second = pace.permit(write()).await;
    assert_eq!(start.elapsed(), seconds(13));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_away_costs_nothing_even_when_its_turn_had_come() {
    let pace = pace(1, 10);
    let held = pace.permit(write()).await;
    let mut first = Box::pin(pace.permit(write()));
    let mut second = Box::pin(pace.permit(write()));
    assert!(look(&mut first).is_none());
    assert!(look(&mut second).is_none());
    held.answered();
    let start = Instant::now();
    tokio::time::advance(seconds(10)).await;
    // Somebody else's look lets the first one go, which is dropped before it knows.
    assert!(look(&mut second).is_none());
    drop(first);
    let second = tokio::time::timeout(seconds(60), second).await;
    assert!(second.is_ok(), "its slot is lost");
    assert_eq!(start.elapsed(), seconds(10));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_counts_as_given_up_now() {
    let pace = pace(1, 10);
    let permit = pace.permit(write()).await;
    tokio::time::sleep(seconds(2)).await;
    drop(permit);
    let start = Instant::now();
    pace.permit(write()).await.answered();
    assert_eq!(start.elapsed(), seconds(10));
}

#[tokio::test(start_paused = true)]
async fn concurrency_caps_what_is_in_flight() {
    let pace = Pace::new(&[None], None, Some(2));
    let first = pace.permit(write()).await;
    let _second = pace.permit(write()).await;
    let mut third = Box::pin(pace.permit(write()));
    assert!(look(&mut third).is_none());
    first.answered();
    assert!(look(&mut third).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_sent_is_in_use_for_the_rest_of_its_period() {
    let pace = pace(10, 10);
    pace.already_sent(
        OF_WRITES,
        &[seconds(4), seconds(11), seconds(8), seconds(9)],
    );
    pace.expect(WRITES, 7);
    let start = Instant::now();
    for _ in 0..7 {
        pace.permit(write()).await.answered();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    pace.permit(write()).await.answered();
    assert_eq!(start.elapsed(), seconds(1));
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_from_now_on_and_let_waiters_go() {
    let pace = pace(4, 10);
    let held = join_all((0..4).map(|_| pace.permit(write()))).await;
    let mut waiting = Box::pin(pace.permit(write()));
    assert!(look(&mut waiting).is_none());
    pace.set_limits(&[limit(5, 10)]);
    let fifth = waiting.await;
    pace.set_limits(&[limit(2, 10)]);
    drop((held, fifth));
    let start = Instant::now();
    pace.permit(write()).await.answered();
    pace.permit(write()).await.answered();
    assert_eq!(start.elapsed(), seconds(10));
    pace.permit(write()).await.answered();
    assert_eq!(start.elapsed(), seconds(20));
}

mod order {
    use super::*;

    async fn in_order(pace: &Pace, calls: &[(&'static str, Call)]) -> Vec<&'static str> {
        let went = Mutex::new(Vec::new());
        join_all(calls.iter().map(async |(name, call)| {
            let permit = pace.permit(*call).await;
            went.lock().unwrap().push(*name);
            permit.answered();
        }))
        .await;
        went.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_comes_first_and_else_who_came_first() {
        let pace = pace(1, 10);
        let begins = Call {
            turn: Turn::Begins,
            ..write()
        };
        pace.permit(write()).await.answered();
        let calls = [
            ("new 1", begins),
            ("new 2", begins),
            ("old 1", write()),
            ("old 2", write()),
        ];
        let went = in_order(&pace, &calls).await;
        assert_eq!(went, ["old 1", "old 2", "new 1", "new 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_shared_window_writes_go_before_reads() {
        let pace = Pace::new(&[limit(9, 10), limit(9, 10), limit(1, 10)], None, None);
        let (read, write) = (
            Call::in_windows(OF_READS),
            Call::in_windows(OF_SHARED_WRITES),
        );
        pace.permit(read).await.answered();
        let calls = [("read 1", read), ("read 2", read), ("write", write)];
        let went = in_order(&pace, &calls).await;
        assert_eq!(went, ["write", "read 1", "read 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_taken_in_each_window_or_in_none() {
        let pace = Pace::new(&[limit(1, 10), limit(9, 10), limit(2, 10)], None, None);
        let (read, write) = (
            Call::in_windows(OF_READS),
            Call::in_windows(OF_SHARED_WRITES),
        );
        let held = pace.permit(write).await;
        let mut waiting = Box::pin(pace.permit(write));
        assert!(look(&mut waiting).is_none());
        // The write that waits holds no slot of the shared window.
        let mut reading = Box::pin(pace.permit(read));
        assert!(look(&mut reading).is_some());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_subject_that_has_to_wait_does_not_hold_up_the_others_and_is_forgotten() {
        let pace = Pace::new(&[limit(5_000, 10)], limit(3, 60), None);
        let mail = |name: &str| Call {
            subject: Some(Subject::new(name)),
            ..write()
        };
        let start = Instant::now();
        for _ in 0..3 {
            pace.permit(mail("a@x.com")).await.answered();
        }
        let mut fourth = Box::pin(pace.permit(mail("a@x.com")));
        assert!(look(&mut fourth).is_none());
        pace.permit(mail("b@x.com")).await.answered();
        assert_eq!(start.elapsed(), Duration::ZERO);
        fourth.await.answered();
        assert_eq!(start.elapsed(), seconds(60));
        for number in 0..20_000 {
            let permit = pace.permit(mail(&format!("{number}@x.com"))).await;
            permit.answered();
        }
        assert!(start.elapsed() < seconds(110));
        tokio::time::sleep(seconds(60)).await;
        for number in 0..20_000 {
            pace.permit(mail(&format!("{number}@y.com")))
                .await
                .answered();
            tokio::time::sleep(milliseconds(100)).await;
            assert!(number < 1_300 || pace.with(|state, _| state.subjects()) <= 1_201);
        }
    }
}

mod pauses {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_and_then_one_goes_first() {
        let pace = pace(100, 10);
        let refused = pace.permit(write()).await;
        let in_flight = pace.permit(write()).await;
        refused.turned_away(seconds(4));
        // It was sent before; that it is answered says nothing.
        in_flight.answered();
        let start = Instant::now();
        let first = pace.permit(write()).await;
        assert_eq!(start.elapsed(), seconds(4));
        let mut second = Box::pin(pace.permit(write()));
        assert!(look(&mut second).is_none());
        tokio::time::sleep(seconds(1)).await;
        assert!(
            look(&mut second).is_none(),
            "the first one is still on its way"
        );
        first.answered();
        second.await.answered();
        assert_eq!(start.elapsed(), seconds(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_allowance_is_cut_once_for_all_that_was_in_flight_and_grows_back() {
        let pace = pace(100, 10);
        let flight = join_all((0..20).map(|_| pace.permit(write()))).await;
        for permit in flight {
            permit.turned_away(seconds(10));
        }
        let share = |pace: &Pace| (pace.standing().share * 100.0).round();
        assert_eq!((share(&pace), pace.standing().pauses), (70.0, 1));
        assert_eq!(pace.standing().turned_away, 20);
        // The one that asks whether it is over is no reason to cut it again.
        pace.permit(write()).await.turned_away(seconds(10));
        pace.permit(write()).await.answered();
        assert_eq!((share(&pace), pace.standing().pauses), (72.0, 1));
        tokio::time::sleep(seconds(50)).await;
        assert_eq!(share(&pace), 82.0);
        tokio::time::sleep(seconds(500)).await;
        assert_eq!(share(&pace), 100.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_allowance_is_kept_to() {
        let pace = pace(100, 10);
        pace.permit(write()).await.turned_away(seconds(1));
        pace.permit(write()).await.answered();
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < seconds(20) {
            pace.permit(write()).await.answered();
            sent += 1;
        }
        assert!((140..=152).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_closes_its_kind_and_no_other() {
        let pace = Pace::new(&[limit(9, 10), limit(9, 10), limit(90, 10)], None, None);
        let shared_write = Call::in_windows(OF_SHARED_WRITES);
        pace.permit(shared_write).await.turned_away(seconds(5));
        let start = Instant::now();
        pace.permit(Call::in_windows(OF_READS)).await.answered();
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.permit(shared_write).await.answered();
        assert_eq!(start.elapsed(), seconds(5));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_api_is_away_one_call_at_a_time_tries() {
        let pace = pace(1_000, 10);
        pace.permit(write()).await.answered();
        let flight = join_all((0..50).map(|_| pace.permit(write()))).await;
        flight.into_iter().for_each(Permit::failed);
        let start = Instant::now();
        let mut tried = Vec::new();
        for _ in 0..8 {
            let trial = pace.permit(write()).await;
            assert!(look(&mut Box::pin(pace.permit(write()))).is_none());
            trial.failed();
            tried.push(start.elapsed().as_secs());
        }
        assert_eq!(tried, [1, 3, 7, 15, 31, 63, 123, 183]);
        assert!(pace.is_away(&write()));
        assert_eq!(pace.standing().away_for, Some(seconds(183)));
        assert_eq!(pace.without_success(&write()), Some(seconds(183)));
        pace.permit(write()).await.answered();
        assert!(!pace.is_away(&write()));
        let again = start.elapsed();
        join_all((0..50).map(|_| pace.permit(write()))).await;
        assert_eq!(start.elapsed(), again, "everybody goes");
    }
}
