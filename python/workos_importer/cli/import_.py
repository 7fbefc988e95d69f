"""Owns `workos-importer import`: the main job, and its dry run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .._importer import Importer
from .consent import add_yes, consent_of
from .flags import (
    add_foreign,
    add_on_existing,
    add_organization,
    add_source,
    check_updates,
    mapping_of,
    note_foreign,
    organization_of,
    source_of,
)
from .follow import follow
from .issues import issue_line
from .progress import document
from .recovery_flags import add_after_import, sends_recoveries, take_after_import
from .run_flags import add_connection, add_output, add_pace, options_of, refuse_outputs, reporter_of
from .target_flags import add_identities

if TYPE_CHECKING:
    from .._results import Issue
    from .._run import ImportRun
    from .parser import Commands, Parser
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "import",
        streams=streams,
        help="import users, organizations and memberships",
        description="Makes WorkOS match the file. Importing the same file again goes on where it stopped, "
        "tries failed rows again, and sends nothing where all is done. Each user and membership that is written is an "
        "event for your webhook endpoints: WorkOS advises to pause them in its dashboard during a large import. This "
        "command does not touch them.",
        epilog="Exit codes: 0 every row is in; 1 rows failed, or there were none; 2 usage, configuration, unreadable "
        "file; 3 the key is refused; 4 stopped before the end; 130, 143 interrupted.",
    )
    add_source(parser)
    add_organization(parser)
    _add_behaviour(parser)
    add_pace(parser)
    add_connection(parser, "workos")
    add_identities(parser, writes=True)
    add_after_import(parser)
    parser.add_argument("--sandbox", action="store_true", help="write into a sandbox in this process: no key needed")
    add_output(parser)
    add_yes(parser)
    add_foreign(parser)
    parser.set_defaults(work=work, rows="users", remove_permissions=False)


def _add_behaviour(parser: Parser) -> None:
    group = parser.add_argument_group("what is written")
    add_on_existing(group)
    group.add_argument("--update-passwords", action="store_true", help="with --on-existing update: passwords too")
    group.add_argument(
        "--require-membership", action="store_true", help="delete users of this run who end without a membership"
    )
    group.add_argument(
        "--password-reset",
        action="store_true",
        help="afterwards mail those who bring no password, so that they set one; each once",
    )
    group.add_argument(
        "--per-minute", metavar="N", type=float, help="mails a minute, of --password-reset or recovery; default 60"
    )
    group.add_argument("--dry-run", action="store_true", help="check the file and say what would happen; offline")
    group.add_argument("--strict", action="store_true", help="send nothing if any row fails its checks")
    group.add_argument("--no-resume", action="store_true", help="begin a new run, whatever was before")
    group.add_argument(
        "--plan",
        metavar="FILE",
        nargs="?",
        const="",
        help="do exactly what this saved plan says; rows of which the directory has moved since fail",
    )


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Does what the flags say and returns the exit code."""
    source = source_of(parsed, streams)
    if parsed.quiet and parsed.progress == "json":
        raise ConfigError("--quiet and --progress json contradict each other.", "contradiction")
    note_foreign(parsed, streams)
    check_updates(parsed)
    if parsed.plan == "":
        raise ConfigError("Planning is a command of its own: workos-importer plan FILE. To check it offline: --dry-run")
    refuse_outputs(parsed, source)
    if parsed.password_reset:
        _refuse_two_summaries(parsed, source)
    recovers = sends_recoveries(parsed)
    if recovers and parsed.recovery_command is not None:
        _check_command(parsed.recovery_command)
    importer = _importer(parsed, source, streams)
    if parsed.dry_run:
        return _dry_run(importer, source, parsed, streams)
    reporter = reporter_of(parsed, importer, streams, "SANDBOX" if parsed.sandbox else "TEST")

    begun: list[ImportRun] = []

    def begin() -> ImportRun:
        run = importer.run(
            source,
            delimiter=parsed.delimiter,
            encoding=parsed.encoding,
            resume=not parsed.no_resume,
            plan=parsed.plan,
        )
        begun.append(run)
        return run

    code = follow(importer, begin, parsed, reporter, streams, waits=source == "-")
    if code not in (0, 1):
        return code
    if recovers:
        return max(code, _send_recoveries(importer, begun[-1].summary.run_id, parsed, streams))
    if not parsed.password_reset:
        return code
    return max(code, _send_password_resets(parsed, streams))


def _refuse_two_summaries(parsed: argparse.Namespace, source: str) -> None:
    if getattr(parsed, "target", None) == "kratos":
        raise ConfigError(
            "--password-reset is for WorkOS. With --target kratos recovery links are handed over: --recovery-out FILE.",
            "contradiction",
        )
    for flag, is_given in (("--json", parsed.json), ("--plan", parsed.plan is not None), ("SOURCE -", source == "-")):
        if is_given:
            raise ConfigError(
                f"--password-reset and {flag} contradict each other: use `password-resets send FILE` afterwards.",
                "contradiction",
            )


def _check_command(line: str) -> None:
    """Before anything is sent: a program that is not there would be told of when all rows are in."""
    from .recovery import Command

    Command(line, "--recovery-command")


def _send_recoveries(importer: Importer, run: str, parsed: argparse.Namespace, streams: Streams) -> int:
    from .recovery import send

    take_after_import(parsed)
    return send(importer, run, parsed, streams)


def _send_password_resets(parsed: argparse.Namespace, streams: Streams) -> int:
    """Mails those whom the file gives no password; a run of its own, over the same file."""
    again = argparse.Namespace(**vars(parsed))
    again.rows, again.password_reset, again.on_existing = "password-resets", False, "skip"
    for name in ("errors_out", "results_out", "report", "audit_file", "actor", "rate_limit"):
        setattr(again, name, None)
    for name in ("update_passwords", "clear_empty", "reactivate", "require_membership", "no_create_orgs"):
        setattr(again, name, False)
    for name in ("org_id", "org_external_id", "org_name"):
        setattr(again, name, None)
    again.create_org_if_missing = False
    streams.note("Password resets, for those whom the file gives no password:")
    return work(again, streams)


def _dry_run(importer: Importer, source: str, parsed: argparse.Namespace, streams: Streams) -> int:
    def tell(issue: Issue) -> None:
        if not parsed.quiet:
            streams.note(document("issue", asdict(issue)) if parsed.progress == "json" else issue_line(issue))

    report = importer.dry_run(source, delimiter=parsed.delimiter, encoding=parsed.encoding, max_issues=0, on_issue=tell)
    if not parsed.quiet and parsed.progress != "json":
        streams.note(report.mode_sentence)
        for name in ("errors_out", "results_out", "audit_file", "report"):
            if getattr(parsed, name) is not None:
                streams.note(f"--{name.replace('_', '-')}: a dry run writes no file")
    values = report.to_dict()
    del values["issues"], values["issues_omitted"]
    streams.result(document("dry_run", values) if parsed.json else str(report))
    if report.total == 0:
        streams.error("The file has a header but no rows.")
    return report.exit_code


def _importer(parsed: argparse.Namespace, source: str, streams: Streams) -> Importer:
    return Importer(
        # Rows that are typed come from where the answer would have to come from.
        confirm=None if source == "-" else consent_of(parsed, streams),
        rows=parsed.rows,
        remove_permissions=parsed.remove_permissions,
        per_minute=None if parsed.rows == "users" else parsed.per_minute,
        on_existing=parsed.on_existing,
        update_passwords=parsed.update_passwords,
        clear_empty=parsed.clear_empty,
        reactivate=parsed.reactivate,
        require_membership=parsed.require_membership,
        strict=parsed.strict,
        mapping=mapping_of(parsed),
        **organization_of(parsed),
        **options_of(parsed),
    )
