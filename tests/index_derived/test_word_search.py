"""Word search against a plain computation of BM25 over the same terms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openbook.index.analysis import analysis_of, question_terms

if TYPE_CHECKING:
    from tests.index_derived.conftest import Shelf

# 30 words, fewer than the 40 from which tantivy keeps lengths only roughly
WORDS = [f"w{a}{b}" for a in "abcdef" for b in "ghijk"]


def bm25(texts: dict[int, str], question: str, language: str = "en") -> dict[int, float]:
    """Score texts by the formula in the docstring of `openbook.index.lexical`."""
    counts = {key: Counter(analysis_of(language).terms(text)) for key, text in texts.items()}
    lengths = {key: sum(terms.values()) for key, terms in counts.items()}
    average = sum(lengths.values()) / len(lengths)
    scores: dict[int, float] = {}
    for term in question_terms(question, [language]):
        holding = sum(1 for terms in counts.values() if terms[term])
        rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for key, terms in counts.items():
            if terms[term]:
                often = terms[term] * 2.2 / (terms[term] + 1.2 * (0.25 + 0.75 * lengths[key] / average))
                scores[key] = scores.get(key, 0.0) + rarity * often
    return scores


def filled(shelf: Shelf, documents: int = 40, chunks: int = 6) -> dict[int, str]:
    """Add documents of random words, too many chunks in each to be searched as a whole."""
    random = np.random.default_rng(5)
    texts: dict[int, str] = {}
    for number in range(documents):
        each = [" ".join(random.choice(WORDS, int(random.integers(3, 35)))) for _ in range(chunks)]
        texts |= dict(zip(shelf.put(f"{number}.txt", each), each, strict=True))
    return texts


def expected(scores: dict[int, float], limit: int) -> list[tuple[int, float]]:
    return sorted(((i, round(s, 3)) for i, s in scores.items()), key=lambda pair: (-pair[1], pair[0]))[:limit]


def rounded(hits: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return sorted(((i, round(s, 3)) for i, s in hits), key=lambda pair: (-pair[1], pair[0]))


QUESTIONS = ["wag", "wbh wci", "How is wdj used with wek, wfg and wah?", "unheardof", "wag unheardof"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_are_bm25(shelf: Shelf, question: str) -> None:
    texts = filled(shelf)
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    scores = bm25(texts, question)
    for limit in (5, len(texts)):
        found = index.search(question, limit=limit)
        assert [score for _, score in found] == pytest.approx(
            [s for _, s in expected(scores, limit)], abs=2e-3
        )
        assert all(score == pytest.approx(scores[i], abs=2e-3) for i, score in found)
    assert index.scores(question, list(texts)) == pytest.approx(scores, abs=2e-3)
    some = list(texts)[::7]
    assert index.scores(question, some) == pytest.approx(
        {i: scores[i] for i in some if i in scores}, abs=2e-3
    )


def test_a_filter_changes_who_is_found_but_no_score(shelf: Shelf) -> None:
    texts = filled(shelf)
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    everything = index.search("wag wbh wci", limit=len(texts))
    random = np.random.default_rng(3)
    for size in (0, 1, 17, 120, len(texts)):
        within = np.sort(random.choice(list(texts), size, replace=False)).astype(np.int64)
        allowed = [(i, s) for i, s in everything if i in within]
        assert index.search("wag wbh wci", limit=10, within=within) == allowed[:10]


def test_every_way_of_filtering_finds_the_same(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = filled(shelf)
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    random = np.random.default_rng(4)
    for size in (1, 30, 200):
        within = np.sort(random.choice(list(texts), size, replace=False)).astype(np.int64)
        found = []
        for cheapest in ("_EACH_LISTED", "_EACH_RANGE", "_EACH_LATE"):
            with monkeypatch.context() as patch:
                patch.setattr(f"openbook.index.lexical.{cheapest}", 0.0)
                found.append(index.search("wag wbh", limit=7, within=within))
        assert found[0] == found[1] == found[2]
        assert len(found[0]) <= size


def test_equal_scores_come_in_the_order_of_their_ids(shelf: Shelf) -> None:
    ids = [i for number in range(300) for i in shelf.put(f"{number}.txt", ["the same words"])]
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    assert [i for i, _ in index.search("words", limit=12)] == ids[:12]
    within = np.array(ids[100:], dtype=np.int64)
    assert [i for i, _ in index.search("words", limit=12, within=within)] == ids[100:112]


def test_a_long_question_is_searched_by_its_rarest_words(shelf: Shelf) -> None:
    frequent = [f"word{n}" for n in range(100)]
    for number in range(3):
        shelf.put(f"{number}.txt", [" ".join(frequent)])
    rare = shelf.put("rare.txt", ["zebra"])
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    question = " ".join([*frequent, *(f"absent{n}" for n in range(500)), "zebra"])
    assert rare[0] in dict(index.search(question, limit=10))


def test_words_are_found_in_all_languages_of_the_library(shelf: Shelf) -> None:
    english = shelf.put("en.txt", ["Joining tables in a database"])
    german = shelf.put("de.txt", ["Die Häuser in Berlin verbinden Tabellen"], "de")
    chinese = shelf.put("zh.txt", ["数据库中的表"], "zh")
    code = shelf.put("x.py", ["def join_tables(): pass"], "")
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    assert index.languages == ("", "de", "en", "zh")
    for question, ids in (
        ("join table", english),
        ("Haus", german),
        ("数据库", chinese),
        ("join_tables", code),
        ("BERLIN", german),
    ):
        assert index.search(question, limit=1)[0][0] == ids[0], question


@pytest.mark.parametrize(
    "question", ["", "   ", "?!…", "\0", "a" * 100_000, 'AND OR NOT ( " [ TO ]', "words:x^2"]
)
def test_any_text_is_a_question(shelf: Shelf, question: str) -> None:
    shelf.put("a.txt", ["some words and a range to x"])
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    assert isinstance(index.search(question, limit=5), list)
    assert isinstance(index.scores(question, [1]), dict)


def test_the_context_is_searched_too(shelf: Shelf) -> None:
    ids = shelf.put("a.txt", ["left and right"], context="Joins > Keys")
    index = shelf.lexical()
    index.catch_up(shelf.ledger)
    assert [i for i, _ in index.search("joins", limit=3)] == ids
