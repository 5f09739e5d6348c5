"""Jobs as a person sees them: what runs and how far it is, what ended and what became of each file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nicegui import ui

from openbook.errors import PruneRefused
from openbook.serve.desk import Desk
from openbook.serve.jobs import Job
from openbook.serve.web.parts import ButtonKind, ProgressBar, button, chip, plain, text
from openbook.types import Progress, Report
from openbook.wording import count, duration, one_line

RECENT: Final = 3
"""Finished jobs that stay on the page."""

FAILURES: Final = 10
"""Failed files that a finished job names; the table names all."""

_ORDER: Final = ("added", "updated", "moved", "removed", "unchanged", "empty", "skipped", "failed")


class JobList:
    """The running, waiting and latest jobs of a desk.

    `on_change` is called when one has ended, and when what was read can be
    searched. `prune` begins a refused sync again that may remove documents;
    None where the page does not know what was asked for.
    """

    def __init__(
        self,
        desk: Desk,
        on_change: Callable[[], Awaitable[None]],
        prune: Callable[[Job], Callable[[], Awaitable[None]] | None] = lambda _: None,
    ) -> None:
        self._desk = desk
        self._on_change = on_change
        self._prune = prune
        self._cards: dict[str, _Card] = {}
        self._since = {job.id for job in desk.jobs.jobs() if job.finished}
        self._told = ui.element("p").classes("ob-visually-hidden").props("role=status")
        self._frame = ui.element("section").classes("ob-jobs").props('aria-label="Running work"')
        ui.timer(0.5, self._refresh)

    async def _refresh(self) -> None:
        """Bring the cards in line. One that stays is changed in place, so that the focus stays in it."""
        jobs = self._desk.jobs.jobs()
        active = [job for job in jobs if not job.finished]
        ended = [job for job in jobs if job.finished and job.id not in self._since][:RECENT]
        shown = [*reversed(active), *ended]
        for gone in self._cards.keys() - {job.id for job in shown}:
            self._cards.pop(gone).element.delete()
        news = False
        for place, job in enumerate(shown):
            card = self._cards.get(job.id)
            if card is None:
                with self._frame:
                    card = self._cards[job.id] = _Card(self._buttons)
            news |= card.show(job)
            if self._frame.default_slot.children.index(card.element) != place:
                card.element.move(self._frame, target_index=place)
        if news:
            self._tell(shown)
            await self._on_change()

    def _tell(self, shown: Sequence[Job]) -> None:
        """For those who do not see the cards: what has just ended."""
        latest = next((job for job in shown if job.finished), None)
        self._told.clear()
        if latest is not None:
            with self._told:
                plain(f"{latest.title}: {latest.state}")

    def _buttons(self, job: Job) -> None:
        if job.finished:
            self._button("Dismiss", job, self._dismiss, kind="quiet")
        elif job.cancelling:
            stopping = button("Cancelling …", small=True)
            stopping.props["disabled"] = True
        else:
            self._button("Cancel", job, self._cancel, kind="plain")
        again = self._prune(job) if job.error_type == PruneRefused.__name__ else None
        if again is not None:

            async def confirmed(job_id: str) -> None:
                await again()
                await self._dismiss(job_id)

            self._button("Remove them", job, confirmed, kind="danger")

    @staticmethod
    def _button(label: str, job: Job, action: Callable[[str], Awaitable[None]], *, kind: ButtonKind) -> None:
        button(label, lambda: action(job.id), kind=kind, small=True).props["aria-label"] = (
            f"{label}: {job.title}"
        )

    async def _cancel(self, job_id: str) -> None:
        self._desk.jobs.cancel(job_id)
        await self._refresh()

    async def _dismiss(self, job_id: str) -> None:
        self._since.add(job_id)
        await self._refresh()


class _Card:
    """One job. It is drawn anew when its state changes; progress only fills it."""

    def __init__(self, buttons: Callable[[Job], None]) -> None:
        self.element = ui.element("article").classes("ob-card ob-job")
        self._buttons = buttons
        self._job: Job | None = None

    def show(self, job: Job) -> bool:
        """Show the job as it stands; returns whether a list of documents has become out of date."""
        before, self._job = self._job, job
        if before == job:
            return False
        if before is None or (before.state, before.cancelling) != (job.state, job.cancelling):
            self._draw(job)
        if job.state == "running":
            self._progress.show(job.progress)
        return before is not None and (job.finished or _stage(before) != _stage(job) == "embedding")

    def _draw(self, job: Job) -> None:
        self.element.clear()
        with self.element:
            with ui.element("div").classes("ob-row ob-spread ob-job__head"):
                with ui.element("div").classes("ob-row ob-job__name"):
                    _state_chip(job)
                    text("span", one_line(job.title), "ob-job__title")
                with ui.element("div").classes("ob-row"):
                    self._buttons(job)
            if job.state == "running":
                self._progress = _JobProgress()
            elif job.error_type == PruneRefused.__name__:
                text("p", job.error.partition(" To remove them")[0].partition(" Add again")[0], "ob-small")
            elif job.state == "failed" or job.error:
                text("p", job.error, "ob-small").style("color: var(--ob-bad)")
            if job.report is not None:
                _report(job.report)


class _JobProgress:
    """How far a running job is."""

    def __init__(self) -> None:
        self._bar = ProgressBar("Progress")
        with ui.element("p").classes("ob-small ob-muted ob-numbers ob-job__progress"):
            self._counted = ui.label()
            self._item = ui.label().classes("ob-job__item")

    def show(self, progress: Progress | None) -> None:
        """Show what was told last; None where nothing was told yet."""
        if progress is None:
            self._bar.show(None)
            self._counted.set_text("Starting …")
            return
        done = 0 < progress.total <= progress.done
        self._bar.show(progress.done / progress.total if progress.total else None)
        unit = "chunk" if progress.stage == "embedding" else "file"
        counted = (
            f"{progress.done:,} of {count(progress.total, unit)}"
            if progress.total
            else count(progress.done, unit)
        )
        left = "" if done or progress.eta_seconds is None else f" · about {_about(progress.eta_seconds)} left"
        self._counted.set_text(f"{progress.stage.capitalize()}: {counted}{left}")
        self._item.set_text("" if done else one_line(progress.item))


def _about(seconds: float) -> str:
    """A guessed time, no finer than it can be guessed: "1 s", "40 s", "2 min"."""
    return (
        duration(60 * round(seconds / 60)).removesuffix(" 0 s")
        if seconds >= 90
        else f"{max(1, round(seconds))} s"
    )


def _stage(job: Job) -> str:
    return job.progress.stage if job.progress is not None else ""


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
