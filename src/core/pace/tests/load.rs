//! Much work at once: it is spaced, it reaches the safe bound, and it floods nobody.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// What became of many requests that all wanted to go at once.
struct Sent {
    /// When the server may have counted each, the worst for us.
    counted: Vec<Duration>,
    took: Duration,
    most_in_flight: usize,
}

/// Sends through a network with this latency; up to 256 callers wait at a time, as rows do.
async fn send(pace: &Pace, calls: u64, latency: std::ops::RangeInclusive<u64>, seed: u64) -> Sent {
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    let left = Mutex::new(calls);
    let sent = Mutex::new((Vec::new(), 0, 0));
    let start = Instant::now();
    join_all((0..256).map(async |_| {
        loop {
            {
                let mut left = left.lock().unwrap();
                if *left == 0 {
                    return;
                }
                *left -= 1;
            }
            let permit = pace.permit(write()).await;
            let (there, back) = {
                let mut sent = sent.lock().unwrap();
                sent.1 += 1;
                sent.2 = sent.2.max(sent.1);
                let whole = random.lock().unwrap().random_range(latency.clone());
                (milliseconds(whole / 2), milliseconds(whole - whole / 2))
            };
            tokio::time::sleep(there).await;
            sent.lock().unwrap().0.push(start.elapsed());
            tokio::time::sleep(back).await;
            sent.lock().unwrap().1 -= 1;
            permit.answered();
        }
    }))
    .await;
    let (mut counted, _, most_in_flight) = sent.into_inner().unwrap();
    counted.sort();
    Sent {
        counted,
        took: start.elapsed(),
        most_in_flight,
    }
}

/// How much more a bucket would have to hold than it does, at most.
fn most_in_bucket(counted: &[Duration], per_second: f64) -> f64 {
    let (mut level, mut last, mut most) = (0.0_f64, Duration::ZERO, 0.0_f64);
    for at in counted {
        level = (level - (*at - last).as_secs_f64() * per_second).max(0.0) + 1.0;
        (last, most) = (*at, most.max(level));
    }
    most
}

#[tokio::test(start_paused = true)]
async fn long_work_is_spaced_and_reaches_the_safe_bound() {
    let pace = pace(500, 10);
    pace.expect(WRITES, 20_000);
    let sent = send(&pace, 20_000, 20..=400, 1).await;
    // A slot is used again ten seconds plus its own latency later: 210 ms in the mean.
    let bound = 20_000.0 * 10.21 / 500.0;
    let share = bound / sent.took.as_secs_f64();
    let bucket = most_in_bucket(&sent.counted, 50.0);
    println!(
        "{share:.4} of the safe bound, {} in flight, bucket {bucket:.1}",
        sent.most_in_flight
    );
    assert!(share >= 0.99, "{share}");
    assert!(sent.most_in_flight <= 24, "{}", sent.most_in_flight);
    assert!(bucket <= 30.0, "{bucket}");
}

#[tokio::test(start_paused = true)]
async fn work_that_fits_goes_at_once() {
    for announced in [true, false] {
        let pace = pace(500, 10);
        let calls = if announced { 400 } else { 240 };
        if announced {
            pace.expect(WRITES, calls);
        }
        let sent = send(&pace, calls, 100..=100, 1).await;
        assert_eq!(sent.most_in_flight, MOST_IN_FLIGHT);
        let round_trips = calls.div_ceil(100);
        assert_eq!(sent.took, milliseconds(100 * round_trips));
    }
}

#[tokio::test(start_paused = true)]
async fn work_of_unknown_length_is_spaced_once_half_the_window_is_used() {
    let pace = pace(500, 10);
    let sent = send(&pace, 5_000, 20..=400, 1).await;
    let later = sent.counted.partition_point(|at| *at < seconds(1));
    assert!((250..=300).contains(&later), "{later}");
    assert!(most_in_bucket(&sent.counted[later..], 50.0) < 30.0);
    assert!(sent.took < seconds(103), "{:?}", sent.took);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gets_slow_under_load_is_not_flooded() {
    // It answers 20 requests a second, one after the other.
    let pace = pace(500, 10);
    pace.expect(WRITES, 1_000_000);
    let (free_at, most) = (Mutex::new(Instant::now()), Mutex::new(VecDeque::new()));
    let done = Mutex::new(0);
    let start = Instant::now();
    let work = join_all((0..256).map(async |_| {
        loop {
            let permit = pace.permit(write()).await;
            let at = {
                let mut free_at = free_at.lock().unwrap();
                *free_at = (*free_at).max(Instant::now()) + milliseconds(50);
                *free_at
            };
            most.lock()
                .unwrap()
                .push_back((start.elapsed(), pace.standing().in_flight));
            tokio::time::sleep_until(at).await;
            *done.lock().unwrap() += 1;
            permit.answered();
        }
    }));
    let _ = tokio::time::timeout(seconds(120), work).await;
    let most = most.into_inner().unwrap();
    let later = most.iter().filter(|(at, _)| *at > seconds(30));
    let later = later.map(|(_, count)| *count).max().unwrap();
    assert!(later < 60, "{later}");
    let done = *done.lock().unwrap();
    assert!(done > 2_350, "{done} of 2400");
}
