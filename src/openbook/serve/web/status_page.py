"""The page *Status*: how complete and how well the library is, and what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from openbook.serve.desk import Desk, RecentQuestion, Shelf
from openbook.serve.jobs import Job
from openbook.serve.web.layout import Frame, frame, library_choice, stylesheet, theme_choice
from openbook.serve.web.parts import ProgressBar, button, chip, plain, state, text
from openbook.types import LibraryStatus, Verification
from openbook.wording import count, size

_PARTS = {
    "ledger": "Ledger: texts, vectors, conversations",
    "lexical": "Word index",
    "vectors": "Vector index",
    "uploads": "Uploaded files",
    "maps": "Maps",
}


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/status")
    async def page(request: Request) -> None:
        with frame(shelf, request, "status") as framed:
            stylesheet("status.css")
            desk = framed.desk
            status = await desk.background.run(desk.library.status)
            with ui.element("div").classes("ob-page"):
                _head(desk, status)
                with ui.element("div").classes("ob-figures"):
                    _figures(status)
                with ui.element("div").classes("ob-columns"):
                    with ui.element("div").classes("ob-stack ob-columns__wide"):
                        _Check(desk).draw()
                        _Recent(desk).draw()
                    with ui.element("div").classes("ob-stack"):
                        _sizes(status)
                        _model(status)
                        _sources(status)
                        _this_browser(shelf, framed)


def _head(desk: Desk, status: LibraryStatus) -> None:
    with ui.element("header").classes("ob-page__head"), ui.element("div"):
        text("h1", "Status", "ob-title")
        text("p", f"{desk.name} · {status.path}", "ob-subtitle").style("overflow-wrap: anywhere")


def _figures(status: LibraryStatus) -> None:
    share = f"{status.embedded / status.chunks:.0%}" if status.chunks else "–"
    _figure("Documents", f"{status.documents:,}", "")
    _figure("Chunks", f"{status.chunks:,}", "the pieces that are found and cited")
    _figure("With vectors", share, _searched_by(status))
    _figure("Not readable", f"{len(status.problems):,}", "named with reasons under Documents")


def _searched_by(status: LibraryStatus) -> str:
    if not status.chunks:
        return "there are none yet"
    if not status.model:
        return "searched by words only: no embedding model"
    waiting = status.chunks - status.embedded
    return f"{waiting:,} wait for theirs" if waiting else "searched by words and by meaning"


def _figure(label: str, value: str, explanation: str) -> None:
    with ui.element("div").classes("ob-card ob-figure"):
        text("div", label, "ob-label ob-muted")
        text("div", value, "ob-figure__value ob-numbers")
        text("div", explanation, "ob-small ob-muted")


def _section(title: str) -> Element:
    card = ui.element("section").classes("ob-card ob-stack")
    with card:
        text("h2", title, "ob-heading")
    return card


def _sizes(status: LibraryStatus) -> None:
    total = sum(status.bytes.values()) or 1
    with _section("On disk"):
        text("p", f"{size(sum(status.bytes.values()))} in all", "ob-muted")
        with ui.element("dl").classes("ob-pairs"):
            for part, number in sorted(status.bytes.items(), key=lambda pair: -pair[1]):
                _pair(_PARTS.get(part, part), size(number), number / total)


def _model(status: LibraryStatus) -> None:
    with _section("Embedding model"):
        if not status.model and not status.chunks:
            text("p", "Chosen when the first documents are added.", "ob-muted")
            return
        if not status.model:
            text("p", "None yet. Get one with: openbook model install, then sync again.", "ob-muted")
            return
        text("p", status.model)
        text("p", f"fingerprint {status.fingerprint}", "ob-small ob-mono ob-muted ob-break")
        text("h3", "Generations of vectors", "ob-label")
        with ui.element("ul").classes("ob-plain-list"):
            for generation in status.generations:
                name, _, kind = generation.rpartition(": ")
                with ui.element("li").classes("ob-row"):
                    chip(kind, kind="good" if kind == "active" else "plain")
                    text("span", name, "ob-small")


def _sources(status: LibraryStatus) -> None:
    with _section("Sources"):
        if not status.sources:
            text("p", "No folder was added yet.", "ob-muted")
        with ui.element("ul").classes("ob-plain-list"):
            for root in status.sources:
                text("li", root, "ob-small ob-mono ob-break")


def _this_browser(shelf: Shelf, framed: Frame) -> None:
    """What the sidebar offers, for phones, which have none."""
    with _section("This browser").classes("ob-only-phone"):
        theme_choice(framed.dark)
        library_choice(shelf, framed.desk)


def _pair(name: str, value: str, share: float) -> None:
    with ui.element("div").classes("ob-pairs__row"):
        text("dt", name, "ob-small")
        text("dd", value, "ob-small ob-numbers ob-muted")
        ui.element("div").classes("ob-pairs__bar").style(f"--share: {share:.3f}").props("aria-hidden=true")


class _Check:
    """Compares the ledger with both indexes on request, as a job, and shows what came of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def draw(self) -> None:
        with _section("Integrity"):
            with ui.element("div").classes("ob-row ob-spread"):
                text("p", "Compare the ledger with both indexes, and repair what does not agree.", "ob-muted")
                self._button = button("Check now", self._check, icon="o_fact_check")
            self._result = ui.element("div").classes("ob-stack").props("role=status aria-live=polite")
            last = next(
                (job for job in self._desk.jobs.jobs() if job.kind == "verify" and job.finished), None
            )
            if last is not None:
                self._show(last)

    async def _check(self) -> None:
        self._button.props["disabled"] = True
        self._button.update()
        self._result.clear()
        with self._result:
            ProgressBar("The check runs")
        submitted = self._desk.jobs.submit("verify", "Checking")
        async for job in self._desk.jobs.watch(submitted.id):
            if job.finished:
                self._show(job)
        self._button.props.pop("disabled", None)
        self._button.update()

    def _show(self, job: Job) -> None:
        self._result.clear()
        with self._result:
            if job.verification is None:
                state("o_error_outline", "The check did not finish", job.error or job.state, bad=True)
            else:
                _verification(job.verification, job.finished_at)


def _verification(found: Verification, at: str) -> None:
    with ui.element("div").classes("ob-row"):
        if found.ok:
            chip("Everything agrees", icon="check", kind="good")
        else:
            chip(count(len(found.problems), "problem"), icon="priority_high", kind="bad")
        text("span", when(at), "ob-small ob-muted")
    for lines, label in ((found.problems, "Problem"), (found.repaired, "Repaired")):
        for line in lines:
            text("p", f"{label}: {line}", "ob-small")
    if found.checked:
        checked = " · ".join(f"{name} {number:,}" for name, number in found.checked.items())
        text("p", checked, "ob-small ob-muted ob-numbers")


class _Recent:
    """The last questions with their times, kept up to date while the page is open."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: Sequence[RecentQuestion] | None = None

    def draw(self) -> None:
        with _section("Recent questions"):
            self._list = ui.element("div")
        self._refresh()
        ui.timer(2.0, self._refresh)

    def _refresh(self) -> None:
        recent = self._desk.recent()[:20]
        if recent == self._shown:
            return
        self._shown = recent
        self._list.clear()
        with self._list:
            if not recent:
                text("p", "Nothing was asked since the server started.", "ob-muted")
                return
            with ui.element("table").classes("ob-table"):
                with ui.element("thead"), ui.element("tr"):
                    for label in ("Question", "Outcome", "Time"):
                        text("th", label)
                with ui.element("tbody"):
                    for one in recent:
                        self._row(one)

    @staticmethod
    def _row(one: RecentQuestion) -> None:
        with ui.element("tr"):
            with ui.element("td"):
                ui.icon("search" if one.kind == "search" else "o_forum").props("aria-hidden=true").classes(
                    "ob-table__icon"
                )
                plain(one.question)
            text("td", one.outcome.replace("_", " "), "ob-muted ob-nowrap")
            text("td", f"{one.milliseconds:,.0f} ms", "ob-numbers ob-muted ob-nowrap")


def when(moment: str) -> str:
    """A UTC time of the program's own form, as people read it: "2024-05-01 12:30 UTC"."""
    return f"{moment[:10]} {moment[11:16]} UTC" if len(moment) >= 16 else moment
