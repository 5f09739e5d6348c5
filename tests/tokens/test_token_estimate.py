"""The estimate of tokens: on the high side of tokenizers that can be had, and not far above on prose."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.backends.token_counters import counter_for, tokenizer_counter
from openbook.backends.token_estimate import LARGE, PARTS, SMALL, Weights, estimate, parts_of

BYTES = st.text(max_size=300)


def samples(texts: list[str], count: int, seed: int) -> list[str]:
    """Stretches of 200 to 4,000 characters, drawn at random."""
    draw = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        text, size = draw.choice(texts), draw.choice([200, 500, 1_000, 4_000])
        start = draw.randrange(max(len(text) - size, 1))
        found.append(text[start : start + size])
    return found


def corpus(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("weights", [LARGE, SMALL], ids=["large", "small"])
def test_the_estimate_is_above_a_real_tokenizer_and_near_it_on_prose(
    data: Path, installed_model: Path, weights: Weights
) -> None:
    real = tokenizer_counter(installed_model / "tokenizer.json")
    prose = samples(corpus(data / "clapnq" / "corpus.jsonl"), 150, 1)
    code = samples([f.read_text(encoding="utf-8") for f in sorted((data / "r4ds").glob("*.qmd"))], 100, 2)
    for texts, most in ((prose, 1.45), (code, 1.6)):
        estimated = [estimate(text, weights) for text in texts]
        true = real.count(texts)
        low = sum(guess < count for guess, count in zip(estimated, true, strict=True))
        assert low <= len(texts) // 100
        assert 1.0 <= sum(estimated) / sum(true) <= most


def test_text_that_is_cut_anywhere_is_not_estimated_lower(data: Path) -> None:
    text = (data / "r4ds" / "joins.qmd").read_text(encoding="utf-8")[:4_000]
    whole = estimate(text)
    for cut in range(0, len(text), 97):
        assert estimate(text[:cut]) + estimate(text[cut:]) >= whole - 4


@given(BYTES)
def test_an_estimate_is_positive_and_counts_every_part_once(text: str) -> None:
    for weights in (LARGE, SMALL):
        assert set(weights.tokens) == set(PARTS)
        assert (estimate(text, weights) == 0) == (text == "")
    assert all(amount >= 0 for amount in parts_of(text).values())


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("你好世界，今天天气很好。", 11, 24),
        ("שלום עולם", 9, 20),
        ("😀😀😀", 6, 16),
        ("1234567890", 4, 14),
        ("the cat sat on the mat", 6, 10),
        ("\x00\x01", 1, 5),
        ("\n\n\n\n", 1, 4),
    ],
)
def test_scripts_and_signs_have_their_own_weights(text: str, least: int, most: int) -> None:
    assert least <= estimate(text, LARGE) <= most


def test_the_vocabulary_of_unknown_models_is_taken_for_a_small_one() -> None:
    text = "Ask the front desk for the form, fill it in and bring it back. Rosaline came with Mercutio."
    known, unknown = counter_for("ollama", "qwen3:8b"), counter_for("ollama", "something-new")
    assert known.counted_by == unknown.counted_by == "estimate"
    assert known.count([text]) < unknown.count([text])
    assert counter_for("anthropic", "claude-opus-4-5").count([text]) == unknown.count([text])
    assert known.pieces(text) == []
