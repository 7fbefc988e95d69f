//! Kills a future: it is dropped at whatever await it has come to.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// How an attempt is ended from outside, at any await.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// After how often being polled.
    pub polls: u32,
    /// What the journal only noted in so many of the last polls is lost: nothing when the process is killed after its
    /// journal had caught up, everything that nobody waited for ([`Death::POWER`]) when the power goes.
    pub unwritten: u32,
}

impl Death {
    pub const POWER: u32 = u32::MAX;
}

/// The future's output, or `None` if death came first. `written` is called at the moment up to which the journal's
/// notes have come to the disk.
pub async fn by<F: Future>(death: Death, future: F, written: impl Fn()) -> Option<F::Output> {
    let mut future: Option<Pin<Box<F>>> = Some(Box::pin(future));
    let mut left = death.polls;
    std::future::poll_fn(move |context| {
        let Some(alive) = future.as_mut() else {
            return Poll::Ready(None);
        };
        if left == death.unwritten {
            written();
        }
        if left == 0 {
            future = None;
            return Poll::Ready(None);
        }
        left -= 1;
        alive.as_mut().poll(context).map(Some)
    })
    .await
}
