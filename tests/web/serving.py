"""`openbook serve` as a process of its own, and browsers that look at it.

    with serving(library, log=tmp_path / "log") as url, chromium() as browser:
        with visiting(browser, url) as visit:
            page = visit("/search?q=brakes", theme="dark", size=PHONE)

The process serves on a free loopback port, and is stopped by its own number.
When a visit ends, its pages must have written no error to the console, asked
no other host for anything, and loaded everything that they asked for.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

EXAMPLES: Final = Path(__file__).parent.parent.parent / "examples" / "documents"
"""Documents in ten formats that belong together."""

DESKTOP: Final = (1280, 800)
PHONE: Final = (390, 844)
STOPPING_SECONDS: Final = 30

_ADDRESS: Final = re.compile(r"openbook serves at (\S+)")
_ARGUMENTS: Final = ("--no-sandbox", "--disable-background-networking", "--disable-quic")
"""Chromium as the project's checks start it: as root, and asking nobody for anything of its own."""


@contextmanager
def serving(
    *libraries: Path, log: Path, arguments: tuple[str, ...] = (), **environment: str
) -> Iterator[str]:
    """Serve libraries until the context is left; yields the address. What the server logs goes to `log`.

    `environment` adds to this process's own: `OPENBOOK_EMBEDDER="hash:64"`. Leaving fails if the
    server did not end well.
    """
    named = [argument for library in libraries for argument in ("--library", str(library))]
    command = [sys.executable, "-m", "openbook", "serve", "--port", "0", *named, *arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(timeout=STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert code == 0, f"the server ended with {code}: {log.read_text()}"


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := _ADDRESS.search(line):
            return found.group(1)
    raise AssertionError(f"the server did not start: {log.read_text()}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Playwright's event loop runs in this thread until the context is left."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("the web page is tested in Chromium, part of the data and programs that full tests need")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """Pages of one server, and what went wrong in them. Call it to open one."""

    browser: Browser
    url: str
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of console messages that a test provokes on purpose."""
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self, path: str = "/", *, theme: str = "light", size: tuple[int, int] = DESKTOP, touch: bool = False
    ) -> Page:
        """Open a page in a browser profile of its own, and wait until NiceGUI has connected it."""
        width, height = size
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, has_touch=touch, reduced_motion="reduce"
        )
        self.contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_cookies([{"name": "openbook-theme", "value": theme, "url": self.url}])
        page = context.new_page()
        self.watch(page)
        page.goto(f"{self.url}{path}")
        connected(page)
        return page

    def watch(self, page: Page) -> None:
        """Write down what goes wrong in a page."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in self.expected):
            self.problems.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        asked, own = urlsplit(request.url), urlsplit(self.url)
        if asked.scheme not in ("data", "blob") and asked.netloc != own.netloc:
            self.problems.append(f"another host was asked: {request.url}")

    def close(self) -> None:
        """Close all pages."""
        for context in self.contexts:
            context.close()
        self.contexts.clear()


@contextmanager
def visiting(browser: Browser, url: str) -> Iterator[Visit]:
    """Visit a server; leaving fails if anything went wrong in a page."""
    visit = Visit(browser, url)
    try:
        yield visit
    finally:
        visit.close()
    assert not visit.problems, "\n".join(visit.problems)


def connected(page: Page) -> None:
    """Wait until a page can be used: NiceGUI has drawn it and its socket is open."""
    page.wait_for_function("window.did_handshake === true")


def contrast_problems(page: Page, selector: str = "body *") -> list[str]:
    """Visible text whose contrast with its background is below WCAG AA (4.5:1, or 3:1 where it is large).

    The formula is that of WCAG 2.1, relative luminance and contrast ratio:
    https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
    """
    found: list[str] = page.evaluate(_CONTRAST, selector)
    return found


_CONTRAST: Final = """(selector) => {
  const parse = (text) => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((value, at) => value * top.alpha + below[at] * (1 - top.alpha));
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const problems = [];
  for (const element of document.querySelectorAll(selector)) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const style = getComputedStyle(element);
    const box = style.display === "contents" ? element.parentElement : element;  // no box of its own
    if (!own || !box.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("[disabled], [aria-disabled=true], [aria-hidden=true]")) continue;
    const behind = background(element);
    const front = over(parse(style.color), behind);
    const [light, dark] = [luminance(front), luminance(behind)].sort((one, other) => other - one);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      const words = element.textContent.trim().slice(0, 40);
      problems.push(`${ratio.toFixed(2)}: ${element.tagName} .${element.className} ${words}`);
    }
  }
  return problems;
}"""
