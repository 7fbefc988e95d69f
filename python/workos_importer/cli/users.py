"""Owns `workos-importer users`: one user at a time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .._exceptions import InputError
from .objects import (
    add_limit,
    add_metadata,
    add_verb,
    add_yes,
    directory_of,
    may_delete,
    metadata_of,
    show,
    show_all,
    show_deleted,
    verbs_of,
)
from .parser import Refused

if TYPE_CHECKING:
    import argparse

    from .parser import Commands, Parser
    from .streams import Streams

_FIELDS = (
    *("id", "email", "first_name", "last_name", "email_verified", "external_id", "metadata", "last_sign_in_at"),
    *("created_at", "updated_at"),
)
_NAME = "an id, an email address, or your own id for the user"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "users",
        streams=streams,
        help="create, get, list, update, delete users",
        description="One user at a time. Whole files of users: import.",
    )
    verbs = verbs_of(parser)
    made = add_verb(
        verbs,
        "create",
        create,
        streams,
        "make a user, or find the one with this address or external id",
        "One who is there is left as is.",
    )
    made.add_argument("--email", required=True, help="the address")
    _add_fields(made)
    found = add_verb(verbs, "get", get, streams, "show a user")
    found.add_argument("user", metavar="USER", help=_NAME)
    listed = add_verb(verbs, "list", list_all, streams, "list users: id, email, name, external id")
    listed.add_argument("--email", help="the one with this address")
    listed.add_argument("--org", metavar="ORG", help="those of an organization: its id, or your own id for it")
    add_limit(listed)
    changed = add_verb(verbs, "update", update, streams, "change what is given")
    changed.add_argument("user", metavar="USER", help=_NAME)
    changed.add_argument("--email", help="another address")
    _add_fields(changed)
    gone = add_verb(verbs, "delete", delete, streams, "delete a user, with all memberships")
    gone.add_argument("user", metavar="USER", help=_NAME)
    add_yes(gone)


def _add_fields(parser: Parser) -> None:
    parser.add_argument("--first-name", metavar="NAME", help="the first name")
    parser.add_argument("--last-name", metavar="NAME", help="the last name")
    parser.add_argument("--external-id", metavar="ID", help="your own id for the user")
    parser.add_argument("--email-verified", choices=("true", "false"), help="whether the address is known to be theirs")
    add_metadata(parser, "a JSON object of texts; on update null takes a key away")
    parser.add_argument(
        "--password-stdin", action="store_true", help="the password is the first line of standard input"
    )
    reason = "a password on the command line can be read by everybody on this machine: use --password-stdin"
    parser.add_argument("--password", action=Refused, nargs="?", reason=reason)


def _fields_of(parsed: argparse.Namespace) -> dict[str, Any]:
    verified = parsed.email_verified
    return {
        "first_name": parsed.first_name,
        "last_name": parsed.last_name,
        "external_id": parsed.external_id,
        "metadata": metadata_of(parsed),
        "email_verified": None if verified is None else verified == "true",
        "password": _password() if parsed.password_stdin else None,
    }


def _password() -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        # Here, not above: nobody else needs it.
        from getpass import getpass

        text = getpass("Password: ")
    else:
        text = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise InputError("--password-stdin: there is no password on standard input.")
    return text


def create(parsed: argparse.Namespace, streams: Streams) -> int:
    """Makes or finds the user, and prints it."""
    made = directory_of(parsed, streams).users.create(email=parsed.email, **_fields_of(parsed))
    return show(made, (*_FIELDS, "created"), parsed, streams)


def get(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints the user."""
    return show(directory_of(parsed, streams).users.get(parsed.user), _FIELDS, parsed, streams)


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).users.list(email=parsed.email, organization=parsed.org, limit=parsed.limit)
    return show_all(found, ("id", "email", "first_name", "last_name", "external_id"), parsed, streams)


def update(parsed: argparse.Namespace, streams: Streams) -> int:
    """Changes the user, and prints it."""
    changed = directory_of(parsed, streams).users.update(parsed.user, email=parsed.email, **_fields_of(parsed))
    return show(changed, _FIELDS, parsed, streams)


def delete(parsed: argparse.Namespace, streams: Streams) -> int:
    """Deletes the user, and says so."""
    directory = directory_of(parsed, streams)
    may_delete(directory, parsed)
    return show_deleted(parsed.user, "user", directory.users.delete(parsed.user), parsed, streams)
