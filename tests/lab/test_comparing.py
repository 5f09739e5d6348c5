"""Configurations compared on a tiny library, whose right numbers are known, and which stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook import Document, Library, Settings
from openbook.embed import HashEmbedder
from openbook.errors import UsageError
from openbook.lab.comparing import (
    Comparison,
    Configuration,
    Measured,
    compare,
    configuration_of,
    configured,
    contrasted,
    intervals_of,
)
from openbook.lab.evaluate import Evaluation, evaluate_questions
from openbook.lab.labelled_sets import Gold, Question

TOPICS = ("holiday", "parking", "printer", "coffee", "salary", "travel", "office", "garden")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64")) as opened:
        documents = [
            Document(
                f"{topic}.md",
                f"# {topic.title()}\n\n" + f"Everything about {topic} is written here. " * 30,
                "text/markdown",
                language="en",
            )
            for topic in TOPICS
        ]
        opened.add_documents(documents, source="test")
        yield opened


QUESTIONS = tuple(
    Question(topic, "answerable", f"what about {topic}?", ((Gold(f"{topic}.md", "is written here"),),))
    for topic in TOPICS
)


def evaluated(library: Library) -> Evaluation:
    return evaluate_questions(library, QUESTIONS)


def test_a_configuration_is_read_from_text() -> None:
    assert configuration_of(" k=20, cosine_weight = 0.7").changes == {"k": "20", "cosine_weight": "0.7"}
    assert not configuration_of("k=20").rebuilt
    assert configuration_of("k=20,chunk_tokens=100").rebuilt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k", "expected NAME=VALUE"),
        ("k=", "expected NAME=VALUE"),
        ("", "expected NAME=VALUE"),
        ("k=1,k=2", "stands twice"),
        ("cache=/elsewhere", "'cache' in 'cache=/elsewhere' cannot be compared"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        configuration_of(text)


def test_a_wrong_value_is_refused_before_anything_is_measured(library: Library) -> None:
    measured: list[Library] = []

    def measure(one: Library) -> Evaluation:
        measured.append(one)
        return evaluated(one)

    with pytest.raises(UsageError, match="cosine_weight is 7"):
        compare(library, [configuration_of("k=3"), configuration_of("cosine_weight=7")], measure)
    assert measured == []


def test_searching_settings_hold_for_the_block_only(library: Library) -> None:
    before = library.settings
    with configured(library, configuration_of("candidates=3,cosine_weight=0.25")) as changed:
        assert changed is library
        assert changed.settings.candidates == 3
        assert changed.searcher().cosine_weight == 0.25
        assert changed.search("coffee")[0].path == "coffee.md"
    assert library.settings == before
    with pytest.raises(RuntimeError), configured(library, configuration_of("k=2")):
        raise RuntimeError
    assert library.settings == before


def test_indexing_settings_are_tried_in_a_copy_that_vanishes(library: Library) -> None:
    before = (library.version(), library.status())
    with configured(library, configuration_of("chunk_tokens=60,k=2")) as copy:
        place = copy.path
        assert place != library.path
        assert (copy.settings.chunk_tokens, copy.settings.k) == (60, 2)
        status = copy.status()
        assert status.documents == len(TOPICS)
        assert status.chunks > before[1].chunks
        assert status.embedded == status.chunks
        assert len(copy.search("coffee")) == 2
    assert not place.exists()
    assert (library.version(), library.status()) == before


def test_known_vectors_are_not_computed_again(tmp_path: Path) -> None:
    embedder = Counting()
    with Library(tmp_path / "library", settings=Settings(), embedder=embedder) as library:
        documents = [Document("a.md", "Some words.", "text/markdown", language="en")]
        library.add_documents(documents, source="test")
        assert embedder.documents == 1
        for change in ("surroundings_weight=0.0", "chunk_tokens=100"):
            with configured(library, configuration_of(change)) as copy:
                assert copy.status().embedded == 1
                assert copy.search("words")[0].path == "a.md"
        assert embedder.documents == 1


class Counting(HashEmbedder):
    """The shipped fake, which counts the documents' texts that it is given."""

    def __init__(self) -> None:
        super().__init__(64)
        self.documents = 0

    def embed(self, texts, role):  # type: ignore[no-untyped-def]
        self.documents += len(texts) if role == "document" else 0
        return super().embed(texts, role)


def test_another_embedder_is_tried_in_a_copy(library: Library) -> None:
    with configured(library, configuration_of("embedder=hash:128")) as copy:
        vector = copy.question_vector("coffee")
        assert vector is not None
        assert vector.shape == (128,)
        assert copy.search("coffee")[0].path == "coffee.md"
    assert library.settings.embedder == "hash:64"


def test_configurations_are_compared_with_the_library_as_it_is(library: Library) -> None:
    with Library(library.path.with_name("other"), settings=Settings(embedder="hash:64")) as other:
        other.add_documents(
            [library.document(record.id) for record in library.documents(["path=c*"])], source="x"
        )
        comparison = compare(
            library,
            [configuration_of("k=3"), configuration_of("chunk_tokens=60")],
            evaluated,
            against={"other": other},
        )
    names = [one.configuration.name for one in comparison.measured]
    assert names == ["as it is", "k=3", "chunk_tokens=60", "other"]
    same, _, poorer = comparison.contrasts
    assert (same["hit@1"].difference.mean, same["hit@1"].corrected) == (0.0, 1.0)
    assert comparison.changes[0] == ()
    assert poorer["hit@1"].difference.mean == pytest.approx(-7 / 8)
    assert poorer["hit@1"].difference.p == pytest.approx(2 / 2**7)
    assert poorer["hit@1"].corrected == pytest.approx(3 * 2 / 2**7)
    assert comparison.deciding == "ndcg@10"
    changed = {change.question: change for change in comparison.changes[2]}
    assert changed.keys() == set(TOPICS) - {"coffee"}
    assert (changed["garden"].rank_before, changed["garden"].rank_after) == (1, None)
    assert (changed["garden"].before, changed["garden"].after) == (1.0, 0.0)


def measured_as(name: str, values: dict[str, float]) -> Measured:
    evaluation = Evaluation({"mrr": 0.5}, {}, {}, questions={"mrr": values, "ndcg@10": values})
    return Measured(Configuration(name), evaluation, intervals_of(evaluation))


def test_only_questions_that_both_have_are_compared() -> None:
    first = measured_as("a", {"1": 1.0, "2": 0.5, "3": 0.25})
    second = measured_as("b", {"2": 0.5, "3": 1.0, "4": 1.0})
    comparison: Comparison = contrasted([first, second])
    assert comparison.contrasts[0]["mrr"].questions == 2
    assert comparison.contrasts[0]["mrr"].difference.mean == pytest.approx(0.375)
    assert [change.question for change in comparison.changes[0]] == ["3"]
    assert (comparison.changes[0][0].rank_before, comparison.changes[0][0].rank_after) == (4, 1)


def test_the_most_improved_question_comes_first_and_the_most_harmed_last() -> None:
    first = measured_as("a", {"1": 0.5, "2": 0.5, "3": 0.5})
    second = measured_as("b", {"1": 0.25, "2": 1.0, "3": 0.6})
    assert [change.question for change in contrasted([first, second]).changes[0]] == ["2", "3", "1"]


def test_questions_of_a_conversation_are_drawn_together() -> None:
    values = {f"{talk}.{turn}": float(talk % 2) for talk in range(6) for turn in range(5)}
    clusters = {name: name.partition(".")[0] for name in values}
    alone = Evaluation({}, {}, {}, questions={"mrr": values})
    together = Evaluation({}, {}, {}, questions={"mrr": values}, clusters=clusters)
    narrow, wide = intervals_of(alone)["mrr"], intervals_of(together)["mrr"]
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)
