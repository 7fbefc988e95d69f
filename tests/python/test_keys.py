"""Owns where the key comes from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import Run, write
from workos_importer import ConfigError, Importer
from workos_importer._credentials import MISSING, Key, find_key, parse_env

ENV_FILES: dict[str, bytes] = {
    "plain": b"WORKOS_SECRET_KEY=sk_test_1",
    "single quotes": b"WORKOS_SECRET_KEY='sk_test_1'\n",
    "double quotes": b'WORKOS_API_KEY="sk_test_1" # mine\n',
    "quoted line": b"'WORKOS_SECRET_KEY=sk_test_1' \r\n",
    "export": b"export WORKOS_SECRET_KEY=sk_test_1\n",
    "spaces": b"  WORKOS_SECRET_KEY = sk_test_1  \r\nOTHER=x\r\n",
    "comment": b"# a comment\n\nWORKOS_SECRET_KEY=sk_test_1 # mine\n",
    "mark": "WORKOS_SECRET_KEY=sk_test_1\n".encode("utf-8-sig"),
    "utf-16": "WORKOS_SECRET_KEY=sk_test_1\r\n".encode("utf-16"),
    "utf-16-le": "WORKOS_SECRET_KEY=sk_test_1\r\n".encode("utf-16-le"),
    "utf-16-be": "WORKOS_SECRET_KEY=sk_test_1\r\n".encode("utf-16-be"),
    "both the same": b"WORKOS_SECRET_KEY=sk_test_1\nWORKOS_API_KEY=sk_test_1\n",
    "the last counts": b"WORKOS_API_KEY=sk_test_0\nWORKOS_API_KEY=sk_test_1\n",
}


@pytest.mark.parametrize("name", ENV_FILES)
def test_env_files(folder: Path, name: str) -> None:
    write(folder / ".env", ENV_FILES[name]).chmod(0o600)
    found = find_key(None, environment={})
    assert found.key.reveal() == "sk_test_1" and found.warnings == ()
    assert ".env" in found.key.place


@pytest.mark.parametrize(
    "content", [b"", b"WORKOS_SECRET_KEY=\n", b"OTHER=sk_test_1\n", b"=\n\x00\xff", b"WORKOS_API_KEY=''\n"]
)
def test_env_files_without_a_key(folder: Path, content: bytes) -> None:
    write(folder / ".env", content)
    with pytest.raises(ConfigError) as caught:
        find_key(None, environment={})
    assert (str(caught.value), caught.value.kind) == (MISSING, "key_missing")


def test_other_variables_are_left_alone() -> None:
    assert parse_env("PATH=/x\nWORKOS_CLIENT_ID=y\nWORKOS_API_KEY=sk_test_1") == {"WORKOS_API_KEY": "sk_test_1"}


def test_the_places_in_their_order(folder: Path) -> None:
    write(folder / ".env", "WORKOS_API_KEY=sk_test_1").chmod(0o600)
    write(folder / "key", "sk_test_1\n")
    variables = {"WORKOS_API_KEY": " sk_test_1 ", "WORKOS_SECRET_KEY": "sk_test_1"}
    places = []
    places.append(find_key(Key("sk_test_1", "api_key"), "key", environment=variables).key.place)
    places.append(find_key(None, "key", environment=variables).key.place)
    del variables["WORKOS_API_KEY"]
    places.append(find_key(None, "key", environment=variables).key.place)
    places.append(find_key(None, "key", environment={}).key.place)
    places.append(find_key(None, environment={}).key.place)
    assert places == ["api_key", "WORKOS_API_KEY", "WORKOS_SECRET_KEY", "key", ".env"]


@pytest.mark.parametrize(
    ("argument", "variables", "file", "env", "named"),
    [
        ("sk_test_1", {"WORKOS_API_KEY": "sk_test_2"}, None, None, ("api_key", "WORKOS_API_KEY")),
        (
            None,
            {"WORKOS_API_KEY": "sk_test_1", "WORKOS_SECRET_KEY": "sk_test_2"},
            None,
            None,
            ("WORKOS_API_KEY", "WORKOS_SECRET_KEY"),
        ),
        (None, {"WORKOS_SECRET_KEY": "sk_test_1"}, "sk_test_2", None, ("WORKOS_SECRET_KEY", "key.txt")),
        (None, {"WORKOS_SECRET_KEY": "sk_test_1"}, None, "sk_test_2", ("WORKOS_SECRET_KEY", ".env")),
        (None, {}, "sk_test_1", "sk_test_2", ("key.txt", ".env")),
    ],
)
def test_two_different_keys_are_refused(
    folder: Path,
    argument: str | None,
    variables: dict[str, str],
    file: str | None,
    env: str | None,
    named: tuple[str, str],
) -> None:
    if file is not None:
        write(folder / "key.txt", file)
    if env is not None:
        write(folder / ".env", f"WORKOS_API_KEY={env}")
    key = None if argument is None else Key(argument, "api_key")
    with pytest.raises(ConfigError) as caught:
        find_key(key, None if file is None else "key.txt", environment=variables)
    assert caught.value.kind == "key_conflict"
    assert all(place in str(caught.value) for place in named) and "sk_test" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", "one\ntwo\n"])
def test_key_files_that_cannot_be(folder: Path, content: str) -> None:
    write(folder / "key.txt", content)
    with pytest.raises(ConfigError) as caught:
        find_key(None, "key.txt", environment={})
    assert caught.value.kind == "key_file" and "two" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_others_who_can_read_the_file_are_warned_of(run: Run, folder: Path, users: Path, served: str) -> None:
    write(folder / ".env", "WORKOS_SECRET_KEY=sk_test_1").chmod(0o644)
    done = run("import", str(users), "--base-url", served)
    assert done.returncode == 0
    assert done.stderr.startswith("TEST · key from .env · ")
    assert "Warning: Others can read .env" in done.stderr
    assert find_key(Key("sk_test_1", "api_key"), environment={}).warnings == ()


def test_a_key_file_is_enough(run: Run, folder: Path, users: Path, served: str) -> None:
    write(folder / "key.txt", "sk_test_1\n")
    assert run("import", str(users), "--base-url", served, "--api-key-file", "key.txt").returncode == 0


def test_two_different_keys_are_2(run: Run, users: Path) -> None:
    done = run("import", str(users), WORKOS_API_KEY="sk_test_1", WORKOS_SECRET_KEY="sk_test_2")
    assert done.returncode == 2
    assert "WORKOS_API_KEY" in done.stderr and "WORKOS_SECRET_KEY" in done.stderr and "sk_test" not in done.stderr


def test_no_env_file_when_it_is_not_wanted(folder: Path, users: Path) -> None:
    write(folder / ".env", "WORKOS_SECRET_KEY=sk_test_1")
    with pytest.raises(ConfigError, match="is missing"):
        Importer(env_file=None).run(users)
