"""Owns `workos-importer import`: the main job, and its dry run."""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .._importer import Importer
from .._native import Sandbox
from .flags import add_foreign, add_organization, add_source, note_foreign, organization_of, source_of
from .interrupts import STOPPING, Interrupts
from .parser import rate_limit, share, whole_number
from .progress import Silence, chosen, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._results import Issue, Summary
    from .parser import Commands, Parser
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "import",
        streams=streams,
        help="import users, organizations and memberships",
        description="Makes WorkOS match the file. Importing the same file again changes nothing that is in.",
        epilog="Exit codes: 0 every row is in; 1 rows failed, or there were none; 2 usage, configuration, unreadable "
        "file; 3 the key is refused; 4 stopped before the end; 130, 143 interrupted.",
    )
    add_source(parser)
    add_organization(parser)
    _add_behaviour(parser)
    _add_connection(parser)
    _add_output(parser)
    add_foreign(parser)
    parser.set_defaults(work=work)


def _add_behaviour(parser: Parser) -> None:
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--on-existing",
        choices=("skip", "update", "fail"),
        default="skip",
        help="users who are there: leave their fields (default), write what differs, or fail the row",
    )
    group.add_argument("--update-passwords", action="store_true", help="with --on-existing update: passwords too")
    group.add_argument("--reactivate", action="store_true", help="make inactive memberships active again")
    group.add_argument(
        "--require-membership", action="store_true", help="delete users of this run who end without a membership"
    )
    group.add_argument("--dry-run", action="store_true", help="check the file and say what would happen; offline")
    group.add_argument("--strict", action="store_true", help="send nothing if any row fails its checks")
    group.add_argument("--max-errors", metavar="N|P%", help="stop after more failed rows than this")
    group.add_argument(
        "--concurrency", metavar="N", type=whole_number(1), help="most requests in flight; default: found"
    )
    group.add_argument("--rate-limit", metavar="N/TIME", type=rate_limit, help="writes in a time; default 500/10s")
    group.add_argument(
        "--headroom", metavar="P%", type=share, help="left to the application; default 10%% for live keys"
    )
    group.add_argument("--no-resume", action="store_true", help="begin a new run, whatever was before")
    group.add_argument("--yes", action="store_true", help="ask nothing")


def _add_connection(parser: Parser) -> None:
    group = parser.add_argument_group(
        "connection", "The key comes from WORKOS_API_KEY, WORKOS_SECRET_KEY, --api-key-file or .env in this folder."
    )
    group.add_argument("--api-key-file", metavar="FILE", help="a file that holds the key")
    group.add_argument("--base-url", metavar="URL", help="default WORKOS_API_URL, else https://api.workos.com")
    group.add_argument("--ca-bundle", metavar="FILE", help="PEM certificates to trust beside the system's")
    group.add_argument("--insecure-http", action="store_true", help="allow http: to other machines")
    group.add_argument("--sandbox", action="store_true", help="write into a sandbox in this process: no key needed")


def _add_output(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--errors-out", "--errors", metavar="FILE", help="failed rows: .csv, .json, else JSON lines")
    group.add_argument("--results-out", metavar="FILE", help="all rows: .json, .jsonl, else CSV")
    group.add_argument("--quiet", action="store_true", help="print the summary alone")
    group.add_argument("--json", action="store_true", help="print the summary as JSON")
    group.add_argument(
        "--progress",
        choices=("auto", "plain", "json"),
        default="auto",
        help="what is printed meanwhile; json: one object a line",
    )
    group.add_argument(
        "--run-dir", metavar="FOLDER", help="default WORKOS_IMPORTER_RUN_DIR, else .workos-importer/runs"
    )


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Does what the flags say and returns the exit code."""
    source = source_of(parsed, streams)
    if parsed.quiet and parsed.progress == "json":
        raise ConfigError("--quiet and --progress json contradict each other.", "contradiction")
    note_foreign(parsed, streams)
    importer = _importer(parsed)
    if parsed.dry_run:
        return _dry_run(importer, source, parsed, streams)
    place = importer.key_place()
    reporter = chosen(parsed.progress, parsed.quiet, streams, "SANDBOX" if parsed.sandbox else "TEST", place)
    for warning in importer.key_warnings():
        reporter.warn(warning)
    return follow(importer, source, parsed, reporter, streams)


def follow(importer: Importer, source: str, parsed: argparse.Namespace, reporter: Silence, streams: Streams) -> int:
    """Runs the import, reports what happens, prints the summary and returns the exit code."""
    with _killable(source == "-"):
        run = importer.run(source, delimiter=parsed.delimiter, encoding=parsed.encoding)
    said = False
    with Interrupts(run) as interrupts:
        try:
            while not run.ended:
                for event in run.poll(0.1):
                    reporter.tell(event)
                if interrupts.count and not said and not run.ended:
                    said = True
                    reporter.say(STOPPING)
        finally:
            reporter.end()
    summary = run.summary
    streams.result(document("summary", summary.to_dict()) if parsed.json else str(summary))
    _close(summary, reporter, streams)
    return interrupts.exit_code(summary.exit_code)


def _close(summary: Summary, reporter: Silence, streams: Streams) -> None:
    """What is said after the summary: why it stopped, and where to look next."""
    if summary.stopped is not None:
        streams.error(summary.stopped.message)
    if summary.differing:
        reporter.say(
            f"{summary.differing} users were there, differ from the file and were left as they are: "
            "--on-existing update writes what the file says."
        )
    if summary.inferred:
        reporter.say(
            f"{summary.inferred} rows: the API's answer was lost, and reading back found the user or membership."
        )
    if summary.users_deleted:
        reporter.say(f"{summary.users_deleted} users were deleted again: they ended without a membership.")
    if summary.failed:
        where = (
            f"see {summary.errors_out}" if summary.errors_out else "see the lines above, or add --errors-out errors.csv"
        )
        reporter.say(f"{summary.failed} failed. Why: {where}")


def _dry_run(importer: Importer, source: str, parsed: argparse.Namespace, streams: Streams) -> int:
    def tell(issue: Issue) -> None:
        if not parsed.quiet:
            streams.note(document("issue", asdict(issue)) if parsed.progress == "json" else issue_line(issue))

    report = importer.dry_run(source, delimiter=parsed.delimiter, encoding=parsed.encoding, max_issues=0, on_issue=tell)
    if not parsed.quiet and parsed.progress != "json":
        streams.note(report.mode_sentence)
        for name in ("errors_out", "results_out"):
            if getattr(parsed, name) is not None:
                streams.note(f"--{name.replace('_', '-')}: a dry run writes no file")
    values = report.to_dict()
    del values["issues"], values["issues_omitted"]
    streams.result(document("dry_run", values) if parsed.json else str(report))
    if report.total == 0:
        streams.error("The file has a header but no rows.")
    return report.exit_code


def issue_line(issue: Issue) -> str:
    """`✗ record 13 (line 14), column email: … [invalid_email]`, or `Warning: …`."""
    mark = "✗" if issue.severity == "error" else "Warning:"
    return f"{mark} {issue} [{issue.code}]"


def _importer(parsed: argparse.Namespace) -> Importer:
    if parsed.sandbox:
        for name in ("base_url", "api_key_file", "ca_bundle"):
            if getattr(parsed, name) is not None:
                flag = name.replace("_", "-")
                raise ConfigError(f"--sandbox and --{flag} contradict each other.", "contradiction")
    return Importer(
        api_key_file=parsed.api_key_file,
        base_url=parsed.base_url,
        ca_bundle=parsed.ca_bundle,
        insecure_http=parsed.insecure_http,
        sandbox=Sandbox() if parsed.sandbox else None,
        on_existing=parsed.on_existing,
        update_passwords=parsed.update_passwords,
        reactivate=parsed.reactivate,
        require_membership=parsed.require_membership,
        strict=parsed.strict,
        max_errors=parsed.max_errors,
        concurrency=parsed.concurrency,
        rate_limit=parsed.rate_limit,
        headroom=parsed.headroom,
        mapping=dict(parsed.map),
        errors_out=parsed.errors_out,
        results_out=parsed.results_out,
        run_dir=parsed.run_dir,
        **organization_of(parsed),
    )


@contextmanager
def _killable(waits: bool) -> Iterator[None]:
    """While a pipe is waited for and nothing has been sent, Ctrl-C simply ends the process."""
    if not waits or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
