"""The tokens command, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbook.cli import run
from tests.tokens.test_token_counters import byte_level


@pytest.fixture(autouse=True)
def no_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "tiktoken"))
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:384")
    monkeypatch.delenv("OPENBOOK_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)


def test_tokens_are_shown_apart_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBOOK_TOKENIZER", str(byte_level(tmp_path / "mine")))
    monkeypatch.setenv("OPENBOOK_MODEL", "ollama:mine")
    monkeypatch.setenv("OPENBOOK_INPUT_PRICE", "2.5")
    assert run(["tokens", "the cat sat"]) == 0
    out = capsys.readouterr().out
    assert "the│ cat│ sat" in out
    assert "3 tokens, 3 words, 11 characters" in out
    assert "Counted with the tokenizer mine for ollama:mine." in out
    assert "Costs 0.000008 as a prompt" in out
    assert run(["tokens", "the cat sat", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": "ollama:mine",
        "counted_by": "mine",
        "tokens": 3,
        "characters": 11,
        "words": 3,
        "input_cost": 7.5e-06,
        "output_cost": None,
        "pieces": ["the", " cat", " sat"],
    }
    assert run(["tokens", "the cat sat", "--model", "ollama:other"]) == 0
    assert "An estimate" in capsys.readouterr().out


def test_without_a_model_the_embedding_model_s_tokens_are_shown(
    installed_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENBOOK_EMBEDDER")
    assert run(["tokens", "Hello, world"]) == 0
    out = capsys.readouterr().out
    assert "Hello│,│ world" in out
    assert "that of the embedding model, because no language model is named" in out


def test_files_are_read_as_documents_and_long_ones_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBOOK_TOKENIZER", str(byte_level(tmp_path / "mine")))
    monkeypatch.setenv("OPENBOOK_MODEL", "ollama:mine")
    (tmp_path / "page.html").write_text("<html><body><p>the cat</p></body></html>", encoding="utf-8")
    assert run(["tokens", "page.html"]) == 0
    assert "2 tokens" in capsys.readouterr().out
    (tmp_path / "long.txt").write_text("the cat " * 300, encoding="utf-8")
    assert run(["tokens", "long.txt"]) == 0
    assert "more (--full shows them)" in capsys.readouterr().out
    assert run(["tokens", "long.txt", "--full"]) == 0
    assert capsys.readouterr().out.count("│ cat") == 300
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    assert run(["tokens", "broken.pdf"]) == 1
    assert "broken.pdf" in capsys.readouterr().err


def test_an_estimate_says_that_it_is_one_and_how_to_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "Hello \x1b[31m", "--model", "openai:gpt-5"]) == 0
    out = capsys.readouterr().out
    assert "about 8 tokens at most" in out or "tokens at most" in out
    assert "--download" in out
    assert "\x1b" not in out
    assert run(["tokens", "Hello"]) == 0
    assert "hash:384 has no tokenizer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "nobody:x"], "unknown provider"),
        (["--download"], "Only tokenizers of OpenAI's models"),
        (["--download", "--model", "ollama:llama3"], "is no model of OpenAI"),
        (["--download", "--model", "openai:gpt-5"], "OPENBOOK_OFFLINE forbids"),
    ],
)
def test_what_cannot_be_is_explained(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBOOK_OFFLINE", "1")
    assert run(["tokens", "Hello", *arguments]) == 2
    assert said in capsys.readouterr().err
