"""Laws of kept conversations: saved is loaded, and no word outlives the documents that it came from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.ledger_redaction import words
from openbook.index.records import FileRecord
from openbook.types import Answer, Chunk, Citation, Claim, Document, Evidence, Step

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
PLACES = st.integers(0, 40)
SHARES = st.floats(0, 1)
SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
PASSAGE = "The heron eats fish, frogs and voles."


def put(ledger: Ledger, path: str, text: str) -> int:
    """Add or replace a document that is one chunk."""
    source = ledger.put_source("/", "memory")
    file = FileRecord(path, source.id, len(text), 1, b"", "added")
    return ledger.put_document(
        source.id, Document(path, text, "text/plain"), [Chunk(0, 0, len(text), text)], file
    )


def piece(number: int, document_id: int, path: str, text: str) -> Evidence:
    """All of a document as evidence."""
    return Evidence(number, path, document_id, 0, len(text), None, "", text, 0.5)


CITATIONS = st.builds(
    lambda start, end, supported, field: Citation(start, end, 1, "heron", supported, 4, 9, field),
    PLACES,
    PLACES,
    st.booleans(),
    TEXTS,
)
CLAIMS = st.builds(
    Claim,
    PLACES,
    PLACES,
    st.lists(st.integers(1, 9), max_size=3).map(tuple),
    SHARES,
    st.booleans(),
    st.lists(TEXTS, max_size=2).map(tuple),
)
STEPS = st.builds(
    Step, PLACES, TEXTS, st.dictionaries(TEXTS, SCALARS, max_size=2), st.just(""), SHARES, st.booleans()
)
VALUES = st.recursive(
    st.none() | SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)
)
ANSWERS = st.builds(
    Answer,
    question=TEXTS,
    text=TEXTS,
    status=st.sampled_from(["answered", "not_found"]),
    confidence=SHARES,
    citations=st.lists(CITATIONS, max_size=2).map(tuple),
    evidence=st.just((piece(1, 1, "heron.md", PASSAGE),)),
    generator=TEXTS,
    usage=st.dictionaries(TEXTS, st.integers(0, 2**70), max_size=2),
    timings_ms=st.dictionaries(TEXTS, SHARES, max_size=2),
    meant=TEXTS,
    claims=st.lists(CLAIMS, max_size=2).map(tuple),
    removed=PLACES,
    strategy=TEXTS,
    complete=st.booleans(),
    steps=st.lists(STEPS, max_size=2).map(tuple),
    value=VALUES,
)


@given(st.lists(ANSWERS, max_size=4))
@settings(max_examples=60)
def test_save_then_load_gives_the_same_turns(answers: list[Answer]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Ledger(Path(folder) / LEDGER_NAME, create=True) as ledger:
            assert put(ledger, "heron.md", PASSAGE) == 1
            conversation = ledger.put_conversation("Birds")
            kept = [ledger.put_turn(conversation.id, answer, seen_losses=0) for answer in answers]
        with Ledger(Path(folder) / LEDGER_NAME) as ledger:
            turns = ledger.turns(conversation.id)
            assert turns == kept
            assert [turn.answer for turn in turns] == answers
            assert [turn.question for turn in turns] == [answer.question for answer in answers]
            assert ledger.conversation(conversation.id).turns == len(answers)
            assert ledger.check() == []


VOCABULARY = st.lists(
    st.sampled_from(
        ["heron", "herons", "fish", "frogs", "mill", "42", "secretary", "secretarial", "鷺", "魚"]
    ),
    max_size=5,
).map(" ".join)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, list[int], list[int]]], list[Any]]:
    """Texts of documents; turns (question, evidence, what to say); changes (document, new text or None)."""
    texts = draw(st.lists(VOCABULARY, min_size=1, max_size=3))
    numbers = st.integers(0, len(texts) - 1)
    turns = draw(
        st.lists(
            st.tuples(
                VOCABULARY,
                st.lists(numbers, unique=True, max_size=3),
                st.lists(st.integers(0, 30), max_size=5),
            ),
            min_size=1,
            max_size=3,
        )
    )
    changes = draw(st.lists(st.tuples(numbers, st.none() | VOCABULARY), min_size=1, max_size=4))
    return texts, turns, changes


@given(histories())
@settings(max_examples=80)
def test_no_word_outlives_the_documents_that_it_came_from(
    history: tuple[list[str], list[tuple[str, list[int], list[int]]], list[Any]],
) -> None:
    texts, asked, changes = history
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / LEDGER_NAME, create=True) as ledger:
        library = dict(enumerate(texts))
        ids = {number: put(ledger, f"{number}.txt", text) for number, text in library.items()}
        conversation = ledger.put_conversation("Birds")
        known: list[str] = []  # what a model had seen of the conversation when it wrote
        for question, shown, said in asked:
            evidence = [piece(n, ids[d], f"{d}.txt", texts[d]) for n, d in enumerate(shown, start=1)]
            known += [*words(question), *(word for d in shown for word in words(texts[d]))]
            text = " ".join(known[index % len(known)] for index in said) if known else ""
            ledger.put_turn(conversation.id, answer_of(question, text, evidence))
        for number, new in changes:
            if new is None:
                ledger.remove_documents([ids[number]])
                library.pop(number, None)
            else:
                ids[number] = put(ledger, f"{number}.txt", new)
                library[number] = new
            assert ledger.check() == []
            allowed = {word for text in library.values() for word in words(text)}
            for turn in ledger.turns(conversation.id):
                allowed.update(words(turn.question))
                answer = turn.answer
                quotes = (citation.quote for citation in answer.citations)
                assert set(words(answer.text, answer.meant, *quotes)) <= allowed


def answer_of(question: str, text: str, evidence: Sequence[Evidence]) -> Answer:
    """An answer that cites all of every other piece of evidence, and means what it says."""
    citations = tuple(
        Citation(0, 0, one.number, one.text, True, 0, len(one.text)) for one in evidence if one.number % 2
    )
    return Answer(question, text, "answered", 0.5, citations, tuple(evidence), "model", meant=text)
