"""The atlas of a real library, and what a library hands out for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openbook.lab.atlas import draw, flat
from openbook.library import Library
from openbook.settings import Settings
from tests.map.made import EACH, WORDS, topics


def test_every_chunk_is_a_point_with_its_document(library: Library) -> None:
    atlas = draw(library)
    assert atlas is not None
    assert len(atlas) == atlas.total == library.status().chunks == 3 * EACH
    found = library.chunks(atlas.chunk_ids.tolist())
    assert [record.document_id for record in found.values()] == atlas.document_ids.tolist()
    assert atlas.version == library.version()
    assert atlas.principal(2).shape == (60, 2)
    assert np.array_equal(atlas.principal(3)[:, :2], atlas.principal(2))


def test_what_belongs_together_lies_together_and_has_a_name(library: Library) -> None:
    atlas = draw(library)
    assert atlas is not None
    records = library.chunks(atlas.chunk_ids.tolist())
    topics = np.array([list(WORDS).index(record.path.split("/")[0]) for record in records.values()])
    flat_map = atlas.principal(2)
    away = np.linalg.norm(flat_map[:, None] - flat_map[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert np.mean(topics[np.argmin(away, axis=1)] == topics) > 0.95
    for number, words in enumerate(atlas.labels):
        (topic,) = set(topics[atlas.clusters.labels == number].tolist())
        name = list(WORDS)[topic]
        assert set(words) <= {*WORDS[name].split(), name}


def test_the_vectors_are_the_plain_ones_and_complete(library: Library) -> None:
    batches = list(library.embeddings())
    rows = np.concatenate([vectors for _, _, vectors in batches]).astype(np.float32)
    ids = np.concatenate([ids for _, ids, _ in batches]).tolist()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=2e-3)
    chunk = library.chunks([ids[5]])[ids[5]]
    asked = library.question_vector(f"{chunk.title}\n{chunk.text}")
    assert asked is not None
    assert np.argmax(rows @ asked) == 5


def test_a_new_point_is_projected_like_any_chunk_and_placed_among_its_neighbours(library: Library) -> None:
    atlas = draw(library)
    assert atlas is not None
    row = 7
    (vector,) = [v[list(i).index(atlas.chunk_ids[row])] for _, i, v in library.embeddings()
                 if atlas.chunk_ids[row] in i]  # fmt: skip
    features = atlas.basis.project(vector[np.newaxis])[0]
    assert np.allclose(features, atlas.features[row], atol=1e-3)
    assert atlas.nearest(features, 1).tolist() == [row]
    layout = np.random.default_rng(5).normal(size=(len(atlas), 2)).astype(np.float32)
    neighbours = layout[atlas.nearest(features)]
    place = atlas.place(features, layout)
    assert (place >= neighbours.min(axis=0)).all()
    assert (place <= neighbours.max(axis=0)).all()
    weighed = np.linalg.norm(place - layout[row])
    assert weighed < np.linalg.norm(neighbours.mean(axis=0) - layout[row]), "the nearest counts most"


def test_of_too_many_chunks_evenly_many_are_left_out(library: Library) -> None:
    whole, part = draw(library), draw(library, most=25)
    assert whole is not None
    assert part is not None
    assert part.total == 60
    assert part.chunk_ids.tolist() == whole.chunk_ids[::3].tolist()
    assert part.document_ids.tolist() == whole.document_ids[::3].tolist()
    assert np.allclose(part.features, whole.features[::3], atol=1e-4)


def test_an_empty_library_has_no_atlas(empty_library: Library) -> None:
    assert draw(empty_library) is None
    assert list(empty_library.embeddings()) == []


def test_a_library_without_vectors_has_no_atlas_and_no_vector_for_a_question(tmp_path: Path) -> None:
    settings = Settings(embedder="onnx:a-model-that-is-not-installed")
    with Library(tmp_path / "words", settings=settings) as library:
        library.add_documents(topics(2), source="made")
        assert library.status().chunks == 6
        assert draw(library) is None
        assert library.question_vector("wheel") is None


def test_missing_columns_are_zeros() -> None:
    assert flat(np.ones((2, 1), dtype=np.float32), 3).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_search_within_finds_nothing_else(library: Library) -> None:
    every = [record.chunk_id for record in library.search("wheel brake", k=60)]
    some = sorted(every)[::2]
    found = library.search("wheel brake", k=60, within=some)
    assert {hit.chunk_id for hit in found} <= set(some)
    assert found.hits
    only = [hit.chunk_id for hit in library.search("wheel", within=some, where=["path=bicycle/*"])]
    assert set(only) <= set(some)
    assert not library.search("wheel", within=[]).hits
    assert not library.search("wheel", within=[10**12]).hits
