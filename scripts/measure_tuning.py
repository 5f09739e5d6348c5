"""Measure what `openbook tune` gains on public questions, and how often it is fooled.

    python scripts/measure_tuning.py ../shared/data [--libraries DIR] [--quick]

For the book's questions, two conversational sets and Wikipedia's with and without an answer:
the gain on the half of the questions that was not learned from, for several divisions; how often shuffled
labels lead to an adoption (they hold nothing to learn, and neither does which questions have an
answer when that is dealt out too); what an adapter gains; and whether undo restores every hit
and every answer. `--libraries` holds libraries of the sets by
name (`r4ds`, `mtrag-fiqa`, `mtrag-cloud`, `clapnq`), which are copied and not changed; others
are built. Quality figures do not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from openbook.adapting import adapter_of
from openbook.calibrating import FittedCalibration
from openbook.lab.adapter import learn_adapter
from openbook.lab.labelled_sets import read_beir, read_questions
from openbook.lab.made_questions import made_questions
from openbook.lab.significance import Difference
from openbook.lab.tune import NOT_FROM_WORDS, Tuned, tune
from openbook.lab.tuning_questions import Asked, asked_of_questions, asked_of_set, shuffled
from openbook.library import Library
from openbook.settings import Settings

BOOK = "r4ds"
ANSWERED = 40
"""Questions that are answered before and after an undoing; searched are all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--libraries", type=Path)
    parser.add_argument("--quick", action="store_true", help="one division and two shuffles of each set")
    options = parser.parse_args()
    seeds, shuffles = (range(1), range(2)) if options.quick else (range(3), range(20))
    for name in (BOOK, "mtrag-fiqa", "clapnq"):
        with library_of(name, options.data, options.libraries) as library:
            asked = questions_of(name, options.data)
            for seed in seeds:
                show_tuned(f"{name}, division {seed}", tune(library, asked, seed=seed, dry_run=True))
            adopted = sum(fooled(library, asked, seed) for seed in shuffles)
            say(f"{name}: shuffled labels adopted {adopted} of {len(shuffles)} times")
            show_undo(name, library, asked)
    for name in ("mtrag-cloud", "mtrag-fiqa", BOOK):
        with library_of(name, options.data, options.libraries) as library:
            asked = questions_of(name, options.data)
            made = made_questions(library)
            for seed in seeds:
                show_learned(f"{name}, division {seed}", library, asked, made, seed)
            if name == "mtrag-cloud":  # of the others it was shown above
                show_undo(name, library, asked)
    with library_of(BOOK, options.data, options.libraries) as library:
        made = made_questions(library)
        show_tuned(f"{BOOK}, made questions", tune(library, made, fixed=NOT_FROM_WORDS, dry_run=True))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def questions_of(name: str, data: Path) -> tuple[Asked, ...]:
    if name == BOOK:
        return asked_of_questions(read_questions(data / "r4ds-questions.jsonl"))
    return asked_of_set(read_beir(data / name))


@contextmanager
def library_of(name: str, data: Path, prepared: Path | None) -> Iterator[Library]:
    """A library of a set that may be changed: a copy of a prepared one, or a new one."""
    with TemporaryDirectory(prefix="openbook-measure-") as folder:
        place = Path(folder) / name
        if prepared is not None and (prepared / name).is_dir():
            shutil.copytree(prepared / name, place)
        with Library(place, settings=Settings()) as library:
            if not library.status().documents and name == BOOK:
                library.add(data / name)
            elif not library.status().documents:
                library.add_documents(read_beir(data / name).documents(), source=f"beir:{name}")
            yield library


def fooled(library: Library, asked: Sequence[Asked], seed: int) -> bool:
    """Whether anything would be adopted for questions whose labels were dealt out anew."""
    found = tune(library, shuffled(asked, seed=seed, kinds=True), seed=seed, dry_run=True)
    return bool(found.convincing or found.calibration)


def show_tuned(title: str, tuned: Tuned) -> None:
    levels = ", ".join(f"{measure} {level:.3f}" for measure, level in tuned.levels.items())
    say(f"{title}: {dict(tuned.parts)} questions; on the test part as it is: {levels}")
    for one in tuned.trials:
        changes = ", ".join(f"{n} {old:g} → {one.after[n]:g}" for n, old in one.before.items())
        changes = changes if one.before != one.after else "stays"
        mark = "*" if one.chosen else " "
        say(f"  {mark} {one.name}: {changes}; validation {one.validation:+.4f}, test {written(one.test)}")
    for note in tuned.notes:
        say(f"    {note}")
    adopted = tuned.convincing | ({"calibration": 1.0} if tuned.calibration else {})
    say(f"    adopted: {adopted or 'nothing'}")


def show_learned(
    title: str, library: Library, asked: Sequence[Asked], made: Sequence[Asked], seed: int
) -> None:
    learned = learn_adapter(library, asked, made=made, seed=seed, dry_run=True)
    gains = ", ".join(f"{way} {gain:+.4f}" for way, gain in learned.validation.items())
    test = "not tested" if learned.test is None else f"test {written(learned.test)}"
    say(f"{title}, adapter: {dict(learned.parts)} questions, {learned.pairs} pairs; validation {gains}")
    say(f"    {learned.way}: nDCG@10 {learned.before:.3f}, {test}; convincing: {learned.convincing}")


def show_undo(name: str, library: Library, asked: Sequence[Asked]) -> None:
    """Whether every hit and every answer is the same after an adoption and its undoing, scores and all."""

    def everything() -> list[object]:
        found: list[object] = []
        for one in asked:
            found.append(library.search(one.text, history=one.history, explain=True).hits)
        for one in asked[:ANSWERED]:
            answer = library.ask(one.text, history=one.history, model="none")
            found.append((answer.text, answer.confidence, answer.citations))
        return found

    before = everything()
    embedder = library.embedder()
    if embedder is None:
        raise SystemExit("The model is not installed: openbook model install")
    noise = np.random.default_rng(0).normal(0, 0.02, (embedder.dimension, embedder.dimension))
    adapter = adapter_of(np.eye(embedder.dimension) + noise, embedder.fingerprint)
    changes: dict[str, float | FittedCalibration] = {
        "cosine_weight": 0.3,
        "surroundings_weight": 1.5,
        "candidates": 50,
        "title_weight": 0.2,
        "sentence_distance": 0.05,
        "calibration": FittedCalibration(embedder.fingerprint, -2.0, {"pair": 3.0, "coverage": 1.0}),
    }
    library.adopt(changes, adapter=adapter)
    changed = everything() != before
    library.undo_tuning()
    say(f"{name}: adopted (ranking changed: {changed}), undone: identical hits: {everything() == before}")


def written(found: Difference) -> str:
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}] p {found.p:.3f}"


if __name__ == "__main__":
    main()
