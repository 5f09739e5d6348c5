"""What every embedder promises, asked of every one that ships."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from openbook.backends.embedding_api import EmbeddingApi
from openbook.backends.onnx_encoder import OnnxEmbedder
from openbook.embed import Embedder, HashEmbedder
from tests.model_server.server import ModelServer

TEXTS = [
    "How do I join two tables?",
    "A left join keeps every row of the first table, matched or not.",
    "The weather in the mountains changes quickly.",
    "how do i JOIN two tables?",
    "",
    " \n\t ",
    "one",
    "漢字とかな และภาษาไทย",
    "Straße, naïve, \U0001f469‍\U0001f469‍\U0001f467, e\u0301",
    "\x00 control \x1b[31m characters \u202e and \ufffd",
    "a" * 5000,
    "many words " * 2000,
]

MAKERS: dict[str, Callable[[Path], Embedder]] = {
    "onnx-int8": lambda folder: OnnxEmbedder(folder, precision="int8"),
    "onnx-float32": lambda folder: OnnxEmbedder(folder, precision="float32"),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a server that embeds, on this machine."""
    with ModelServer(dimension=384) as server:
        yield server.base_url


@pytest.fixture(scope="module", params=["hash", "openai", *MAKERS])
def make(request: pytest.FixtureRequest) -> Callable[[], Embedder]:
    """Makes a new embedder of one kind."""
    if request.param == "hash":
        return lambda: HashEmbedder(384)
    if request.param == "openai":
        url: str = request.getfixturevalue("address")
        return lambda: EmbeddingApi("test-model", url=url)
    folder: Path = request.getfixturevalue("installed_model")
    return lambda: MAKERS[request.param](folder)


@pytest.fixture(scope="module")
def embedder(make: Callable[[], Embedder]) -> Embedder:
    return make()


def test_rows_are_unit_float32_in_order(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS, "document")
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert np.isfinite(vectors).all()
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_no_texts_make_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([], "query")
    assert vectors.shape == (0, embedder.dimension)
    assert vectors.dtype == np.float32
    assert embedder.count_tokens([]) == []


def test_a_vector_depends_on_its_text_alone(embedder: Embedder, make: Callable[[], Embedder]) -> None:
    together = embedder.embed(TEXTS, "document")
    alone = np.concatenate([embedder.embed([text], "document") for text in TEXTS])
    backwards = embedder.embed(TEXTS[::-1], "document")[::-1]
    anew = make().embed(TEXTS, "document")
    for other in (alone, backwards, anew):
        assert np.array_equal(together, other)  # to the last bit, also in int8


def test_a_paraphrase_is_nearer_than_something_else(embedder: Embedder) -> None:
    question, answer, other = embedder.embed(TEXTS[:3], "document")
    assert question @ answer > question @ other + 0.1


def test_tokens_are_those_of_the_tokenizer(embedder: Embedder) -> None:
    counts = embedder.count_tokens(TEXTS)
    assert counts[4] == 0
    assert counts[6] == 1
    # The whole text, also where the model would cut it off; an estimate may be higher, never lower.
    assert counts[-1] == 4000 or (isinstance(embedder, EmbeddingApi) and 4000 < counts[-1] < 8000)
    if embedder.tokenizer is not None:
        assert counts == [len(embedder.tokenizer.encode(text, add_special_tokens=False)) for text in TEXTS]


def test_the_fingerprint_is_the_same_for_every_instance(
    embedder: Embedder, make: Callable[[], Embedder]
) -> None:
    assert make().fingerprint == embedder.fingerprint
    assert embedder.fingerprint
    assert embedder.name
    assert embedder.max_tokens > 2


def test_several_threads_may_share_an_embedder(make: Callable[[], Embedder]) -> None:
    embedder = make()  # nothing loaded yet, so the threads also meet in the loading
    expected = make().embed(TEXTS, "document")
    results: list[bool] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        results.append(np.array_equal(embedder.embed(TEXTS, "document"), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_fingerprints_of_different_embedders_differ(installed_model: Path, address: str) -> None:
    embedders: list[Embedder] = [
        HashEmbedder(384),
        HashEmbedder(128),
        EmbeddingApi("test-model", url=address),
        EmbeddingApi("another-model", url=address),
        EmbeddingApi("test-model", url=address, dimension=128),
        *(maker(installed_model) for maker in MAKERS.values()),
    ]
    assert len({embedder.fingerprint for embedder in embedders}) == len(embedders)
    assert len({embedder.name for embedder in embedders}) == len(embedders)
