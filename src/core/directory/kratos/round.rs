//! Owns one call for members of a batch: who is in it when its turn has come, each with its intent committed.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batches::Office;
use super::desk::{Desk, locked};
use super::requests;
use crate::directory::BeforeSend;
use crate::journal::JournalError;

/// One call for members of a batch.
pub(super) struct Round<'a> {
    office: &'a Office,
    pub(super) desk: &'a Arc<Desk>,
    /// `None` until the first call's turn has come.
    places: Mutex<Option<Vec<usize>>>,
    /// Those for whom there is no room any more: batches have become smaller since they joined.
    rest: Mutex<Vec<usize>>,
}

impl<'a> Round<'a> {
    pub(super) fn new(office: &'a Office, desk: &'a Arc<Desk>, places: Option<Vec<usize>>) -> Self {
        Self {
            office,
            desk,
            places: Mutex::new(places),
            rest: Mutex::default(),
        }
    }

    pub(super) fn places(&self) -> Vec<usize> {
        locked(&self.places).clone().unwrap_or_default()
    }

    pub(super) fn rest(&self) -> Vec<usize> {
        locked(&self.rest).clone()
    }

    pub(super) fn body(&self) -> Bytes {
        let places = self.places();
        let mut members = locked(&self.desk.members);
        // From now on it is the server's time.
        members.first = Instant::now();
        let bodies = places
            .iter()
            .filter_map(|place| Some((*place, members.all.get(*place)?.write.body.as_ref()?)));
        requests::batch(bodies)
    }
}

#[async_trait]
impl BeforeSend for Round<'_> {
    /// Its turn has come: nobody joins any more, and everybody who is still there commits.
    async fn commit(&self) -> Result<(), JournalError> {
        self.office.close(self.desk);
        let asked: Vec<(usize, oneshot::Receiver<()>)> = {
            let room = self.office.room(self.desk.work);
            let members = locked(&self.desk.members);
            let mut places = locked(&self.places);
            let places = places.get_or_insert_with(|| (0..members.all.len()).collect());
            if places.len() > room {
                locked(&self.rest).extend(places.split_off(room));
            }
            let asked = places.iter().filter_map(|place| {
                let (done, committed) = oneshot::channel();
                members.all.get(*place)?.commit.send(done).ok()?;
                Some((*place, committed))
            });
            asked.collect()
        };
        let committed = join_all(
            asked
                .into_iter()
                .map(|(place, committed)| async move { committed.await.ok().map(|()| place) }),
        );
        let there: Vec<usize> = committed.await.into_iter().flatten().collect();
        *locked(&self.places) = Some(there);
        Ok(())
    }
}
