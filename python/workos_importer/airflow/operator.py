"""Owns the operator: an import as a task, which another attempt goes on with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .. import ConfigError, ImporterError, OrganizationRef
from .._pipelines import (
    FailOn,
    Follower,
    checked_fail_on,
    figures,
    is_final,
    judge,
    looks_temporary,
    organization_of,
    run_folder,
    run_name,
)
from ._places import AirflowFailException, AirflowNotFoundException, BaseOperator
from .hook import WorkOSHook

if TYPE_CHECKING:
    from .. import Importer, ImportRun, Summary

# Airflow 3 kills a task five seconds after it has asked it to end.
_SECONDS_TO_STOP = 3.0
# Options of `Importer` that have a place of their own, or none in a task.
_FROM_CONNECTION = {"api_key", "api_key_file", "env_file", "base_url", "sandbox", "confirm"}
_FROM_TASK = {"organization", "run_dir", "errors_out", "results_out"}


class WorkOSImportOperator(BaseOperator):
    """Makes a WorkOS environment match a file, or rows that a function gives.

    Its run is named after dag, task, logical date and map index, in a run folder that every worker sees: another
    attempt of the task, and the task once it is cleared, go on with it and send only what is left. Stopped (from the
    interface, by a timeout, by a worker that is drained), it lets what is in flight end, for three seconds at most.

    Returns the run's figures (counts, run, folder), for XCom; rows never go there.

    Raises `AirflowFailException`, so that no attempt is wasted, where another attempt would end in the same way: wrong
    options, a key that is refused, a file that is no file of users, rows that are wrong by themselves. All else can be
    tried again.
    """

    template_fields: Sequence[str] = (
        "source",
        "op_args",
        "op_kwargs",
        "organization",
        "run_name",
        "run_dir",
        "errors_out",
        "results_out",
        "report_out",
        "importer_options",
        "workos_conn_id",
    )
    template_fields_renderers = {"op_kwargs": "py", "organization": "json", "importer_options": "json"}  # noqa: RUF012  # as in Airflow
    # The function is not copied with the operator: some cannot be.
    shallow_copy_attrs: Sequence[str] = ("python_callable", "op_kwargs")
    ui_color = "#eceaff"

    def __init__(
        self,
        *,
        source: str | os.PathLike[str] | None = None,
        python_callable: Callable[..., Any] | None = None,
        op_args: Sequence[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        workos_conn_id: str = WorkOSHook.default_conn_name,
        organization: OrganizationRef | Mapping[str, Any] | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        run_name: str | None = None,
        errors_out: str | os.PathLike[str] | None = None,
        results_out: str | os.PathLike[str] | None = None,
        report_out: str | os.PathLike[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        importer_options: Mapping[str, Any] | None = None,
        fail_on: FailOn = "any",
        progress_every: float = 30.0,
        **kwargs: Any,
    ) -> None:
        """Takes what is imported, where to, and when the task has failed.

        - `source`: a path, often a template. Or `python_callable`: a function that returns rows or a path; it is called
          with `op_args`, `op_kwargs`, and what it names of the task's context.
        - `workos_conn_id`: a connection of type `workos`.
        - `organization`: all users are added to this one: an `OrganizationRef`, or a mapping with its parts.
        - `run_dir`: where runs are kept; else the connection's extra `run_dir`, else `WORKOS_IMPORTER_RUN_DIR`.
        - `run_name`: another name than that of dag, task, logical date and map index.
        - `errors_out`, `results_out`, `delimiter`, `encoding`: as in `Importer` and its `run`.
        - `report_out`: a file for the report (HTML), as `ImportRun.report` writes it, however the run ended.
        - `importer_options`: all other options of `Importer`, such as `{"on_existing": "update"}`.
        - `fail_on`: the task fails if `"any"` row has failed, never because of rows (`"none"`), or if more than a share
          of them has, such as `0.05`. Rows that were not reached fail it in any case.
        - `progress_every`: seconds between two lines on progress in the log.

        Raises `ConfigError` unless exactly one of `source` and `python_callable` is given, and for a `fail_on` that is
        none.
        """
        super().__init__(**kwargs)
        if (source is None) == (python_callable is None):
            raise ConfigError("Give a source or a python_callable, one of the two.", "contradiction")
        self.source = source
        self.python_callable = python_callable
        self.op_args = op_args or ()
        self.op_kwargs = op_kwargs or {}
        self.workos_conn_id = workos_conn_id
        # A mapping: Airflow looks for templates in its values, and not in those of other objects.
        self.organization = asdict(organization) if isinstance(organization, OrganizationRef) else organization
        self.run_dir = run_dir
        self.run_name = run_name
        self.errors_out = errors_out
        self.results_out = results_out
        self.report_out = report_out
        self.delimiter = delimiter
        self.encoding = encoding
        self.importer_options = importer_options
        self.fail_on = checked_fail_on(fail_on)
        self.progress_every = progress_every
        self._follower: Follower | None = None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the import to its end; gives the run's figures."""
        follower = Follower(self.log.info, self.log.warning, self.progress_every, self.report_out)
        self._follower = follower
        importer: Importer | None = None
        run: ImportRun | None = None
        try:
            importer = self._importer()
            source = self._path() if self.python_callable is None else self._called(context)
            run = importer.run(source, run_id=self._name(context), delimiter=self.delimiter, encoding=self.encoding)
            summary = follower.follow(run)
            found = figures(summary, follower.report)
            self._judge(summary, found, context)
            return found
        except AirflowNotFoundException as error:
            raise AirflowFailException(str(error)) from error
        except ImporterError as error:
            if is_final(error, importer, run):
                raise AirflowFailException(str(error)) from error
            raise

    def on_kill(self) -> None:
        """Stops the import: what is in flight ends. Returns at once; `execute` waits."""
        if self._follower is not None:
            self.log.info("Stopping: what is in flight ends, and the next attempt goes on.")
            self._follower.stop(_SECONDS_TO_STOP)

    def _importer(self) -> Importer:
        hook = WorkOSHook(self.workos_conn_id)
        settings = hook.settings()
        folder = run_folder(self.run_dir, settings.get("run_dir"))
        warning = looks_temporary(folder)
        if warning is not None:
            self.log.warning(warning)
        more = dict(self.importer_options or {})
        elsewhere = sorted(more.keys() & (_FROM_CONNECTION | _FROM_TASK))
        if elsewhere:
            raise ConfigError(f"importer_options cannot have {', '.join(elsewhere)}: the connection or the task has it")
        return hook.importer(
            organization=organization_of(self.organization),
            run_dir=folder,
            errors_out=self.errors_out,
            results_out=self.results_out,
            **more,
        )

    def _path(self) -> str | os.PathLike[str]:
        if not isinstance(self.source, str | os.PathLike):
            raise ConfigError(
                f"source must be a path, not of type {type(self.source).__name__}. Rows come from a python_callable: "
                "what is in source is kept in Airflow's database, and shown."
            )
        return self.source

    def _called(self, context: Mapping[str, Any]) -> Any:
        """What the function returns: it gets its own arguments, and those of the context that it names."""
        function = self.python_callable
        assert function is not None
        given = dict(self.op_kwargs)
        parameters = inspect.signature(function).parameters.values()
        named = {one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            named |= set(context)
        # What is given by its place must not be given by its name too.
        named -= {one.name for one in list(parameters)[: len(self.op_args)]}
        return function(*self.op_args, **{name: context[name] for name in named if name in context} | given)

    def _name(self, context: Mapping[str, Any]) -> str:
        """The run's name. Where there is no logical date (some runs of Airflow 3) the dag run's id stands for it."""
        if self.run_name:
            return self.run_name
        instance = context["ti"]
        moment = context.get("logical_date")
        when = _compact(moment) if isinstance(moment, datetime) else context["run_id"]
        index = getattr(instance, "map_index", -1)
        return run_name(self.dag_id, self.task_id, when, index if index is not None and index >= 0 else None)

    def _judge(self, summary: Summary, found: dict[str, Any], context: Mapping[str, Any]) -> None:
        """Fails the task if it has failed; its figures go to XCom then too, for callbacks and later tasks."""
        for line in str(summary).splitlines():
            self.log.info(line)
        try:
            judge(summary, self.fail_on)
        except ImporterError:
            context["ti"].xcom_push(key="return_value", value=found)
            raise
        # The error of a task that fails names them; those of one that does not are told all the same.
        for row in summary.first_failures:
            self.log.warning("Record %s, %s: %s", row.record_number, row.email, row.error and row.error.message)


def _compact(moment: datetime) -> str:
    text = moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S")
    return f"{text}.{moment.microsecond:06}Z" if moment.microsecond else f"{text}Z"
