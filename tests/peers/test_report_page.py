"""The report as people see it: opened in a browser without a network, in light and dark, on a phone, and on paper."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workos_importer import Importer, Sandbox

from .conftest import NODE_FOLDER

if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
    pytest.skip("npm has a Chromium for Linux on x86-64 only", allow_module_level=True)

from playwright.sync_api import Browser, Page, sync_playwright

PICTURES = Path(__file__).parent.parent.parent / "build" / "report"

EVIL = '<script>document.title="taken"</script><img src="https://example.com/x.png">'

# Whatever a reader could find hard to read: its text, and how its colour stands out from what is behind it.
FAINT = """
() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((one) => one / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(one).backgroundColor);
      if (a > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const pair = [light(parts(colour).slice(0, 3)), light(behind(element))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) found.push(`${element.textContent.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return found;
}
"""

# The charts that are seen: how wide each is, and the colours of the shapes in it.
CHARTS = """
() => [...document.querySelectorAll(".chart svg")].filter((svg) => svg.checkVisibility()).map((svg) => ({
  width: svg.getBoundingClientRect().width,
  label: svg.closest("[role=img]").getAttribute("aria-label"),
  colours: [...svg.querySelectorAll("rect,polygon,polyline,line,path")]
    .filter((one) => { const box = one.getBoundingClientRect(); return box.width > 1 || box.height > 1; })
    .flatMap((one) => [getComputedStyle(one).fill, getComputedStyle(one).stroke]),
}))
"""

LIGHT_WRITES, DARK_WRITES = "rgb(43, 102, 196)", "rgb(125, 176, 247)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium from npm."""
    node = shutil.which("node")
    assert node is not None, "the browser is unpacked by Node.js 20"
    done = subprocess.run([node, str(NODE_FOLDER / "chromium.mjs")], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    missing = "not found" in subprocess.run(["ldd", found["path"]], capture_output=True, text=True, check=False).stdout
    libraries = {"LD_LIBRARY_PATH": found["libraries"]} if missing else {}
    with sync_playwright() as play:
        launched = play.chromium.launch(
            executable_path=found["path"], args=["--no-sandbox", "--disable-gpu"], env={**os.environ, **libraries}
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a run with all that one can show: a pause, failures, organizations, a receipt, a second attempt."""
    folder = tmp_path_factory.mktemp("report")
    names = {"acme": "Acme Inc.", "evil": EVIL, "long": "A company whose name is longer than any chart has room for"}
    rows = [
        {"email": f"user{number}@example.com", "org_external_id": key, "org_name": names[key]}
        for number in range(90)
        for key in [("acme", "acme", "evil", "long")[number % 4]]
    ]
    rows += [{"email": f"<b>nobody{number}</b>", "org_external_id": "acme"} for number in range(3)]
    rows.append({"email": "lost@example.com", "org_external_id": "nowhere"})
    source = folder / "users <i>2026.ndjson"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sandbox = Sandbox(limits=False)
    sandbox.fail_next("429_seconds:2", method="POST", path="/user_management/users", skip=30)
    importer = Importer(sandbox=sandbox, rate_limit="40/1s", run_dir=folder / "runs")
    importer.run(source).wait()
    importer.run(source).wait()
    importer.verify(source).receipt(folder / "receipt.json")
    return importer.report(out=folder / "report.html", receipt=folder / "receipt.json")


def opened(browser: Browser, path: Path, **how: Any) -> tuple[Page, list[str]]:
    """The page, and whatever it complained of or asked for."""
    seen: list[str] = []
    page = browser.new_context(offline=True, **how).new_page()
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: None if request.url == path.as_uri() else seen.append(request.url))
    page.goto(path.as_uri())
    return page, seen


def pictured(page: Page, name: str) -> None:
    """Leaves a picture to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@pytest.mark.parametrize(
    ("name", "width", "scheme", "writes"),
    [
        ("light", 1100, "light", LIGHT_WRITES),
        ("dark", 1100, "dark", DARK_WRITES),
        ("phone", 390, "light", LIGHT_WRITES),
        ("phone-dark", 390, "dark", DARK_WRITES),
    ],
)
def test_it_is_whole_in_every_place(
    browser: Browser, report: Path, name: str, width: int, scheme: str, writes: str
) -> None:
    page, seen = opened(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    pictured(page, name)
    assert seen == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINT) == []
    charts = page.evaluate(CHARTS)
    assert [chart["label"].split(".")[0] for chart in charts] == [
        "Writes and rows in a second over time",
        "Rows by organization and outcome",
        "Calls by kind",
    ]
    assert all(300 < chart["width"] <= width and len(chart["colours"]) > 4 for chart in charts)
    assert writes in charts[0]["colours"] and writes in charts[2]["colours"]
    # What hides behind a line to open is reached without a script, and fits too.
    for line in page.locator("summary").all():
        line.click()
    assert page.locator("details[open] tbody tr").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title().startswith("Import of ") and "users <i>2026.ndjson" in page.title()
    assert page.locator("script, img, iframe, link:not([href^='data:'])").count() == 0
    assert "<b>nobody0</b>" in page.inner_text("body") and page.locator("body b").count() == 0
    page.context.close()


def test_paper_is_light_and_has_the_wide_charts(browser: Browser, report: Path) -> None:
    page, seen = opened(browser, report, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.wide')).display") == "block"
    assert page.evaluate("getComputedStyle(document.querySelector('.narrow')).display") == "none"
    assert page.evaluate(FAINT) == []
    PICTURES.mkdir(parents=True, exist_ok=True)
    paper = page.pdf(path=PICTURES / "paper.pdf", format="A4")
    assert paper.startswith(b"%PDF") and seen == []
    page.context.close()


def test_it_is_told_to_those_who_do_not_see_it(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1 and page.locator("main").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("table thead th:not([scope])").count() == 0
    # Each chart has its numbers as a table.
    assert page.locator("figure:has(.chart)").count() == page.locator("figure:has(.chart):has(table)").count() == 3
    page.context.close()


def test_it_opens_at_once(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < timing < 1000
    assert report.stat().st_size < 300_000
    page.context.close()
