"""Every budget of docs/design.md, measured and compared. `make bench` runs this.

    python -m benchmarks                     all of them (about half an hour on two cores)
    python -m benchmarks --skip million      without the library of a million chunks
    python -m benchmarks --only start book   some of them

Each figure is the median of several runs. A budget that is missed is printed
as missed, with its figure; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from benchmarks import budgets
from benchmarks.budgets import Figure

GROUPS: dict[str, Callable[[], Iterator[Figure]]] = {
    "start": budgets.starting,
    "book": budgets.book,
    "files": budgets.ten_thousand_files,
    "embedding": budgets.embedding,
    "hundred-thousand": budgets.hundred_thousand_chunks,
    "million": budgets.million_chunks,
    "install": budgets.installation,
}


def main() -> int:
    """Measure the chosen groups, print a row for each figure, and say whether all were met."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--skip", nargs="+", choices=GROUPS, default=[])
    arguments = parser.parse_args()
    print("| what | budget | measured | |\n| --- | --- | --- | --- |")
    missed = 0
    for name in arguments.only:
        if name in arguments.skip:
            continue
        for figure in GROUPS[name]():
            missed += not figure.met
            print(figure.row(), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
