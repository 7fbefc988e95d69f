//! Kills a future: it is dropped at whatever await it has come to.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// The future's output, or `None` if it had to be polled more often than this.
pub async fn after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future: Option<Pin<Box<F>>> = Some(Box::pin(future));
    let mut left = polls;
    std::future::poll_fn(move |context| {
        let Some(alive) = future.as_mut() else {
            return Poll::Ready(None);
        };
        if left == 0 {
            future = None;
            return Poll::Ready(None);
        }
        left -= 1;
        alive.as_mut().poll(context).map(Some)
    })
    .await
}
