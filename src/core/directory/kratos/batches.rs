//! Owns the batch: new identities that are asked for one by one wait a moment for each other and leave in one call, whose
//! answer is taken apart again. Each member commits its own intent right before the call leaves; a member that nobody waits
//! for any more leaves its batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::desk::{Desk, Member, Work, locked};
use super::round::Round;
use super::sizes::{LARGEST, LARGEST_PLAIN, Sizes};
use super::{answers, failures, limits, requests};
use crate::directory::exchange::{Caller, Delivered, Letter};
use crate::directory::{
    ApiError, Applied, BeforeSend, CallError, Details, Found, Refusal, Then, Write,
};
use crate::journal::JournalError;

/// What calls that make many identities are called.
const BATCH: &str = "create identities";

/// Where batches are made up and sent.
pub(super) struct Office {
    pub(super) caller: Caller,
    /// Batches in flight.
    at_once: Semaphore,
    sizes: [Mutex<Sizes>; 2],
    open: Mutex<[Option<Arc<Batch>>; 2]>,
    /// The server has no batches.
    lacks_batches: AtomicBool,
}

/// A batch with what sends it, which ends where the last member goes.
struct Batch {
    desk: Arc<Desk>,
    _sending: JoinSet<()>,
}

/// The place of one member in a batch.
struct Seat {
    office: Arc<Office>,
    batch: Arc<Batch>,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Applied>,
}

impl Drop for Seat {
    /// A batch that everybody has left is not waited for by those who come: nobody drives it.
    fn drop(&mut self) {
        self.asked.close();
        let desk = &self.batch.desk;
        if self.office.is_open(desk) && desk.is_deserted() {
            self.office.close(desk);
        }
    }
}

impl Office {
    pub(super) fn new(caller: Caller, at_once: usize, batch_size: Option<usize>) -> Self {
        let sizes = [LARGEST, LARGEST_PLAIN].map(|most| Mutex::new(Sizes::new(most, batch_size)));
        Self {
            caller,
            at_once: Semaphore::new(at_once),
            sizes,
            open: Mutex::new([None, None]),
            lacks_batches: AtomicBool::new(false),
        }
    }

    /// Whether the server is known to make identities one by one only.
    pub(super) fn lacks_batches(&self) -> bool {
        self.lacks_batches.load(Ordering::Relaxed)
    }

    /// Makes an identity together with others.
    pub(super) async fn create(
        self: &Arc<Self>,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Applied, JournalError> {
        let mut seat = self.join(write);
        loop {
            tokio::select! {
                biased;
                Some(done) = seat.asked.recv() => {
                    before_send.commit().await?;
                    // A batch that is gone does not need it.
                    let _ = done.send(());
                }
                end = &mut seat.ended => return Ok(end.unwrap_or(Applied::Withdrawn)),
            }
        }
    }

    /// Takes a place in the open batch of its kind, or opens one.
    fn join(self: &Arc<Self>, write: &Write) -> Seat {
        let work = Work::of(write);
        let (commit, asked) = mpsc::unbounded_channel();
        let (told, ended) = oneshot::channel();
        let member = Member {
            write: write.clone(),
            commit,
            told: Some(told),
        };
        let room = self.room(work);
        let mut open = locked(&self.open);
        let place_in_line = &mut open[work as usize];
        let length = write.body.as_ref().map_or(0, Bytes::len);
        if let Some(batch) = place_in_line.as_ref()
            && !batch.desk.has_room(room, length)
        {
            batch.desk.is_full();
            *place_in_line = None;
        }
        let batch = place_in_line.get_or_insert_with(|| Arc::new(self.batch(work)));
        let count = {
            let mut members = locked(&batch.desk.members);
            members.latest = Instant::now();
            members.bytes += length;
            members.all.push(member);
            members.all.len()
        };
        let batch = Arc::clone(batch);
        if count >= room {
            batch.desk.is_full();
            *place_in_line = None;
        }
        Seat {
            office: Arc::clone(self),
            batch,
            asked,
            ended,
        }
    }

    fn batch(self: &Arc<Self>, work: Work) -> Batch {
        let desk = Arc::new(Desk::new(work));
        let mut sending = JoinSet::new();
        sending.spawn(Arc::clone(self).send(Arc::clone(&desk)));
        Batch {
            desk,
            _sending: sending,
        }
    }

    /// How many go into the next call.
    pub(super) fn room(&self, work: Work) -> usize {
        locked(&self.sizes[work as usize]).now()
    }

    /// Nobody joins this batch any more.
    pub(super) fn close(&self, desk: &Arc<Desk>) {
        let closed = {
            let mut open = locked(&self.open);
            let place_in_line = &mut open[desk.work as usize];
            place_in_line.take_if(|batch| Arc::ptr_eq(&batch.desk, desk))
        };
        // Not under the lock: with the batch may go what drives it.
        drop(closed);
    }

    fn is_open(&self, desk: &Arc<Desk>) -> bool {
        let open = locked(&self.open);
        let batch = open[desk.work as usize].as_ref();
        batch.is_some_and(|batch| Arc::ptr_eq(&batch.desk, desk))
    }

    /// Waits for members, sends them, and tells each what became of it.
    async fn send(self: Arc<Self>, desk: Arc<Desk>) {
        desk.wait_for_members().await;
        let Ok(_turn) = self.at_once.acquire().await else {
            return;
        };
        // Everybody who is there when the call's turn comes; later rounds are parts of that.
        let mut rounds: Vec<Option<Vec<usize>>> = vec![None];
        while let Some(places) = rounds.pop() {
            let round = Round::new(&self, &desk, places);
            let delivered = self.deliver(&round).await;
            let (places, rest) = (round.places(), round.rest());
            if !rest.is_empty() {
                rounds.push(Some(rest));
            }
            match self.outcome(&desk, &places, delivered) {
                Outcome::Ends(ends) => desk.tell(places.into_iter().zip(ends)),
                Outcome::Halve => {
                    let (first, second) = places.split_at(places.len() / 2);
                    rounds.push(Some(second.to_vec()));
                    rounds.push(Some(first.to_vec()));
                }
                Outcome::OneByOne => {
                    let ends = places.iter().map(|place| self.deliver_one(&desk, *place));
                    let ends = join_all(ends).await;
                    desk.tell(places.into_iter().zip(ends));
                }
            }
        }
        desk.is_over();
    }

    async fn deliver(&self, round: &Round<'_>) -> Delivered {
        let secrets = round.desk.secrets();
        let letter = Letter {
            call: BATCH,
            paced: limits::of_batch(),
            method: Method::PATCH,
            target: requests::IDENTITIES,
            secrets: &secrets,
            timeout: limits::BATCH_TIMEOUT,
        };
        let delivered = self.caller.deliver(&letter, round, || Some(round.body()));
        let delivered = delivered.await.unwrap_or_else(no_intent);
        // Also those who joined while the call waited for its turn: a server may quote what it was sent.
        let secrets = round.desk.secrets();
        delivered.map_error(|error| self.caller.scrubbed(error, &secrets))
    }

    /// Makes the identity at a place by a call of its own.
    async fn deliver_one(&self, desk: &Arc<Desk>, place: usize) -> Applied {
        let write = {
            let members = locked(&desk.members);
            members.all.get(place).map(|member| member.write.clone())
        };
        let Some(write) = write else {
            return Applied::Withdrawn;
        };
        let round = Round::new(self, desk, Some(vec![place]));
        match self.caller.write(&write, &round).await {
            Ok(heard) => super::applied(&write, heard),
            Err(error) => Applied::Failed(CallError::Away(error.to_string())),
        }
    }

    fn has_suspects(&self, desk: &Desk, places: &[usize]) -> bool {
        let members = locked(&desk.members);
        let mut members = places.iter().filter_map(|place| members.all.get(*place));
        members.any(|member| member.write.is_suspect)
    }

    /// What one delivery means for the members at these places.
    fn outcome(&self, desk: &Desk, places: &[usize], delivered: Delivered) -> Outcome {
        let all = |end: Applied| Outcome::Ends(vec![end; places.len()]);
        let mut sizes = locked(&self.sizes[desk.work as usize]);
        match delivered {
            Delivered::Answer(from, answer) => {
                sizes.answered(places.len(), desk.took());
                let body = answers::object(&answer.body);
                let items = body.and_then(|body| answers::items(&body, places));
                let doubt = self.caller.doubt(from);
                let Some(items) = items else {
                    let error = self.caller.undecodable(&answer);
                    return all(Applied::InDoubt { doubt, error });
                };
                let members = locked(&desk.members);
                let ends = places.iter().zip(items).map(|(place, item)| {
                    let write = members.all.get(*place).map(|member| &member.write);
                    match (write, item) {
                        (None, _) => Applied::Withdrawn,
                        (Some(write), Some(answers::Item::Made(id))) => {
                            Applied::Done(made(write, id))
                        }
                        (Some(write), Some(answers::Item::Refused(error))) => {
                            let error = self.caller.scrubbed(error, &write.secrets);
                            let then = failures::after_refusal(write, &error);
                            Applied::Refused { error, then }
                        }
                        (Some(_), None) => Applied::InDoubt {
                            doubt,
                            error: self.caller.undecodable(&answer),
                        },
                    }
                });
                Outcome::Ends(ends.collect())
            }
            Delivered::Refused(error) => match (error.status(), places.len()) {
                (404 | 405, _) => {
                    log::info!("this server has no batches: identities are made one by one");
                    self.lacks_batches.store(true, Ordering::Relaxed);
                    Outcome::OneByOne
                }
                // Of a batch in which nothing could be made some servers say no more than that.
                (400 | 422, 1) => Outcome::OneByOne,
                (_, 0 | 1) => Outcome::Ends(
                    places
                        .iter()
                        .map(|place| refused(desk, *place, &error))
                        .collect(),
                ),
                // A look has not shown for whose sake: with some databases one is enough.
                (409, _) if self.has_suspects(desk, places) => Outcome::Halve,
                // There are those who are there already.
                (409, _) => all(Applied::Refused {
                    then: Then::LookAgain(refusal(&error)),
                    error,
                }),
                (413, _) => {
                    sizes.failed();
                    Outcome::Halve
                }
                (400 | 422, _) => Outcome::Halve,
                _ => all(Applied::Refused {
                    then: Then::Fail(refusal(&error)),
                    error,
                }),
            },
            Delivered::Doubt(doubt, error) => {
                sizes.failed();
                all(Applied::InDoubt { doubt, error })
            }
            Delivered::Failed(error) => all(Applied::Failed(error)),
            Delivered::Withdrawn => all(Applied::Withdrawn),
        }
    }
}

/// What one delivery comes to.
enum Outcome {
    /// What became of each.
    Ends(Vec<Applied>),
    /// Refused because of one or some of them: each half by itself.
    Halve,
    OneByOne,
}

/// What the answer to a batch says of an identity that was made: its id, and that it is as it was sent.
fn made(write: &Write, id: String) -> Found {
    let body = write.body.as_deref().unwrap_or_default();
    let body = serde_json::from_slice(body).unwrap_or_default();
    Found {
        id,
        created_at: None,
        used_at: None,
        details: Details::User(answers::details(&body)),
    }
}

fn refused(desk: &Desk, place: usize, error: &ApiError) -> Applied {
    let members = locked(&desk.members);
    match members.all.get(place) {
        Some(member) => Applied::Refused {
            then: failures::after_refusal(&member.write, error),
            error: error.clone(),
        },
        None => Applied::Withdrawn,
    }
}

fn refusal(error: &ApiError) -> Refusal {
    failures::refusal(&CallError::Refused(error.clone()))
}

/// Rounds record nothing by themselves, so that this never is: their members do.
fn no_intent(error: JournalError) -> Delivered {
    Delivered::Failed(CallError::Away(error.to_string()))
}
