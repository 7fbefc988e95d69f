//! Owns how often a write about a single object is sent, and how an answer that was lost is settled: by looking, by sending
//! again what changes nothing the second time, or not at all.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::{failed, refused};
use super::{Objects, ObjectsError};
use crate::directory::workos::{Call, Written};
use crate::directory::{ApiError, Doubt};
use crate::pace::Backoff;

/// How often a write is sent whose answer is lost each time.
const TIMES: u32 = Backoff::ATTEMPTS;

/// How far a server's time of creation may be off the time in doubt.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// Takes the object that is meant out of an answer, if it is there.
type Pick = Box<dyn Fn(&Value) -> Option<Value> + Send + Sync>;

/// One read that shows whether an object is there.
pub(super) struct Look {
    pub(super) name: &'static str,
    pub(super) target: String,
    pub(super) pick: Pick,
}

impl Look {
    /// A read whose answer is the object itself.
    pub(super) fn at(name: &'static str, target: String) -> Self {
        Self {
            name,
            target,
            pick: Box::new(|body| Some(body.clone())),
        }
    }

    /// A read of a list, of which the first object that `is` holds for is meant.
    pub(super) fn among(
        name: &'static str,
        target: String,
        is: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            target,
            pick: Box::new(move |body| items(body).into_iter().find(|one| is(one))),
        }
    }
}

/// An object that is there now, and whether this call made it. Without `Debug`: a new API key is one.
pub(super) struct Ensured {
    pub(super) object: Value,
    pub(super) created: bool,
}

/// What became of a create that was sent.
pub(super) enum Sent {
    Made(Value),
    /// The API says no, and what is looked for is not there.
    Refused(ApiError),
}

impl Objects {
    /// Sends a write that changes nothing the second time, until its answer is heard.
    pub(super) async fn repeat(&self, call: &Call) -> Result<Value, ObjectsError> {
        let mut times = 0;
        loop {
            match self.write(call).await? {
                Written::Body(body) => return Ok(body),
                Written::Refused(error) => return Err(refused(error)),
                Written::InDoubt(_, error) => {
                    times += 1;
                    self.pause(times, &error).await?;
                }
            }
        }
    }

    /// Deletes; false where there was nothing any more.
    pub(super) async fn remove(&self, call: &Call) -> Result<bool, ObjectsError> {
        let mut times = 0;
        loop {
            match self.write(call).await? {
                Written::Body(_) => return Ok(true),
                // After a lost answer it may be gone by that very call.
                Written::Refused(error) if error.status() == 404 => return Ok(times > 0),
                Written::Refused(error) => return Err(refused(error)),
                Written::InDoubt(_, error) => {
                    times += 1;
                    self.pause(times, &error).await?;
                }
            }
        }
    }

    /// Sends a write that would do something again the second time, once. A lost answer stays in doubt.
    pub(super) async fn once(&self, call: &Call) -> Result<Result<Value, Doubt>, ObjectsError> {
        match self.write(call).await? {
            Written::Body(body) => Ok(Ok(body)),
            Written::Refused(error) => Err(refused(error)),
            Written::InDoubt(doubt, _) => Ok(Err(doubt)),
        }
    }

    /// Makes an object that `looks` can find again: an object of the same name cannot be made twice, so what was not
    /// applied is sent again. What a look finds after a lost answer is ours where it was made in the time in doubt.
    pub(super) async fn make(&self, call: &Call, looks: &[Look]) -> Result<Ensured, ObjectsError> {
        match self.send_until_known(call, looks).await? {
            (Sent::Made(object), created) => Ok(Ensured { object, created }),
            (Sent::Refused(error), _) => Err(refused(error)),
        }
    }

    /// The same, with the API's no for the caller to read.
    pub(super) async fn send_until_known(
        &self,
        call: &Call,
        looks: &[Look],
    ) -> Result<(Sent, bool), ObjectsError> {
        let mut times = 0;
        let mut doubt: Option<Doubt> = None;
        loop {
            let error = match self.write(call).await? {
                Written::Body(body) => return Ok((Sent::Made(body), true)),
                Written::Refused(error) => {
                    return Ok(match self.look(looks).await? {
                        Some(object) => {
                            let created = doubt.is_some_and(|doubt| made_within(&object, doubt));
                            (Sent::Made(object), created)
                        }
                        None => (Sent::Refused(error), false),
                    });
                }
                Written::InDoubt(again, error) => {
                    doubt = Some(again.and(doubt));
                    error
                }
            };
            if let Some(object) = self.look(looks).await? {
                let created = doubt.is_some_and(|doubt| made_within(&object, doubt));
                return Ok((Sent::Made(object), created));
            }
            times += 1;
            self.pause(times, &error).await?;
        }
    }

    /// What the looks find. Two different objects are a conflict: the names that were given do not belong together.
    pub(super) async fn look(&self, looks: &[Look]) -> Result<Option<Value>, ObjectsError> {
        let mut found: Option<Value> = None;
        for look in looks {
            let body = self.read(look.name, look.target.clone()).await?;
            let Some(object) = body.and_then(|body| (look.pick)(&body)) else {
                continue;
            };
            match &found {
                Some(first) if id(first) != id(&object) => {
                    return Err(ObjectsError::Conflict {
                        message: format!(
                            "What was given names two different objects: {} and {}.",
                            id(first),
                            id(&object)
                        ),
                        with: Some(id(&object).to_owned()),
                    });
                }
                Some(_) => {}
                None => found = Some(object),
            }
        }
        Ok(found)
    }

    pub(super) async fn read(
        &self,
        name: &'static str,
        target: String,
    ) -> Result<Option<Value>, ObjectsError> {
        self.directory
            .read_whole(name, target)
            .await
            .map_err(failed)
    }

    async fn write(&self, call: &Call) -> Result<Written, ObjectsError> {
        self.directory.write_whole(call).await.map_err(failed)
    }

    /// Waits before the next time; an error where there is none.
    async fn pause(&self, times: u32, error: &ApiError) -> Result<(), ObjectsError> {
        if times >= TIMES {
            return Err(ObjectsError::Api(format!(
                "The API gave no usable answer {times} times: {}",
                error.message
            )));
        }
        let longer = 1_u32 << times.min(5);
        tokio::time::sleep(Duration::from_millis(100) * longer).await;
        Ok(())
    }
}

/// The objects of a list's answer.
pub(super) fn items(body: &Value) -> Vec<Value> {
    let data = body.get("data").and_then(Value::as_array);
    data.cloned().unwrap_or_default()
}

/// An object's id, or nothing.
pub(super) fn id(object: &Value) -> &str {
    text(object, "id").unwrap_or_default()
}

/// A field that is a text.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// Whether an object says that it was made in the time in doubt.
pub(super) fn made_within(object: &Value, doubt: Doubt) -> bool {
    let (Ok(from), Ok(until)) = (
        doubt.from.checked_sub(CLOCK_TOLERANCE),
        doubt.until.checked_add(CLOCK_TOLERANCE),
    ) else {
        return false;
    };
    let at: Option<Timestamp> = text(object, "created_at").and_then(|at| at.parse().ok());
    at.is_some_and(|at| from <= at && at <= until)
}
