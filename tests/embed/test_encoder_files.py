"""An encoder that cannot be run faithfully is refused, with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from openbook.backends.encoder_files import read_architecture, read_prefixes
from openbook.backends.model_store import install_model, installed_models
from openbook.errors import ModelError, ModelNotInstalled
from tests.embed.encoders import write_encoder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "gpt2", "architectures": ["GPT2Model"]}, ["GPT2Model", "xlm-roberta"]),
        ({"model_type": "distilbert"}, ["Supported", "bert"]),
        ({"hidden_act": "gelu_new"}, ["hidden_act = 'gelu_new'", "'gelu'"]),
        ({"position_embedding_type": "relative_key"}, ["relative_key"]),
        ({"is_decoder": True}, ["is_decoder"]),
        ({"hidden_size": None}, ["incomplete"]),
    ],
)
def test_an_unsupported_architecture_is_named(
    change: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "encoder")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(ModelError) as caught:
        install_model("x", model_folder=folder, cache=tmp_path / "cache")
    for word in words:
        assert word in str(caught.value)
    assert installed_models(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "max_tokens"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "lasttoken"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "include_prompt": False}, "prompt"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "Dense"),
        ("modules.json", [{"type": "x.Pooling", "path": "../elsewhere"}], "outside"),
        ("config.json", [], "expected a JSON object"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, "wrong type"),
    ],
)
def test_a_part_that_would_change_the_vectors_is_refused(
    file: str, content: Any, word: str, tiny: Path, tmp_path: Path
) -> None:
    (tiny / file).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=word):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "modules.json"])
def test_broken_json_is_named(file: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / file).write_text('{"half":')
    with pytest.raises(ModelError, match=file):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(file: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / file).unlink()
    with pytest.raises(ModelError, match=file):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")


def test_a_folder_without_weights_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match=r"model\.safetensors"):
        install_model("x", model_folder=tmp_path, cache=tmp_path / "cache")


def test_weights_that_are_cut_short_or_lack_a_tensor_are_refused(tiny: Path, tmp_path: Path) -> None:
    path = tiny / "model.safetensors"
    whole = path.read_bytes()
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, path)
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")

    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="safetensors"):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")


def test_a_tokenizer_of_another_model_is_refused(tiny: Path, tmp_path: Path) -> None:
    content = json.loads((tiny / "tokenizer.json").read_text())
    content["model"]["vocab"]["zebra"] = 5000
    (tiny / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="5000"):
        install_model("x", model_folder=tiny, cache=tmp_path / "cache")


def test_the_newer_form_of_the_pooling_file_is_read(tiny: Path) -> None:
    (tiny / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert read_architecture(tiny).pooling == "cls"


def test_models_that_tell_their_prefixes_only_in_prose_get_them(tiny: Path) -> None:
    assert read_prefixes(tiny, "intfloat/multilingual-e5-small") == {
        "query": "query: ",
        "document": "passage: ",
    }
    assert read_prefixes(tiny, "BAAI/bge-small-en-v1.5")["query"].startswith("Represent this sentence")
    assert read_prefixes(tiny, "all-MiniLM-L6-v2") == {"query": "", "document": ""}
