"""Progress of a long run: a bar with the time left on a terminal, nothing in a pipe.

It is written to stderr, so that results can be piped while it runs.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from openbook.wording import duration, one_line, size

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from openbook.types import Progress

_TITLES: Final = {"reading": "Reading", "embedding": "Embedding", "downloading": "Downloading"}


class ProgressLine:
    """One bar, for the stage that is running. Usable as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._stage = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def show(self, progress: Progress) -> None:
        """Draw one moment of the run."""
        if self._quiet:
            return
        if self._bar is None:
            self._bar = _new_bar()
            self._bar.start()
        if self._task is None or progress.stage != self._stage:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._stage = progress.stage
            title = _TITLES.get(progress.stage, progress.stage.capitalize())
            self._task = self._bar.add_task(title, total=None, amount="", item="", left="")
        left = "" if progress.eta_seconds is None else f"{duration(progress.eta_seconds)} left"
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total or None,
            amount=_amount(progress.done, progress.total),
            item=_shortened(one_line(progress.item)),
            left=left,
        )

    def stop(self) -> None:
        """Take the bar off the screen. Calling it twice does no harm."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None


def _new_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[item]}", style="dim", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


def _amount(done: int, total: int) -> str:
    """Return "12/39"; numbers that can only be bytes are written as such."""
    if total >= 10_000_000:
        return f"{size(done)}/{size(total)}"
    return f"{done:,}/{total:,}" if total else f"{done:,}"


def _shortened(name: str, limit: int = 40) -> str:
    return name if len(name) <= limit else "…" + name[1 - limit :]
