"""Documents and vectors that are made up, with a structure that a map has to show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openbook.types import Document

WORDS = {
    "bicycle": "wheel spoke brake pedal saddle chain tyre gear handlebar frame",
    "kitchen": "oven flour butter recipe whisk dough sugar baking bread yeast",
    "garden": "soil seed compost tomato prune water greenhouse weed flower lawn",
}
EACH = 20


def topics(each: int = EACH) -> Iterator[Document]:
    """So many documents about each of three things; no two have the same text."""
    chance = np.random.default_rng(4)
    for topic, words in WORDS.items():
        known = words.split()
        for number in range(each):
            chosen = " ".join(chance.choice(known, 40))
            yield Document(
                path=f"{topic}/{number:02}.txt",
                text=f"The {topic} of note {number}: {chosen}.",
                media_type="text/plain",
                title=f"{topic.capitalize()} {number}",
                language="en",
            )


def blobs(count: int, each: int, dimension: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows in `count` groups far from each other, shape (count·each, dimension), and their groups."""
    chance = np.random.default_rng(7)
    centres = chance.normal(size=(count, dimension)) * 6
    groups = np.repeat(np.arange(count), each)
    rows = centres[groups] + chance.normal(size=(len(groups), dimension)) * 0.3
    order = chance.permutation(len(groups))
    return rows[order].astype(np.float32), groups[order]
