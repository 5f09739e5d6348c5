"""`ask --batch`: a file of questions into a file of answers, with a bar, and what it came to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.cli import DONE, FAILED
from openbook.cli.output import print_json
from openbook.cli.progress import ProgressLine
from openbook.errors import UsageError
from openbook.wording import count, duration, one_line

if TYPE_CHECKING:
    from openbook.batching import BatchReport
    from openbook.library import Library
    from openbook.types import Answer

SHOWN: Final = 20
"""Failures that are named before the rest is only counted. `--json` names all."""
_MARGIN_SECONDS: Final = 2.0
"""A killed run was alive for up to a beat after it last touched its file."""


def run_batch(
    library: Library, batch: Path, out: Path, *, ask: Callable[[str], Answer], as_json: bool
) -> int:
    """Answer the questions of `batch` into `out` and print what came of it. Exit code 1 if any has no answer.

    Raises UsageError for files that cannot be what they should.
    """
    from openbook.backends.limiter import WINDOW
    from openbook.batching import answer_all, read_questions

    if out.exists() and batch.exists() and out.samefile(batch):
        raise UsageError(
            f"The answers would go into the file of the questions, {str(batch)!r}. Name another."
        )
    questions = read_questions(batch)
    settings = library.settings
    limited = settings.requests_per_minute > 0 or settings.tokens_per_minute > 0
    with ProgressLine(quiet=as_json) as line:
        try:
            report = answer_all(
                questions,
                ask,
                out,
                parallel=settings.parallel,
                quiet_seconds=WINDOW + _MARGIN_SECONDS if limited else 0.0,
                progress=line.show,
            )
        except KeyboardInterrupt:
            line.stop()
            sys.stderr.write(f"\nThe answers so far are in {one_line(str(out))}; run the same to go on.\n")
            raise
    if as_json:
        print_json(report)
    else:
        _print_report(report, out)
    return FAILED if report.failures or report.left else DONE


def _print_report(report: BatchReport, out: Path) -> None:
    parts = [f"{report.answered:,} answered"]
    if report.not_found:
        parts[0] += f" ({report.not_found:,} of them: not in the documents)"
    for number, what in (
        (report.earlier, "had their answer already"),
        (len(report.failures), "failed"),
        (report.left, "not asked"),
    ):
        if number:
            parts.append(f"{number:,} {what}")
    print(f"{count(report.questions, 'question')}: {', '.join(parts)}  ({duration(report.seconds)})")
    if tokens := sum(report.usage.get(name, 0) for name in ("input_tokens", "output_tokens")):
        requests = report.usage.get("requests", 0)
        print(f"{count(requests, 'request')} to the model, {tokens:,} tokens")
    for failure in report.failures[:SHOWN]:
        print(f"  failed   {one_line(str(failure.id))}: {one_line(failure.message)}")
    if len(report.failures) > SHOWN:
        print(f"  … and {len(report.failures) - SHOWN:,} more; --json names them all.")
    if report.stopped:
        print(one_line(report.stopped))
    if report.failures or report.left:
        print("Run the same again to ask only those that have no answer yet.")
    print(f"Answers: {one_line(str(out))}")
