"""Which tokenizer counts for which model, and that none is downloaded unasked."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from openbook.backends import token_counters
from openbook.backends.token_counters import (
    TiktokenCounter,
    counter_for,
    download_encoding,
    encoding_file,
    encoding_of,
    tokenizer_counter,
)
from openbook.errors import ModelError, UsageError


def byte_level(folder: Path) -> Path:
    """A small byte-level tokenizer, trained here."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(vocab_size=300, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(["the cat sat on the mat and the dog sat on the cat"] * 5, trainer)
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=50)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No cache of this machine's user counts, and nobody can be contacted."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "tiktoken"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"tried to reach {arguments!r}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    token_counters._tiktoken_counter.cache_clear()
    yield
    token_counters._tiktoken_counter.cache_clear()


@pytest.mark.parametrize(
    ("provider", "name", "encoding"),
    [
        ("openai", "gpt-5-mini", "o200k_base"),
        ("openai", "gpt-4o-2024-05-13", "o200k_base"),
        ("openai", "o3-mini", "o200k_base"),
        ("openai", "gpt-4-turbo", "cl100k_base"),
        ("openai", "openai/gpt-4.1", "o200k_base"),
        ("ollama", "gpt-oss:20b", "o200k_harmony"),
        ("openai", "text-embedding-3-small", "cl100k_base"),
        ("openai", "qwen3-8b", ""),
        ("openai", "my-gpt-clone", ""),
        ("ollama", "llama3.2", ""),
        ("anthropic", "claude-sonnet-4-5", ""),
    ],
)
def test_the_encodings_of_openai_s_models(provider: str, name: str, encoding: str) -> None:
    assert encoding_of(provider, name) == encoding


def test_without_its_encoding_a_model_of_openai_is_estimated_and_nothing_is_downloaded(
    tmp_path: Path,
) -> None:
    counter = counter_for("openai", "gpt-5-mini")
    assert counter.counted_by == "estimate"
    assert counter.count(["Hello, world!", ""])[1] == 0
    assert not (tmp_path / "tiktoken").exists()


def test_a_damaged_encoding_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tiktoken"
    folder.mkdir()
    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    file = folder / hashlib.sha1(address.encode()).hexdigest()
    file.write_bytes(b"not an encoding")
    assert encoding_file("o200k_base") is None
    assert counter_for("openai", "gpt-5").counted_by == "estimate"
    assert file.read_bytes() == b"not an encoding"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert encoding_file("o200k_base") is None


def test_an_encoding_in_the_cache_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def small(name: str) -> tiktoken.Encoding:
        asked.append(name)
        return encoding()

    monkeypatch.setattr(token_counters, "encoding_file", lambda _: tmp_path)
    monkeypatch.setattr(tiktoken, "get_encoding", small)
    counter = counter_for("openai", "gpt-5")
    assert counter.counted_by == "small"
    assert counter.count(["abab", "", "<|endoftext|>"]) == [1, 0, 13]
    assert counter_for("openai", "gpt-4o") is counter
    assert asked == ["o200k_base"]


def encoding() -> tiktoken.Encoding:
    """A tiny encoding: single bytes, "ab" and "abab"."""
    ranks = {bytes([value]): value for value in range(256)} | {b"ab": 256, b"abab": 257}
    return tiktoken.Encoding(
        "small", pat_str=r"\s+|\S+", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 258}
    )


def test_a_download_names_the_host_and_is_forbidden_offline() -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=r"OPENBOOK_OFFLINE.*openaipublic"):
        download_encoding("o200k_base", offline=True, announce=said.append)
    assert said == []


def test_a_download_that_fails_says_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ConnectionError("no route")

    said: list[str] = []
    monkeypatch.setattr(tiktoken, "get_encoding", fail)
    with pytest.raises(ModelError, match=r"openaipublic\.blob\.core\.windows\.net: no route"):
        download_encoding("o200k_base", offline=False, announce=said.append)
    assert said == ["Getting the encoding o200k_base from openaipublic.blob.core.windows.net"]


def test_a_named_tokenizer_counts_in_full(tmp_path: Path) -> None:
    file = byte_level(tmp_path / "model")
    for place in (file, file.parent, str(file)):
        counter = counter_for("ollama", "anything", tokenizer=place)
        assert counter.counted_by == "model"
        assert counter.count(["the cat " * 20, ""])[0] > 20
        assert counter.count([""]) == [0]


def test_a_named_tokenizer_that_is_missing_or_broken_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tokenizer at .*nowhere"):
        counter_for("ollama", "x", tokenizer=tmp_path / "nowhere")
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        counter_for("ollama", "x", tokenizer=broken)


def test_the_cache_of_hugging_face_and_folders_are_looked_into(tmp_path: Path) -> None:
    assert counter_for("openai", "some/model").counted_by == "estimate"
    byte_level(tmp_path / "huggingface" / "hub" / "models--some--model" / "snapshots" / "abc")
    assert counter_for("openai", "some/model").counted_by == "some/model"
    folder = byte_level(tmp_path / "weights").parent
    assert counter_for("openai", str(folder)).counted_by == str(folder)
    assert counter_for("openai", "../weights").counted_by == "estimate"


@given(st.text(max_size=80))
def test_pieces_joined_are_the_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    place = tmp_path_factory.getbasetemp() / "pieces"
    file = place / "tokenizer.json"
    counters = [tokenizer_counter(file if file.exists() else byte_level(place)), TiktokenCounter(encoding())]
    for counter in counters:
        pieces = counter.pieces(text)
        assert "".join(pieces) == text
        assert len(pieces) == counter.count([text])[0]


def test_lone_surrogates_and_very_long_texts_are_counted(tmp_path: Path) -> None:
    counter = tokenizer_counter(byte_level(tmp_path))
    assert counter.count(["\ud800"]) == [3]
    words = "the cat " * 60_000
    assert abs(counter.count([words])[0] - 60_000 * counter.count(["the cat "])[0]) < 60_001
    assert counter.count(["x" * 450_000]) == [450_000]
