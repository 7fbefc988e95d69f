"""Owns `workos-importer invitations`: one invitation at a time, or a file of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from . import import_
from .objects import add_limit, add_verb, directory_of, show, show_all, verbs_of
from .other_rows import add_import
from .parser import whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

# The link that accepts one is not among them: `--json` has it.
_FIELDS = (
    *("id", "email", "state", "organization_id", "inviter_user_id", "expires_at", "accepted_at", "revoked_at"),
    *("created_at", "updated_at"),
)
# What one invitation is told by flags, and a file by columns.
_SINGLE = ("email", "org", "role", "expires_in_days", "inviter", "locale")
_ORG = "its id, or your own id for it"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "invitations",
        streams=streams,
        help="send, list, resend, revoke invitations",
        description="One invitation at a time, or a file of them. Sending and resending send a mail.",
    )
    verbs = verbs_of(parser)
    columns = "email, org_external_id or org_id, role_slug, expires_in_days, inviter_user_id, locale"
    does = "invite somebody, or everybody in a file, by mail; an open invitation counts as sent"
    whole = add_import(verbs, streams, "invitations", "send", columns, does)
    sent = whole.add_argument_group("one invitation", "In place of a file.")
    sent.add_argument("--email", help="the address")
    sent.add_argument("--org", metavar="ORG", help=f"the organization to join: {_ORG}")
    sent.add_argument("--role", metavar="SLUG", help="the role there")
    sent.add_argument("--expires-in-days", metavar="N", type=whole_number(1, 30), help="1 to 30; default: the API's, 7")
    sent.add_argument("--inviter", metavar="USER", help="who invites: an id, an address, or your own id for the user")
    sent.add_argument("--locale", metavar="LOCALE", help="the mail's language, such as en or de-DE")
    whole.set_defaults(work=send)
    listed = add_verb(verbs, "list", list_all, streams, "list invitations: id, email, state, organization, end")
    listed.add_argument("--org", metavar="ORG", help=f"those of an organization: {_ORG}")
    listed.add_argument("--email", help="those to this address")
    listed.add_argument("--state", choices=("pending", "accepted", "expired", "revoked"), help="those in this state")
    add_limit(listed)
    again = add_verb(
        verbs, "resend", resend, streams, "send the mail again", "Where the answer is lost it is not sent once more."
    )
    back = add_verb(verbs, "revoke", revoke, streams, "take an invitation back")
    for one in (again, back):
        one.add_argument("invitation", metavar="ID", help="the invitation's id")


def send(parsed: argparse.Namespace, streams: Streams) -> int:
    """Sends or finds the invitation, and prints it; or sends those of a file."""
    single = [f"--{name.replace('_', '-')}" for name in _SINGLE if getattr(parsed, name) is not None]
    if parsed.source is not None:
        if single:
            raise ConfigError(f"A file has columns of its own for that: leave out {single[0]}.", "contradiction")
        return import_.work(parsed, streams)
    if parsed.email is None:
        raise ConfigError("Whom? Name a file (invitations send FILE), or one address (--email ADDRESS).")
    sent = directory_of(parsed, streams).invitations.send(
        email=parsed.email,
        organization=parsed.org,
        role=parsed.role,
        expires_in_days=parsed.expires_in_days,
        inviter=parsed.inviter,
        locale=parsed.locale,
    )
    return show(sent, (*_FIELDS, "created"), parsed, streams)


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).invitations.list(
        organization=parsed.org, email=parsed.email, state=parsed.state, limit=parsed.limit
    )
    return show_all(found, ("id", "email", "state", "organization_id", "expires_at"), parsed, streams)


def resend(parsed: argparse.Namespace, streams: Streams) -> int:
    """Sends the mail again, and prints the invitation."""
    return show(directory_of(parsed, streams).invitations.resend(parsed.invitation), _FIELDS, parsed, streams)


def revoke(parsed: argparse.Namespace, streams: Streams) -> int:
    """Takes the invitation back, and prints it."""
    return show(directory_of(parsed, streams).invitations.revoke(parsed.invitation), _FIELDS, parsed, streams)
