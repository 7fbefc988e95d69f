//! Each request that our client builds is the one that WorkOS' own Rust client builds from the same data.

mod objects;
mod pair;

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use workos::organization_membership::{
    CreateOrganizationMembershipParams, CreateOrganizationMembershipParamsBody,
    ListOrganizationMembershipsParams, Role, UpdateOrganizationMembershipParams,
    UpdateOrganizationMembershipParamsBody,
};
use workos::organizations::CreateOrganizationParams;
use workos::user_management::{
    CreateUserParams, CreateUserParamsBody, ListUsersParams, Password as TheirPassword,
    UpdateUserParams, UpdateUserParamsBody,
};
use workos::{OrganizationInput, UserManagementOrganizationMembershipStatuses as Status};
use workos_importer_core::directory::{Ask, Base, Details, Directory, Found, State, UserDetails};
use workos_importer_core::row::{
    Claim, Clear, HashKind, Kind, MembershipClaim, OrganizationClaim, OrganizationReference,
    Password, UserClaim,
};
use workos_importer_core::secret::Secret;

use crate::harness::virtual_time;
use pair::{POLICY, Pair, written};

/// Each field alone, all together, none; texts that need escaping.
fn users() -> Vec<UserClaim> {
    let metadata: Map<String, Value> = json!({"team": "r&d", "a b": "ä \" \\ \n"})
        .as_object()
        .unwrap()
        .clone();
    let email = || UserClaim {
        email: "a+b@x.com".into(),
        ..UserClaim::default()
    };
    let mut cases = vec![
        email(),
        UserClaim {
            first_name: Some("Zoë \"Z\"".into()),
            ..email()
        },
        UserClaim {
            last_name: Some("O'Neil\\".into()),
            ..email()
        },
        UserClaim {
            name: Some("名前".into()),
            ..email()
        },
        UserClaim {
            email_verified: Some(true),
            ..email()
        },
        UserClaim {
            email_verified: Some(false),
            ..email()
        },
        UserClaim {
            external_id: Some("crm/1 %2F?#+&=,ä".into()),
            ..email()
        },
        UserClaim {
            metadata: Some(metadata.clone()),
            ..email()
        },
        UserClaim {
            metadata: Some(Map::new()),
            ..email()
        },
        UserClaim {
            password: Some(Password::Plain(Secret::new(" päss\"word "))),
            ..email()
        },
        UserClaim {
            first_name: Some("A".into()),
            last_name: Some("B".into()),
            name: Some("A B".into()),
            email_verified: Some(true),
            external_id: Some("crm-1".into()),
            metadata: Some(metadata),
            password: Some(Password::Plain(Secret::new("p"))),
            ..email()
        },
    ];
    cases.extend(HashKind::ALL.map(|kind| UserClaim {
        password: Some(Password::Hash {
            hash: Secret::new("$2b$10$abc/+="),
            kind,
        }),
        ..email()
    }));
    cases
}

fn metadata_of(claim: &UserClaim) -> Option<HashMap<String, String>> {
    let pairs = claim.metadata.as_ref()?.iter();
    Some(
        pairs
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    )
}

fn password_of(claim: &UserClaim) -> Option<TheirPassword> {
    Some(match claim.password.as_ref()? {
        Password::Plain(password) => TheirPassword::Plaintext {
            password: password.expose().to_owned(),
        },
        Password::EncodedHash(_) => unreachable!("no row for WorkOS has one"),
        Password::Hash { hash, kind } => TheirPassword::Hashed {
            password_hash: hash.expose().to_owned(),
            password_hash_type: kind.as_str().parse().unwrap(),
            password_salt_position: None,
        },
    })
}

#[test]
fn creating_and_updating_users() {
    virtual_time(async {
        let pair = Pair::new();
        for user in users() {
            let claim = Claim::User(Box::new(user.clone()));
            let ask = Ask {
                claim: &claim,
                bases: &[],
            };
            pair.apply(written(pair.ours.diff(&ask, &State::Absent, &POLICY)))
                .await;
            let mut body = CreateUserParamsBody::new(&user.email);
            body.first_name = user.first_name.clone();
            body.last_name = user.last_name.clone();
            body.name = user.name.clone();
            body.email_verified = user.email_verified;
            body.external_id = user.external_id.clone();
            body.metadata = metadata_of(&user);
            body.password = password_of(&user);
            let sent = pair
                .theirs
                .user_management()
                .create_user(CreateUserParams::new(body))
                .await;
            assert!(sent.is_err());
            pair.assert_same(&format!("create {user:?}"));

            // Over a user who has nothing of it, not even the email, everything that is claimed is sent.
            let details = UserDetails {
                email: "other@x.com".into(),
                ..UserDetails::default()
            };
            let there = State::Found(Found {
                id: "user_1 ö/?".into(),
                created_at: None,
                used_at: None,
                details: Details::User(details),
            });
            pair.apply(written(pair.ours.diff(&ask, &there, &POLICY)))
                .await;
            let mut body = UpdateUserParamsBody::new();
            body.email = Some(user.email.clone());
            body.first_name = user.first_name.clone();
            body.last_name = user.last_name.clone();
            body.name = user.name.clone();
            body.email_verified = user.email_verified;
            body.external_id = user.external_id.clone();
            // No pair is claimed, so there is none to write.
            body.metadata = metadata_of(&user).filter(|pairs| !pairs.is_empty());
            body.password = password_of(&user);
            let sent = pair
                .theirs
                .user_management()
                .update_user("user_1 ö/?", UpdateUserParams::new(body))
                .await;
            assert!(sent.is_err());
            pair.assert_same(&format!("update {user:?}"));
        }
    });
}

#[test]
fn finding_and_deleting_users() {
    virtual_time(async {
        let pair = Pair::new();
        let ids = ["crm-1", "crm/1", "a b", "1%2F2", "ä?#&=+,;:@'!~*()", "..."];
        for external_id in ids {
            let user = UserClaim {
                email: "a+b&c@x.com".into(),
                external_id: Some(external_id.into()),
                ..UserClaim::default()
            };
            let claim = Claim::User(Box::new(user));
            let ask = Ask {
                claim: &claim,
                bases: &[],
            };
            let _ = pair.ours.observe(&[ask]).await;
            let list = ListUsersParams {
                email: Some("a+b&c@x.com".into()),
                limit: None,
                order: None,
                ..ListUsersParams::default()
            };
            let users = pair.theirs.user_management();
            assert!(users.list_users(list).await.is_err());
            assert!(users.get_user_by_external_id(external_id).await.is_err());
            pair.assert_same(external_id);
        }
        pair.apply(pair.ours.deletion(Kind::User, "user_1").unwrap())
            .await;
        assert!(
            pair.theirs
                .user_management()
                .delete_user("user_1")
                .await
                .is_err()
        );
        pair.assert_same("delete");
        let _ = pair.ours.check().await;
        let first = ListUsersParams {
            limit: Some(1),
            order: Some(workos::PaginationOrder::Asc),
            ..ListUsersParams::default()
        };
        assert!(
            pair.theirs
                .user_management()
                .list_users(first)
                .await
                .is_err()
        );
        pair.assert_same("check");
    });
}

#[test]
fn organizations() {
    virtual_time(async {
        let pair = Pair::new();
        for id in ["acme", "acme/1 ö", "org_1"] {
            let named = |reference| {
                Claim::Organization(OrganizationClaim {
                    reference,
                    name: Some("Äcme, \"Inc\"".into()),
                    fields: None,
                })
            };
            let by_id = named(OrganizationReference::Id(id.into()));
            let by_external_id = named(OrganizationReference::ExternalId(id.into()));
            let _ = pair
                .ours
                .observe(&[Ask {
                    claim: &by_id,
                    bases: &[],
                }])
                .await;
            let ask = Ask {
                claim: &by_external_id,
                bases: &[],
            };
            let _ = pair.ours.observe(&[ask]).await;
            pair.apply(written(pair.ours.diff(&ask, &State::Absent, &POLICY)))
                .await;
            let organizations = pair.theirs.organizations();
            assert!(organizations.get_organization(id).await.is_err());
            assert!(
                organizations
                    .get_organization_by_external_id(id)
                    .await
                    .is_err()
            );
            #[allow(deprecated, reason = "the field is left out, but has to be named")]
            let body = OrganizationInput {
                name: "Äcme, \"Inc\"".into(),
                allow_profiles_outside_organization: None,
                domains: None,
                domain_data: None,
                metadata: None,
                external_id: Some(id.into()),
            };
            assert!(
                organizations
                    .create_organization(CreateOrganizationParams::new(body))
                    .await
                    .is_err()
            );
            pair.assert_same(id);
        }
    });
}

#[test]
fn clearing_names() {
    virtual_time(async {
        let pair = Pair::new();
        let claim = Claim::User(Box::new(UserClaim {
            email: "a@x.com".into(),
            clears: vec![Clear::FirstName, Clear::LastName, Clear::Name],
            ..UserClaim::default()
        }));
        let ask = Ask {
            claim: &claim,
            bases: &[],
        };
        let filled = |text: &str| Some(text.to_owned());
        let there = State::Found(Found {
            id: "user_1".into(),
            created_at: None,
            used_at: None,
            details: Details::User(UserDetails {
                email: "a@x.com".into(),
                first_name: filled("Ann"),
                last_name: filled("Lee"),
                name: filled("Ann Lee"),
                ..UserDetails::default()
            }),
        });
        pair.apply(written(pair.ours.diff(&ask, &there, &POLICY)))
            .await;
        let mut body = UpdateUserParamsBody::new();
        body.first_name = filled("");
        body.last_name = filled("");
        body.name = filled("");
        let users = pair.theirs.user_management();
        let sent = users.update_user("user_1", UpdateUserParams::new(body));
        assert!(sent.await.is_err());
        pair.assert_same("clear");
    });
}

#[test]
fn what_a_write_clears_is_not_there_after_it() {
    virtual_time(async {
        let pair = Pair::new();
        let after = |clears, pairs: &[(&str, &str)]| {
            let claim = Claim::User(Box::new(UserClaim {
                email: "a@x.com".into(),
                clears,
                ..UserClaim::default()
            }));
            let ask = Ask {
                claim: &claim,
                bases: &[],
            };
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let there = Found {
                id: "user_1".into(),
                created_at: None,
                used_at: None,
                details: Details::User(UserDetails {
                    email: "a@x.com".into(),
                    name: Some("Ann".into()),
                    metadata: pairs.collect(),
                    ..UserDetails::default()
                }),
            };
            let write = written(pair.ours.diff(&ask, &State::Found(there.clone()), &POLICY));
            let after = pair.ours.after(&write, Some(&there), "user_1").found;
            // There is nothing left to clear.
            assert_eq!(pair.ours.falls_short(&ask, &after), None);
            assert!(pair.ours.falls_short(&ask, &there).is_some());
            match after.details {
                Details::User(user) => (user.name, user.metadata.into_keys().collect::<Vec<_>>()),
                other => panic!("{other:?}"),
            }
        };
        let both = [("team", "ops"), ("dept", "1")];
        let kept = Some("Ann".to_owned());
        let (name, pairs) = after(vec![Clear::Metadata], &both);
        assert_eq!((name, pairs.len()), (kept.clone(), 0));
        let (name, pairs) = after(vec![Clear::MetadataPair("dept".into())], &both);
        assert_eq!((name, pairs), (kept, vec!["team".to_owned()]));
        let (name, pairs) = after(vec![Clear::Name], &both);
        assert_eq!((name.unwrap_or_default(), pairs.len()), (String::new(), 2));
    });
}

#[test]
fn roles() {
    virtual_time(async {
        let pair = Pair::new();
        let theirs = pair.theirs.authorization();
        let _ = pair.ours.roles(None).await;
        assert!(theirs.list_environment_roles().await.is_err());
        pair.assert_same("environment");
        let _ = pair.ours.roles(Some("org_1")).await;
        assert!(theirs.list_organization_roles("org_1").await.is_err());
        pair.assert_same("organization");
    });
}

fn role(roles: &[&str]) -> Option<Role> {
    match roles {
        [] => None,
        [one] => Some(Role::Single {
            role_slug: (*one).into(),
        }),
        several => Some(Role::Multiple {
            role_slugs: several.iter().map(|role| (*role).into()).collect(),
        }),
    }
}

#[test]
fn memberships() {
    virtual_time(async {
        let pair = Pair::new();
        let base = |kind, id: &str| Base {
            kind,
            id: id.into(),
            ours: true,
        };
        let bases = [
            base(Kind::Organization, "org_1"),
            base(Kind::User, "user_1"),
        ];
        let theirs = pair.theirs.organization_membership();
        for roles in [vec![], vec!["admin"], vec!["admin", "billing-manager"]] {
            let owned = roles.iter().map(|role| (*role).to_owned()).collect();
            let claim = Claim::Membership(MembershipClaim { roles: owned });
            let ask = Ask {
                claim: &claim,
                bases: &bases,
            };
            let _ = pair.ours.observe(&[ask]).await;
            let list = ListOrganizationMembershipsParams {
                user_id: Some("user_1".into()),
                organization_id: Some("org_1".into()),
                statuses: Some(vec![Status::Active, Status::Inactive, Status::Pending]),
                limit: None,
                order: None,
                ..ListOrganizationMembershipsParams::default()
            };
            assert!(theirs.list_organization_memberships(list).await.is_err());
            pair.assert_same("list");

            pair.apply(written(pair.ours.diff(&ask, &State::Absent, &POLICY)))
                .await;
            let mut body = CreateOrganizationMembershipParamsBody::new("user_1", "org_1");
            body.role = role(&roles);
            let sent = theirs
                .create_organization_membership(CreateOrganizationMembershipParams::new(body));
            assert!(sent.await.is_err());
            pair.assert_same(&format!("create {roles:?}"));

            let there = |roles: &[&str], active| {
                let roles = roles.iter().map(|role| (*role).to_owned()).collect();
                State::Found(Found {
                    id: "om_1".into(),
                    created_at: None,
                    used_at: None,
                    details: Details::Membership { roles, active },
                })
            };
            pair.apply(written(pair.ours.diff(&ask, &there(&[], false), &POLICY)))
                .await;
            assert!(
                theirs
                    .reactivate_organization_membership("om_1")
                    .await
                    .is_err()
            );
            pair.assert_same("reactivate");
            if roles.is_empty() {
                continue;
            }
            for has in [vec![], vec!["member"]] {
                pair.apply(written(pair.ours.diff(&ask, &there(&has, true), &POLICY)))
                    .await;
                let union = [has.as_slice(), roles.as_slice()].concat();
                let mut body = UpdateOrganizationMembershipParamsBody::new();
                body.role = role(&union);
                let params = UpdateOrganizationMembershipParams::new(body);
                assert!(
                    theirs
                        .update_organization_membership("om_1", params)
                        .await
                        .is_err()
                );
                pair.assert_same(&format!("update {union:?}"));
            }
        }
        let has = pair.ours.has_dependents(Kind::User, "user_1").await;
        assert_eq!(has, Ok(false));
        let list = ListOrganizationMembershipsParams {
            user_id: Some("user_1".into()),
            statuses: Some(vec![Status::Active, Status::Inactive, Status::Pending]),
            limit: None,
            order: None,
            ..ListOrganizationMembershipsParams::default()
        };
        assert!(theirs.list_organization_memberships(list).await.is_err());
        pair.assert_same("memberships of a user");
    });
}
