"""Owns the flags that choose the directory, and those of Kratos; and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._exceptions import ConfigError
from .._kratos import LARGEST_BATCH, NOTHING_FOR_IT, Kratos, allowed
from .._native import KratosSandbox, Sandbox
from .parser import whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Parser

_OF_ROWS = ("schema_id", "identity_schema", "allowed_roles", "allowed_tenants", "random_password")


# The flags of what Kratos has nothing for, where they are not named as the options are.
_FLAGS_OF = {
    "organization": ("org_id", "org_external_id", "create_org_if_missing", "org_name"),
    "create_organizations": ("no_create_orgs",),
}


def add_target(parser: Parser, default: str | None = "workos") -> None:
    """Which directory; `default=None`: that of the run, where one is named."""
    said = "that of the run, else workos" if default is None else default
    parser.add_argument(
        "--target", choices=("workos", "kratos"), default=default, help=f"the directory; default: {said}"
    )


def add_identities(parser: Parser, *, writes: bool) -> None:
    """What identities are held to, and how they are written."""
    group = parser.add_argument_group("identities", "With --target kratos.")
    group.add_argument("--schema-id", metavar="ID", help="the identity schema; default: default")
    group.add_argument(
        "--identity-schema", metavar="FILE", help="that schema, to check traits offline; else the server is asked"
    )
    group.add_argument(
        "--allowed-roles", metavar="A,B|@FILE", help="what `role` may say: texts, or a file with one on each line"
    )
    group.add_argument("--allowed-tenants", metavar="A,B|@FILE", help="what `tenant_id` may say, likewise")
    if writes:
        group.add_argument(
            "--random-password", action="store_true", help="who brings no password is given a random one, never shown"
        )
        add_batch_size(group)


def add_batch_size(group: argparse._ArgumentGroup) -> None:
    """How many identities one call has."""
    group.add_argument(
        "--batch-size",
        metavar="N",
        type=whole_number(1, LARGEST_BATCH),
        help="identities in one call at most; default: the server's maximum",
    )


def connection_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """The importer's options about where it writes to."""
    if getattr(parsed, "target", None) == "kratos":
        if parsed.api_key_file is not None:
            raise ConfigError(
                "--api-key-file is for WorkOS. A token in front of Kratos comes from KRATOS_ADMIN_TOKEN.",
                "contradiction",
            )
        _refuse_what_is_not_for_identities(parsed)
        return {"target": kratos_of(parsed)}
    for name in (*_OF_ROWS, "batch_size"):
        if getattr(parsed, name, None) not in (None, False):
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} needs --target kratos.", "contradiction")
    return {
        "api_key_file": parsed.api_key_file,
        "base_url": parsed.base_url,
        "ca_bundle": parsed.ca_bundle,
        "insecure_http": parsed.insecure_http,
        "sandbox": sandbox_of(parsed),
    }


def _refuse_what_is_not_for_identities(parsed: argparse.Namespace) -> None:
    for option, why in NOTHING_FOR_IT.items():
        for name in _FLAGS_OF.get(option, (option,)):
            if getattr(parsed, name, None) not in (None, False):
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} is not for identities: {why}.", "contradiction")


def kratos_of(parsed: argparse.Namespace) -> Kratos:
    """The Kratos that the flags say. Raises `ConfigError`."""
    held_to: dict[str, Any] = {
        name: getattr(parsed, name) for name in _OF_ROWS if getattr(parsed, name, None) not in (None, False)
    }
    for name in ("allowed_roles", "allowed_tenants"):
        if name in held_to:
            held_to[name] = _listed(held_to[name], f"--{name.replace('_', '-')}")
    return Kratos(
        base_url=getattr(parsed, "base_url", None),
        ca_bundle=getattr(parsed, "ca_bundle", None),
        insecure_http=getattr(parsed, "insecure_http", False),
        sandbox=sandbox_of(parsed),
        batch_size=getattr(parsed, "batch_size", None),
        **held_to,
    )


def sandbox_of(parsed: argparse.Namespace) -> Any:
    """The sandbox of `--sandbox`, of the target's kind. Raises `ConfigError` for flags that say something else."""
    if not getattr(parsed, "sandbox", False):
        return None
    for name in ("base_url", "api_key_file", "ca_bundle"):
        if getattr(parsed, name) is not None:
            flag = name.replace("_", "-")
            raise ConfigError(f"--sandbox and --{flag} contradict each other.", "contradiction")
    return KratosSandbox() if getattr(parsed, "target", None) == "kratos" else Sandbox()


def take_target_of_run(parsed: argparse.Namespace) -> None:
    """Where no target was named: that of the run that the command is about."""
    if parsed.target is None:
        from .._runs import RunFolder

        parsed.target = RunFolder(parsed.run_dir).target_of(parsed.run)


def _listed(text: str, flag: str) -> set[str] | None:
    """`admin,user`, or `@roles.txt`. Raises `ConfigError`, which names the flag."""
    if text.startswith("@"):
        return allowed(Path(text[1:]), flag)
    values = {value.strip() for value in text.split(",") if value.strip()}
    if not values:
        raise ConfigError(f"{flag} names nothing. Write it like admin,user, or @FILE with one on each line.")
    return values
