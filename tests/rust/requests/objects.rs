//! The same for single objects: what is written, and the lists, are what WorkOS' own client sends.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use workos::api_keys::CreateOrganizationApiKeyParams;
use workos::organizations::{CreateOrganizationParams, UpdateOrganizationParams};
use workos::user_management::SendInvitationParams;
use workos_importer_core::clock::Clock;
use workos_importer_core::objects::Objects;
use workos_importer_core::wire::{Answer, Request, SendError, Transport};

use super::pair::{Pair, Seen};
use crate::harness::virtual_time;

/// Finds whoever is asked for by id and nothing else, refuses what is written, and keeps all of it.
#[derive(Default)]
struct Found(Mutex<Vec<Seen>>);

#[async_trait]
impl Transport for Found {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let path = request.target.split('?').next().unwrap_or_default();
        let id = path.rsplit('/').next().unwrap_or_default();
        let (status, body) = match request.method {
            Method::GET if id.starts_with("org_") || id.starts_with("user_") => {
                (200, json!({ "id": id }))
            }
            Method::GET if path.contains("/external_id/") => {
                (404, json!({ "message": "Not Found" }))
            }
            Method::GET => (200, json!({ "data": [] })),
            _ => (422, json!({ "message": "no" })),
        };
        let seen = Seen::new(request.method, &request.target, request.body.as_ref());
        self.0.lock().unwrap().push(seen);
        Ok(Answer {
            status,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        })
    }
}

/// The last request of one call of ours: what came before it were looks.
async fn last(noun: &str, verb: &str, input: Value) -> Seen {
    let transport = Arc::<Found>::default();
    let way = Arc::clone(&transport) as Arc<dyn Transport>;
    let objects = Objects::over(way, None, Clock::System, 1);
    let _ = objects.call(noun, verb, input).await;
    let mut seen = transport.0.lock().unwrap();
    let last = seen.iter().rposition(|one| one.method != Method::GET);
    let last = last.unwrap_or(seen.len() - 1);
    seen.remove(last)
}

#[test]
fn single_objects_are_written_as_their_client_writes_them() {
    virtual_time(async {
        let pair = Pair::new();
        let theirs = &pair.theirs;
        let domains = json!([{"domain": "a.com", "state": "verified"}, {"domain": "b.com", "state": "pending"}]);
        let body = json!({"name": "Ä & Co", "domain_data": domains, "external_id": "x/1", "metadata": {"a": "b"}});
        let params = CreateOrganizationParams::new(serde_json::from_value(body).unwrap());
        let _ = theirs.organizations().create_organization(params).await;
        let input = json!({"name": "Ä & Co", "domains": ["a.com:verified", "b.com"], "external_id": "x/1", "metadata": {"a": "b"}});
        let mut ours = vec![last("organizations", "create", input).await];

        let body = json!({"name": "New", "domain_data": [{"domain": "c.com", "state": "pending"}]});
        let params = UpdateOrganizationParams::new(serde_json::from_value(body).unwrap());
        let _ = theirs
            .organizations()
            .update_organization("org_1", params)
            .await;
        let input = json!({"organization": "org_1", "name": "New", "add_domains": ["c.com"]});
        ours.push(last("organizations", "update", input).await);

        let _ = theirs.organizations().delete_organization("org_1").await;
        ours.push(last("organizations", "delete", json!({"name": "org_1"})).await);

        let body = json!({
            "email": "a+b@x.com", "organization_id": "org_1", "role_slug": "admin", "expires_in_days": 3,
            "inviter_user_id": "user_1", "locale": "de",
        });
        let params = SendInvitationParams::new(serde_json::from_value(body).unwrap());
        let _ = theirs.user_management().send_invitation(params).await;
        let input = json!({
            "email": "a+b@x.com", "organization": "org_1", "role": "admin", "expires_in_days": 3,
            "inviter": "user_1", "locale": "de",
        });
        ours.push(last("invitations", "send", input).await);

        let _ = theirs
            .user_management()
            .revoke_invitation("invitation_1")
            .await;
        ours.push(last("invitations", "revoke", json!({"id": "invitation_1"})).await);

        let body = json!({"name": "Production", "permissions": ["a", "b"]});
        let params = CreateOrganizationApiKeyParams::new(serde_json::from_value(body).unwrap());
        let _ = theirs
            .api_keys()
            .create_organization_api_key("org_1", params)
            .await;
        let input =
            json!({"organization": "org_1", "name": "Production", "permissions": ["a", "b"]});
        ours.push(last("api-keys", "create", input).await);

        let expected = pair.theirs();
        assert_eq!(expected.len(), ours.len());
        for (ours, theirs) in ours.iter().zip(&expected) {
            assert_eq!(ours, theirs);
        }
    });
}
