"""Kratos' own Python client against the Kratos sandbox: its models take every answer, and know every field of it.

The client is made from Kratos' OpenAPI description: which status a call has when it succeeds, and with what, is in it.
Any other status is an error in the one form that all errors have there (`default`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ory_kratos_client import (
    ApiClient,
    BatchPatchIdentitiesResponse,
    Configuration,
    CreateIdentityBody,
    CreateRecoveryCodeForIdentityBody,
    CreateRecoveryLinkForIdentityBody,
    ErrorGeneric,
    GenericError,
    Identity,
    IdentityApi,
    IdentityPatch,
    JsonPatch,
    PatchIdentitiesBody,
    UpdateIdentityBody,
)
from ory_kratos_client.exceptions import (
    ApiException,
    BadRequestException,
    ConflictException,
    NotFoundException,
    ServiceException,
    UnauthorizedException,
)
from pydantic import BaseModel

from workos_importer import KratosSandbox

BCRYPT = "$2a$10$ZsCsoVQ3xfBG/K2z2XpBf.tm90GZmtOqtqWcB5.pYd5Eq8y7RlDyq"


class Checked(ApiClient):
    """Holds each answer to the description on its way to the test: its status, and every field of it."""

    def response_deserialize(self, response_data: Any, response_types_map: Any = None) -> Any:
        status = response_data.status
        if status < 400:
            assert str(status) in response_types_map, f"{status} is not documented here"
        else:
            error = ErrorGeneric.from_json(response_data.data)
            check(error, "error")
            assert error is not None and error.error.code == status
        answer = super().response_deserialize(response_data, response_types_map)
        check(answer.data, type(answer.data).__name__)
        if answer.data is not None:
            # What the models do not keep would be missing here, and what they invent would be too much.
            assert written(answer.data) == without_nulls(json.loads(answer.raw_data))
        return answer


def check(thing: Any, place: str) -> None:
    """Fails for a field that the client's models do not have, at any depth."""
    if isinstance(thing, BaseModel):
        extra = getattr(thing, "additional_properties", {})
        assert not extra, f"{place} has fields that the description does not: {sorted(extra)}"
        for name in type(thing).model_fields:
            check(getattr(thing, name), f"{place}.{name}")
    elif isinstance(thing, dict):
        for name, value in thing.items():
            check(value, f"{place}.{name}")
    elif isinstance(thing, list):
        for item in thing:
            check(item, f"{place}[]")


def written(thing: Any) -> Any:
    """A model as the JSON that it stands for."""
    if isinstance(thing, list):
        return [written(item) for item in thing]
    if not isinstance(thing, BaseModel):
        return thing
    return without_nulls(as_text(thing.to_dict()))  # type: ignore[attr-defined]


def as_text(thing: Any) -> Any:
    """Times as the sandbox writes them."""
    if isinstance(thing, dict):
        return {name: as_text(value) for name, value in thing.items()}
    if isinstance(thing, list):
        return [as_text(item) for item in thing]
    return time_of(thing) if isinstance(thing, datetime) else thing


def without_nulls(thing: Any) -> Any:
    """JSON in which a null is as good as no field; times in one form."""
    if isinstance(thing, dict):
        return {name: without_nulls(value) for name, value in thing.items() if value is not None}
    if isinstance(thing, list):
        return [without_nulls(item) for item in thing]
    if isinstance(thing, str):
        try:
            return time_of(datetime.fromisoformat(thing.replace("Z", "+00:00")))
        except ValueError:
            return thing
    return thing


def time_of(moment: datetime) -> str:
    return f"at {moment.timestamp():.3f}" if moment.tzinfo else str(moment)


@pytest.fixture
def kratos() -> KratosSandbox:
    """A Kratos without identities."""
    return KratosSandbox(seed=1)


@pytest.fixture
def api(kratos: KratosSandbox) -> Iterator[IdentityApi]:
    """The client, at the sandbox over HTTP."""
    with kratos.serve() as server, Checked(Configuration(host=server.url)) as client:
        yield IdentityApi(client)


def person(email: str, **more: Any) -> CreateIdentityBody:
    """A body that makes an identity."""
    return CreateIdentityBody.model_validate({"schema_id": "default", "traits": {"email": email}} | more)


def with_password(**config: str) -> dict[str, Any]:
    return {"password": {"config": config}}


def batch(api: IdentityApi, *bodies: CreateIdentityBody) -> tuple[list[str], BatchPatchIdentitiesResponse]:
    """The identifiers that the items had, and the answer."""
    ids = [str(uuid.uuid4()) for _ in bodies]
    items = [IdentityPatch(create=body, patch_id=patch_id) for body, patch_id in zip(bodies, ids, strict=True)]
    return ids, api.batch_patch_identities(patch_identities_body=PatchIdentitiesBody(identities=items))


def emails(identities: list[Identity]) -> set[str]:
    return {(identity.traits or {})["email"] for identity in identities}


def refusal(caught: pytest.ExceptionInfo[ApiException]) -> GenericError:
    """What an error says, of which the client makes a model where the description names its status."""
    assert isinstance(caught.value.data, ErrorGeneric)
    return caught.value.data.error


def test_an_identity_is_made_with_everything_that_a_migration_has(api: IdentityApi, kratos: KratosSandbox) -> None:
    made = api.create_identity(
        create_identity_body=person(
            "Ada@Example.com",
            state="inactive",
            external_id="crm/1",
            metadata_public={"plan": "pro"},
            metadata_admin={"source": ["crm", 1, None]},
            credentials=with_password(hashed_password=BCRYPT)
            | {"oidc": {"config": {"providers": [{"provider": "google", "subject": "1"}]}}},
            verifiable_addresses=[
                {"value": "Ada@example.com", "verified": True, "via": "email", "status": "completed"},
            ],
            recovery_addresses=[{"value": "ada@example.com", "via": "email"}],
        )
    )
    assert (made.state, made.external_id, made.schema_id) == ("inactive", "crm/1", "default")
    assert made.traits == {"email": "Ada@Example.com"}
    assert (made.metadata_public, made.metadata_admin) == ({"plan": "pro"}, {"source": ["crm", 1, None]})
    [address] = made.verifiable_addresses or []
    assert (address.value, address.verified, address.status, address.via) == (
        *("ada@example.com", True, "completed"),
        "email",
    )
    assert [one.value for one in made.recovery_addresses or []] == ["ada@example.com"]
    credentials = {name: one.identifiers for name, one in (made.credentials or {}).items()}
    assert credentials == {"password": ["ada@example.com"], "oidc": ["google:1"]}
    assert api.get_identity(made.id) == made
    assert api.get_identity_by_external_id("crm/1") == made
    [kept] = kratos.dump()["identities"]
    assert kept["password"] == "bcrypt" and BCRYPT not in json.dumps(kratos.dump())


def test_what_is_taken_conflicts(api: IdentityApi) -> None:
    api.create_identity(create_identity_body=person("ada@example.com", external_id="1"))
    for body in (person("ADA@example.com"), person("grace@example.com", external_id="1")):
        with pytest.raises(ConflictException) as caught:
            api.create_identity(create_identity_body=body)
        error = refusal(caught)
        assert (error.code, error.status) == (409, "Conflict") and error.reason and error.request


def test_what_cannot_be_an_identity_is_refused(api: IdentityApi) -> None:
    for body in (
        person("nobody"),
        person("a@example.com", traits={"email": "a@example.com", "unknown": 1}),
        person("a@example.com", schema_id="unknown"),
        person("a@example.com", credentials=with_password(hashed_password="$unknown$1")),
    ):
        with pytest.raises(BadRequestException) as caught:
            api.create_identity(create_identity_body=body)
        assert refusal(caught).status == "Bad Request"
    assert api.list_identities() == []


def test_a_batch_gives_each_item_a_result_of_its_own(api: IdentityApi) -> None:
    api.create_identity(create_identity_body=person("taken@example.com"))
    ids, answer = batch(
        api,
        person("ada@example.com", external_id="1"),
        person("taken@example.com"),
        person("nobody"),
        person("grace@example.com", credentials=with_password(password="correct horse battery")),
        person("ada@example.com"),
    )
    results = answer.identities or []
    assert [one.patch_id for one in results] == ids
    assert [one.action for one in results] == ["create", "error", "error", "create", "error"]
    errors = [GenericError.from_dict(one.error) for one in results if one.action == "error"]
    for error in errors:
        check(error, "error")
    assert [error and error.code for error in errors] == [409, 400, 409]
    assert all(error and error.reason for error in errors)
    assert results[0].identity == api.get_identity_by_external_id("1").id
    assert [one.identity for one in results if one.action == "error"] == [None] * 3
    assert emails(api.list_identities()) == {"taken@example.com", "ada@example.com", "grace@example.com"}


@pytest.mark.parametrize(("emails", "kind"), [(["ada"] * 2, ConflictException), (["ada", "?"], BadRequestException)])
def test_a_batch_of_which_all_fails_is_refused_as_documented(
    api: IdentityApi, emails: list[str], kind: type[ApiException]
) -> None:
    api.create_identity(create_identity_body=person("ada@example.com"))
    bodies = [person(f"{name}@example.com" if name != "?" else "nobody") for name in emails]
    with pytest.raises(kind):
        batch(api, *bodies)


def test_a_batch_is_refused_as_a_whole_for_one_item_or_too_many(api: IdentityApi) -> None:
    plain = [
        person(f"u{number}@example.com", credentials=with_password(password="correct horse")) for number in range(201)
    ]
    wrong = person("a@example.com", credentials=with_password(hashed_password="$unknown$1"))
    many = [person(f"u{number}@example.com") for number in range(1_001)]
    for bodies in (plain, [person("b@example.com"), wrong], many):
        with pytest.raises(BadRequestException) as caught:
            batch(api, *bodies)
        assert refusal(caught).reason
    assert api.list_identities() == []
    _, answer = batch(api, *many[:1_000])
    assert len(answer.identities or []) == 1_000


@pytest.fixture
def lenient() -> Iterator[IdentityApi]:
    """A server that gives 200 also where all items of a batch fail."""
    sandbox = KratosSandbox(failed_batches_are_refused=False)
    with sandbox.serve() as server, Checked(Configuration(host=server.url)) as client:
        yield IdentityApi(client)


def test_a_batch_of_which_all_fails_may_have_200(lenient: IdentityApi) -> None:
    _, answer = batch(lenient, person("nobody"))
    assert [one.action for one in answer.identities or []] == ["error"]


def next_token(headers: Mapping[str, str]) -> str | None:
    """The token of the next page, out of the `Link` header."""
    [links] = [value for name, value in headers.items() if name.lower() == "link"]
    for part in links.split(","):
        url, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return parse_qs(urlsplit(url.strip(" <>")).query)["page_token"][0]
    return None


def test_pages_are_turned_by_token(api: IdentityApi) -> None:
    _, answer = batch(api, *(person(f"u{number}@example.com") for number in range(7)))
    made = {one.identity for one in answer.identities or []}
    seen: list[list[str]] = []
    token: str | None = None
    while True:
        page = api.list_identities_with_http_info(page_size=3, page_token=token)
        seen.append([identity.id for identity in page.data])
        token = next_token(page.headers or {})
        if token is None:
            break
    assert [len(page) for page in seen] == [3, 3, 1]
    assert {one for page in seen for one in page} == made


def test_lists_are_filtered_by_identifier_and_by_ids(api: IdentityApi) -> None:
    made = [api.create_identity(create_identity_body=person(f"u{number}@example.com")) for number in range(3)]
    [found] = api.list_identities(credentials_identifier="U1@example.com", consistency="strong")
    assert found.id == made[1].id
    assert api.list_identities(credentials_identifier="u1") == []
    nobody = str(uuid.uuid4())
    listed = api.list_identities(ids=[made[0].id, nobody, made[2].id])
    assert {one.id for one in listed} == {made[0].id, made[2].id}
    with pytest.raises(BadRequestException):
        api.list_identities(ids=[made[0].id], credentials_identifier="u1@example.com")
    with pytest.raises(BadRequestException):
        api.list_identities(page_token="nonsense")


def test_a_json_patch_changes_what_it_names(api: IdentityApi) -> None:
    made = api.create_identity(create_identity_body=person("ada@example.com", external_id="1"))

    def patched(*operations: tuple[str, str, Any]) -> Identity:
        patches = [JsonPatch(op=op, path=path, value=value) for op, path, value in operations]
        return api.patch_identity(made.id, json_patch=patches)

    changed = patched(("add", "/traits/role", "admin"), ("replace", "/state", "inactive"))
    assert changed.traits == {"email": "ada@example.com", "role": "admin"}
    assert changed.state == "inactive" and changed.external_id == "1"
    assert patched(("replace", "/traits/role", "member")).traits == {"email": "ada@example.com", "role": "member"}
    assert patched(("add", "/metadata_admin", {"a": 1})).metadata_admin == {"a": 1}
    for refused in (
        ("replace", "/traits/tenant_id", "t1"),
        ("add", "/traits/unknown", 1),
        ("replace", "/state", "asleep"),
        ("replace", "/id", str(uuid.uuid4())),
    ):
        with pytest.raises(BadRequestException):
            patched(refused)
    api.create_identity(create_identity_body=person("grace@example.com"))
    with pytest.raises(ConflictException):
        patched(("replace", "/traits/email", "grace@example.com"))
    with pytest.raises(NotFoundException):
        api.patch_identity(str(uuid.uuid4()), json_patch=[JsonPatch(op="add", path="/state", value="active")])
    assert api.get_identity(made.id).traits == {"email": "ada@example.com", "role": "member"}


def test_a_put_replaces_all_but_the_credentials(api: IdentityApi) -> None:
    body = person("ada@example.com", metadata_admin={"a": 1}, credentials=with_password(password="correct horse"))
    made = api.create_identity(create_identity_body=body)
    replaced = api.update_identity(
        made.id,
        update_identity_body=UpdateIdentityBody(
            schema_id="default", state="inactive", traits={"email": "augusta@example.com", "tenant_id": "t1"}
        ),
    )
    assert (replaced.state, replaced.metadata_admin) == ("inactive", None)
    assert replaced.traits == {"email": "augusta@example.com", "tenant_id": "t1"}
    assert (replaced.credentials or {})["password"].identifiers == ["augusta@example.com"]


def test_what_is_deleted_is_gone(api: IdentityApi) -> None:
    made = api.create_identity(create_identity_body=person("ada@example.com", external_id="1"))
    api.delete_identity(made.id)
    for call in (
        lambda: api.get_identity(made.id),
        lambda: api.get_identity_by_external_id("1"),
        lambda: api.delete_identity(made.id),
    ):
        with pytest.raises(NotFoundException) as caught:
            call()
        assert refusal(caught).status == "Not Found"


def test_recovery_by_link_and_by_code(api: IdentityApi, kratos: KratosSandbox) -> None:
    made = api.create_identity(create_identity_body=person("ada@example.com"))
    now = datetime.now(timezone.utc)
    link = api.create_recovery_link_for_identity(
        create_recovery_link_for_identity_body=CreateRecoveryLinkForIdentityBody(identity_id=made.id, expires_in="12h")
    )
    assert link.recovery_link.startswith("http") and link.expires_at is not None
    assert abs(link.expires_at - now - timedelta(hours=12)) < timedelta(minutes=1)
    code = api.create_recovery_code_for_identity(
        create_recovery_code_for_identity_body=CreateRecoveryCodeForIdentityBody(identity_id=made.id)
    )
    assert len(code.recovery_code) == 6 and code.expires_at is not None
    assert abs(code.expires_at - now - timedelta(hours=1)) < timedelta(minutes=1)
    assert [one["kind"] for one in kratos.dump()["recoveries"]] == ["link", "code"]
    assert code.recovery_code not in json.dumps(kratos.dump()["recoveries"])
    with pytest.raises(NotFoundException):
        api.create_recovery_code_for_identity(
            create_recovery_code_for_identity_body=CreateRecoveryCodeForIdentityBody(identity_id=str(uuid.uuid4()))
        )


def test_a_way_of_recovery_that_is_switched_off() -> None:
    sandbox = KratosSandbox(recovery_links=False)
    made = sandbox.seed("POST", "/admin/identities", {"traits": {"email": "ada@example.com"}})
    body = CreateRecoveryLinkForIdentityBody(identity_id=made["id"])
    with sandbox.serve() as server, Checked(Configuration(host=server.url)) as client:
        with pytest.raises(NotFoundException) as caught:
            IdentityApi(client).create_recovery_link_for_identity(create_recovery_link_for_identity_body=body)
        assert "disabled" in (refusal(caught).reason or "")


@pytest.mark.parametrize("redirected", [False, True])
def test_schemas(redirected: bool) -> None:
    schema = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}
    sandbox = KratosSandbox(schemas={"staff": schema, "other": schema}, schemas_are_redirected=redirected)
    with sandbox.serve() as server, Checked(Configuration(host=server.url)) as client:
        api = IdentityApi(client)
        assert [(one.id, one.var_schema) for one in api.list_identity_schemas()] == [
            *(("staff", schema), ("other", schema)),
        ]
        assert api.get_identity_schema("other") == schema
        with pytest.raises(NotFoundException):
            api.get_identity_schema("default")
        made = api.create_identity(create_identity_body=person("ada", schema_id="other"))
        assert made.schema_id == "other" and made.schema_url.endswith("/schemas/other")


def test_a_token_is_asked_for() -> None:
    sandbox = KratosSandbox(token="secret")
    with sandbox.serve() as server, Checked(Configuration(host=server.url)) as client:
        api = IdentityApi(client)
        with pytest.raises(UnauthorizedException):
            api.list_identities()
        client.set_default_header("Authorization", "Bearer secret")
        assert api.list_identities() == []


def test_a_fault_has_the_shape_of_an_error(api: IdentityApi, kratos: KratosSandbox) -> None:
    kratos.fail_next("500_applied", method="POST")
    with pytest.raises(ServiceException) as caught:
        api.create_identity(create_identity_body=person("ada@example.com"))
    assert caught.value.status == 500
    assert emails(api.list_identities()) == {"ada@example.com"}


def test_an_invented_field_would_be_seen() -> None:
    answer = {"id": "1", "schema_id": "a", "schema_url": "b", "traits": {}}
    check(Identity.from_dict(answer), "identity")
    credentials = {"password": {"type": "password", "invented": 1}}
    with pytest.raises(AssertionError, match=r"identity\.credentials\.password has fields .*invented"):
        check(Identity.from_dict(answer | {"credentials": credentials}), "identity")
