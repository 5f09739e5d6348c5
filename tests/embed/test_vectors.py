"""The vectors of every supported kind of encoder are those of the formulas."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openbook.backends.encoder_files import read_architecture
from openbook.backends.model_store import install_model
from openbook.backends.onnx_balance import find_balance, made_up_texts
from openbook.backends.onnx_encoder import OnnxEmbedder
from openbook.backends.onnx_graph import int8_graph
from openbook.backends.onnx_session import open_session
from tests.embed.encoders import WORDS, reference_vectors, write_encoder

KINDS: list[dict[str, Any]] = [
    {},
    {"pooling": "cls"},
    {"model_type": "roberta"},
    {"model_type": "xlm-roberta", "pooling": "cls"},
    {"tensor_prefix": "bert."},
    {"max_tokens": 5},
    {"max_tokens": 400},  # more than there are positions
    {"layers": 1, "dimension": 64},
]
TEXTS = [
    "",
    "cat",
    "The red CAT sleeps.",
    "the cat sleeps and the dog runs " * 20,
    "漢字 é \U0001f600 \x00 \u202e",
    "unknownword",
    "a\n\n\tb",
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_float32_is_exact(kind: dict[str, Any], tmp_path: Path) -> None:
    folder = write_encoder(
        tmp_path / "encoder", **{**kind, "max_tokens": min(kind.get("max_tokens", 24), 38)}
    )
    if kind.get("max_tokens", 0) > 100:
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 400}')
    embedder = OnnxEmbedder(install_model("x", model_folder=folder, cache=tmp_path), precision="float32")
    (folder / "sentence_bert_config.json").write_text(f'{{"max_seq_length": {embedder.max_tokens}}}')

    assert np.abs(embedder.embed(TEXTS, "document") - reference_vectors(folder, TEXTS)).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_int8_is_near(kind: dict[str, Any], tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", **kind)
    installed = install_model("x", model_folder=folder, cache=tmp_path)
    exact = OnnxEmbedder(installed, precision="float32").embed(TEXTS, "document")

    rounded = OnnxEmbedder(installed, precision="int8").embed(TEXTS, "document")

    assert (exact * rounded).sum(axis=1).min() > 0.99


def test_a_loud_channel_does_not_drown_the_others_in_int8(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = write_encoder(tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    for number in range(2):
        # One channel fifty times as loud, heard by the next product as before.
        weights[f"encoder.layer.{number}.attention.output.LayerNorm.weight"][3] *= 50
        weights[f"encoder.layer.{number}.intermediate.dense.weight"][:, 3] /= 50
        weights[f"encoder.layer.{number}.output.LayerNorm.weight"][7] *= 50
    save_file(weights, folder / "model.safetensors")
    architecture = read_architecture(folder)
    ids = {"ids": np.array([[1, 60, 61, 62, 63, 64, 65, 2]], np.int32)}
    installed = install_model("x", model_folder=folder, cache=tmp_path)
    exact = open_session(str(installed / "float32.onnx")).run(["vectors"], ids)[0]

    def cosine(balance: dict[str, Any]) -> float:
        graph = int8_graph(weights, architecture, balance).SerializeToString()
        return float((open_session(graph).run(["vectors"], ids)[0] * exact).sum())

    balance = dict(find_balance(weights, architecture, special=([1], [2])))
    assert balance["layer0_wide"][3] >= 16
    assert cosine(balance) > 0.99
    assert 1 - cosine(balance) < (1 - cosine({})) / 4


def test_made_up_texts_come_from_all_over_the_vocabulary() -> None:
    texts = made_up_texts(1000, 100)
    ids = [number for text in texts for number in text]
    assert min(ids) >= 0
    assert max(ids) < 1000
    assert all(np.histogram(text, bins=10, range=(0, 1000))[0].min() > 5 for text in texts)


def test_prefixes_go_in_front_of_their_role_only(tmp_path: Path) -> None:
    prompts = {"query": "query: ", "passage": "text: "}
    folder = write_encoder(tmp_path / "encoder", prompts=prompts)
    embedder = OnnxEmbedder(install_model("x", model_folder=folder, cache=tmp_path), precision="float32")

    for role, prefix in (("query", "query: "), ("document", "text: ")):
        vectors = embedder.embed(["red dog"], "query" if role == "query" else "document")
        assert np.abs(vectors - reference_vectors(folder, [prefix + "red dog"])).max() < 1e-5
    assert embedder.count_tokens(["red dog"]) == [2]


def test_a_very_long_text_is_cut_off_exactly(tmp_path: Path, tiny: Path) -> None:
    embedder = OnnxEmbedder(install_model("x", model_folder=tiny, cache=tmp_path), precision="float32")
    choose = random.Random(3)
    words = " ".join(choose.choice(WORDS) for _ in range(5000))
    texts = [
        words,
        " " * 10_000 + words,  # blanks make no tokens, so the beginning alone says nothing
        "dog" + "\n" * 3000 + "cat" + " " * 20_000 + words,
        "x" * 50_000 + " " + words,
        "red " + "y" * 3000,
    ]
    assert np.abs(embedder.embed(texts, "document") - reference_vectors(tiny, texts)).max() < 1e-5


def test_lone_surrogates_are_taken_as_question_marks(tmp_path: Path, tiny: Path) -> None:
    embedder = OnnxEmbedder(install_model("x", model_folder=tiny, cache=tmp_path))
    vectors = embedder.embed(["cat \ud800 dog", "cat ? dog"], "document")
    assert (vectors[0] == vectors[1]).all()
    assert embedder.count_tokens(["\udcff"]) == [1]


GOLDEN = {
    "How do I join two tables?": [0.07578, 0.04291, -0.01782, 0.07248, -0.02512, 0.01824, 0.05232, 0.02522],
    "": [-0.11884, 0.0483, -0.00255, -0.01101, 0.05195, 0.01029, 0.11543, 0.0007],
    "A left join keeps every row of the first table. " * 40: [
        -0.04412, -0.05137, 0.0014, 0.00802, -0.01428, 0.03814, -0.00795, -0.02989,
    ],
    "Café, naïve, 漢字 and \U0001f600": [
        -0.01135, -0.03331, 0.01395, 0.04301, 0.02068, 0.0093, 0.0287, -0.09197,
    ],
}  # fmt: skip
"""The first eight numbers of what `reference_vectors` makes of the default model's own files."""


def test_the_default_model_gives_the_vectors_of_the_formulas(installed_model: Path) -> None:
    embedder = OnnxEmbedder(installed_model, precision="float32")
    vectors = embedder.embed(list(GOLDEN), "document")[:, :8]
    assert np.abs(vectors - np.array(list(GOLDEN.values()))).max() < 1e-5


def test_the_default_model_in_int8_stays_near(installed_model: Path, data: Path) -> None:
    lines = (data / "clapnq" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    texts = [json.loads(line)["text"] for line in lines]
    exact = OnnxEmbedder(installed_model, precision="float32").embed(texts, "document")
    cosines = (OnnxEmbedder(installed_model, precision="int8").embed(texts, "document") * exact).sum(axis=1)
    assert cosines.min() > 0.985  # .9891 over all 300
    assert cosines.mean() > 0.994  # .9954
