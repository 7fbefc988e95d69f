//! The window is kept whatever callers and the network do: random latencies, cancellations, jumps of the clock.

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
    /// The caller does not wait for longer than this.
    Impatient(u64),
    /// Time jumps, as on a machine that slept.
    Jump(u64),
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let times = |most| (0..most).prop_flat_map(|took| (Just(took), 0..=took));
    let deed = prop_oneof![
        6 => times(1_500_u64).prop_map(|(took, counted)| Deed::Answer { took, counted }),
        2 => times(800_u64).prop_map(|(took, counted)| Deed::Cancel { took, counted }),
        1 => (0..3_000_u64).prop_map(Deed::Impatient),
        1 => (0..5_000_u64).prop_map(Deed::Jump),
    ];
    prop::collection::vec((0..300_u64, deed), 1..120)
}

async fn carry_out(pace: &Pace, deeds: Vec<(u64, Deed)>) -> Vec<Instant> {
    let counted = Mutex::new(Vec::new());
    let mut at = 0;
    let work = deeds.into_iter().map(|(after, deed)| {
        at += after;
        let (at, counted) = (at, &counted);
        async move {
            tokio::time::sleep(milliseconds(at)).await;
            let through = async |took: u64, until_counted: u64| {
                let permit = pace.permit(write()).await;
                tokio::time::sleep(milliseconds(until_counted)).await;
                counted.lock().unwrap().push(Instant::now());
                tokio::time::sleep(milliseconds(took - until_counted)).await;
                permit
            };
            match deed {
                Deed::Answer { took, counted } => through(took, counted).await.answered(),
                Deed::Cancel { took, counted } => drop(through(took, counted).await),
                Deed::Impatient(patience) => {
                    let waiting = pace.permit(write());
                    if let Ok(permit) = tokio::time::timeout(milliseconds(patience), waiting).await
                    {
                        counted.lock().unwrap().push(Instant::now());
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
        count in 1..12_u32,
        period in 1..4_u64,
        expected in prop::option::of(0..200_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let wanted = deeds.iter().filter(|(_, deed)| !matches!(deed, Deed::Impatient(_) | Deed::Jump(_)));
        let least = wanted.count();
        let counted = runtime.block_on(async {
            let pace = pace(count, period);
            if let Some(expected) = expected {
                pace.expect(WRITES, expected);
            }
            let carried_out = tokio::time::timeout(seconds(7_200), carry_out(&pace, deeds));
            let counted = carried_out.await.expect("somebody waits for ever");
            let standing = pace.standing();
            assert_eq!((standing.in_flight, standing.waiting), (0, 0), "nothing leaks");
            counted
        });
        prop_assert!(counted.len() >= least, "somebody never got through");
        for window in counted.windows(count as usize + 1) {
            let span = window[count as usize] - window[0];
            prop_assert!(span >= seconds(period), "{span:?}");
        }
    }
}
