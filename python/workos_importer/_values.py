"""Owns what becomes of values that are no plain text, number, boolean, list or mapping. Called by the native module."""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid

_AS_TEXT = (
    decimal.Decimal,
    uuid.UUID,
    pathlib.PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
)
_TIMES = (datetime.datetime, datetime.date, datetime.time)
# pandas' ways to say that there is no value; named, so that pandas is not imported.
_MISSING = ("NAType", "NaTType")


def plain(value: object) -> object:
    """The value as text, number, boolean, list or mapping; the value itself where it has no such form."""
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, _TIMES):
        return value.isoformat()
    if isinstance(value, _AS_TEXT):
        # Tables have Decimal("NaN") where there is no value.
        return None if isinstance(value, decimal.Decimal) and value.is_nan() else str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if type(value).__module__ == "numpy":
        # Scalars and arrays of numpy have their Python form in this.
        to_list = getattr(value, "tolist", None)
        if callable(to_list):
            return to_list()
    return value
