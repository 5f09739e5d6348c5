"""Installing an embedding model from the command line, with everything it fetches said aloud."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openbook.cli.progress import ProgressLine
from openbook.errors import ModelError, UsageError
from openbook.settings import Settings, load_settings
from openbook.types import Progress
from openbook.wording import one_line


@dataclass(frozen=True, slots=True)
class Setup:
    """How setting up the model ended. `notes` tell what a person should know; `failed` a broken attempt."""

    notes: tuple[str, ...] = ()
    failed: bool = False


def install_if_missing(*, quiet: bool) -> Setup:
    """Install the settings' model unless it is there or the network is forbidden.

    A failure is no reason not to index: text is found by its words until a model is installed.
    """
    from openbook.backends.model_store import find_model

    settings = load_settings()
    scheme, _, name = settings.embedder.partition(":")
    if scheme != "onnx":
        return Setup()
    try:
        place = {"model_folder": settings.model_folder, "cache": settings.cache}
        if find_model(name, precision=settings.precision, **place):
            return Setup()
        if settings.offline and not settings.model_folder:
            return Setup()  # the run itself says that it went without
        install(settings, quiet=quiet)
    except ModelError as error:
        note = f"The embedding model could not be installed, so text is found by its words only. {error}"
        return Setup((note,), failed=True)
    return Setup()


def install(settings: Settings, *, quiet: bool, precisions: Sequence[str] = ()) -> Path:
    """Install the settings' model with a progress bar, in the settings' precision unless others are named.

    Raises ModelError or UsageError.
    """
    from openbook.backends.model_store import install_model

    scheme, _, name = settings.embedder.partition(":")
    if scheme != "onnx":
        raise UsageError(
            f"The embedder {settings.embedder!r} has no weights to install; expected one named onnx:NAME."
        )
    with ProgressLine(quiet=quiet) as line:
        watcher = _Watcher(line)
        return install_model(
            name,
            precisions=precisions or (settings.precision,),
            model_folder=settings.model_folder,
            cache=settings.cache,
            offline=settings.offline,
            progress=watcher.show,
        )


class _Watcher:
    """Names every step once, also without a terminal to draw a bar on: network use is never silent."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._named: set[str] = set()

    def show(self, step: str, done: int, total: int) -> None:
        if step not in self._named:
            self._named.add(step)
            self._line.stop()
            sys.stderr.write(one_line(step) + "\n")
        self._line.show(Progress(step, done, total))
