"""Backends are found by scheme; other packages add theirs by an entry point."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from openbook.backends import TABLE, load, schemes
from openbook.embed import HashEmbedder
from openbook.errors import UsageError


def test_built_ins_are_loaded_by_scheme() -> None:
    assert load("embedder", "hash") is HashEmbedder
    assert load("embedder", "onnx").__name__ == "OnnxEmbedder"


@pytest.mark.parametrize(
    ("kind", "scheme"), [(kind, scheme) for kind, table in TABLE.items() for scheme in table]
)
def test_every_entry_of_the_table_exists(kind: str, scheme: str) -> None:
    assert isinstance(load(kind, scheme), type)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'torch'.*hash.*onnx"):
        load("embedder", "torch")
    with pytest.raises(UsageError, match=r"'engine'.*embedder.*generator"):
        load("engine", "hash")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with entry points of its own."""
    information = tmp_path / "plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[openbook.embedder]\n"
        "mine = plugin_for_tests:Mine\n"
        "lost = plugin_for_tests:Lost\n"
        "hash = plugin_for_tests:Mine\n"
    )
    (tmp_path / "plugin_for_tests.py").write_text("class Mine:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plugin_for_tests", raising=False)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("plugin")
def test_another_package_adds_a_scheme_but_takes_none_over() -> None:
    assert schemes("embedder")["mine"] == "plugin_for_tests:Mine"
    assert load("embedder", "mine").__name__ == "Mine"
    assert load("embedder", "hash") is HashEmbedder
    with pytest.raises(UsageError, match="plugin_for_tests:Lost"):
        load("embedder", "lost")
