"""Jobs as a person sees them: what runs and how far it is, what ended and what became of each file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nicegui import ui

from openbook.serve.desk import Desk
from openbook.serve.jobs import Job
from openbook.serve.web.parts import ButtonKind, ProgressBar, button, chip, text
from openbook.types import Progress, Report
from openbook.wording import count, duration

RECENT: Final = 3
"""Finished jobs that stay on the page."""

FAILURES: Final = 10
"""Failed files that a finished job names; the table names all."""

_ORDER: Final = ("added", "updated", "moved", "removed", "unchanged", "empty", "skipped", "failed")


class JobList:
    """The running, waiting and latest jobs of a desk. `on_end` is called when one has ended."""

    def __init__(self, desk: Desk, on_end: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._on_end = on_end
        self._shown: Sequence[Job] = ()
        self._since = {job.id for job in desk.jobs.jobs() if job.finished}
        self._frame = ui.element("section").classes("ob-jobs").props('aria-label="Running work"')
        ui.timer(0.5, self._refresh)

    async def _refresh(self) -> None:
        jobs = self._desk.jobs.jobs()
        active = [job for job in jobs if not job.finished]
        ended = [job for job in jobs if job.finished and job.id not in self._since][:RECENT]
        shown = [*reversed(active), *ended]
        if shown == self._shown:
            return
        were_active = {job.id for job in self._shown if not job.finished}
        self._shown = shown
        self._frame.clear()
        with self._frame:
            for job in shown:
                self._draw(job)
        if any(job.finished and job.id in were_active for job in jobs):
            await self._on_end()

    def _draw(self, job: Job) -> None:
        with ui.element("article").classes("ob-card ob-job"):
            with ui.element("div").classes("ob-row ob-spread"):
                with ui.element("div").classes("ob-row"):
                    _state_chip(job)
                    text("span", job.title, "ob-job__title")
                if job.finished:
                    self._button("Dismiss", job, self._dismiss, kind="quiet")
                else:
                    self._button("Cancel", job, self._cancel, kind="plain")
            if job.state == "running":
                _progress(job.progress)
            elif job.state == "failed" or job.error:
                text("p", job.error, "ob-small").style("color: var(--ob-bad)")
            if job.report is not None:
                _report(job.report)

    @staticmethod
    def _button(label: str, job: Job, action: Callable[[str], Awaitable[None]], *, kind: ButtonKind) -> None:
        button(label, lambda: action(job.id), kind=kind, small=True).props["aria-label"] = (
            f"{label} {job.title}"
        )

    async def _cancel(self, job_id: str) -> None:
        self._desk.jobs.cancel(job_id)
        await self._refresh()

    async def _dismiss(self, job_id: str) -> None:
        self._since.add(job_id)
        await self._refresh()


def _state_chip(job: Job) -> None:
    match job.state:
        case "done" if job.report is not None and job.report.failures:
            chip("Done, with failures", icon="priority_high", kind="warn")
        case "done":
            chip("Done", icon="check", kind="good")
        case "failed":
            chip("Failed", icon="priority_high", kind="bad")
        case "cancelled":
            chip("Cancelled", icon="block")
        case "waiting":
            chip("Waiting", icon="hourglass_empty")
        case "running":
            chip("Running", icon="sync")


def _progress(progress: Progress | None) -> None:
    bar = ProgressBar("Progress")
    if progress is None:
        bar.show(None)
        text("p", "Starting …", "ob-small ob-muted")
        return
    bar.show(progress.done / progress.total if progress.total else None)
    unit = "chunk" if progress.stage == "embedding" else "file"
    counted = (
        f"{progress.done:,} of {count(progress.total, unit)}"
        if progress.total
        else count(progress.done, unit)
    )
    left = f" · {duration(progress.eta_seconds)} left" if progress.eta_seconds is not None else ""
    with ui.element("p").classes("ob-small ob-muted ob-numbers ob-job__progress"):
        text("span", f"{progress.stage.capitalize()}: {counted}{left}")
        text("span", progress.item, "ob-job__item")


def _report(report: Report) -> None:
    counts = report.counts
    told = ", ".join(f"{counts[kind]:,} {kind}" for kind in _ORDER if counts.get(kind)) or "nothing to do"
    chunks = f" · {count(report.embedded, 'chunk')} embedded" if report.embedded else ""
    text("p", f"{told}{chunks} · {duration(report.seconds)}", "ob-small ob-muted ob-numbers")
    for outcome in report.failures[:FAILURES]:
        reason = outcome.reason.removeprefix(f"{outcome.path!r} ")
        text("p", f"{outcome.path}: {reason}", "ob-small")
    if len(report.failures) > FAILURES:
        text("p", f"… and {len(report.failures) - FAILURES:,} more, in the table below.", "ob-small ob-muted")
    for note in report.notes:
        text("p", note, "ob-small ob-muted")
