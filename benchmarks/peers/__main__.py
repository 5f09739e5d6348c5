"""openbook beside other systems: measure them, and write docs/benchmarks.md. `make bench-peers` does both.

    python -m benchmarks.peers run                          everything (under two hours on two cores)
    python -m benchmarks.peers run --systems openbook txtai --only quality:cranfield
    python -m benchmarks.peers run --full                   whole collections, however long it takes
    python -m benchmarks.peers report results.json          docs/benchmarks.md and its plots

A run goes on where an earlier one with the same results file stopped. Each
system is installed into a virtual environment of its own, which is kept for
the next run. Nothing is asked of anybody but the package index.
"""

from __future__ import annotations

import argparse
import fcntl
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import platformdirs

from benchmarks.peers.measuring import Bench, measure
from benchmarks.peers.plan import NAMES, steps
from benchmarks.peers.results import ROOT, Results, machine, now
from benchmarks.peers.systems import SYSTEMS, named
from openbook.errors import OpenbookError

CACHE: Final = Path(platformdirs.user_cache_dir("openbook-peers", appauthor=False))
DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"
CUT: Final = {"mtrag-cloud": 3000}
"""Passages of collections that would not fit into two hours; `--full` keeps them all."""


def main(words: Sequence[str] | None = None) -> int:
    """Run or report; the exit code is 1 if anything failed for openbook itself."""
    arguments = _parser().parse_args(words)
    try:
        return _report(arguments) if arguments.command == "report" else _run(arguments)
    except OpenbookError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make the measurements that the results file lacks")
    run.add_argument("--systems", nargs="+", default=[], metavar="NAME", help="default: all of them")
    run.add_argument("--only", nargs="+", default=[], metavar="WHAT", help=f"some of: {', '.join(NAMES)}")
    run.add_argument("--runs", type=int, default=3, help="rounds of what is timed (default 3)")
    run.add_argument("--results", type=Path, default=CACHE / "results.json", help="default: %(default)s")
    run.add_argument("--environments", type=Path, default=CACHE / "environments", help="default: %(default)s")
    run.add_argument("--work", type=Path, default=CACHE / "work", help="indexes, logs (default: %(default)s)")
    run.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="evaluation data")
    run.add_argument("--full", action="store_true", help="whole collections")
    run.add_argument("--minutes", type=float, default=115, help="when to stop (default 115)")
    run.add_argument(
        "--step-minutes", type=float, default=30, help="longest one request may take (default 30)"
    )
    run.add_argument("--retry", action="store_true", help="try again what failed")
    report = commands.add_parser("report", help="write the document and its plots from a results file")
    report.add_argument("results", type=Path, nargs="?", default=CACHE / "results.json")
    report.add_argument("--output", type=Path, default=DOCUMENT)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    arguments.work.mkdir(parents=True, exist_ok=True)
    with (arguments.work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Another run works in {arguments.work}. Wait for its end, or name another with --work.")
            return 2
        return _run_alone(arguments, began)


def _run_alone(arguments: argparse.Namespace, began: float) -> int:
    cut = {} if arguments.full else CUT
    bench = Bench(
        arguments.data.resolve(), arguments.environments.resolve(), arguments.work.resolve(), passages=cut
    )
    results = Results(arguments.results, _description(bench))
    if arguments.retry:
        results.forget_failures()
    wanted = list(steps(named(arguments.systems), runs=arguments.runs, only=arguments.only))
    todo = [step for step in wanted if results.get(step.system.name, step.what, step.run) is None]
    _say(f"{len(todo)} of {len(wanted)} measurements to make; results in {arguments.results}")
    for number, step in enumerate(todo, start=1):
        left = 60 * arguments.minutes - (time.monotonic() - began)
        if left <= 0:
            _say(f"{arguments.minutes:g} minutes are over; {len(todo) - number + 1} measurements are left.")
            _say("The same command goes on from here.")
            return 3
        found = measure(bench, step, limit=min(left, 60 * arguments.step_minutes))
        results.keep(found)
        outcome = found.failure or ", ".join(f"{name} {value:.4g}" for name, value in found.figures.items())
        _say(f"[{number}/{len(todo)}, {(time.monotonic() - began) / 60:.1f} min] {step}: {outcome}")
    ours = [m for m in results if m.system == SYSTEMS[0].name and m.failure]
    return 1 if ours else 0


def _description(bench: Bench) -> dict[str, object]:
    """Machine, command and date, kept with the results."""
    return {
        "machine": machine(),
        "command": shlex.join(["python", "-m", "benchmarks.peers", *sys.argv[1:]]),
        "date": now(),
        "passages": dict(bench.passages),
        "tokens": bench.tokens(),
    }


def _report(arguments: argparse.Namespace) -> int:
    from benchmarks.peers.report import write_report

    for path in write_report(Results(arguments.results), arguments.output):
        _say(f"wrote {path}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
