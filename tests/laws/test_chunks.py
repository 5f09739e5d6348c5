"""What holds for the chunks of any document, whatever its text and marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from openbook.chunk import chunk_document
from openbook.chunk_packing import Candidate, pack
from openbook.types import Chunk, Document, Mark, MarkKind

LATIN = ["alpha", "beta.", "Gamma", "x" * 90, "1,234.5", "|", "```", "a\u00a0b"]
OTHERS = ["δέλτα", "漢字", "คำ", "e\u0301a", "👩\u200d👩\u200d👧"]
BREAKS = [" ", " ", " ", "\n", "\n\n", "\n \n", ". ", "。", "\n- ", "\n    ", "\t", "\u3000", "\r"]


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    """A small WordPiece tokenizer: letters and pieces, as the default model's, without its 30,000 words."""
    alphabet = [chr(code) for code in range(33, 127)]
    words = ["[UNK]", "alpha", "beta", "gamma", "漢", "字"]
    pieces = [*words, *alphabet, *(f"##{letter}" for letter in alphabet)]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


@st.composite
def documents(draw: st.DrawFn) -> Document:
    parts = draw(st.lists(st.tuples(st.sampled_from(LATIN + OTHERS), st.sampled_from(BREAKS)), max_size=120))
    text = "".join(word + gap for word, gap in parts)
    places = st.integers(0, len(text))
    marks: list[Mark] = []
    containers: list[MarkKind] = ["page", "slide", "sheet", "cell"]
    container = draw(st.sampled_from(containers))
    if draw(st.booleans()):
        edges = sorted(set(draw(st.lists(places, max_size=5))))
        for number, (start, end) in enumerate(pairwise(edges), start=1):
            marks.append(Mark(container, start, end, f"name {number}", number))
    headings = st.lists(st.tuples(places, st.integers(1, 9), st.integers(1, 4)), max_size=6)
    for start, length, level in draw(headings):
        marks.append(Mark("heading", start, min(start + length, len(text)), f"heading {start}", level))
    for start, length in draw(st.lists(st.tuples(places, st.integers(1, 60)), max_size=3)):
        kinds: list[MarkKind] = ["code", "table", "cell", "row"]
        kind = draw(st.sampled_from(kinds))
        marks.append(Mark(kind, start, min(start + length, len(text)), "a | header | row"))
    title = draw(st.sampled_from(["", "A title", "a title " * 30]))
    marks.sort(key=lambda mark: (mark.start, -mark.end))
    return Document("d.txt", text, "text/plain", title, marks=tuple(marks))


budgets = st.sampled_from([1, 2, 5, 16, 40, 240])


@given(documents(), budgets)
def test_chunks_tile_the_document(document: Document, max_tokens: int) -> None:
    chunks = chunk_document(document, max_tokens=max_tokens)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    position = 0
    for chunk in chunks:
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert not document.text[position : chunk.start].strip()
        position = chunk.end
    assert not document.text[position:].strip()


@given(document=documents(), max_tokens=budgets)
def test_the_budget_holds_with_the_context(wordpiece: Tokenizer, document: Document, max_tokens: int) -> None:
    for chunk in chunk_document(document, max_tokens=max_tokens, tokenizer=wordpiece):
        count = len(wordpiece.encode(chunk.embedded_text, add_special_tokens=False))
        assert count <= max_tokens or _is_one_character(chunk.text)


def _is_one_character(text: str) -> bool:
    """Whether a reader sees one character: a letter with its accents, emoji that are joined."""
    return not re.sub(r"^.(?:\u200d.|[\u0300-\u036f\u0e31-\u0e4e])*", "", text, flags=re.DOTALL)


@given(documents(), budgets)
def test_no_chunk_crosses_a_page(document: Document, max_tokens: int) -> None:
    pages = [mark for mark in document.marks if mark.kind in ("page", "slide", "sheet")]
    for chunk in chunk_document(document, max_tokens=max_tokens):
        around = [mark for mark in pages if mark.start < chunk.end and chunk.start < mark.end]
        assert [mark.level for mark in around] == ([] if chunk.page is None else [chunk.page])
        assert chunk.place


@given(documents(), budgets)
def test_the_same_document_always_gives_the_same_chunks(document: Document, max_tokens: int) -> None:
    assert chunk_document(document, max_tokens=max_tokens) == chunk_document(document, max_tokens=max_tokens)


@given(documents())
def test_the_heading_of_a_chunk_is_a_path_that_stands_at_its_start(document: Document) -> None:
    for chunk in chunk_document(document, max_tokens=40):
        labels = [mark.label for mark in document.marks if mark.kind == "heading" and mark.start < chunk.end]
        for part in filter(None, chunk.heading.split(" > ")):
            assert part in labels


@given(st.lists(st.integers(1, 60), min_size=2, max_size=60))
def test_the_last_chunk_is_never_a_tiny_one(paragraph_words: list[int]) -> None:
    text = "\n\n".join("word " * count for count in paragraph_words)
    chunks = chunk_document(Document("d.txt", text, "text/plain"), max_tokens=100)
    sizes = [_words(chunk) for chunk in chunks]
    assert len(sizes) == 1 or sizes[-1] * 4 >= max(sizes)


def _words(chunk: Chunk) -> int:
    return len(re.findall(r"\w+", chunk.text))


stretches_of_text = st.tuples(st.integers(1, 9), st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.5]))


@given(st.lists(stretches_of_text, min_size=1, max_size=9))
def test_packing_finds_the_cheapest_partition(stretches: list[tuple[int, int, float]]) -> None:
    befores = [sum(size for size, _, _ in stretches[:index]) for index in range(len(stretches) + 1)]
    candidates = [
        Candidate(befores[index], head, cost, 0.3 if index % 3 == 0 else 0.0)
        for index, (_, head, cost) in enumerate(stretches)
    ]
    found = pack(candidates, befores[-1], 12)
    every = [
        [0, *(index for index in range(1, len(stretches)) if bits >> index & 1)]
        for bits in range(0, 2 ** len(stretches), 2)
    ]
    prices = [_price(starts, candidates, befores, 12) for starts in every]
    assert _price(found, candidates, befores, 12) == pytest.approx(min(prices))


def _price(
    starts: Sequence[int], candidates: Sequence[Candidate], befores: Sequence[int], limit: int
) -> float:
    """The sum that packing minimises, written down directly."""
    total = 0.0
    for start, stop in zip(starts, [*starts[1:], len(candidates)], strict=True):
        size = befores[stop] - befores[start] + candidates[start].head
        if size > limit:
            return float("inf")
        total += (1 - size / limit) ** 2 + sum(candidates[index].crossing for index in range(start + 1, stop))
        total += candidates[stop].cost if stop < len(candidates) else 0.0
    return total
