"""Owns the types of the native module, written by hand and checked by stubtest. Only the façade uses it, but for
`Sandbox`, `KratosSandbox` and `SandboxServer`, which are public under `workos_importer`."""

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypedDict, final, type_check_only

from typing_extensions import Self

__all__ = [
    "Connection",
    "FoundRun",
    "Import",
    "Judging",
    "KratosSandbox",
    "KratosTarget",
    "Objects",
    "Recovering",
    "Sandbox",
    "SandboxServer",
    "Table",
    "Undoing",
    "__version__",
    "arrow_stream",
    "check_api",
    "check_connection",
    "check_options",
    "check_run_folder",
    "drain_logs",
    "dry_run",
    "end_waits",
    "find_run",
    "known_column",
    "recover",
    "recovery_left",
    "runs",
    "source_columns",
    "start",
    "undo",
    "undo_left",
    "validate",
]

__version__: str

@type_check_only
class Options(TypedDict):
    rows: str
    remove_permissions: bool
    org_id: str | None
    org_external_id: str | None
    org_name: str | None
    create_org_if_missing: bool
    on_existing: str
    update_passwords: bool
    clear_empty: bool
    reactivate: bool
    no_create_orgs: bool
    require_membership: bool
    strict: bool
    max_errors_count: int | None
    max_errors_percent: float | None
    mapping: list[tuple[str, str]]
    record_id: str | None
    concurrency: int | None
    rate_limit: tuple[int, float] | None
    headroom: float | None
    give_up_after: float | None
    # seconds since 1970
    stop_at: float | None
    errors_out: str | None
    results_out: str | None
    audit_file: str | None
    audit_beside: bool
    # given where the audit file is
    actor: str | None
    run_dir: str | None
    # with a live key, `asks` comes before anything is written, and waits
    asks_first: bool
    # the names of the caller's own rules; `judge` asks them
    rules: list[str]
    # of identities alone
    identities: Identities | None

@type_check_only
class Identities(TypedDict):
    schema_id: str
    # JSON
    schema: str | None
    allowed_roles: set[str] | None
    allowed_tenants: set[str] | None
    random_password: bool

# severity, code, message, record number, line, column, record id
_Issue: TypeAlias = tuple[str, str, str, int | None, int | None, str | None, str | None]
# record number; then record_number … membership_id as in the results; milliseconds since 1970; the error's parts; the
# record id
_Row: TypeAlias = tuple[Any, ...]
# `go_on` or `new` and None, or `resume` or `retry` and which run; whether the key may be another one
_Again: TypeAlias = tuple[str, str | None, bool]
# in the order of `Progress`; its last part in that of `Pace`
_Progress: TypeAlias = tuple[int, int, int | None, float | None, float | None, tuple[Any, ...] | None]

@final
class KratosTarget:
    """A Kratos as the engine takes it. `batch_size`: identities in one call at most."""

    def __new__(cls, place: Connection | KratosSandbox, batch_size: int | None) -> Self: ...

@final
class Table:
    """A table that is read piece by piece."""

    def __new__(cls) -> Self: ...
    def load(self, piece: object) -> None:
        """Begins with the next piece: an object with `__arrow_c_stream__` or `__arrow_c_array__`. Raises SourceError,
        and what the piece raises."""

    def is_used_up(self) -> bool:
        """Whether all rows were handed on; reads the next batch where one is wanted. Raises SourceError."""

    def columns(self) -> list[str]:
        """The names of the columns; none before the first batch was read."""

# mappings; a table with its next rows; or the names of columns, and for each of them the values of the next rows
_Rows: TypeAlias = list[Mapping[str, Any]] | Table | tuple[list[str], list[list[Any]]]
_Pull: TypeAlias = Callable[[], tuple[int, _Rows]]

@final
class Connection:
    """Where the API is, and the key, which never comes out again."""

    def __new__(cls, base_url: str, key: str, ca_bundle: bytes | None, insecure_http: bool) -> Self: ...

@final
class Objects:
    """The way to single objects of one environment."""

    def __new__(cls, target: Connection | Sandbox | KratosTarget) -> Self: ...
    def call(self, noun: str, verb: str, input: str) -> str:
        """Does one thing and waits for it, with the lock released. JSON in, JSON out.

        Raises `InputError`, `ConflictError`, `AuthError`, `APIError`, `InDoubtError`, and what a signal raises.
        """

@final
class Import:
    """An import that is under way. Dropping it stops the run at once."""

    def poll(self, most: int, timeout: float) -> list[tuple[str, Any]]:
        """Waits up to `timeout` seconds for events and returns up to `most` of them, with the lock released.

        Names: `asks`, `started` and `ended` (a dict), `warning` (an issue's parts), `row` (a row's parts), `want_rows`
        (True: from the first one again), `judge` (a `Judging`).
        """

    def feed(self, rows: _Rows, before: int) -> None:
        """Hands rows over, `before` came earlier; none mean the end. Raises SourceError for what is no row."""

    def feed_failed(self, message: str) -> None:
        """Says that the caller's rows ended with an error; ends the run."""

    def folder(self) -> str:
        """The run's folder."""

    def confirm(self, yes: bool) -> None:
        """Answers `asks`."""

    def halt(self, now: bool) -> None:
        """Asks the run to stop."""

    def tell_only_failures(self) -> None:
        """From now on rows that did not fail are not among the events."""

    def progress(self) -> _Progress:
        """Where the run is."""

    def pace(self, rate_limit: tuple[int, float] | None, headroom: float | None) -> None:
        """Keeps another pace from now on. Raises ConfigError, and RunError (`not_running`) when the run is over."""

    def report(self, path: str, receipt: str | None, redact: bool) -> None:
        """Writes the report on the run, also while it is under way."""

    def results(self, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Up to `limit` results after a record number. Raises JournalError."""

    def verified(
        self, after: int, limit: int
    ) -> list[tuple[int, int | None, str | None, str | None, Any, list[str], str | None, str | None]]:
        """Up to `limit` rows of a verification after a record number. Raises JournalError."""

    def extra(self, after: int, limit: int) -> list[tuple[int, str | None, str, str, str, list[str], bool]]:
        """Up to `limit` memberships after a place that no row names; the place comes first. Raises JournalError."""

    def answers(self, after: tuple[int, str], limit: int) -> list[tuple[tuple[int, str], str]]:
        """Up to `limit` lines of what the directory showed, after a place. Raises JournalError."""

    def save_plan(self, path: str) -> None:
        """Writes the plan into a file. Raises ConfigError."""

def arrow_stream(columns: list[tuple[str, Any]], pages: Iterator[list[tuple[Any, ...]]]) -> object:
    """A capsule with an Arrow C stream: names and kinds (`boolean`, `integer`, `text`, `texts`), and pages of rows."""

def source_columns(path: str, delimiter: str | None, encoding: str | None) -> list[str]:
    """The columns of a file; of NDJSON the keys of the first 1,000 records. Raises ConfigError or SourceError."""

def known_column(name: str) -> str | None:
    """The column of users that a name means."""

@final
class Judging:
    """Rows that the caller's own rules are to judge. Dropped without an answer, it ends the reading."""

    def rows(self) -> str:
        """The rows as JSON text: pairs of the record number and the values."""

    def answer(self, remarks: list[tuple[int, str, str, str, str | None]]) -> None:
        """Tells what the rules say: record number, severity, code, message, column. Raises ConfigError (`rule`)."""

    def fail(self, message: str) -> None: ...

def end_waits() -> None:
    """Ends the waiting of other threads, which the end of the interpreter would end in native code. Called at exit."""

def start(
    options: Options,
    path: str | None,
    can_rewind: bool | None,
    written: tuple[str | None, str | None],
    target: Connection | Sandbox | KratosTarget,
    what: tuple[_Again, tuple[str, str | None, bool, int | None]],
) -> Import:
    """Starts an import of a file (`path`; `written`: delimiter, encoding), or of rows (`can_rewind` is given).

    Or goes on with the run that `what` names first. What the source is read for comes second: `import`, `planned` (with
    the plan's file), `plan`, or `verify` (what no row names too; how many rows are drawn). Raises ConfigError,
    SourceError or RunError.
    """

# kind, record number, name, id, reason, more about it
_Left: TypeAlias = tuple[str, int | None, str | None, str | None, str, str | None]

@final
class Undoing:
    """A run that is being undone. Dropping it stops that at once; undoing the run again goes on."""

    def poll(self, timeout: float) -> dict[str, Any] | None:
        """Waits up to `timeout` seconds for the end; its figures, in the names of `UndoSummary`, are given once."""

    def halt(self, now: bool) -> None:
        """Asks for a stop."""

    def progress(self) -> tuple[int, int]:
        """Objects that are deleted or left so far, and all of them."""

    def place(self) -> tuple[str, str]:
        """The run's id, and its folder."""

def undo(
    options: Options, run: str, organizations: bool, target: Connection | Sandbox | KratosTarget, new_key: bool
) -> Undoing:
    """Begins to undo a run, or goes on with that. Raises ConfigError or RunError."""

def undo_left(folder: str, after: int, limit: int) -> tuple[int, list[_Left]]:
    """Up to `limit` of what undoing a run has left: where the next page begins, and the lines. Raises JournalError."""

@final
class Recovering:
    """A sending of recovery links. Dropping it stops that at once; sending again goes on."""

    def poll(self, timeout: float) -> tuple[Any, ...] | dict[str, Any] | None:
        """Waits up to `timeout` seconds for what is next: the parts of a `Recovery`, or the figures of the end once."""

    def settle(self, what: str, reason: str | None) -> None:
        """Says what became of what `poll` gave last, if nobody has said so yet."""

    def halt(self) -> None:
        """Asks for a stop, between two users."""

    def progress(self) -> tuple[int, int]:
        """Users who are settled so far, and all of them."""

    def place(self) -> tuple[str, str]:
        """The run's id, and its folder."""

def recover(
    options: Options,
    run: str,
    how: tuple[str, float, int],
    out: str | None,
    target: Connection | Sandbox | KratosTarget,
    new_key: bool,
) -> Recovering:
    """Begins to send to the users whom a run made without a password, or goes on. Raises ConfigError or RunError."""

def recovery_left(
    folder: str, after: int, limit: int
) -> tuple[int, list[tuple[int | None, str | None, str | None, str, str | None]]]:
    """Up to `limit` users who were handed nothing, or not for certain, and where the next page begins."""

@final
class FoundRun:
    """A run that was found on disk."""

    def info(self) -> dict[str, Any]:
        """What the run is, in the names of `RunInfo`; times as texts."""

    def record_id(self) -> str | None:
        """The column of its source that says what each row is called."""

    def summary(self) -> dict[str, Any]:
        """The figures, as the run's own summary has them. Raises JournalError."""

    def results(self, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Up to `limit` results after a record number. Raises JournalError."""

    def failed_rows(self, after: int, limit: int) -> list[tuple[int | None, tuple[Any, ...]]]:
        """Up to `limit` failed rows after a record number: the line, and a result. Raises JournalError."""

    def causes(self) -> list[dict[str, Any]]:
        """Why rows failed, in the names of `Cause`. Raises JournalError."""

    def report(self, path: str, receipt: str | None, redact: bool) -> None:
        """Writes the report on the run as one HTML file."""

    def export_results(self, path: str) -> None:
        """Writes every row's outcome into a file. Raises ConfigError."""

    def give_back_failed(self, path: str) -> dict[str, Any]:
        """Writes the failed rows into a file, as their owner wrote them, with what is wrong.

        Raises ConfigError, SourceError, SourceChangedError and JournalError.
        """

    def undo_plan(self, organizations: bool) -> dict[str, Any]:
        """What undoing it would do, in the names of `UndoPlan`. Raises RunError (`undone`) and JournalError."""
    def progress(self) -> _Progress | None:
        """Where the run is, as the process that works on it says; None if none does."""

    def pace(self, rate_limit: tuple[int, float] | None, headroom: float | None) -> _Progress | None:
        """Asks the process that works on the run for another pace, and waits a few seconds until it heard of it.

        Raises ConfigError, and RunError (`not_running`) if no process works on it.
        """

    def delete(self) -> None:
        """Removes the run's folder. Raises RunLockedError while somebody works on it."""

def runs(run_dir: str | None) -> list[FoundRun]:
    """All runs below a folder, the latest first."""

def find_run(run_dir: str | None, name: str) -> FoundRun:
    """The run of this name: an id, a unique beginning of one, or `latest`. Raises RunError (`no_run`)."""

def validate(
    options: Options,
    path: str | None,
    pull: _Pull | None,
    written: tuple[str | None, str | None, str | None],
    take: Callable[[list[_Issue]], None],
    judge: Callable[[Judging], None] | None,
) -> dict[str, Any]:
    """Checks a file, or the rows that `pull` gives; `take` gets lists of issues, `judge` rows for own rules.

    `written`: the file's delimiter and encoding, and where it is given back with its problems. Raises ConfigError and
    SourceError.
    """

def dry_run(
    options: Options,
    path: str | None,
    pull: _Pull | None,
    delimiter: str | None,
    encoding: str | None,
    take: Callable[[list[_Issue]], None],
    judge: Callable[[Judging], None] | None,
) -> dict[str, Any]:
    """The same check, and what an import would do."""

# name, standing, message, remedy, what was found, exit code
_Check: TypeAlias = tuple[str, Literal["ok", "unknown", "warning", "problem"], str, str | None, Any, int]

def check_connection(connection: Connection) -> list[_Check]:
    """Looks at the settings of a connection; opens none."""

def check_api(target: Connection | Sandbox | KratosTarget) -> list[_Check]:
    """Asks the API, with three reads."""

def check_run_folder(run_dir: str | None) -> _Check:
    """Makes a run in the folder of runs, and takes it away again."""

def check_options(options: Options) -> None:
    """Raises ConfigError if organization options contradict each other."""

def drain_logs() -> None:
    """Hands the engine's log records to the logger `workos_importer`."""

@final
class Sandbox:
    """A WorkOS environment in this process, with the API's codes, rules and limits, and faults on demand.

    Give it to `Importer(sandbox=…)`, or serve it over HTTP. The same settings and the same sequence of requests give
    the same answers.

    >>> from workos_importer import Importer, Sandbox
    >>> summary = Importer(sandbox=(sandbox := Sandbox())).run([{"email": "ada@example.com"}]).wait()
    >>> [user["email"] for user in sandbox.dump()["users"]]
    ['ada@example.com']
    """

    def __new__(
        cls,
        *,
        seed: int = 0,
        latency: float | tuple[float, float] | None = None,
        fault_rate: float = 0.0,
        faults: list[str] | None = None,
        limits: bool = True,
        strict_limits: bool = False,
        write_limit: tuple[int, float] | None = None,
        multiple_roles: bool = True,
        roles: list[str] | None = None,
        key: str | None = None,
        password_reset_quota: int | None = None,
    ) -> Self:
        """Makes an empty environment.

        - `seed`: where identifiers, faults and latencies are drawn from.
        - `latency`: seconds that a request takes, or the least and the largest.
        - `fault_rate`: the share of requests (0 to 1) that go wrong, in the ways of `faults` (default: all).
        - `limits=False`: no rate limit; `strict_limits`: refused requests count too.
        - `write_limit`: so many writes in so many seconds, in place of the documented limit, as of a larger plan.
        - `multiple_roles=False`: one role a membership. `roles`: the slugs there are; default admin and member.
        - `key`: the only key that is let in over HTTP; default: every key that begins with `sk_test_`.
        - `password_reset_quota`: so many password resets in 24 hours; more answer 429 `daily_quota_exceeded`.

        Raises `ConfigError` for settings that cannot be used.
        """

    def counters(self) -> dict[str, Any]:
        """Requests, answers, refusals and faults so far, and `mails`: how many were sent, by address and kind."""

    def dump(self) -> dict[str, Any]:
        """Everything there is, in the order of creation, without secrets, tokens and the values of keys.

        users, organizations, organization_memberships, roles, permissions, invitations, authentication_factors,
        api_keys and feature_flags.
        """

    def seed(self, method: str, path: str, body: Any = None) -> Any:
        """Makes or changes something directly, such as `seed("POST", "/user_management/users", {"email": …})`.

        Outside of keys, limits, faults and counters. Returns the API's answer.
        """

    def set_feature_flag(self, slug: str, *, organizations: list[str] | None = None, enabled: bool = True) -> None:
        """Makes a feature flag, or changes the one with this slug. The API can only list them.

        It is for the organizations with these ids (default: for all), and on only while it is `enabled`.
        """

    def sign_in(self, user_id: str) -> bool:
        """Lets a user sign in: the API shows `last_sign_in_at` from then on. False if there is no such user."""

    def fail_next(
        self, fault: str, *, method: str | None = None, path: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """Lets the next `times` requests whose method and path match go wrong, after `skip` that are let through.

        Faults: `429_seconds`, `429_seconds:5`, `429_date`, `429_none`, `500`, `502_html`, `503_empty`, `reset_before`,
        `reset_after`, `truncated_body`, `hang`, and `…_applied` where the write is carried out all the same. Raises
        `ConfigError` for another name.
        """

    def reset(self) -> None:
        """Empties the environment, counters included."""

    def serve(self, port: int = 0) -> SandboxServer:
        """Serves it on 127.0.0.1 until the server is closed; port 0 takes a free one.

        Raises `ConfigError` if the port is taken.
        """

@final
class KratosSandbox:
    """A stand-in for the admin API of Ory Kratos in this process: its codes, bodies and rules, and faults on demand.

    Serve it over HTTP. The same settings and the same sequence of requests give the same answers.

    >>> from workos_importer import KratosSandbox
    >>> sandbox = KratosSandbox()
    >>> made = sandbox.seed("POST", "/admin/identities", {"traits": {"email": "ada@example.com"}})
    >>> [identity["traits"] for identity in sandbox.dump()["identities"]]
    [{'email': 'ada@example.com'}]
    """

    def __new__(
        cls,
        *,
        seed: int = 0,
        latency: float | tuple[float, float] | None = None,
        latency_per_identity: float = 0.0,
        fault_rate: float = 0.0,
        faults: list[str] | None = None,
        token: str | None = None,
        identity_schema: Mapping[str, Any] | None = None,
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
        schemas_are_redirected: bool = False,
        batches: bool = True,
        failed_batches_are_refused: bool = True,
        conflicts_refuse_batches: bool = False,
        recovery_links: bool = True,
        recovery_codes: bool = True,
    ) -> Self:
        """Makes one without identities.

        - `seed`: where identifiers, faults and latencies are drawn from.
        - `latency`: seconds that a request takes, or the least and the largest; `latency_per_identity`: what each
          identity that it makes adds.
        - `fault_rate`: the share of requests (0 to 1) that go wrong, in the ways of `faults` (default: all).
        - `token`: the bearer token that is asked for, as by a proxy; default: none is.
        - `identity_schema`: the schema `default`, or `schemas` by their ids, the first for identities that name none.
          Default: email (which identifies), name, first_name, last_name, role and tenant_id, all of them texts.
        - `schemas_are_redirected`: the admin API sends those who ask for schemas on to the public API, as on a port of
          its own.
        - `batches=False`: there is no batch endpoint, as in older servers.
        - `failed_batches_are_refused=False`: a batch of which all fails answers 200 with an error for each.
        - `conflicts_refuse_batches`: one conflict refuses a whole batch with 409, as where Kratos uses MySQL.
        - `recovery_links=False`, `recovery_codes=False`: that way of recovery is switched off.

        Raises `ConfigError` for settings that cannot be used.
        """

    def counters(self) -> dict[str, Any]:
        """Requests, answers and faults so far, under the names of `Sandbox.counters`."""

    def dump(self) -> dict[str, Any]:
        """Everything there is, in the order of creation: `identities` and `recoveries`, without links and codes.

        An identity's `password` is None, `"password"`, or the kind of the hash that was given.
        """

    def seed(self, method: str, path: str, body: Any = None) -> Any:
        """Makes or changes something directly, such as `seed("POST", "/admin/identities", {"traits": {…}})`.

        Outside of the token, faults and counters. Returns the API's answer.
        """

    def sign_in(self, identity_id: str) -> bool:
        """Lets somebody sign in: the identity has a session from then on. False if there is no such identity."""

    def fail_next(
        self, fault: str, *, method: str | None = None, path: str = "", times: int = 1, skip: int = 0
    ) -> None:
        """Lets the next `times` requests whose method and path match go wrong, after `skip` that are let through.

        The faults are those of `Sandbox.fail_next`. Raises `ConfigError` for another name.
        """

    def reset(self) -> None:
        """Takes everything away, counters included."""

    def serve(self, port: int = 0) -> SandboxServer:
        """Serves it on 127.0.0.1 until the server is closed; port 0 takes a free one.

        Raises `ConfigError` if the port is taken.
        """

@final
class SandboxServer:
    """A sandbox on loopback. Use it in a `with` block, or close it.

    >>> from workos_importer import Importer, Sandbox
    >>> with Sandbox().serve() as server:
    ...     Importer(api_key="sk_test_1", base_url=server.url).run([{"email": "ada@example.com"}]).wait().created
    1
    """

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:8765`."""

    def close(self) -> None:
        """Stops listening."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> Literal[False]: ...
