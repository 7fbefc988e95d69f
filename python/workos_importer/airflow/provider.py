"""Owns what Airflow is told about this package as a provider: the connection type and its form. Loads no Airflow."""

from __future__ import annotations

from typing import Any

#: The connection type, and what its form shows and calls things.
CONNECTION_TYPE = "workos"
HOOK_NAME = "WorkOS"
FORM: dict[str, Any] = {
    "hidden-fields": ["login", "schema", "port"],
    "relabeling": {"password": "Secret key", "host": "Base URL"},
    "placeholders": {
        "password": "sk_test_…",
        "host": "https://api.workos.com",
        "extra": '{"run_dir": "/mnt/shared/workos-runs", "headroom": "20%"}',
    },
}


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, as the entry point `apache_airflow_provider` gives it."""
    return {
        "package-name": "workos-importer",
        "name": "WorkOS importer",
        "description": "Makes a WorkOS directory match a file or rows: users, organizations, memberships, roles.",
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "workos_importer.airflow.hook.WorkOSHook",
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": FORM,
            }
        ],
    }
