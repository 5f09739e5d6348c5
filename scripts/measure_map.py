"""Measure a map: how long it takes, how many neighbours it keeps, and where a new point lands.

    python scripts/measure_map.py LIBRARY [--tsne]

For 1,000 chunks, evenly taken: the share of their ten nearest by cosine that are among
their ten nearest on the map, and the trustworthiness at ten neighbours (Venna and Kaski
2001: 1 where no stranger is among the nearest on the map). With --tsne also for t-SNE,
and how a point that it has placed would be placed if it were new, by several
sharpnesses: the median distance from its true place, in hundredths of the map's width.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openbook.lab.atlas import PLACED_BY, Atlas, draw
from openbook.lab.projections import TsneRun, window
from openbook.library import Library

if TYPE_CHECKING:
    from openbook.types import FloatMatrix

NEAREST = 10
SAMPLE = 1_000
SHARPNESSES = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 1_000.0)


def ranks_by(distances: NDArray[np.floating], row: int) -> NDArray[np.int64]:
    """All rows but this one, nearest first."""
    distances[row] = np.inf
    return np.argsort(distances, kind="stable")


def quality(vectors: FloatMatrix, layout: FloatMatrix) -> tuple[float, float]:
    """(share of the ten nearest kept, trustworthiness) of a layout."""
    count = len(vectors)
    kept, strange = 0, 0
    rows = range(0, count, max(1, count // SAMPLE))
    for row in rows:
        true = ranks_by(1 - vectors @ vectors[row], row)
        shown = ranks_by(np.linalg.norm(layout - layout[row], axis=1), row)[:NEAREST]
        places = np.empty(count, dtype=np.int64)
        places[true] = np.arange(1, count + 1)
        kept += int(np.count_nonzero(places[shown] <= NEAREST))
        strange += int(np.maximum(places[shown] - NEAREST, 0).sum())
    worst = len(rows) * NEAREST * (2 * count - 3 * NEAREST - 1) / 2
    return kept / (NEAREST * len(rows)), 1 - strange / worst


def placing(atlas: Atlas, layout: FloatMatrix, sharpness: float) -> float:
    """The median distance of points placed as if they were new, in hundredths of the map's width."""
    away = []
    for row in range(0, len(atlas), max(1, len(atlas) // SAMPLE)):
        near = atlas.nearest(atlas.features[row], PLACED_BY + 1)
        near = near[near != row][:PLACED_BY]
        distances = ((atlas.features[near] - atlas.features[row]) ** 2).sum(axis=1)
        weights = np.exp(-sharpness * (distances - distances[0]))
        place = weights @ layout[near] / weights.sum()
        away.append(float(np.linalg.norm(place - layout[row])))
    return float(np.median(away)) / (2 * window(layout).half) * 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=Path)
    parser.add_argument("--tsne", action="store_true")
    options = parser.parse_args()
    with Library(options.library, create=False) as library:
        started = time.perf_counter()
        atlas = draw(library)
        if atlas is None:
            raise SystemExit("The library has no vectors.")
        print(f"{len(atlas):,} chunks drawn in {time.perf_counter() - started:.1f} s")
        print(f"  {atlas.features.nbytes / 1e6:.1f} MB stay; {len(atlas.labels)} clusters, ", end="")
        print(
            f"silhouette {atlas.clusters.silhouette:.3f}, {atlas.basis.shares.sum():.0%} of the variance kept"
        )
        vectors = np.concatenate([rows for _, _, rows in library.embeddings()]).astype(np.float32)
        layouts = {"PCA 2-D": atlas.principal(2), "PCA 3-D": atlas.principal(3)}
        if options.tsne:
            started = time.perf_counter()
            layouts["t-SNE"] = TsneRun(atlas.features).coordinates()
            print(f"  t-SNE took {time.perf_counter() - started:.0f} s")
        for name, layout in layouts.items():
            kept, trust = quality(vectors, layout)
            print(f"  {name:8} keeps {kept:.3f} of the ten nearest; trustworthiness {trust:.3f}")
        if options.tsne:
            for sharpness in SHARPNESSES:
                print(
                    f"  placed with {sharpness:g}: {placing(atlas, layouts['t-SNE'], sharpness):.2f} % away"
                )


if __name__ == "__main__":
    main()
