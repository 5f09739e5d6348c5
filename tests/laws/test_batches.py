"""Batches hold every text once, in order of length, within the budget, and waste little."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.embed import HashEmbedder, batches
from openbook.errors import UsageError

counts = st.lists(st.integers(0, 600), max_size=200)
budgets = st.integers(1, 5000)


@given(counts, budgets)
def test_every_text_is_in_one_batch(token_counts: list[int], budget: int) -> None:
    flat = [index for batch in batches(token_counts, budget=budget) for index in batch]
    assert sorted(flat) == list(range(len(token_counts)))
    assert [token_counts[index] for index in flat] == sorted(token_counts)


@given(counts, budgets)
def test_no_batch_is_empty_or_over_the_budget(token_counts: list[int], budget: int) -> None:
    for batch in batches(token_counts, budget=budget):
        assert batch
        longest = max(token_counts[index] for index in batch)
        assert len(batch) * longest <= budget or len(batch) == 1


@given(counts, budgets)
def test_no_batch_could_take_the_next_text(token_counts: list[int], budget: int) -> None:
    result = batches(token_counts, budget=budget)
    for batch, following in pairwise(result):
        assert (len(batch) + 1) * token_counts[following[0]] > budget


@given(counts, budgets, st.randoms(use_true_random=False))
def test_sizes_do_not_depend_on_the_order_of_the_texts(
    token_counts: list[int], budget: int, random: Random
) -> None:
    shuffled = list(token_counts)
    random.shuffle(shuffled)

    def shape(values: list[int]) -> list[list[int]]:
        return [[values[index] for index in batch] for batch in batches(values, budget=budget)]

    assert shape(token_counts) == shape(shuffled)


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_of_nothing_is_refused(budget: int) -> None:
    with pytest.raises(UsageError, match=str(budget)):
        batches([1, 2], budget=budget)


words = st.lists(st.sampled_from(["red", "green", "blue", "cat", "dog"]), min_size=1, max_size=12)


@given(words, st.randoms(use_true_random=False))
def test_the_fake_sees_words_and_not_their_order(bag: list[str], random: Random) -> None:
    shuffled = list(bag)
    random.shuffle(shuffled)
    first, second = HashEmbedder(64).embed([" ".join(bag), ", ".join(shuffled).upper()], "document")
    assert (first == second).all()


@given(
    st.lists(
        st.sampled_from(["red", "green", "blue", "cat", "dog", "house"]), min_size=2, max_size=6, unique=True
    )
)
def test_the_fake_puts_texts_that_share_words_nearer(bag: list[str]) -> None:
    whole, half, strange = HashEmbedder(4096).embed(
        [" ".join(bag), " ".join(bag[: len(bag) // 2]), "nothing in common here"], "document"
    )
    assert whole @ half > whole @ strange
