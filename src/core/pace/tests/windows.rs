//! Windows are kept whatever callers, the network and the server do: random latencies, cancellations, jumps of the clock,
//! 429s and failures, of two kinds of calls that share a window.

use std::sync::Mutex;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;

/// What one caller does with its permit.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Answered after so long; the server counts it after a share of that.
    Answer { took: u64, counted: u64 },
    /// The caller goes away: the server may count it until then.
    Cancel { took: u64, counted: u64 },
    /// Answered with 429, to wait for so long; counted all the same.
    TurnAway { took: u64, counted: u64, pause: u64 },
    /// No answer, or a bad one; counted all the same.
    Fail { took: u64, counted: u64 },
    /// The caller does not wait for longer than this.
    Impatient(u64),
    /// Time jumps, as on a machine that slept.
    Jump(u64),
}

/// After which time since the one before, whether it is a read, and what happens.
type Planned = (u64, bool, Deed);

fn deeds() -> impl Strategy<Value = Vec<Planned>> {
    let times = |most| (0..most).prop_flat_map(|took| (Just(took), 0..=took));
    let deed = prop_oneof![
        6 => times(1_500_u64).prop_map(|(took, counted)| Deed::Answer { took, counted }),
        2 => times(800_u64).prop_map(|(took, counted)| Deed::Cancel { took, counted }),
        1 => (times(800_u64), 0..4_000_u64).prop_map(|((took, counted), pause)| Deed::TurnAway { took, counted, pause }),
        1 => times(800_u64).prop_map(|(took, counted)| Deed::Fail { took, counted }),
        1 => (0..3_000_u64).prop_map(Deed::Impatient),
        1 => (0..5_000_u64).prop_map(Deed::Jump),
    ];
    prop::collection::vec((0..300_u64, any::<bool>(), deed), 1..120)
}

/// When the server counted what, in order: whether it was a read.
async fn carry_out(pace: &Pace, deeds: Vec<Planned>) -> Vec<(Instant, bool)> {
    let counted = Mutex::new(Vec::new());
    let mut at = 0;
    let work = deeds.into_iter().map(|(after, is_read, deed)| {
        at += after;
        let (at, counted) = (at, &counted);
        async move {
            tokio::time::sleep(milliseconds(at)).await;
            let call = Call::in_windows(if is_read { OF_READS } else { OF_SHARED_WRITES });
            let count = || counted.lock().unwrap().push((Instant::now(), is_read));
            let through = async |took: u64, until_counted: u64| {
                let permit = pace.permit(call).await;
                tokio::time::sleep(milliseconds(until_counted)).await;
                count();
                tokio::time::sleep(milliseconds(took - until_counted)).await;
                permit
            };
            match deed {
                Deed::Answer { took, counted } => through(took, counted).await.answered(),
                Deed::Cancel { took, counted } => drop(through(took, counted).await),
                Deed::TurnAway {
                    took,
                    counted,
                    pause,
                } => {
                    let permit = through(took, counted).await;
                    permit.turned_away(milliseconds(pause));
                }
                Deed::Fail { took, counted } => through(took, counted).await.failed(),
                Deed::Impatient(patience) => {
                    let waiting = pace.permit(call);
                    if let Ok(permit) = tokio::time::timeout(milliseconds(patience), waiting).await
                    {
                        count();
                        permit.answered();
                    }
                }
                Deed::Jump(far) => tokio::time::advance(milliseconds(far)).await,
            }
        }
    });
    join_all(work).await;
    let mut counted = counted.into_inner().unwrap();
    counted.sort();
    counted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_window_of_any_position_ever_holds_more_than_the_limit(
        deeds in deeds(),
        writes in (1..12_u32, 1..4_u64),
        reads in (1..12_u32, 1..4_u64),
        shared in (1..20_u32, 1..6_u64),
        expected in prop::option::of(0..200_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let wanted = deeds.iter().filter(|(_, _, deed)| !matches!(deed, Deed::Impatient(_) | Deed::Jump(_)));
        let least = wanted.count();
        let counted = runtime.block_on(async {
            let limits = [writes, reads, shared].map(|(count, period)| limit(count, period));
            let pace = Pace::new(&limits, None, None);
            if let Some(expected) = expected {
                pace.expect(WRITES, expected);
            }
            let carried_out = tokio::time::timeout(seconds(20_000), carry_out(&pace, deeds));
            let counted = carried_out.await.expect("somebody waits for ever");
            let standing = pace.standing();
            assert_eq!((standing.in_flight, standing.waiting), (0, 0), "nothing leaks");
            counted
        });
        prop_assert!(counted.len() >= least, "somebody never got through");
        let of_kind = |read: bool| counted.iter().filter(move |(_, is_read)| *is_read == read);
        let of_kind = |read: bool| of_kind(read).map(|(at, _)| *at).collect::<Vec<Instant>>();
        let all = counted.iter().map(|(at, _)| *at).collect();
        for ((count, period), times) in [(writes, of_kind(false)), (reads, of_kind(true)), (shared, all)] {
            for window in times.windows(count as usize + 1) {
                let span = window[count as usize] - window[0];
                prop_assert!(span >= seconds(period), "{span:?}");
            }
        }
    }
}
