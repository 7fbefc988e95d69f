"""Owns what the commands about single objects share: verbs, how objects are printed, and who may delete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._credentials import find_key
from .._directory import Directory
from .._exceptions import ConfigError, InputError
from .consent import attended
from .parser import Refused, whole_number
from .run_flags import add_connection
from .target_flags import sandbox_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from .._objects import _Object
    from .parser import Commands, Parser
    from .streams import Streams

#: What every verb ends with.
EXIT_CODES = (
    "Exit codes: 0 it is so now; 1 another object stands in the way; 2 usage, configuration, or no such object; "
    "3 the key is refused; 4 the API is away, or the answer was lost and nothing tells what became of it; 130, 143 "
    "interrupted."
)

Work = Any  # takes what was parsed and the streams, and returns the exit code


def verbs_of(parser: Parser) -> Commands:
    """The verbs of a noun, to be added one by one."""
    return parser.add_subparsers(title="verbs", metavar="VERB", required=True)


def add_verb(
    verbs: Commands,
    name: str,
    work: Callable[[argparse.Namespace, Streams], int],
    streams: Streams,
    text: str,
    more: str = "",
) -> Parser:
    """Adds a verb with the flags that all have."""
    description = f"{text[0].upper()}{text[1:]}. {more}".strip()
    parser: Parser = verbs.add_parser(name, streams=streams, help=text, description=description, epilog=EXIT_CODES)
    add_connection(parser)
    parser.add_argument(
        "--api-key",
        action=Refused,
        nargs="?",
        reason="a key on the command line can be read by everybody on this machine. Set WORKOS_API_KEY, write it into "
        ".env, or use --api-key-file",
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="ask a sandbox in this process, which is empty: no key needed"
    )
    parser.add_argument("--json", action="store_true", help="print the API's own object; of a list, one object a line")
    parser.set_defaults(work=work)
    return parser


def add_limit(parser: Parser) -> None:
    """The flag of lists."""
    parser.add_argument("--limit", metavar="N", type=whole_number(1), help="the first N alone; default: all")


def add_yes(parser: Parser) -> None:
    """The flag of what cannot be taken back."""
    parser.add_argument("--yes", action="store_true", help="needed with a live key: deleting cannot be undone")


def add_metadata(parser: Parser, text: str = 'a JSON object of texts, such as \'{"plan": "pro"}\'') -> None:
    """The flag of what has metadata."""
    parser.add_argument("--metadata", metavar="JSON", help=text)


def metadata_of(parsed: argparse.Namespace) -> dict[str, str] | None:
    """The metadata that was given. Raises `InputError` if it is no object of texts."""
    if parsed.metadata is None:
        return None
    try:
        found = json.loads(parsed.metadata)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise InputError('--metadata must be a JSON object whose values are texts, such as {"plan": "pro"}')
    return found


def directory_of(parsed: argparse.Namespace, streams: Streams) -> Directory:
    """The directory that is meant. Says what has to be said about the key's place."""
    directory = Directory(
        sandbox=sandbox_of(parsed),
        api_key_file=parsed.api_key_file,
        base_url=parsed.base_url,
        ca_bundle=parsed.ca_bundle,
        insecure_http=parsed.insecure_http,
    )
    for warning in directory.key_warnings():
        streams.note(f"Warning: {warning}")
    return directory


def may_delete(directory: Directory, parsed: argparse.Namespace) -> None:
    """Raises `ConfigError` where a live environment would lose something that nobody has said yes to."""
    if parsed.yes or not directory.live:
        return
    place = find_key(None, parsed.api_key_file).key.place
    again = "Add --yes" if attended() else "There is nobody to ask: add --yes"
    raise ConfigError(f"This is a LIVE environment (key from {place}), and deleting cannot be undone. {again}.")


def show(found: _Object, names: Iterable[str], parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints one object: the API's own, or a line for each of these fields."""
    if parsed.json:
        streams.result(json.dumps(found.raw))  # type: ignore[attr-defined]  # every object has it
    else:
        streams.result("\n".join(f"{name}: {shown(getattr(found, name))}".rstrip() for name in names))
    return 0


def show_all(found: Iterable[_Object], names: Iterable[str], parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints a list as it comes: one object a line."""
    names = tuple(names)
    count = 0
    for count, each in enumerate(found, 1):  # noqa: B007 - how many there were is said afterwards
        if parsed.json:
            streams.result(json.dumps(each.raw))  # type: ignore[attr-defined]
        else:
            streams.result("  ".join(shown(getattr(each, name)) or "-" for name in names))
    if count == 0 and not parsed.json:
        streams.note("There is none.")
    return 0


def show_deleted(name: str, noun: str, deleted: bool, parsed: argparse.Namespace, streams: Streams) -> int:
    """Says what became of a delete."""
    if parsed.json:
        streams.result(json.dumps({"deleted": deleted}))
    elif deleted:
        streams.note(f"The {noun} {name} is deleted.")
    else:
        streams.note(f"There is no {noun} {name} (any more): nothing to delete.")
    return 0


def shown(value: object) -> str:
    """A field as text, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(str(getattr(one, "domain", one)) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).split())
