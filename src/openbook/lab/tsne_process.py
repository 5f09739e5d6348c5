"""The process that computes a t-SNE: vectors in by standard input, coordinates out by standard output.

In come two unsigned integers, n and d, and n·d float32 numbers; all are
little-endian. Out come lines `progress SHARE` (0 to 1), then the line `done`
and n·2 float32 numbers. The reader ends the process; it ends by itself when
standard input does, because then nobody waits for it any more.

Refused: a pool of processes (one layout at a time is enough), and passing
vectors by a file, which would stay when the machine loses power.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from typing import Any, BinaryIO, Final

import numpy as np

NICENESS: Final = 10
PERPLEXITY: Final = 30.0
"""About how many neighbours of a point count. Fewer where there are few points."""
_EARLY: Final = 250
_ITERATIONS: Final = 500
_SEED: Final = 20
_EVERY: Final = 25
"""Steps between two reports."""


def main() -> None:
    """Read, compute, write."""
    os.nice(NICENESS)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    count, width = struct.unpack("<II", source.read(8))
    features = np.frombuffer(source.read(4 * count * width), dtype="<f4").reshape(count, width)
    threading.Thread(target=_end_with_reader, args=(source,), daemon=True).start()
    coordinates = layout(features.astype(np.float64), target)
    target.write(b"done\n")
    target.write(np.ascontiguousarray(coordinates, dtype="<f4").data)
    target.flush()


def layout(features: np.ndarray[Any, np.dtype[np.float64]], target: BinaryIO) -> Any:
    """The coordinates, shape (n, 2), of features, shape (n, d); how far it is goes to `target`.

    Neighbours of up to 1,000 points are found exactly, of more approximately;
    above 10,000 points the forces are interpolated on a grid.
    """
    from openTSNE import TSNE

    passed = 0

    def report(iteration: int, error: float, embedding: object) -> None:  # noqa: ARG001
        nonlocal passed
        passed += _EVERY
        target.write(b"progress %.3f\n" % min(1.0, passed / (_EARLY + _ITERATIONS)))
        target.flush()

    target.write(b"progress 0\n")
    target.flush()
    return TSNE(
        perplexity=min(PERPLEXITY, (len(features) - 1) / 3.5),
        early_exaggeration_iter=_EARLY,
        n_iter=_ITERATIONS,
        initialization="pca",
        n_jobs=len(os.sched_getaffinity(0)),
        random_state=_SEED,
        callbacks=report,
        callbacks_every_iters=_EVERY,
    ).fit(features)


def _end_with_reader(source: BinaryIO) -> None:
    os.read(source.fileno(), 1)  # not through the buffer, whose lock an ending interpreter would wait for
    os._exit(0)


if __name__ == "__main__":
    main()
