"""Owns how a target is found from what a caller gives: the key's places, the base URL, certificates, or a sandbox."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native
from ._credentials import Key, checked_sandbox, find_key, given_key
from ._exceptions import ConfigError
from ._options import base_url_of, checked_flag, checked_path, checked_url, shown_url

if TYPE_CHECKING:
    import os

    from ._kratos import Kratos
    from ._native import Sandbox

_log = logging.getLogger("workos_importer")


class Connecting:
    """What has a target. The key is looked for when it is needed, not before."""

    _key: Key | None
    _key_file: str | os.PathLike[str] | None
    _env_file: str | os.PathLike[str] | None
    _base_url: str | None
    _ca_bundle: str | os.PathLike[str] | None
    _insecure_http: bool
    _sandbox: Sandbox | None
    #: Written to in place of WorkOS.
    _kratos: Kratos | None = None

    def _connect_with(
        self,
        api_key: str | None,
        api_key_file: str | os.PathLike[str] | None,
        env_file: str | os.PathLike[str] | None,
        base_url: str | None,
        ca_bundle: str | os.PathLike[str] | None,
        insecure_http: bool,
        sandbox: Sandbox | None,
    ) -> None:
        """Keeps what was given. Raises `ConfigError` for what contradicts itself."""
        self._key = None if api_key is None else given_key(api_key)
        self._key_file = api_key_file
        self._env_file = env_file
        self._base_url = checked_url(base_url, "The base URL")
        self._ca_bundle = checked_path(ca_bundle, "ca_bundle")
        self._insecure_http = checked_flag(insecure_http, "insecure_http")
        self._sandbox = checked_sandbox(sandbox, api_key, api_key_file, base_url)

    def key_place(self) -> str | None:
        """Where the key comes from, such as `.env`; None with a sandbox, and for a Kratos without a token.

        Raises `ConfigError` as `run` does.
        """
        if self._kratos is not None:
            return self._kratos.token_place
        return None if self._sandbox is not None else self._found_key()[0].place

    def _place(self) -> str | None:
        """The URL that is written to, as it is shown; None with a sandbox."""
        sandbox = self._sandbox if self._kratos is None else self._kratos._sandbox
        return shown_url(self._url()) if sandbox is None else None

    def key_warnings(self) -> tuple[str, ...]:
        """What has to be said about the key's place, such as a `.env` that others can read."""
        return () if self._sandbox is not None or self._kratos is not None else self._found_key()[1]

    def _found_key(self) -> tuple[Key, tuple[str, ...]]:
        found = find_key(self._key, self._key_file, self._env_file)
        return found.key, found.warnings

    def _target(self) -> _native.Connection | Sandbox | _native.KratosTarget:
        if self._kratos is not None:
            return self._kratos._target()
        if self._sandbox is not None:
            return self._sandbox
        key, warnings = self._found_key()
        for warning in warnings:
            _log.warning(warning)
        return self._connection(key.reveal())

    def _connection(self, key: str) -> _native.Connection:
        return _native.Connection(self._url(), key, self._certificates(), self._insecure_http)

    def _url(self) -> str:
        return base_url_of(self._base_url) if self._kratos is None else self._kratos.url

    def _certificates(self) -> bytes | None:
        if self._ca_bundle is None:
            return None
        try:
            return Path(self._ca_bundle).expanduser().read_bytes()
        except OSError as error:
            raise ConfigError(f"Cannot read the CA bundle {self._ca_bundle}: {error.strerror}", "connection") from None

    def __getstate__(self) -> dict[str, Any]:
        if self._key is not None or self._sandbox is not None:
            raise TypeError(
                f"{type(self).__name__} with a key or a sandbox is not pickled: a key must not travel. Make it without "
                "api_key, and set WORKOS_API_KEY where it works."
            )
        return self.__dict__.copy()

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._kratos is not None:
            return f"{name}(target={self._kratos!r})"
        if self._sandbox is not None:
            return f"{name}(sandbox={self._sandbox!r})"
        return f"{name}(base_url={shown_url(self._url())!r})"
