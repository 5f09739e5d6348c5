"""The evaluation data as the harness sees it: collections with grades, the book with its questions, tokens.

A collection may be cut down to a number of passages so that a run fits into
its time: every passage with a grade stays, and of the others a sample by a
hash of their ids, so that it is the same sample everywhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from benchmarks.peers.adapters.speaking import texts_of
from openbook.lab.labelled_sets import BeirSet, Gold, Question, read_beir, read_questions
from openbook.lab.quotes import normalise

COLLECTIONS: Final = ("cranfield", "mtrag-fiqa", "mtrag-cloud")
BOOK: Final = "book"

MARKER: Final = "The orange tram of Quillhaven is repaired by Ottilie Brandt every third Thursday."
MARKER_QUESTION: Final = "Who repairs the orange tram of Quillhaven?"
"""A sentence that is added to a file, and a question that finds it only if the change was noticed."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A BEIR collection: where its (cut) corpus is, how many passages of how many it has, its grades."""

    corpus: Path
    passages: int
    all_passages: int
    labelled: BeirSet


def collection(data: Path, name: str, work: Path, *, passages: int = 0) -> Collection:
    """Read a collection, and write its corpus into `work` if it is to be cut; 0 keeps everything."""
    labelled = read_beir(data / name)
    source = data / name / "corpus.jsonl"
    rows = source.read_text(encoding="utf-8").splitlines()
    if not passages or passages >= len(rows):
        return Collection(source, len(rows), len(rows), labelled)
    wanted = {document for grades in labelled.grades.values() for document in grades}
    judged: list[tuple[bytes, str]] = []
    rest: list[tuple[bytes, str]] = []
    for row in rows:
        identity = str(json.loads(row)["_id"])
        (judged if identity in wanted else rest).append((hashlib.sha256(identity.encode()).digest(), row))
    kept = judged + sorted(rest)[: max(passages - len(judged), 0)]
    folder = work / "corpora" / f"{name}-{passages}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_text("\n".join(row for _, row in sorted(kept)) + "\n", encoding="utf-8")
    return Collection(folder / "corpus.jsonl", len(kept), len(rows), labelled)


def book(data: Path) -> tuple[Path, list[Question]]:
    """The folder of the book, and the questions on it that one place answers."""
    questions = [q for q in read_questions(data / "r4ds-questions.jsonl") if q.kind == "answerable"]
    return data / "r4ds", questions


def copy_of_book(data: Path, work: Path) -> tuple[Path, str]:
    """A fresh copy of the book, and the chapter of middling length that will change."""
    folder = work / "changing"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(data / "r4ds", folder)
    chapters = sorted(folder.glob("*.qmd"), key=lambda path: path.stat().st_size)
    return folder, chapters[len(chapters) // 2].name


def add_marker(file: Path) -> None:
    """Change a file: one more paragraph at its head.

    At the end of a chunk of 1,024 tokens a model that reads 256 would not see it.
    """
    file.write_text(f"{MARKER}\n\n{file.read_text(encoding='utf-8')}", encoding="utf-8")


def count_tokens(corpus: Path, tokenizer: Path) -> int:
    """Tokens of a whole corpus by the model's own tokenizer, special tokens not counted, nothing cut off."""
    import tokenizers

    counter = tokenizers.Tokenizer.from_file(str(tokenizer))
    counter.no_truncation()
    counter.no_padding()
    total = 0
    for batch in _batches((text for _, text in texts_of(corpus)), 512):
        total += sum(len(e.ids) for e in counter.encode_batch_fast(batch, add_special_tokens=False))
    return total


def ranked(found: Sequence[Sequence[str]], k: int) -> list[str]:
    """Documents of chunks, best first: each stands where its best chunk does."""
    return list(dict.fromkeys(name for name, *_ in found))[:k]


def holds(found: Sequence[str], golds: Iterable[Gold]) -> bool:
    """Whether a chunk (name, text) holds one of the quotes, judged alike for every system.

    The chunk must come from the quote's file, and the longest run of
    characters that chunk and quote share must be at least half of the quote.
    Runs of white space count as one blank.
    """
    name, text = found
    said = normalise(text)
    for gold in golds:
        quote = normalise(gold.quote)
        if name != gold.file and not name.endswith(f"/{gold.file}"):
            continue
        if quote in said:
            return True
        matcher = SequenceMatcher(None, said, quote, autojunk=False)
        longest = matcher.find_longest_match(0, len(said), 0, len(quote))
        if 2 * longest.size >= len(quote):
            return True
    return False


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
