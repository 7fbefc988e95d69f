"""Owns the hook: an importer made from an Airflow connection."""

from __future__ import annotations

import inspect
from typing import Any

from .. import ConfigError, Importer
from ._places import BaseHook
from .provider import CONNECTION_TYPE, FORM, HOOK_NAME

# What a connection's extras may say: options that belong to an environment, not to one import.
_EXTRAS = ("ca_bundle", "insecure_http", "rate_limit", "headroom", "concurrency", "give_up_after", "run_dir")


class WorkOSHook(BaseHook):
    """Makes importers from a connection of type `workos`.

    The secret key is the connection's password; the base URL its host (default `https://api.workos.com`). Its extras
    may have `run_dir`, `rate_limit`, `headroom`, `concurrency`, `give_up_after`, `ca_bundle` and `insecure_http`, as
    `Importer` takes them. Neither `.env` nor a default run folder is looked for: both depend on the worker's current
    folder.
    """

    conn_name_attr = "workos_conn_id"
    default_conn_name = "workos_default"
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, workos_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        """Takes the connection's id; reads the connection only when it is needed."""
        super().__init__(**kwargs)
        self.workos_conn_id = workos_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What the connection's form shows."""
        # Airflow writes these names with underscores here, and with dashes in a provider's metadata.
        return {name.replace("-", "_"): value for name, value in FORM.items()}

    def get_conn(self) -> Importer:
        """An importer with what the connection says."""
        return self.importer()

    def importer(self, **options: Any) -> Importer:
        """An importer with what the connection says, and these options of `Importer`; where both do, these count.

        Raises `ConfigError` for a connection without a key, extras that are not known, and options that cannot be used;
        and what Airflow raises where there is no such connection.
        """
        unknown = sorted(options.keys() - inspect.signature(Importer).parameters.keys())
        if unknown:
            raise ConfigError(f"Importer has no option {', '.join(unknown)}")
        return Importer(**{"env_file": None, **self.settings(), **options})

    def settings(self) -> dict[str, Any]:
        """What the connection says, as arguments of `Importer`; the key is among them."""
        connection = self.get_connection(self.workos_conn_id)
        if not connection.password:
            raise ConfigError(
                f"The connection {self.workos_conn_id} has no password: put the secret key there.", "key_missing"
            )
        return {"api_key": connection.password, "base_url": _base_url(connection), **self._extras(connection)}

    def test_connection(self) -> tuple[bool, str]:
        """Whether an import would work with this connection, by three small reads, and what to do if not."""
        try:
            report = self.importer().doctor()
        except ConfigError as error:
            return False, str(error)
        problems = [f"{check} {check.remedy or ''}".strip() for check in report.checks if check.status == "problem"]
        return report.ready, "Ready" if report.ready else "; ".join(problems)

    def _extras(self, connection: Any) -> dict[str, Any]:
        """The extras that say something. Forms give empty texts for what was left out, and texts for numbers."""
        found = {name: value for name, value in connection.extra_dejson.items() if value not in (None, "")}
        unknown = sorted(found.keys() - set(_EXTRAS))
        if unknown:
            raise ConfigError(
                f"The connection {self.workos_conn_id} has unknown extras: {', '.join(unknown)}. "
                f"Known are {', '.join(_EXTRAS)}."
            )
        if isinstance(found.get("insecure_http"), str):
            found["insecure_http"] = found["insecure_http"].strip().lower() in ("true", "1", "yes")
        if isinstance(found.get("concurrency"), str) and found["concurrency"].strip().isdecimal():
            found["concurrency"] = int(found["concurrency"])
        return found


def _base_url(connection: Any) -> str | None:
    """The host as a URL; `https` unless it says otherwise. None: the default."""
    host = (connection.host or "").strip()
    if not host:
        return None
    url = host if "://" in host else f"https://{host}"
    return f"{url.rstrip('/')}:{connection.port}" if connection.port else url
