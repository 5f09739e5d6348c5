"""The public surface, its cost, and what a module may look like."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import openbook

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "openbook"
MODULES = sorted(SOURCE.rglob("*.py"))
SURFACE = {
    "Answer", "Chunk", "Citation", "Document", "Evidence", "Hit", "Hits", "Library", "Mark",
    "OpenbookError", "Outcome", "Progress", "Report", "Settings", "__version__",
}  # fmt: skip


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_the_public_names_are_these_and_all_can_be_had() -> None:
    assert set(openbook.__all__) == SURFACE
    assert dir(openbook) == sorted(SURFACE)
    for name in SURFACE:
        assert getattr(openbook, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Vector'"):
        _ = openbook.Vector


def test_the_version_is_the_one_that_was_packaged() -> None:
    from importlib.metadata import version

    assert openbook.__version__ == version("openbook")


def test_importing_openbook_imports_nothing_heavy() -> None:
    code = "import openbook, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(result.stdout.split())
    assert "openbook" in loaded
    assert not loaded & {"numpy", "faiss", "onnxruntime", "tantivy", "kreuzberg", "rich", "typer", "sqlite3"}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from openbook.cli import run; run(['add', '--help']);"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(result.stdout.splitlines()[-1].split())
    assert not loaded & {"numpy", "faiss", "onnxruntime", "tantivy", "kreuzberg", "rich", "sqlite3"}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_says_why_it_exists_and_can_be_read_at_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{named(path)} has no docstring"
    lines = text.count("\n")
    assert lines <= 600, f"{named(path)} has {lines} lines: what does it hide?"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_functions_are_short(path: Path) -> None:
    """Forty lines is the guidance; sixty, without docstring and signature, is too long for anything."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or node.lineno) - first.lineno + 1
            assert length <= 60, f"{named(path)}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_the_library_neither_prints_nor_asserts_nor_swallows(path: Path) -> None:
    in_cli = path.relative_to(SOURCE).parts[0] == "cli"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{named(path)}, line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            assert in_cli, f"{where}: the library never prints"
        assert not isinstance(node, ast.Assert), f"{where}: asserts are for tests"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where}: a bare except"
            silent = all(isinstance(statement, ast.Pass) for statement in node.body)
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
            assert not (silent and names & {"Exception", "BaseException", "ImportError"}), (
                f"{where}: swallowed"
            )


def test_names_say_what_things_are() -> None:
    refused = {"utils", "util", "manager", "helper", "helpers", "base", "core", "common", "misc"}
    for path in MODULES:
        assert not refused & set(path.stem.split("_")), f"{named(path)}: name it after what it does"


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    names = {
        "markdown_it": "markdown-it-py",
        "yaml": "pyyaml",
        "huggingface_hub": "huggingface_hub",
        "pydantic_ai": "pydantic-ai-slim[openai]",
        "opentelemetry": "opentelemetry-sdk",
        "llama_index": "llama-index-core",
    }
    imported: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {module.split(".")[0] for module in modules}
    imported -= sys.stdlib_module_names | {"openbook", "_typeshed"}  # the latter only type checkers know
    foreign = {names.get(name, name.replace("_", "-")) for name in imported}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    plain = ("eval", "parquet", "telemetry", "map", "metrics", "langchain", "llama-index", "serve")
    extra = (line for name in plain for line in extras[name])
    declared = [*project["dependencies"], *extra]
    assert {line.split(">=")[0] for line in declared} == foreign
