//! Owns how many calls of WorkOS' API an import needs.

use std::collections::BTreeMap;

use crate::directory::Expected;

/// By name.
pub(super) fn calls(expected: &Expected<'_>) -> BTreeMap<String, u64> {
    let (users, memberships) = (expected.users, expected.memberships);
    let organizations = expected.organizations;
    let refused = expected.refused();
    let mut calls = BTreeMap::new();
    let mut add = |call: &str, count: u64| *calls.entry(call.to_owned()).or_insert(0) += count;
    add("check key", 1);
    add("create organization", organizations.create);
    add("update organization", organizations.update);
    add("create user", users.create + refused);
    add("update user", users.update);
    add("create membership", memberships.create);
    add("update membership", memberships.update);
    add("reactivate membership", memberships.reactivate);
    if expected.lists_first {
        for (call, count) in expected.calls_made {
            if call != "check key" {
                add(call, *count);
            }
        }
        return calls;
    }
    for call in ["list roles", "list organization roles"] {
        add(call, expected.made(call));
    }
    add(
        "look up organization",
        organizations.create + organizations.update + organizations.unchanged,
    );
    add("find user", refused);
    let looked_at = memberships.unchanged + memberships.update + memberships.reactivate;
    add("find membership", looked_at);
    calls
}
