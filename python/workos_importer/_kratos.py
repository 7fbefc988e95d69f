"""Owns Ory Kratos as a target: where its admin API is, and what identities are held to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native
from ._credentials import Key
from ._exceptions import ConfigError
from ._native import KratosSandbox
from ._options import checked_flag, checked_path, checked_url, shown_url

if TYPE_CHECKING:
    from ._native import Identities

#: Where Kratos' admin API is unless something else is said (Ory's documentation, `serve.admin.port`).
DEFAULT_ADMIN_URL = "http://127.0.0.1:4434"

#: The variables that say where it is, and the token of a proxy in front of it.
URL_VARIABLE = "KRATOS_ADMIN_URL"
TOKEN_VARIABLE = "KRATOS_ADMIN_TOKEN"

#: The most identities that one call takes (Kratos' OpenAPI document).
LARGEST_BATCH = 1_000

#: Options of an importer that Kratos has nothing for, and why.
NOTHING_FOR_IT = {
    "organization": "Kratos has no organizations",
    "update_passwords": "Kratos changes credentials by no patch. Send recovery links instead",
    "clear_empty": "an empty value leaves a trait as it is",
    "reactivate": "Kratos has no memberships",
    "require_membership": "Kratos has no memberships",
    "create_organizations": "Kratos has no organizations",
    "headroom": "Kratos documents no limit to leave a share of. Say how fast with rate_limit",
}

# Schemas and certificates are small, and lists have a line for each tenant; more is some other file by mistake.
_LARGEST_FILE = 4 << 20
_LARGEST_LIST = 64 << 20


class Kratos:
    """Ory Kratos, whose users are identities: the target of an `Importer`.

    >>> from workos_importer import Importer, Kratos, KratosSandbox
    >>> importer = Importer(target=Kratos(sandbox=KratosSandbox()))
    >>> importer.run([{"email": "ada@example.com", "role": "admin"}]).wait().created
    1
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        token: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        insecure_http: bool = False,
        sandbox: KratosSandbox | None = None,
        schema_id: str = "default",
        identity_schema: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        allowed_roles: Iterable[str] | os.PathLike[str] | None = None,
        allowed_tenants: Iterable[str] | os.PathLike[str] | None = None,
        random_password: bool = False,
        batch_size: int | None = None,
    ) -> None:
        """Checks the settings; opens no connection.

        - `base_url`: where the admin API is, without `/admin`; default `KRATOS_ADMIN_URL`, else
          `http://127.0.0.1:4434`. `http:` to other machines needs `insecure_http`. `ca_bundle`: a PEM file of
          certificates to trust beside the system's.
        - `token`: the bearer token that a proxy in front of it asks for; default `KRATOS_ADMIN_TOKEN`, else none is
          sent.
        - `sandbox`: a `KratosSandbox` in place of all that.
        - `schema_id`: the identity schema that identities are made with.
        - `identity_schema`: that schema, as a mapping or as the path of its JSON file, for checks without a connection;
          else an import asks the server for it, and a dry run says that traits are not checked.
        - `allowed_roles`, `allowed_tenants`: what the columns `role` and `tenant_id` may say, as texts or as the path
          (a `Path`) of a file with one on each line; default: anything.
        - `random_password`: who brings no password is given a random one that nobody sees, for servers that demand
          one. Identities without a password recover just as well.
        - `batch_size`: identities in one call at most; default and most is what the server takes: 1,000, and 200 of
          those whose password it has to hash. Halved while the server fails or becomes slow.

        Raises `ConfigError` for settings that cannot be used.
        """
        if sandbox is not None:
            _check_sandbox(sandbox, base_url, token)
        if not isinstance(schema_id, str) or not schema_id.strip():
            raise ConfigError("schema_id must be the id of an identity schema")
        if batch_size is not None and (
            isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= LARGEST_BATCH
        ):
            raise ConfigError(f"batch_size must be a whole number from 1 to {LARGEST_BATCH}, not {batch_size!r}")
        self._base_url = _checked_url(base_url, "The base URL")
        if base_url is None and sandbox is None:
            _checked_url(os.environ.get(URL_VARIABLE), URL_VARIABLE)
        # Not as it is: what shows an object's attributes must not show it.
        self._token = None if token is None else Key(_token(token, "token"), "token")
        self._ca_bundle = checked_path(ca_bundle, "ca_bundle")
        self._insecure_http = checked_flag(insecure_http, "insecure_http")
        self._sandbox = sandbox
        self._batch_size = batch_size
        self._identities: Identities = {
            "schema_id": schema_id.strip(),
            "schema": _schema(identity_schema),
            "allowed_roles": allowed(allowed_roles, "allowed_roles"),
            "allowed_tenants": allowed(allowed_tenants, "allowed_tenants"),
            "random_password": checked_flag(random_password, "random_password"),
        }

    @property
    def url(self) -> str:
        """Where the admin API is; `sandbox` with a sandbox."""
        if self._sandbox is not None:
            return "sandbox"
        return shown_url(self._base_url or os.environ.get(URL_VARIABLE) or DEFAULT_ADMIN_URL)

    @property
    def token_place(self) -> str | None:
        """Where the token comes from, such as `KRATOS_ADMIN_TOKEN`; None without one."""
        if self._sandbox is not None:
            return None
        if self._token is not None:
            return "token"
        return TOKEN_VARIABLE if os.environ.get(TOKEN_VARIABLE, "").strip() else None

    def __repr__(self) -> str:
        return f"Kratos(base_url={self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        if self._token is not None or self._sandbox is not None:
            raise TypeError(
                "A Kratos with a token or a sandbox is not pickled: a token must not travel. Set KRATOS_ADMIN_TOKEN "
                "where it works."
            )
        return self.__dict__.copy()

    def _connection(self) -> _native.Connection:
        """The way to the admin API. Raises `ConfigError` if the certificates cannot be read."""
        given = self._token
        token = os.environ.get(TOKEN_VARIABLE, "").strip() if given is None else given.reveal()
        certificates = None
        if self._ca_bundle is not None:
            certificates = _read(Path(self._ca_bundle), "CA bundle", "connection")
        return _native.Connection(self.url, token, certificates, self._insecure_http)

    def _target(self) -> _native.KratosTarget:
        """What the engine writes to."""
        place = self._sandbox if self._sandbox is not None else self._connection()
        return _native.KratosTarget(place, self._batch_size)


def checked_target(target: Kratos | None, rows: str, given: Mapping[str, object]) -> Kratos | None:
    """The Kratos that is written to; None: WorkOS. `given`: what is of WorkOS alone, by its name.

    Raises `ConfigError` for what is none, and for options that contradict it.
    """
    if target is None:
        return None
    if not isinstance(target, Kratos):
        raise ConfigError("target must be a Kratos, such as Kratos(base_url='http://127.0.0.1:4434')")
    if rows != "users":
        raise ConfigError(f"Kratos has no {rows}: its rows are identities", "contradiction")
    for name, value in given.items():
        if value is None or value is False:
            continue
        if name in NOTHING_FOR_IT:
            message = f"{name} is not for identities: {NOTHING_FOR_IT[name]}"
        else:
            message = (
                f"target and {name} contradict each other: {name} is for WorkOS; Kratos(…) has settings of its own"
            )
        raise ConfigError(message, "contradiction")
    return target


def _check_sandbox(sandbox: KratosSandbox, base_url: str | None, token: str | None) -> None:
    if not isinstance(sandbox, KratosSandbox):
        raise ConfigError("sandbox must be a KratosSandbox, such as KratosSandbox()")
    for name, value in (("base_url", base_url), ("token", token)):
        if value is not None:
            message = f"sandbox and {name} contradict each other: a sandbox needs neither token nor URL"
            raise ConfigError(message, "contradiction")


def _checked_url(url: str | None, named: str) -> str | None:
    """Where the admin API is, as it was given under this name. Raises `ConfigError` for what cannot be meant."""
    url = checked_url(url, named)
    if url is not None and (url.partition("://")[2] or url).rstrip("/").endswith("/admin"):
        without = url.rstrip("/").removesuffix("/admin")
        raise ConfigError(f"{named} must be without /admin, which each call adds. Write {without}", "connection")
    return url


def _token(text: str, place: str) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"{place} must be a text, not {type(text).__name__}")
    return text.strip()


def _schema(schema: Mapping[str, Any] | str | os.PathLike[str] | None) -> str | None:
    """A schema as JSON."""
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        return json.dumps(schema)
    if not isinstance(schema, str | os.PathLike):
        raise ConfigError(f"identity_schema must be a mapping or a path, not {type(schema).__name__}")
    path = Path(schema).expanduser()
    try:
        content = json.loads(_read(path, "identity schema", "identity_schema").decode("utf-8-sig"))
    except ValueError as error:
        raise ConfigError(f"The identity schema {path} is no JSON: {error}", "identity_schema") from None
    if not isinstance(content, dict):
        raise ConfigError(f"The identity schema {path} must be a JSON object", "identity_schema")
    return json.dumps(content)


def allowed(values: Iterable[str] | os.PathLike[str] | None, name: str) -> set[str] | None:
    """What a column may say; a file has one on each line, and lines that begin with # are comments."""
    if values is None:
        return None
    if isinstance(values, os.PathLike):
        path = Path(values).expanduser()
        try:
            lines = _read(path, f"file of {name}", "config", _LARGEST_LIST).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ConfigError(f"The file {path} of {name} is not UTF-8") from None
        values = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    elif isinstance(values, str):
        raise ConfigError(f'{name} must be several texts, such as ["admin", "user"], or a Path')
    elif not isinstance(values, Iterable):
        raise ConfigError(f'{name} must be several texts, such as ["admin", "user"], or a Path, not {values!r}')
    found = list(values)
    if not found or not all(isinstance(value, str) and value.strip() for value in found):
        raise ConfigError(f'{name} must be texts, such as ["admin", "user"], and at least one')
    return {value.strip() for value in found}


def _read(path: Path, what: str, kind: str, most: int = _LARGEST_FILE) -> bytes:
    """A whole file. Raises `ConfigError` if it cannot be read, or has more bytes than `most`."""
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"Cannot read the {what} {path}: {error.strerror}", kind) from None
    if len(content) > most:
        raise ConfigError(f"The {what} {path} is longer than {most >> 20} MiB: is it the right file?", kind)
    return content
