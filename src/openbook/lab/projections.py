"""Vectors of many dimensions → few: principal components at once, t-SNE in a process of its own.

Principal components come from the eigenvectors of the covariance matrix, which
is summed up batch by batch: memory stays flat, and the directions are always
the same, signs included. t-SNE (van der Maaten and Hinton, "Visualizing Data
using t-SNE", 2008; its approximation by interpolation: Linderman and others,
2019; as openTSNE has it) shows neighbours where principal components show
directions. `TsneRun` starts it and `lab/tsne_process.py` is what runs.

`scripts/measure_map.py` measured, on 25,942 chunks of software documentation
(mtrag-cloud) and on the 1,229 of a book (r4ds), two cores:

    layout        ten nearest kept    trustworthiness    seconds
    PCA, 2-D        .04     .09         .73     .77         0.4 (mtrag-cloud)
    PCA, 3-D        .06     .16         .80     .83        the same
    t-SNE, 2-D      .45     .56         .98     .98         56 to 68 (mtrag-cloud)

"Ten nearest kept" is the share of a chunk's ten nearest by cosine that are among
its ten nearest on the map. t-SNE runs at a low priority: on a machine with
eight other busy processes it took four times as long.

Refused: UMAP, which needs numba and its compiler (over 100 MB) and shows much
the same; t-SNE in three dimensions, which openTSNE can only do without its
fast approximation; a random projection, which is no faster at 384 dimensions.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.errors import MissingExtra, OpenbookError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.types import FloatMatrix

KEPT: Final = 50
"""Principal components that are kept for everything after: clusters, t-SNE, nearest points.

50 of 384 hold 64 % of the variance of 25,942 real vectors, and keep .65 of the ten nearest: more than any map
can show, at an eighth of the memory.
"""
TSNE_FEWEST: Final = 10
TSNE_MOST: Final = 250_000
TSNE_SECONDS: Final = 3_600.0
"""A layout that takes longer is given up."""
_ENVIRONMENT: Final = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "passive"}
"""Threads that wait for each other sleep meanwhile: searches are to go on as if nothing ran."""
_BLOCK: Final = 4_096
"""Rows that are multiplied at once."""


class Cancelled(OpenbookError):
    """Somebody stopped the layout before its end."""


class LayoutFailed(OpenbookError):
    """The process that computes a layout ended without one. The message holds what it said."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The directions in which vectors differ most.

    `mean` has shape (dimension,), `directions` (kept, dimension), unit rows,
    most telling first, and `shares` (kept,) says which share (0 to 1) of all
    variance lies in each; `rows` is how many vectors it was made of. Of each
    direction the number that is greatest without its sign is positive, so that
    a map never turns over by itself.
    """

    mean: NDArray[np.float32]
    directions: FloatMatrix
    shares: NDArray[np.float32]
    rows: int

    def project(self, vectors: NDArray[np.floating]) -> FloatMatrix:
        """The coordinates of vectors, shape (n, dimension), along the directions: (n, kept)."""
        projected: FloatMatrix = ((vectors.astype(np.float32) - self.mean) @ self.directions.T).astype(
            np.float32
        )
        return projected


def principal_components(batches: Iterable[NDArray[np.floating]], *, kept: int = KEPT) -> Basis:
    """The `kept` directions of greatest variance of all rows of the batches, each of shape (any, dimension).

    Raises UsageError where there are no rows at all. Directions that vectors do
    not differ in are there too, with a share of 0.
    """
    count = 0
    total: NDArray[np.float64] = np.zeros(1)
    products: NDArray[np.float64] = np.zeros((1, 1))
    for block in in_blocks(batches, _BLOCK):
        rows = block.astype(np.float32)
        count += len(rows)
        total = total + rows.sum(axis=0, dtype=np.float64)
        products = products + rows.T @ rows  # float32 within a block, float64 over all of them
    if not count:
        raise UsageError("There are no vectors to make a map of.")
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(-values, kind="stable")[:kept]
    directions = vectors[:, order].T
    widest = np.argmax(np.abs(directions).round(9), axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), widest])[:, np.newaxis]
    variance = np.clip(values, 0.0, None)
    shares = variance[order] / max(float(variance.sum()), 1e-12)
    return Basis(mean.astype(np.float32), directions.astype(np.float32), shares.astype(np.float32), count)


def in_blocks(batches: Iterable[NDArray[np.floating]], size: int) -> Iterator[NDArray[np.floating]]:
    """The rows of all batches, in order, in pieces of at least `size` rows (the last may be smaller)."""
    waiting: list[NDArray[np.floating]] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        if count >= size:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a map that is shown first: `centre`, a number for each dimension, and `half` its width."""

    centre: tuple[float, ...]
    half: float


def window(coordinates: FloatMatrix) -> Window:
    """The window that shows coordinates, shape (n, dimensions), as large as they go.

    The outermost half per cent on either side does not count, or one stray point
    would press all others together.
    """
    if not len(coordinates):
        return Window((0.0,) * coordinates.shape[1], 1.0)
    low, high = np.percentile(coordinates, [0.5, 99.5], axis=0)
    half = float((high - low).max()) / 2
    return Window(tuple(((low + high) / 2).tolist()), half if half > 1e-9 else 1.0)


# t-SNE


def tsne_refusal(count: int) -> str:
    """Why there is no t-SNE of so many points, as a sentence; "" where there is one."""
    if find_spec("openTSNE") is None:
        return str(MissingExtra("A map by t-SNE", extra="map"))
    if count < TSNE_FEWEST:
        return f"t-SNE needs at least {TSNE_FEWEST} chunks; the library has {count}."
    if count > TSNE_MOST:
        return f"t-SNE takes at most {TSNE_MOST:,} chunks; the library has {count:,}."
    return ""


class TsneRun:
    """One run of t-SNE in a process of its own, at the lowest priority but for idle ones.

    `start` may be watched and cancelled from other threads. The process ends
    with the one that started it, however that ends.
    """

    def __init__(self, features: FloatMatrix, *, progress: Callable[[float], None] | None = None) -> None:
        self._features = np.ascontiguousarray(features, dtype="<f4")
        self._progress = progress or _unwatched
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._cancelled = False

    def coordinates(self) -> FloatMatrix:
        """Run it and return the coordinates, shape (n, 2).

        Raises Cancelled, LayoutFailed, and MissingExtra or UsageError where it
        cannot be run at all.
        """
        refusal = tsne_refusal(len(self._features))
        if refusal:
            raise UsageError(refusal)
        with self._lock:
            if self._cancelled:
                raise Cancelled("The layout was cancelled.")
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "openbook.lab.tsne_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | _ENVIRONMENT,
            )
        alarm = threading.Timer(TSNE_SECONDS, self._end)
        alarm.daemon = True
        alarm.start()
        try:
            with process:
                return self._talk(process)
        finally:
            alarm.cancel()

    def cancel(self) -> None:
        """Stop it. Nothing happens where it has ended."""
        with self._lock:
            self._cancelled = True
        self._end()

    def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def _talk(self, process: subprocess.Popen[bytes]) -> FloatMatrix:
        said: list[bytes] = []
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise LayoutFailed("The process that computes the map has no pipes.")
        listener = threading.Thread(target=lambda: said.append(stderr.read()), daemon=True)
        listener.start()
        content = b""
        try:
            stdin.write(struct.pack("<II", *self._features.shape))
            stdin.write(self._features.data)
            stdin.flush()  # and left open: its end tells the process that nobody waits any more
            for line in stdout:
                word, _, value = line.strip().partition(b" ")
                if word == b"done":
                    content = stdout.read(8 * len(self._features))
                    break
                self._progress(float(value))
        except BrokenPipeError:
            content = b""  # it ended early; what it said tells why
        self._end()
        with suppress(BrokenPipeError):
            stdin.close()
        listener.join()
        if self._cancelled:
            raise Cancelled("The layout was cancelled.")
        if len(content) != 8 * len(self._features):
            words = b"".join(said).decode("utf-8", "replace").strip().splitlines()
            why = words[-1] if words else f"it was stopped, or took more than {TSNE_SECONDS:.0f} s"
            raise LayoutFailed(f"t-SNE ended without a map: {why}.")
        return np.frombuffer(content, dtype="<f4").reshape(-1, 2)


def _unwatched(share: float) -> None:
    """Progress that nobody watches."""
