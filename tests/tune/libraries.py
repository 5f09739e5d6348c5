"""Made libraries with a known effect: what a tuning must find in them, and what it must not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from openbook import Document, Hit, Library, Settings
from openbook.lab.labelled_sets import Gold
from openbook.lab.tuning_questions import Asked

_SYLLABLES = ("ba", "do", "ki", "lu", "mer", "no", "pa", "ri", "so", "ta", "vu", "zel")


def words(count: int, seed: int) -> list[str]:
    """Different words that are in no language."""
    chance = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(chance.choice(_SYLLABLES, size=4))] = None
    return list(found)


def noisy_library(place: Path, *, embedder: str = "hash:8") -> tuple[Library, tuple[Asked, ...]]:
    """Vectors of eight numbers, in which everything is near everything, and words that tell all apart.

    So less weight for cosines finds more. Sixty questions of four words, three
    of which stand in the right document; some are asked by nobody's document.
    """
    chance = np.random.default_rng(5)
    names, filler = words(240, 1), words(30, 2)
    documents, asked = [], []
    for number in range(80):
        own = names[3 * number : 3 * number + 3]
        text = " ".join([*own, *chance.choice(filler, size=12)])
        documents.append(Document(f"d{number}", text, "text/plain", language="en"))
        if number < 60:
            question = " ".join([*own[:2], *chance.choice(filler, size=3)])
            asked.append(Asked(f"q{number}", question, f"q{number}", grades={f"d{number}": 1}))
    return _filled(place, embedder, documents), tuple(asked)


def foreign_library(place: Path) -> tuple[Library, tuple[Asked, ...]]:
    """Questions that use other words than the documents for the same thirty things.

    Words find nothing; a linear map can learn which vector goes with which.
    """
    chance = np.random.default_rng(7)
    theirs, ours = words(30, 3), words(30, 4)
    documents, asked = [], []
    for number in range(110):
        things = chance.choice(30, size=4, replace=False)
        text = " ".join(theirs[thing] for thing in things)
        documents.append(Document(f"d{number}", text, "text/plain", language="en"))
        question = " ".join(ours[thing] for thing in things[:3])
        asked.append(Asked(f"q{number}", question, f"q{number}", grades={f"d{number}": 1}))
    return _filled(place, "hash:96", documents), tuple(asked)


def titled_library(place: Path) -> tuple[Library, tuple[Asked, ...]]:
    """Eighty things that each have a document of that title, and others that speak of it more often."""
    chance = np.random.default_rng(11)
    names, filler = words(80, 5), words(40, 6)
    documents, asked = [], []
    for number, name in enumerate(names):
        others = [names[(number + step) % 80] for step in (7, 19)]
        text = " ".join([*others * 3, *chance.choice(filler, size=8)])
        documents.append(Document(f"d{number}", text, "text/plain", title=f"The {name}", language="en"))
        question = " ".join(["what is", name, *chance.choice(filler, size=1)])
        asked.append(Asked(f"q{number}", question, f"q{number}", grades={f"d{number}": 1}))
    return _filled(place, "hash:64", documents), tuple(asked)


def quoted_library(place: Path) -> tuple[Library, tuple[Asked, ...]]:
    """Sixty documents in which one sentence answers and two others say nearly the same words."""
    chance = np.random.default_rng(13)
    names, filler = words(240, 7), words(60, 8)
    documents, asked = [], []
    for number in range(60):
        own = names[4 * number : 4 * number + 4]
        answer = f"Here {' '.join(own)} is said."
        near = [" ".join(["There", *own[:3], str(chance.choice(filler))]) + "." for _ in range(2)]
        text = "\n\n".join([near[0], answer, near[1]])
        documents.append(Document(f"d{number}", text, "text/plain", language="en"))
        needs = ((Gold(f"d{number}", answer),),)
        asked.append(Asked(f"q{number}", " ".join(own), f"q{number}", needs=needs))
    library = _filled(place, "hash:256", documents)
    library.adopt({"answer_threshold": 0.0})
    return library, tuple(asked)


def strange_questions(count: int) -> list[Asked]:
    """Questions whose words no document holds."""
    return [Asked(f"u{n}", f"nobody{n} knows{n} this{n}", f"u{n}") for n in range(count)]


def answers(library: Library, asked: Sequence[Asked]) -> list[tuple[str, float, str]]:
    """What is answered, and how surely."""
    found = (library.ask(one.text, model="none") for one in asked)
    return [(answer.status, answer.confidence, answer.text) for answer in found]


def _filled(place: Path, embedder: str, documents: Sequence[Document]) -> Library:
    library = Library(place, settings=Settings(embedder=embedder))
    library.add_documents(documents, source="made")
    return library


def rankings(library: Library, asked: Sequence[Asked]) -> Iterator[tuple[Hit, ...]]:
    """Everything that searches return, scores and all."""
    yield from (library.search(one.text, k=10, explain=True).hits for one in asked)
