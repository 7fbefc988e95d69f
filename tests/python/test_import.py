"""Owns the main job on the command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from conftest import MULTI, Run, write
from workos_importer import Sandbox


def test_the_box_has_the_seeds_lines_and_then_ours(run: Run, users: Path) -> None:
    done = run("import", str(users), "--sandbox")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("┌─") and lines[-1].startswith("└─")
    assert len({len(line) for line in lines}) == 1
    names = [line.strip("│ ").partition(":")[0] for line in lines[1:-1] if not line.startswith("│   ")]
    assert names == [
        "SUMMARY",
        "Status",
        "Users imported",
        "Memberships created",
        "Duration",
        "Warnings",
        "Errors",
        "Cache hits",
        "Cache misses",
        "Cache hit rate",
        "Created/Updated/Unchanged",
        "Organizations created",
        "API calls",
        "Pending",
        "Run",
    ]
    for text in (
        "Status: Success",
        "Users imported: 10/10",
        "Memberships created: 10",
        "Cache hits: 6",
        "Cache misses: 4",
    ):
        assert f"│ {text} " in done.stdout
    assert "Cache hit rate: 60.0%" in done.stdout
    assert re.search(r"Duration: \d+\.\d s ", done.stdout)


def test_standard_error_has_the_first_line_the_mode_and_a_line_for_each_row(run: Run, users: Path) -> None:
    done = run(
        "import", str(users), "--sandbox", "--org-external-id", "one", "--create-org-if-missing", "--org-name", "One"
    )
    assert done.returncode == 0
    first, mode, *rest = done.stderr.splitlines()
    assert first.startswith("SANDBOX · 10 rows · single-org · 500/10s · about 0.4 s · run ")
    assert first.endswith(str(Path(".workos-importer/runs")))
    assert mode == "Single-org mode: All users will be added to one"
    assert "Warning: CSV contains org columns but CLI flags provided" in done.stderr
    assert sum(line.startswith("✓ ") for line in rest) == 10
    assert "✓ 1 user0@acme.com created" in rest
    assert "Cache" not in done.stdout


def test_failed_rows_are_told_and_named_at_the_end(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email,org_external_id\nada@example.com,nowhere\nbob@example.com,\n")
    done = run("import", "users.csv", "--sandbox")
    assert done.returncode == 1
    assert "Status: Completed with errors" in done.stdout and "Users imported: 1/2" in done.stdout
    assert "✗ 1 (line 2) ada@example.com: Organization not found: nowhere" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 failed. Why: workos-importer errors latest"


def test_only_failures_is_failed_and_so_is_a_file_without_rows(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\nnobody\n")
    done = run("import", "users.csv", "--sandbox")
    assert done.returncode == 1 and "Status: Failed" in done.stdout
    write(folder / "users.csv", "email\n")
    done = run("import", "users.csv", "--sandbox")
    assert done.returncode == 1 and "Status: Failed" in done.stdout
    assert "The file has a header but no rows." in done.stderr


def test_quiet_leaves_the_summary_alone(run: Run, users: Path) -> None:
    done = run("import", "--csv", str(users), "--sandbox", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("┌")


def test_json_is_one_document(run: Run, users: Path) -> None:
    done = run("import", str(users), "--sandbox", "--json")
    found = done.document
    assert (found["message_type"], found["schema_version"]) == ("summary", 1)
    assert (found["status"], found["imported"], found["cache_hits"], found["stopped"]) == ("Success", 10, 6, None)


def test_progress_as_json_lines(run: Run, users: Path) -> None:
    done = run("import", str(users), "--sandbox", "--progress", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {event["schema_version"] for event in events} == {1}
    kinds = [event["message_type"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("row")) == ("started", "summary", 10)
    row = next(event for event in events if event["message_type"] == "row")
    assert row["outcome"] == "created" and row["at"].endswith("Z")


def test_standard_input(run: Run) -> None:
    done = run("import", "-", "--sandbox", input=MULTI)
    assert done.returncode == 0 and "Users imported: 10/10" in done.stdout


def test_user_only_mode_has_no_line_about_memberships(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\nada@example.com\n")
    done = run("import", "users.csv", "--sandbox")
    assert "User-only mode: No memberships will be created" in done.stderr
    assert "Memberships" not in done.stdout and "Cache" not in done.stdout


def test_importing_again_changes_nothing(run: Run, users: Path, sandbox: Sandbox, served: str) -> None:
    arguments = ("import", str(users), "--base-url", served, "--json")
    first = run(*arguments, WORKOS_API_KEY="sk_test_1").document
    assert first["created"] == 10
    second = run(*arguments, "--no-resume", "--yes", WORKOS_API_KEY="sk_test_1").document
    assert (second["status"], second["created"], second["unchanged"]) == ("Success", 0, 10)
    assert len(sandbox.dump()["users"]) == 10


def test_the_address_comes_from_the_environment_too(run: Run, users: Path, served: str) -> None:
    done = run("import", str(users), WORKOS_API_URL=served, WORKOS_SECRET_KEY="sk_test_1")
    assert done.returncode == 0
    assert done.stderr.startswith("TEST · key from WORKOS_SECRET_KEY · 10 rows")


def test_a_refused_key_is_3(run: Run, users: Path) -> None:
    with Sandbox(key="sk_test_right").serve() as server:
        done = run("import", str(users), "--base-url", server.url, WORKOS_API_KEY="sk_test_wrong")
    assert done.returncode == 3
    assert "does not accept the key" in done.stderr and "sk_test_wrong" not in done.stderr


def test_an_unreachable_api_is_4(run: Run, users: Path) -> None:
    with Sandbox().serve() as server:
        url = server.url
    done = run("import", str(users), "--base-url", url, "--quiet", WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 4
    assert "could not connect" in done.stderr


def test_too_many_errors_stop_the_run(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\n" + "nobody\n" * 5_000)
    done = run("import", "users.csv", "--sandbox", "--max-errors", "3", "--json", "--quiet")
    assert done.returncode == 4
    assert done.document["status"] == "Stopped" and done.document["stopped"]["kind"] == "max_errors"


def test_strict_sends_nothing(run: Run, folder: Path, sandbox: Sandbox, served: str) -> None:
    write(folder / "users.csv", "email\nada@example.com\nnobody\n")
    done = run("import", "users.csv", "--strict", "--base-url", served, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 1
    assert sandbox.counters()["total"] == 0


def test_errors_and_results_files(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email,first_name\nada@example.com,=Ada\nnobody,=Bob\n")
    done = run("import", "users.csv", "--sandbox", "--errors-out", "errors.csv", "--results-out", "results.csv")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "The failed rows are in errors.csv.",
        "1 failed. Why: workos-importer errors latest",
    ]
    with Path("errors.csv").open(encoding="utf-8", newline="") as file:
        (error,) = csv.DictReader(file)
    assert (error["recordNumber"], error["email"]) == ("2", "nobody")
    assert json.loads(error["rawRow"])["first_name"] == "=Bob"
    with Path("results.csv").open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    assert [row["outcome"] for row in results] == ["created", "failed"]


@pytest.mark.parametrize("name", ["errors.json", "errors.jsonl", "errors.txt"])
def test_error_files_by_their_ending(run: Run, folder: Path, name: str) -> None:
    write(folder / "users.csv", "email\nnobody\nsomebody\n")
    assert run("import", "users.csv", "--sandbox", "--errors", name).returncode == 1
    text = Path(name).read_text(encoding="utf-8")
    errors = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    assert [error["recordNumber"] for error in errors] == [1, 2]


def test_a_dry_run_is_offline_and_leaves_nothing(run: Run, users: Path, folder: Path) -> None:
    users.write_text(MULTI + "nobody,X,Y,acme,Acme Inc\n", encoding="utf-8")
    done = run("import", str(users), "--dry-run")
    assert done.returncode == 1
    assert "Status: Dry run" in done.stdout and "Would import: 10/11" in done.stdout
    assert "Organizations: 4 " in done.stdout and "Memberships: 10 " in done.stdout
    assert "Duration at the limits: at least " in done.stdout
    assert "Multi-org mode: Organizations will be resolved per-row from CSV" in done.stderr
    assert "✗ record 11 (line 12), column email: " in done.stderr and "[invalid_email]" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["users.csv"]


def test_a_clean_dry_run_is_0(run: Run, users: Path) -> None:
    done = run("import", str(users), "--dry-run", "--json")
    assert done.returncode == 0 and done.document["would_import"] == 10


def test_other_encodings_print_plain_ascii(run: Run, users: Path) -> None:
    done = run("import", str(users), "--sandbox", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii() and done.stderr.isascii()
    assert done.stdout.startswith("+---") and "| Status: Success" in done.stdout
    assert "ok 1 user0@acme.com created" in done.stderr


def test_cells_cannot_steer_the_terminal(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\n\x1b[2Jevil\n")
    assert "\x1b" not in run("import", "users.csv", "--sandbox").stderr


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--user-export", "users.csv"], "--user-export is deprecated"),
        (["users.csv", "--job-id", "7"], "--job-id: not needed: every run can be resumed"),
        (["users.csv", "--workers", "4", "--chunk-size", "9"], "--workers: not needed: every run can be resumed"),
        (["--resume", "users.csv"], "--resume: not needed: every run can be resumed"),
        (["users.csv", "--resume"], "--resume: not needed: every run can be resumed"),
    ],
)
def test_flags_of_other_tools(run: Run, folder: Path, flags: list[str], hint: str) -> None:
    write(folder / "users.csv", MULTI)
    done = run("import", *flags, "--sandbox")
    assert done.returncode == 0 and hint in done.stderr


def test_a_mapping_renames_columns(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "Mail;Vorname\nada@example.com;Ada\n")
    done = run("import", "users.csv", "--sandbox", "--map", "Mail=email", "--map", "Vorname=first_name")
    assert done.returncode == 0 and "✓ 1 ada@example.com created" in done.stderr
