"""Owns runs into Kratos as a whole: planned, verified, gone on with, undone, in few calls, without a secret."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, write
from identities import IDENTITIES, SEED, batches, by_email, file_of, importer, passwords, shell
from workos_importer import ConfigError, Importer, Kratos, KratosSandbox, OrganizationRef, Sandbox, Started
from workos_importer.cli.progress import Where, first_line

KRATOS = ("--target", "kratos")
MARK = "planted"
SAME = ("--recovery-out", "./same")


@pytest.fixture
def kratos() -> KratosSandbox:
    """A Kratos without identities."""
    return KratosSandbox()


def test_planned_imported_verified_and_undone(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", SEED)
    kratos.seed("POST", IDENTITIES, {"traits": {"email": "alice@example.com", "role": "user"}})
    before = kratos.dump()
    with shell(run, kratos) as work:
        update = ("--on-existing", "update")
        plan = work("plan", "users.csv", *KRATOS, *update, "--json", "--out", "plan.bin")
        assert plan.returncode == 0 and plan.document["users"]["create"] == 2, plan.stdout
        assert plan.document["users"]["update"] == 1 and kratos.dump() == before
        missing = work("verify", "users.csv", *KRATOS, *update, "--json")
        assert missing.returncode == 1
        assert (missing.document["missing"], missing.document["differs"]) == (2, 1)
        done = work("import", "users.csv", *KRATOS, *update, "--plan", "plan.bin", "--json")
        assert done.returncode == 0 and (done.document["created"], done.document["updated"]) == (2, 1), done.stderr
        assert work("verify", "users.csv", *KRATOS, *update).returncode == 0
        # A run says itself which directory it is of.
        assert work("verify", "latest").returncode == 0
        undone = work("undo", "latest", "--yes")
        assert "Users deleted: 2" in undone.stdout, undone.stderr
    assert list(by_email(kratos)) == ["alice@example.com"]


def test_resume_and_retry_know_their_target(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", file_of(30))
    kratos.seed("POST", IDENTITIES, {"traits": {"email": "u7@example.com"}})
    with shell(run, kratos) as work:
        flags = ("--batch-size", "5", "--concurrency", "1", "--on-existing", "fail")
        stopped = work("import", "users.csv", *KRATOS, *flags, "--max-errors", "0")
        assert stopped.returncode == 4, stopped.stderr
        resumed = work("resume", "latest", "--json")
        assert resumed.returncode == 1, resumed.stderr
        assert (resumed.document["created"], resumed.document["failed"]) == (29, 1)
        kratos.seed("DELETE", f"{IDENTITIES}/{by_email(kratos)['u7@example.com']['id']}")
        retried = work("retry", "latest", "--json")
        assert retried.returncode == 0 and retried.document["created"] == 30, retried.stderr
        assert "30" in work("show", "latest").stdout
        assert "kratos" not in work("results", "latest").stdout.splitlines()[0]
        denied = work("resume", "latest", "--target", "workos", WORKOS_API_KEY="sk_test_1")
        assert denied.returncode == 2
    assert len(by_email(kratos)) == 30


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((*KRATOS, "--org-id", "org_1"), "--org-id is not for identities: Kratos has no organizations"),
        ((*KRATOS, "--org-external-id", "acme"), "--org-external-id is not for identities"),
        ((*KRATOS, "--on-existing", "update", "--update-passwords"), "--update-passwords is not for identities"),
        ((*KRATOS, "--on-existing", "update", "--clear-empty"), "--clear-empty is not for identities"),
        ((*KRATOS, "--require-membership"), "--require-membership is not for identities: Kratos has no memberships"),
        ((*KRATOS, "--no-create-orgs"), "--no-create-orgs is not for identities"),
        ((*KRATOS, "--headroom", "10%"), "--headroom is not for identities"),
        ((*KRATOS, "--api-key-file", "key.txt"), "--api-key-file is for WorkOS"),
        ((*KRATOS, "--sandbox", "--base-url", "http://127.0.0.1:1"), "contradict"),
        ((*KRATOS, "--batch-size", "1001"), "--batch-size"),
        ((*KRATOS, "--allowed-roles", "@nowhere.txt"), "the file of --allowed-roles nowhere.txt"),
        ((*KRATOS, "--allowed-tenants", "@users.csv/x"), "--allowed-tenants"),
        ((*KRATOS, "--allowed-roles", ", "), "--allowed-roles names nothing"),
        ((*KRATOS, "--identity-schema", "nowhere.json"), "nowhere.json"),
        ((*KRATOS, "--identity-schema", "users.csv"), "is no JSON"),
        ((*KRATOS, "--base-url", "http://kratos.example.com:4434"), "insecure"),
        (
            (*KRATOS, "--base-url", "http://127.0.0.1:4434/admin/"),
            "without /admin, which each call adds. Write http://",
        ),
        ((*KRATOS, "--base-url", f"http://{MARK}@127.0.0.1:4434"), "holds a user or a password"),
        ((*KRATOS, "--password-reset"), "--password-reset is for WorkOS. With --target kratos recovery links"),
        ((*KRATOS, "--password-reset", "--json"), "--recovery-out FILE"),
        ((*KRATOS, "--recovery-method", "code"), "--recovery-method needs --recovery-out or --recovery-command"),
        ((*KRATOS, "--recovery-expires-in", "2h"), "--recovery-expires-in needs --recovery-out or --recovery-command"),
        ((*KRATOS, "--per-minute", "5"), "--per-minute needs --recovery-out or --recovery-command"),
        ((*KRATOS, "--recovery-command", "./nosuch"), "--recovery-command './nosuch': there is no such program"),
        ((*KRATOS, "--recovery-out", "users.csv"), "it is the file that is read"),
        ((*KRATOS, "--recovery-out", "nowhere/links.csv"), "cannot be written there. Nothing was sent"),
        ((*KRATOS, *SAME, "--audit-file", "same"), "--recovery-out name the same"),
        ((*KRATOS, *SAME, "--errors-out", "same"), "--errors-out and --recovery-out name the same file"),
        ((*KRATOS, *SAME, "--results-out", "same"), "--results-out and --recovery-out name the same file"),
        ((*KRATOS, *SAME, "--report", "same"), "--report and --recovery-out name the same file"),
        (("--recovery-method", "code"), "--recovery-method needs --recovery-out or --recovery-command"),
        (("--batch-size", "10"), "--batch-size needs --target kratos"),
        (("--random-password",), "--random-password needs --target kratos"),
        (("--target", "okta"), "invalid choice"),
    ],
)
def test_what_contradicts_is_a_sentence(run: Run, folder: Path, flags: Sequence[str], says: str) -> None:
    write(folder / "users.csv", SEED)
    write(folder / "key.txt", "sk_test_1")
    done = run("import", "users.csv", *flags, "--yes")
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (folder / ".workos-importer").exists()
    assert MARK not in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rows": "organizations"}, "Kratos has no organizations"),
        ({"rows": "password-resets"}, "Kratos has no password-resets"),
        ({"organization": OrganizationRef(id="org_1")}, "organization is not for identities"),
        ({"create_organizations": False}, "create_organizations is not for identities"),
        ({"require_membership": True}, "Kratos has no memberships"),
        ({"on_existing": "update", "update_passwords": True}, "update_passwords is not for identities"),
        ({"on_existing": "update", "clear_empty": True}, "clear_empty is not for identities"),
        ({"headroom": 0.1}, "headroom is not for identities"),
        ({"api_key": "sk_test_1"}, "api_key is for WorkOS"),
        ({"sandbox": Sandbox()}, "sandbox is for WorkOS"),
    ],
)
def test_what_contradicts_in_python_is_a_configuration_error(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        importer(KratosSandbox(), **options)
    assert caught.value.kind == "contradiction"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": 5}, "The base URL must be a text, not int"),
        ({"base_url": f"http://user:{MARK}@127.0.0.1:4434"}, "The base URL holds a user or a password"),
        ({"base_url": f"user:{MARK}@127.0.0.1:4434"}, "The base URL holds a user or a password"),
        ({"base_url": "http://127.0.0.1:4434/admin"}, "without /admin, .* Write http://127.0.0.1:4434$"),
        ({"base_url": "https://example.com/kratos/admin/"}, "without /admin, .* Write https://example.com/kratos$"),
        ({"insecure_http": "no"}, "insecure_http must be True or False"),
        ({"random_password": "yes"}, "random_password must be True or False"),
        ({"ca_bundle": 5}, "ca_bundle must be the path of a file"),
        ({"allowed_roles": 5}, "allowed_roles must be several texts"),
        ({"allowed_tenants": "t1"}, "allowed_tenants must be several texts"),
    ],
)
def test_settings_that_cannot_be_are_a_configuration_error(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Kratos(**settings)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:4434/admin", f"http://user:{MARK}@127.0.0.1:4434"])
def test_an_address_from_the_environment_is_looked_at_too(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    made = Kratos()
    monkeypatch.setenv("KRATOS_ADMIN_URL", address)
    with pytest.raises(ConfigError, match=r"^KRATOS_ADMIN_URL "):
        Kratos()
    # Who is there already is not shown with it either.
    assert MARK not in repr(made) + repr(Importer(target=made)) + made.url
    write(folder / "users.csv", SEED)
    done = run("import", "users.csv", *KRATOS, KRATOS_ADMIN_URL=address)
    assert done.returncode == 2 and "KRATOS_ADMIN_URL" in done.stderr and MARK not in done.stderr
    # A sandbox, and an address that is given, do not ask the environment.
    assert Kratos(sandbox=KratosSandbox()).url == "sandbox" and Kratos(base_url="http://admin").url == "http://admin"


def test_of_workos_no_password_is_shown_with_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="holds a user or a password") as caught:
        Importer(base_url=f"https://user:{MARK}@api.example.com")
    assert MARK not in str(caught.value)
    monkeypatch.setenv("WORKOS_API_URL", f"https://user:{MARK}@api.example.com")
    assert repr(Importer()) == "Importer(base_url='https://…@api.example.com')"


def test_the_first_line_says_which_kratos(run: Run, folder: Path) -> None:
    write(folder / "users.csv", SEED)
    kratos = KratosSandbox(token=f"{MARK}token")
    with kratos.serve() as server:
        variables = {"KRATOS_ADMIN_URL": server.url, "KRATOS_ADMIN_TOKEN": f"{MARK}token"}
        done = run("import", "users.csv", *KRATOS, **variables)
        assert done.stderr.startswith(f"KRATOS {server.url} · key from KRATOS_ADMIN_TOKEN · 3 rows · identities · ")
        again = run("import", "users.csv", *KRATOS, "--no-resume", "--progress", "json", **variables)
        started = json.loads(again.stderr.splitlines()[0])
        assert (started["message_type"], started["base_url"]) == ("started", server.url)
        assert MARK not in done.stderr + again.stderr
    alone = run("import", "users.csv", *KRATOS, "--sandbox", "--progress", "json", "--no-resume")
    assert json.loads(alone.stderr.splitlines()[0])["base_url"] is None
    assert run("import", "users.csv", *KRATOS, "--sandbox", "--no-resume").stderr.startswith("SANDBOX · 3 rows")


def test_a_live_kratos_is_named_too() -> None:
    """No test can write to another machine."""
    where = Where("TEST", None, "https://kratos.example.com", is_kratos=True)
    started = Started("7f3a", "identities", "", 3, True, None, 0.0, None, None, "runs/7f3a")
    assert (
        first_line(started, where) == "LIVE KRATOS https://kratos.example.com · 3 rows · identities · run 7f3a in runs"
    )


def test_verify_knows_the_target_of_a_run(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", SEED)
    with shell(run, kratos) as work:
        assert work("import", "users.csv", *KRATOS, "--quiet").returncode == 0
        named = work("verify", "latest", "--json", "--receipt", "receipt.json")
        assert named.returncode == 0 and named.document["matches"] == 3, named.stderr
        assert work("verify", named.document["run_id"][:6]).returncode == 0
        # A file is none, and neither is what is nothing.
        for source in ("users.csv", "nowhere"):
            done = work("verify", source)
            assert done.returncode == 2, done.stderr


def test_a_token_is_neither_shown_nor_pickled() -> None:
    target = Kratos(base_url="http://127.0.0.1:4434", token=f"{MARK}token")
    shown = [repr(target), str(target), repr(vars(target)), repr(Importer(target=target))]
    assert "http://127.0.0.1:4434" in shown[0]
    with pytest.raises(TypeError, match="token") as caught:
        pickle.dumps(target)
    with pytest.raises(TypeError):
        pickle.dumps(Importer(target=target))
    copy = pickle.loads(pickle.dumps(Kratos(base_url="http://127.0.0.1:1", batch_size=7)))
    assert repr(copy) == "Kratos(base_url='http://127.0.0.1:1')"
    assert MARK not in str(caught.value) + "".join(shown)


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_no_secret_leaves_but_to_the_server(run: Run, folder: Path, ending: str) -> None:
    hashed = f"$2b$10${MARK}{'a' * (53 - len(MARK))}"
    write(
        folder / "secret.csv",
        "email,role,initial_password,password_hash,passwrd\n"
        f"a@example.com,user,{MARK}1,,{MARK}typo\n"
        f"b@example.com,user,,{hashed},\n"
        f"c@example.com,owner,{MARK}2,,\n"
        f"d@example.com,user,,$nosuch${MARK},\n"
        f"nobody,user,{MARK}3,{hashed},\n"
        f"e@example.com,user,{MARK}4,,,{MARK}surplus\n"
        f"there@example.com,user,{MARK}5,,\n",
    )
    kratos = KratosSandbox(token=f"{MARK}token")
    kratos.seed("POST", IDENTITIES, {"traits": {"email": "there@example.com"}})
    outs = ("--errors-out", f"errors.{ending}", "--results-out", f"results.{ending}", "--report", "report.html")
    flags = (*KRATOS, "--allowed-roles", "user", "--on-existing", "fail", "--yes")
    variables = {"KRATOS_ADMIN_TOKEN": f"{MARK}token", "RUST_LOG": "trace", "RUST_BACKTRACE": "1"}
    said = ""
    with shell(run, kratos, **variables) as work:
        kratos.fail_next("400", method="PATCH", path=IDENTITIES, times=1)
        for arguments in (
            ("import", "secret.csv", *flags, *outs, "--audit-file", "audit.jsonl", "--json", "--progress", "json"),
            ("import", "secret.csv", *flags, "--dry-run"),
            ("validate", "secret.csv", *KRATOS, "--allowed-roles", "user", "--json"),
            ("plan", "secret.csv", *flags[:4], "--json", "--out", "plan.bin"),
            ("retry", "latest"),
            ("errors", "latest"),
            ("show", "latest", "--json"),
        ):
            done = work(*arguments)
            assert done.returncode in (0, 1), done.stderr
            said += done.stdout + done.stderr
    assert MARK not in said
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "secret.csv"}
    names = {path.name for path in files}
    assert {f"errors.{ending}", f"results.{ending}", "report.html", "audit.jsonl", "journal.sqlite3"} <= names
    assert not [path for path, content in files.items() if MARK.encode() in content]
    # They did arrive.
    assert passwords(kratos)["a@example.com"] == "password" and passwords(kratos)["b@example.com"] == "bcrypt"


def test_in_python_no_secret_is_shown(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    logging.getLogger().setLevel(1)
    rows: list[dict[str, Any]] = [
        {"email": "a@example.com", "initial_password": f"{MARK}1"},
        {"email": "b@example.com", "initial_password": [f"{MARK}2"]},
        {"email": "nobody", "password_hash": f"{MARK}3"},
    ]
    kratos = KratosSandbox(token=f"{MARK}token")
    with kratos.serve() as server:
        into = Importer(target=Kratos(base_url=server.url, token=f"{MARK}token"), errors_out="errors.json")
        run = into.run(rows)
        shown = [repr(into), repr(run)]
        for event in run.events():
            shown += [repr(event), str(event), repr(pickle.loads(pickle.dumps(event)))]
        shown += [repr(one) for one in run.results()]
    shown += [repr(into.validate(rows)), caplog.text]
    assert MARK not in "\n".join(shown)
    assert not [path for path in folder.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]
    assert list(passwords(kratos)) == ["a@example.com"]


@pytest.mark.parametrize(("password", "most"), [("", 12), ("TempPass123!", 60)])
def test_ten_thousand_identities_take_few_calls(run: Run, folder: Path, password: str, most: int) -> None:
    write(folder / "users.csv", file_of(10_000, password))
    kratos = KratosSandbox()
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS, "--quiet", "--json")
    assert done.returncode == 0 and done.document["created"] == 10_000, done.stderr
    assert len(by_email(kratos)) == 10_000
    assert batches(kratos) <= most, kratos.counters()["by_route"]
    assert done.document["api_calls"]["create identities"] == batches(kratos)
    # Beside them one to see whether there is access, and one for the schema.
    assert kratos.counters()["total"] <= most + 2, kratos.counters()["by_route"]


def test_doctor_says_where_the_token_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    with KratosSandbox(token="right-token").serve() as server:
        monkeypatch.setenv("KRATOS_ADMIN_TOKEN", "wrong-token")
        report = Importer(target=Kratos(base_url=server.url)).doctor()
        assert report.exit_code == 3
        said = str(report)
        assert "Set KRATOS_ADMIN_TOKEN" in said and "dashboard" not in said and "wrong-token" not in said
        monkeypatch.setenv("KRATOS_ADMIN_TOKEN", "right-token")
        assert Importer(target=Kratos(base_url=server.url)).doctor().ready
