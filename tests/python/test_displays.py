"""Owns what people see of runs and reports in a notebook and in a terminal: tables that are safe, bars, interrupts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from conftest import environment, people, python, write
from workos_importer import ConfigError, Importer, OrganizationRef, RunInfo, Sandbox

# On Windows the kernel's client says how it helps itself.
pytestmark = pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")

posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals and signals of POSIX")

#: In an address, in names, in a column, in a path.
HOSTILE = "<script>alert(1)<script>"
SECRET = "planted-password"
ROWS = [
    {"email": f"{HOSTILE}@example.com", "first_name": HOSTILE, "password": SECRET},
    {"email": "not an address <script>", "first_name": "Ada", "password": SECRET},
    {"email": "ada@example.com", "first_name": HOSTILE, "password": SECRET, "metadata": HOSTILE},
    {"email": "grace@example.com", "org_external_id": HOSTILE, HOSTILE: "x", "emial": SECRET},
]


class Reader(HTMLParser):
    """Takes HTML apart: its elements, what is said in them, and whether all of them are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.open.append(tag)
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """What is said."""
        self.text += data


def read(shown: Any) -> str:
    """The text of a report's HTML, after a look at the HTML itself."""
    html = shown._repr_html_()
    reader = Reader(html)
    assert reader.elements <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "p", "progress"}
    assert reader.attributes <= {"style", "max", "value"}
    # The page's own colours, whether it is light or dark.
    assert "color" not in html
    assert SECRET not in html
    return reader.text


@pytest.fixture
def reports(folder: Path) -> dict[str, Any]:
    """One of each kind, about rows that try everything."""
    header = ["email", "first_name", "password", "metadata", "org_external_id", HOSTILE, "emial"]
    lines = [",".join(str(row.get(name, "")) for name in header) for row in ROWS]
    source = write(folder / f"{HOSTILE}.csv", "\n".join([",".join(header), *lines, ""]))
    importer = Importer(sandbox=Sandbox(limits=False), organization=None)
    found: dict[str, Any] = {
        "plan": importer.plan(source, out=folder / f"{HOSTILE}.plan"),
        "validation": importer.validate(source, marked=folder / f"marked{HOSTILE}.csv"),
        "validation of rows": importer.validate(ROWS),
        "dry run": importer.dry_run(source),
    }
    run = importer.run(source)
    found["run under way"] = Reader(run._repr_html_()).text
    run.wait()
    return found | {
        "run": run,
        "summary": run.summary,
        "verification": importer.verify(source, extra=True),
        "undo plan": importer.undo_plan(organizations=True),
        "undo": importer.undo().wait(),
        "doctor": Importer(
            api_key="sk_test_1", ca_bundle=f"{HOSTILE}.pem", base_url="http://127.0.0.1:1", run_dir=folder / HOSTILE
        ).doctor(),
    }


def test_every_report_is_a_table_in_which_all_text_is_escaped(reports: dict[str, Any]) -> None:
    assert "failed)" in reports.pop("run under way")
    said = {name: read(report) for name, report in reports.items()}
    assert all(report._repr_html_().startswith("<div><strong>") for report in reports.values())
    for name in ("plan", "validation", "dry run", "summary", "run", "doctor"):
        assert "<script>" in said[name], name
    assert said["run"] == said["summary"]


def test_reports_say_what_is_wrong_first(reports: dict[str, Any]) -> None:
    validation, summary = read(reports["validation of rows"]), read(reports["summary"])
    assert "invalid_email" in validation and "invalid_email" in summary
    assert "User-only" in validation or "Multi-org mode" in validation
    assert "rows are given back in" in read(reports["validation"])
    assert "Not ready" in read(reports["doctor"]) and "what to do" in read(reports["doctor"])


def test_long_reports_say_how_much_more_there_is(importer: Importer) -> None:
    rows = [{"email": f"nobody {number}"} for number in range(25)]
    report = importer.validate(rows, max_issues=15)
    assert "and 15 more" in read(report) and read(report).count("invalid_email") == 10
    summary = importer.run(rows).wait()
    assert "and 15 more" in read(summary) and read(summary).count("invalid_email") == 10


def test_a_table_shows_its_first_rows(importer: Importer) -> None:
    run = importer.run([row | {"external_id": f"{HOSTILE}{number}"} for number, row in enumerate(people(12))])
    run.wait()
    said = read(run.results())
    assert said.count("@example.com") == 10 and "to_pandas()" in said and f"{HOSTILE}9" in said
    assert "No rows" in read(importer.verify(people(1)).rows("differs"))


def test_a_run_that_stopped_says_why() -> None:
    importer = Importer(sandbox=Sandbox(), max_errors=1)
    summary = importer.run([{"email": "nobody"}] * 2_000).wait()
    assert summary.stopped is not None and summary.stopped.message in read(summary)


def test_undoing_is_shown_while_it_is_under_way() -> None:
    importer = Importer(sandbox=Sandbox(latency=0.05, limits=False))
    importer.run(people(5)).wait()
    undoing = importer.undo()
    assert "Under way" in read(undoing)
    assert read(undoing.wait()) == read(undoing)


def test_a_bar_is_wanted_or_not() -> None:
    with pytest.raises(ConfigError):
        Importer(progress="yes")  # type: ignore[arg-type]  # that is what is tried


# In a notebook


class Kernel:
    """A kernel as a notebook has it, with what its cells show."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel()
        #: What is displayed, by its display id, as it is now; results of cells below `result`.
        self.shown: dict[str, dict[str, str]] = {}
        self.error: str | None = None
        self.printed = ""

    def begin(self, code: str) -> str:
        """Sends a cell."""
        self.shown, self.error, self.printed = {}, None, ""
        return str(self.client.execute(code))

    def interrupt_when(self, cell: str, ready: Callable[[], bool]) -> None:
        """Interrupts the cell as soon as this is so, and waits for its end."""
        while not ready():
            assert not self._read(cell), self.error
        self.manager.interrupt_kernel()
        self.end(cell)

    def run(self, code: str) -> str:
        """Sends a cell and waits for its end; what its last line is, as text."""
        self.end(self.begin(code))
        assert self.error is None, self.error
        return self.shown.get("result", {}).get("text/plain", "")

    def end(self, cell: str) -> None:
        """Waits for the end of a cell."""
        while not self._read(cell):
            pass

    @property
    def html(self) -> str:
        """All that is displayed now."""
        return "".join(one.get("text/html", "") for one in self.shown.values())

    def close(self) -> None:
        """Ends the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _read(self, cell: str) -> bool:
        message = self.client.get_iopub_msg(timeout=20)
        if message["parent_header"].get("msg_id") != cell:
            return False
        kind, content = message["msg_type"], message["content"]
        if kind in ("display_data", "update_display_data"):
            self.shown[content["transient"]["display_id"]] = content["data"]
        elif kind == "execute_result":
            self.shown["result"] = content["data"]
        elif kind == "stream":
            self.printed += content["text"]
        elif kind == "error":
            self.error = content["ename"]
        return bool(kind == "status" and content["execution_state"] == "idle")


@pytest.fixture(scope="module")
def opened() -> Iterator[Kernel]:
    """A kernel for all tests of this file: it takes seconds to start."""
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(opened: Kernel, folder: Path) -> Kernel:
    """The kernel in a clean folder, with an importer that takes a while."""
    opened.run(
        f"import asyncio, os, time\nos.chdir({str(folder)!r})\n"
        "from workos_importer import Importer, Sandbox\n"
        "rows = [{'email': f'user{number}@example.com'} for number in range(300)]\n"
        "importer = Importer(sandbox=Sandbox(latency=0.05, limits=False), concurrency=2)\n"
        "quick = Importer(sandbox=Sandbox(limits=False))"
    )
    return opened


@pytest.mark.parametrize("code", ["quick.run(rows).wait()", "await quick.run(rows)"])
def test_a_notebook_shows_a_bar_and_then_the_summary(kernel: Kernel, code: str) -> None:
    kernel.run(code)
    bar, summary = kernel.shown.values()
    assert bar["text/plain"] == "300/300 (0 failed)"
    assert '<progress max="300" value="300"' in bar["text/html"]
    assert "<strong>Summary</strong>" in summary["text/html"] and "Success" in summary["text/html"]
    assert kernel.printed == ""


def test_the_bar_moves(kernel: Kernel) -> None:
    cell = kernel.begin("run = importer.run(rows[:40])\nfor result in run: pass")
    values = set()
    while not kernel._read(cell):
        values |= {one["text/plain"].split("/")[0] for one in kernel.shown.values()}
    assert len(values) > 3 and kernel.error is None


def test_a_notebook_can_do_without_a_bar(kernel: Kernel) -> None:
    kernel.run("Importer(sandbox=Sandbox(limits=False), progress=False).run(rows).wait().status")
    assert list(kernel.shown) == ["result"]


def test_plans_and_verifications_show_a_bar_too(kernel: Kernel) -> None:
    kernel.run("quick.plan(rows)")
    bar, plan = kernel.shown.values()
    assert bar["text/plain"] == "300/300 (0 failed)" and "<strong>Plan</strong>" in plan["text/html"]


INTERRUPTED = {
    "wait": "run.wait()",
    "iteration": "for result in run: pass",
    # The interrupt comes while the cell does something else with a row.
    "the cell's own work": "for result in run: time.sleep(0.2)",
    "block": "with run:\n    for result in run: time.sleep(0.2)",
    "await": "await run",
    "async iteration": "async for result in run: await asyncio.sleep(0.2)",
    "async block": "async with run:\n    async for result in run: await asyncio.sleep(0.2)",
}


@posix
@pytest.mark.parametrize("code", INTERRUPTED.values(), ids=INTERRUPTED)
def test_interrupting_the_kernel_stops_the_run_cleanly_and_shows_the_summary(kernel: Kernel, code: str) -> None:
    kernel.run("run = importer.run(rows)")
    cell = kernel.begin(code)
    kernel.interrupt_when(cell, lambda: 'value="' in kernel.html and 'value="0"' not in kernel.html)
    assert kernel.error in ("KeyboardInterrupt", "CancelledError")
    assert "<strong>Summary</strong>" in kernel.html and "Interrupted" in kernel.html
    assert kernel.run("run.summary.status, run.summary.failed") == "('Interrupted', 0)"
    # Each row that ended is among the results, and the next attempt goes on with the others.
    assert kernel.run("run.summary.created == len(list(run.results())) > 0") == "True"
    assert kernel.run("quick.run(rows).wait().status") == "'Success'"


@posix
def test_a_second_interrupt_drops_what_is_in_flight(kernel: Kernel) -> None:
    """Which would be waited for for twenty seconds."""
    kernel.run(
        "stuck = Sandbox(limits=False)\nstuck.fail_next('hang', method='POST', times=100)\n"
        "run = Importer(sandbox=stuck, concurrency=2).run(rows)"
    )
    cell = kernel.begin("run.wait()")
    while "<progress" not in kernel.html:
        assert not kernel._read(cell)
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        kernel.manager.interrupt_kernel()
        time.sleep(1)
    kernel.end(cell)
    assert kernel.error == "KeyboardInterrupt" and time.monotonic() - begun < 10
    assert kernel.run("run.summary.status") == "'Interrupted'"


@posix
def test_an_interrupted_plan_shows_no_summary(kernel: Kernel) -> None:
    kernel.run("slow = Importer(sandbox=Sandbox(latency=0.5, limits=False), concurrency=1)")
    cell = kernel.begin("slow.plan(rows)")
    kernel.interrupt_when(cell, lambda: "<progress" in kernel.html)
    assert kernel.error == "KeyboardInterrupt" and "Summary" not in kernel.html


# In a terminal

PROGRAM = """
import sys
from workos_importer import Importer, Sandbox
progress = {"yes": True, "no": False, "unsaid": None}[sys.argv[1]]
importer = Importer(sandbox=Sandbox(latency=0.02, limits=False), concurrency=2, progress=progress)
for result in importer.run([{"email": f"u{n}@x.org"} for n in range(60)]):
    if result.record_number == 30:
        print("thirty")
"""


def in_terminal(wish: str, out: Any) -> tuple[bytes, bytes, int]:
    """Runs the program with standard error on a terminal: what is shown there, standard output, the exit code."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, wish],
        stdin=subprocess.DEVNULL,
        stdout=slave if out is None else out,
        stderr=slave,
        env=environment(COLUMNS="100", TERM="xterm"),
    )
    os.close(slave)
    shown = b""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            read = os.read(master, 65536)
        except OSError:
            break
        if not read:
            break
        shown += read
    printed, _ = process.communicate(timeout=30)
    os.close(master)
    return shown, printed or b"", process.returncode


@posix
def test_a_terminal_shows_a_bar_where_that_is_wanted() -> None:
    shown, printed, code = in_terminal("yes", subprocess.PIPE)
    assert code == 0 and b"60/60 (0 failed)" in shown and b"ETA" in shown
    assert shown.count(b"/60 (") > 3
    # What the program prints goes where it always went.
    assert printed == b"thirty\n" and b"thirty" not in shown


@posix
def test_what_is_printed_stands_above_the_bar() -> None:
    shown, _, code = in_terminal("yes", None)
    assert code == 0
    # It begins in the first column: the bar was taken away before.
    line = next(line for line in shown.split(b"\n") if b"thirty" in line)
    assert line.rsplit(b"\x1b[2K", 1)[-1].strip() == b"thirty"


@posix
@pytest.mark.parametrize("wish", ["no", "unsaid"])
def test_a_terminal_shows_nothing_that_nobody_wants(wish: str) -> None:
    assert in_terminal(wish, subprocess.PIPE) == (b"", b"thirty\n", 0)


def test_a_log_gets_a_line() -> None:
    done = python(PROGRAM, "yes")
    assert (done.stdout, done.stderr) == ("thirty\n", "60/60 (0 failed)\n")


@posix
def test_two_bars_do_not_hurt_each_other() -> None:
    code = """
from rich.console import Console
from workos_importer import Importer, Sandbox
from workos_importer._display import TerminalBar
importer = Importer(sandbox=Sandbox(limits=False), progress=True)
runs = [importer.run([{"email": f"u{n}@x.org"} for n in range(20)]) for _ in range(2)]
for run in runs:
    run._display = TerminalBar(Console(stderr=True, force_terminal=True))
for _ in zip(*runs):
    pass
print([run.wait().total for run in runs])
"""
    done = python(code)
    assert (done.returncode, done.stdout) == (0, "[20, 20]\n"), done.stderr


def test_lists_of_runs_and_causes_become_frames(importer: Importer) -> None:
    """As the documentation says: data frames take them as they are."""
    pandas = pytest.importorskip("pandas")
    importer.run([{"email": "nobody"}, {"email": "ada@example.com"}]).wait()
    runs = pandas.DataFrame(importer.runs())
    assert list(runs["failed"]) == [1] and set(runs) >= {name for name in RunInfo.__slots__ if name != "pending"}
    assert list(pandas.DataFrame(importer.causes())["code"]) == ["invalid_email"]


def test_an_organization_that_is_named_with_markup(folder: Path) -> None:
    organization = OrganizationRef(external_id=HOSTILE, name=HOSTILE, create_if_missing=True)
    importer = Importer(sandbox=Sandbox(limits=False), organization=organization)
    for shown in (importer.validate(people(2)), importer.run(people(2)).wait()):
        read(shown)
    assert (folder / ".workos-importer").is_dir()
