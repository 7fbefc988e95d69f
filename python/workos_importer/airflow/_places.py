"""Owns where the names are that Airflow has moved: Airflow 3 first, then Airflow 2."""

from __future__ import annotations

try:
    from airflow.sdk import BaseHook, BaseOperator
except ImportError:
    from airflow.hooks.base import BaseHook
    from airflow.models import BaseOperator

try:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

__all__ = ["AirflowException", "AirflowFailException", "AirflowNotFoundException", "BaseHook", "BaseOperator"]
