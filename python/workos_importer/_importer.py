"""Owns the importer: options and a target, from which validations and runs are made."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from . import _native
from ._checking import Checking
from ._comparing import IMPORT, Comparing, Purpose
from ._connecting import Connecting
from ._exceptions import ConfigError
from ._kratos import Kratos, checked_target
from ._mapping import ColumnMapping, columns_of, renaming_of
from ._native import Sandbox
from ._options import (
    OnExisting,
    Options,
    OrganizationRef,
    RowKind,
    checked_audit,
    checked_progress,
    path_of,
)
from ._results import Started
from ._rules import Rule, Rules
from ._runs import RunFolder
from ._runs_on_disk import RunsOnDisk
from ._sources import PathSource, RowsSource, Source, recognise

if TYPE_CHECKING:
    from ._audit import Auditing
    from ._display import Display
    from ._doctor import DoctorReport
    from ._recovery import Recovery, RecoveryMethod, RecoveryRun
    from ._run import ImportRun
    from ._undo import UndoRun

_log = logging.getLogger("workos_importer")
# Who does not set logging up sees nothing of it.
_log.addHandler(logging.NullHandler())


class Importer(Connecting, Checking, Comparing, RunsOnDisk):
    """Makes a WorkOS environment, or a Kratos, match what sources say. One importer can make any number of runs.

    >>> from workos_importer import Importer, Sandbox
    >>> Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}]).wait().created
    1
    """

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
        target: Kratos | None = None,
        rows: RowKind = "users",
        organization: OrganizationRef | None = None,
        on_existing: OnExisting = "skip",
        update_passwords: bool = False,
        clear_empty: bool = False,
        reactivate: bool = False,
        create_organizations: bool = True,
        require_membership: bool = False,
        remove_permissions: bool = False,
        strict: bool = False,
        max_errors: int | str | None = None,
        concurrency: int | None = None,
        rate_limit: str | tuple[int, float] | None = None,
        headroom: float | str | None = None,
        per_minute: float | None = None,
        give_up_after: float | str | timedelta | None = None,
        stop_at: str | datetime | time | None = None,
        mapping: ColumnMapping | None = None,
        rules: Iterable[Rule] | None = None,
        errors_out: str | os.PathLike[str] | None = None,
        results_out: str | os.PathLike[str] | None = None,
        audit_file: str | os.PathLike[str] | None = None,
        audit: Callable[[dict[str, Any]], object] | None = None,
        actor: str | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        confirm: Callable[[Started], bool] | None = None,
        progress: bool | None = None,
    ) -> None:
        """Checks the options; reads no key and opens no connection before `run`.

        Where it writes to:

        - `api_key`: the secret key; else `WORKOS_API_KEY`, `WORKOS_SECRET_KEY`, `api_key_file`, or `env_file` (default
          `.env` in the current folder; `None`: not looked at). Two different keys are refused.
        - `base_url`: default `WORKOS_API_URL`, else `https://api.workos.com`. `http:` is for this machine alone unless
          `insecure_http`. `ca_bundle`: a PEM file of certificates to trust beside the system's.
        - `sandbox`: a `Sandbox` in place of all that.
        - `target`: a `Kratos` to write to in place of WorkOS.

        What it writes:

        - `rows`: what the rows are about: `"users"`; `"organizations"`; `"memberships"` of users who are there;
          `"roles"` with their permissions; `"invitations"`; `"password-resets"`, for users who bring no password; or
          `"totp-factors"`. Each kind has columns of its own.
        - `organization`: all users are added to this one; without it the source's columns decide.
        - `on_existing`: what to do with users who are there: `"skip"` leaves their fields, `"update"` writes what the
          row says and differs, `"fail"` fails the row. Memberships are ensured with `skip` and `update`.
        - `update_passwords`: with `"update"`, passwords of users who are there are written too.
        - `clear_empty`: with `"update"`, an empty value (`None`, or a cell without text) clears its field: first and
          last name, name, metadata. Fields that a row leaves out stay as they are; emails, external ids, passwords,
          `email_verified` and roles are never cleared.
        - `reactivate`: inactive memberships are made active again.
        - `create_organizations=False`: a missing organization fails its rows, whether or not they name it.
        - `require_membership`: users that the run created and who end without a membership are deleted again.
        - `remove_permissions`: of roles, permissions that a row does not name are taken away.
        - `mapping`: the source's column names to ours, such as `{"E-Mail": "email"}`; the path of a TOML file with such
          a table `[mapping]`; or a function that gives our name, or None, for a name of the source's: `str.lower`.
        - `rules`: functions of your own that check each row, beside ours. One gets a row as a dict (our column names,
          others as the source has them; texts trimmed, blank cells None, secrets hidden), and returns None, or what is
          wrong: a text, an `Issue`, or several. `frame_rule` marks one that sees many rows at a time.

        How it goes:

        - `strict`: nothing is sent if any row fails its checks.
        - `max_errors`: the run stops after more failed rows than this: a number, or a share such as `"5%"`.
        - `concurrency`: the most requests in flight; default: as many as the limits can use.
        - `rate_limit`: writes in a period, such as `"500/10s"` or `(500, 10.0)`; default: the API's documented limit.
        - `headroom`: the share of the limit that is left to the application, such as `0.1` or `"10%"`; default 10 %
          for a live key, else 0.
        - `per_minute`: mails a minute, of invitations and password resets; default 60.
        - `give_up_after`: an API that is away is waited for; the run ends, and can go on later, after so long without a
          success: `"30min"` (the default), seconds, or a `timedelta`.
        - `stop_at`: no row is begun from this moment on, and the run ends: `"06:00"` (the next such moment, local
          time), `"2026-11-23T06:00"`, or a `time` or `datetime`.
        - `confirm`: called once before a run writes with a live key, with what it is about to do; where it does not
          return True, nothing is sent, and `summary.stopped.kind` is `declined`.
        - `progress`: whether a bar shows how far a run, a plan or a verification is while it is waited for; default: in
          notebooks. Elsewhere it is drawn on standard error.

        What it leaves behind:

        - `errors_out`, `results_out`: files for the failed rows, and for all rows (`.csv`, `.json`, `.jsonl`).
        - `audit_file`: a file that gets one JSON line for each user that is imported: which user, from which source,
          when, and by whom: `actor`, by default the name of who is logged in. Lines are only ever added to it.
        - `audit`: in place of such a file, a function that is called with each line as a dict, in the thread that waits
          for results. If it raises, the run stops, and what it raised is raised when that has ended; the next attempt
          goes on with the same line. After a kill a line can come twice, and none is ever left out.
        - `run_dir`: where run folders are made; default `WORKOS_IMPORTER_RUN_DIR`, else `.workos-importer/runs` in the
          current folder.

        Raises `ConfigError` for options that cannot be used or contradict each other.
        """
        of_workos = {
            "api_key": api_key,
            "api_key_file": api_key_file,
            "base_url": base_url,
            "ca_bundle": ca_bundle,
            "insecure_http": insecure_http,
            "sandbox": sandbox,
            "organization": organization,
            "update_passwords": update_passwords,
            "clear_empty": clear_empty,
            "reactivate": reactivate,
            "require_membership": require_membership,
            "create_organizations": not create_organizations,
            "headroom": headroom,
        }
        self._kratos = checked_target(target, rows, of_workos)
        self._connect_with(api_key, api_key_file, env_file, base_url, ca_bundle, insecure_http, sandbox)
        self._options = Options(
            rows=rows,
            remove_permissions=remove_permissions,
            per_minute=per_minute,
            organization=organization,
            on_existing=on_existing,
            update_passwords=update_passwords,
            clear_empty=clear_empty,
            reactivate=reactivate,
            create_organizations=create_organizations,
            require_membership=require_membership,
            strict=strict,
            max_errors=max_errors,
            concurrency=concurrency,
            rate_limit=rate_limit,
            headroom=headroom,
            give_up_after=give_up_after,
            stop_at=stop_at,
            mapping=mapping,
            errors_out=errors_out,
            results_out=results_out,
            audit_file=audit_file,
            audits=audit is not None,
            actor=actor,
            run_dir=run_dir,
        )
        self._rules = Rules(rules)
        self._native_options: _native.Options = {**self._options.to_native(), "rules": self._rules.names}
        if self._kratos is not None:
            self._native_options |= {"rows": "identities", "identities": self._kratos._identities}
        self._renaming = renaming_of(mapping)
        self._run_folder = RunFolder(run_dir)
        self._confirm = confirm
        self._audit = checked_audit(audit)
        self._progress = checked_progress(progress)
        _native.check_options(self._native_options)

    def run(
        self,
        source: Source,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        record_id: str | None = None,
        resume: bool = True,
        run_id: str | None = None,
        plan: str | os.PathLike[str] | None = None,
    ) -> ImportRun:
        """Starts an import and returns at once.

        A file that was imported before, with the same options into the same environment, goes on where that run
        stopped; if rows failed there, they are tried again; if all of it is done, nothing is sent, and the summary's
        `note` says so. `resume=False` begins a new run, whatever was before.

        `run_id` names the run (letters, digits, `.`, `-`, `_`), so that the next attempt of a task goes on with it:
        each row is then known by what it says in known columns (a keyed digest; equal rows are counted), in whatever
        order the rows come, and keeps the record number of its first reading. New rows are added to the run; rows that
        have left the source stay in its results. If the options or the environment have changed, it is a new run, with
        a number behind the name. Without `run_id`, rows of an iterable are always a new run.

        `plan`: a file that `plan(out=)` has written: the run does exactly that. A row whose user, organization or
        membership is not any more as it was then fails (`directory_moved`), and nothing is written for it.

        `source` is a path (`-` for standard input); a table of pandas, polars (also lazy), pyarrow or DuckDB, or
        anything with Arrow's PyCapsule interface, which is read in batches; or an iterable of mappings from column
        names to values, which is pulled lazily. `delimiter` (one character) and `encoding` (such as `windows-1252`)
        are told from the file unless given.

        `record_id` names the column that says what each row is called, such as `"crm_id"`; or `"index"`, for the index
        of a pandas frame. Results, errors and issues have it beside the record number.

        Raises `ConfigError` (no key, contradictions, no place for the run's folder or files), `SourceError` (the
        source as a whole cannot be read) and `RunLockedError` (another process works on the run). Of rows, the columns
        are known only later: what is wrong with them raises when results are waited for.
        """
        if run_id is not None and not isinstance(run_id, str):
            raise ConfigError(f"run_id must be a text, not {type(run_id).__name__}")
        again = ("go_on" if resume else "new", run_id, False)
        purpose = IMPORT if plan is None else ("planned", path_of(plan), False, None)
        return self._start(recognise(source, record_id), (delimiter, encoding), again, purpose, record_id)

    def resume(self, run: str = "latest", *, source: Source | None = None, new_key: bool = False) -> ImportRun:
        """Goes on with a run that did not come to its end, and returns at once.

        `run` is an id, a unique beginning of one, or `"latest"`. Its file is read again; `source` is another place of
        the same file, or the rows themselves where the run was begun with rows. The options that shape the result are
        the run's own, all others are this importer's. `new_key`: the run was begun with another key of the same
        environment (after a key rotation).

        Raises `RunError` (`no_run`), `SourceChangedError` (the source, the key or the base URL is another one, or the
        rows came from standard input, or from a program and `source` is not given), `RunLockedError`, and what `run`
        raises. Rows of a program are compared one by one as they are read: where the run had read all of its rows, the
        first one that is not among them ends it with `SourceChangedError` when results are waited for.
        """
        return self._start(self._given(source, run), (None, None), ("resume", run, new_key))

    def retry(self, run: str = "latest", *, source: Source | None = None, new_key: bool = False) -> ImportRun:
        """Tries the failed rows of a run again, and returns at once. Takes and raises what `resume` does."""
        return self._start(self._given(source, run), (None, None), ("retry", run, new_key))

    def undo(self, run: str = "latest", *, organizations: bool = False, new_key: bool = False) -> UndoRun:
        """Takes back what a run created, and nothing else; returns at once.

        Each user and membership that the run made for certain is looked at, and deleted in the next moment. Left, and
        listed, are: users who have signed in since, who were changed by others, who have memberships that are not the
        run's, with their memberships; what is only inferred to be the run's; what the run changed of what was there
        before. `organizations`: those that the run made are deleted too, if they are empty. What stops in between goes
        on when the run is undone again. `new_key` as in `resume`. Of this importer's options those count that say how
        fast, and where runs are.

        Looking and deleting are two calls: what happens between them is not seen.

        Raises `ConfigError` (no key, another key, another environment), `RunError` (`no_run`, `undone`) and
        `RunLockedError` (a process works on the run).
        """
        from ._undo import UndoRun

        return UndoRun(_native.undo(self._native_options, run, organizations, self._target(), new_key))

    def recover(
        self,
        run: str = "latest",
        *,
        out: str | os.PathLike[str] | None = None,
        on_recovery: Callable[[Recovery], object] | None = None,
        method: RecoveryMethod = "link",
        expires_in: float | str | timedelta = "1h",
        per_minute: int = 60,
        new_key: bool = False,
    ) -> RecoveryRun:
        """Hands over what lets the users set a password whom a run created without one; returns at once.

        Users who were there before the run get nothing. One after another is looked up, a link is made when its turn
        comes, evenly `per_minute`, and goes

        - into `out`, a file for the mail provider (`.csv`, else one JSON object a line; for its owner only), which is
          only added to: each user is in it once, however often the sending is killed;
        - or to `on_recovery`, which is called with a `Recovery` in the thread that waits. What it raises is noted as
          `failed`, and that user is tried again by the next sending. A user who was being handed over in the moment of
          a kill is `in_doubt` (also where it raises `InDoubtError`), and is never handed over again.

        `method`: `"link"`, or `"code"`, a code and the link of the page where it is typed in: whichever the server has
        switched on. `expires_in`: `"12h"`, seconds, or a `timedelta`. What stops in between goes on when it is called
        again. `run` and `new_key` as in `resume`.

        Raises `ConfigError` (no key, another environment, a file that holds something else), `RunError` (`no_run`) and
        `RunLockedError` (a process works on the run).
        """
        from ._recovery import RecoveryRun, Sending

        how, path = Sending(out, on_recovery, method, expires_in, per_minute).to_native()
        native = _native.recover(self._native_options, run, how, path, self._target(), new_key)
        return RecoveryRun(native, on_recovery)

    def _start(
        self,
        source: PathSource | RowsSource | None,
        written: tuple[str | None, str | None],
        again: tuple[str, str | None, bool],
        purpose: Purpose = IMPORT,
        record_id: str | None = None,
    ) -> ImportRun:
        """Starts a run; without a source it is the one that the named run was begun with."""
        path = source.path if isinstance(source, PathSource) else None
        rows = source if isinstance(source, RowsSource) else None
        can_rewind = None if rows is None else rows.can_rewind
        # Who only checks a source does not wait for it to be loaded.
        from ._desk import Desk
        from ._run import ImportRun

        options = self._options_for(source, written, record_id)
        options["asks_first"] = self._confirm is not None
        target = self._target()
        native = _native.start(options, path, can_rewind, written, target, (again, purpose))
        desk = Desk(native, rows, self._confirm, self._rules, self._auditing(native, purpose))
        return ImportRun(native, desk, self._display(purpose))

    def _auditing(self, native: _native.Import, purpose: Purpose) -> Auditing | None:
        if self._audit is None or purpose[0] not in ("import", "planned"):
            return None
        from ._audit import Auditing

        return Auditing(self._audit, native.folder())

    def _display(self, purpose: Purpose) -> Display | None:
        # Who wants no bar and is in no notebook does not wait for it to be loaded.
        if self._progress is False or (self._progress is None and "IPython" not in sys.modules):
            return None
        from ._display import chosen

        display = chosen(self._progress)
        if display is not None:
            display.sums_up = purpose[0] in ("import", "planned")
        return display

    def _options_for(
        self,
        source: PathSource | RowsSource | None,
        written: tuple[str | None, str | None],
        record_id: str | None,
    ) -> _native.Options:
        """The options with what is said of this source: its record id, and a function's names for its columns."""
        if record_id is not None and (not isinstance(record_id, str) or not record_id.strip()):
            raise ConfigError("record_id must be the name of a column.")
        options: _native.Options = {**self._native_options, "record_id": record_id}
        if self._renaming is not None and source is not None:
            if isinstance(source, RowsSource):
                options["mapping"] = source.rename(self._renaming)
            else:
                options["mapping"] = self._renaming.pairs(columns_of(source.path, *written))
        return options

    def _given(self, source: Source | None, run: str) -> PathSource | RowsSource | None:
        """The source of a run that goes on; the run knows what its rows are called by."""
        return None if source is None else recognise(source, self._run_folder.record_id(run))

    def doctor(self) -> DoctorReport:
        """Looks whether an import would work from here, with three small reads; leaves nothing behind."""
        from ._doctor import examine

        return examine(self._sandbox, self._found_key, self._connection, self._run_folder.path, self._kratos)
