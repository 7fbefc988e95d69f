"""Owns how a verb on a noun is asked of the engine, and how its answer is read, for both kinds of directory."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native
from ._connecting import Connecting
from ._exceptions import InputError
from ._objects import ApiKey, FeatureFlag, Membership, Role, _Object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._native import Sandbox

Found = TypeVar("Found", bound=_Object)

# Of these no call says that it made one.
_NEVER_MADE = (Role, FeatureFlag, ApiKey)
_PAGE = 100


class Asking(Connecting):
    """What both directories are: a target, and calls on single objects of it."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        env_file: str | os.PathLike[str] | None = ".env",
        base_url: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        insecure_http: bool = False,
        sandbox: Sandbox | None = None,
    ) -> None:
        """Takes what `Importer` takes to say where it writes to; reads no key before the first call.

        Raises `ConfigError` for options that contradict each other.
        """
        self._connect_with(api_key, api_key_file, env_file, base_url, ca_bundle, insecure_http, sandbox)
        self._native: _native.Objects | None = None
        self._process = 0

    @property
    def live(self) -> bool:
        """Whether the key is that of a live environment. Raises `ConfigError` where there is none."""
        return self._sandbox is None and not self._found_key()[0].reveal().startswith("sk_test_")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_native": None}

    def _ask(self, noun: str, verb: str, given: Mapping[str, Any]) -> Any:
        """Waits for the answer. Raises what the classes of exceptions say."""
        native = self._native
        if native is None or self._process != os.getpid():
            # A forked child makes connections of its own.
            native = self._native = _native.Objects(self._target())
            self._process = os.getpid()
        try:
            text = json.dumps(dict(given))
        except (TypeError, ValueError):
            raise InputError("Values must be texts, whole numbers, booleans, or lists of texts.") from None
        return json.loads(native.call(noun, verb, text))


def given(**values: Any) -> dict[str, Any]:
    """What was given of a verb's values."""
    return {name: value for name, value in values.items() if value is not None}


def texts(values: Iterable[str] | None) -> list[str]:
    """Several texts, of which one must not be taken for its letters."""
    if isinstance(values, str):
        raise InputError(f"A list of texts is expected, such as [{values!r}].")
    return [] if values is None else list(values)


def one(kind: type[Found], answer: Any) -> Found:
    """The object of an answer."""
    more = {} if issubclass(kind, _NEVER_MADE) else {"created": bool(answer.get("created"))}
    return kind._of(answer["object"], **more)


def page(kind: type[Found], answer: Any) -> list[Found]:
    """The objects of a page."""
    names = answer.get("names") or {}
    if not issubclass(kind, Membership):
        return [kind._of(item) for item in answer["items"]]
    return [
        kind._of(item, organization_name=names.get(item.get("organization_id")) or None) for item in answer["items"]
    ]


def was_deleted(answer: Any) -> bool:
    """Whether there was something to delete."""
    return answer["object"] is not None


def page_size(left: int | None) -> int:
    """How much is asked for where so much is still wanted."""
    return _PAGE if left is None else min(left, _PAGE)


def checked_limit(limit: int | None) -> int | None:
    """The most that is wanted. Raises `InputError` for what is none."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InputError("limit must be a whole number from 1 on.")
    return limit


def one_membership(membership: str | None, user: str | None, organization: str | None, **more: Any) -> dict[str, Any]:
    """How a membership is named: by its id, or by both of its sides."""
    return given(id=membership, user=user, organization=organization, **more)
