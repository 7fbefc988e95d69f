//! Owns pages: limit, order and cursors of a list, and `list_metadata`. Every
//! list is an ordered set of identifiers, so a page costs what is on it.

use crate::answer::Answer;
use crate::route::Query;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Bound;

const DEFAULT_LIMIT: usize = 10;
const LARGEST_LIMIT: usize = 100;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Page {
    limit: usize,
    ascending: bool,
    after: Option<String>,
    before: Option<String>,
}

/// The identifiers on a page, and the cursors to its neighbours.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) ids: Vec<String>,
    before: Option<String>,
    after: Option<String>,
}

impl Page {
    pub(crate) fn of(query: &Query) -> Result<Self, Answer> {
        let limit = match query.one("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LARGEST_LIMIT).contains(limit))
                .ok_or_else(|| {
                    Answer::invalid("limit_invalid", "limit should be between 1 and 100.")
                })?,
        };
        let mut after = query.one("after").map(str::to_owned);
        let mut before = query.one("before").map(str::to_owned);
        let ascending = match query.one("order").unwrap_or("desc") {
            "desc" => false,
            "asc" => true,
            // Descending, but with the cursors the other way round.
            "normal" => {
                std::mem::swap(&mut after, &mut before);
                false
            }
            _ => {
                return Err(Answer::invalid(
                    "order_invalid",
                    "order should be one of asc, desc, normal.",
                ));
            }
        };
        Ok(Self {
            limit,
            ascending,
            after,
            before,
        })
    }

    /// Takes the page from what is in any of the sets. A cursor is a place in
    /// the order, so the object that it names may have been deleted meanwhile.
    pub(crate) fn of_sets(&self, sets: &[&BTreeSet<String>]) -> Found {
        // A page before a cursor is gathered backwards from it.
        let backwards = self.before.is_some() && self.after.is_none();
        let upwards = self.ascending != backwards;
        let (low, high) = if self.ascending {
            (self.after.as_deref(), self.before.as_deref())
        } else {
            (self.before.as_deref(), self.after.as_deref())
        };
        let mut ids = gathered(sets, low, high, upwards, self.limit + 1);
        let more = ids.len() > self.limit;
        ids.truncate(self.limit);
        if backwards {
            ids.reverse();
        }
        let (has_before, has_after) = if backwards {
            (more, true)
        } else {
            (self.after.is_some(), more)
        };
        let before = ids.first().filter(|_| has_before).cloned();
        let after = ids.last().filter(|_| has_after).cloned();
        Found { ids, before, after }
    }
}

impl Found {
    /// The answer to a list, made from the objects on this page.
    pub(crate) fn list(&self, data: Vec<Value>) -> Value {
        json!({
            "object": "list",
            "data": data,
            "list_metadata": { "before": self.before, "after": self.after },
        })
    }
}

fn gathered(
    sets: &[&BTreeSet<String>],
    low: Option<&str>,
    high: Option<&str>,
    upwards: bool,
    count: usize,
) -> Vec<String> {
    if let (Some(low), Some(high)) = (low, high)
        && low >= high
    {
        // `BTreeSet::range` panics on bounds that exclude each other.
        return Vec::new();
    }
    let bounds = (
        low.map_or(Bound::Unbounded, Bound::Excluded),
        high.map_or(Bound::Unbounded, Bound::Excluded),
    );
    let mut ids: Vec<String> = Vec::new();
    for set in sets {
        let range = set.range::<str, _>(bounds).cloned();
        if upwards {
            ids.extend(range.take(count));
        } else {
            ids.extend(range.rev().take(count));
        }
    }
    if sets.len() > 1 {
        ids.sort_unstable();
        if !upwards {
            ids.reverse();
        }
        ids.truncate(count);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn page(
        query: &str,
        sets: &[&BTreeSet<String>],
    ) -> (Vec<String>, Option<String>, Option<String>) {
        let request = Request::get(format!("/x?{query}")).body(()).unwrap();
        let found = Page::of(&Query::of(&request)).unwrap().of_sets(sets);
        (found.ids, found.before, found.after)
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn some(id: &str) -> Option<String> {
        Some(id.to_owned())
    }

    #[test]
    fn both_directions_visit_everything_in_the_same_order() {
        let all = set(&["a", "b", "c", "d", "e"]);
        assert_eq!(
            page("limit=2&order=asc", &[&all]),
            (vec!["a".into(), "b".into()], None, some("b"))
        );
        assert_eq!(
            page("limit=2&order=asc&after=b", &[&all]),
            (vec!["c".into(), "d".into()], some("c"), some("d"))
        );
        assert_eq!(
            page("limit=2&order=asc&after=d", &[&all]),
            (vec!["e".into()], some("e"), None)
        );
        assert_eq!(
            page("limit=2&order=asc&before=e", &[&all]),
            (vec!["c".into(), "d".into()], some("c"), some("d"))
        );
        assert_eq!(
            page("limit=2&order=asc&before=c", &[&all]),
            (vec!["a".into(), "b".into()], None, some("b"))
        );
        assert_eq!(
            page("limit=2", &[&all]),
            (vec!["e".into(), "d".into()], None, some("d"))
        );
        assert_eq!(
            page("limit=2&after=d", &[&all]),
            (vec!["c".into(), "b".into()], some("c"), some("b"))
        );
        assert_eq!(
            page("limit=2&before=b", &[&all]),
            (vec!["d".into(), "c".into()], some("d"), some("c"))
        );
        assert_eq!(
            page("limit=2&order=normal&before=d", &[&all]),
            page("limit=2&after=d", &[&all])
        );
    }

    #[test]
    fn a_page_that_is_just_full_is_the_last() {
        let all = set(&["a", "b"]);
        assert_eq!(page("limit=2&order=asc", &[&all]).2, None);
    }

    #[test]
    fn several_sets_are_one_list() {
        let (one, two) = (set(&["a", "d"]), set(&["b", "c"]));
        let ids = |query| page(query, &[&one, &two]).0.concat();
        assert_eq!(ids("order=asc"), "abcd");
        assert_eq!(ids("limit=3"), "dcb");
        assert_eq!(ids("limit=1&before=a"), "b");
    }

    #[test]
    fn a_deleted_or_impossible_cursor_does_no_harm() {
        let all = set(&["a", "c"]);
        assert_eq!(page("order=asc&after=b", &[&all]).0, ["c"]);
        assert!(page("order=asc&after=c&before=a", &[&all]).0.is_empty());
        assert!(page("order=asc&after=a&before=a", &[&all]).0.is_empty());
    }

    #[test]
    fn limits_and_orders_outside_the_documents_are_refused() {
        for query in ["limit=0", "limit=101", "limit=ten", "order=up"] {
            let request = Request::get(format!("/x?{query}")).body(()).unwrap();
            assert_eq!(Page::of(&Query::of(&request)).unwrap_err().status, 422);
        }
    }
}
