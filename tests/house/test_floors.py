"""No import runs upward, no stage knows another: asserted from every import statement, nested ones too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent.parent / "src" / "openbook"

NOUNS = {"types", "errors", "events"}
STAGES = {"read", "chunk", "embed", "index", "answer"}
BESIDE_STAGES = {"settings", "backends", "json_form", "wording", "snippets"}
JOINING = {
    "retrieve", "sync", "vectorize", "embedders", "language_models", "follow_up", "answering", "writing",
    "asking", "conversing", "searching", "conversation_export", "researching", "extracting", "batching",
    "adapting", "tuned", "standing", "reading", "titles", "calibrating",
}  # fmt: skip
"""Where stages meet. Among themselves they may call each other; `Library` is above them."""
FLOORS = (
    NOUNS - {"events"},
    {"events"},
    STAGES | BESIDE_STAGES,
    JOINING,
    {"library"},
    {"bridges", "lab", "serve"},
    {"cli"},
)
FACE = {"__init__", "__main__"}
"""The face of the package and its entry: they name everything and are named by nobody."""


def part_of(module: str) -> str:
    """The part that a module belongs to: `openbook.chunk_breaks` and `openbook.chunk` are one."""
    name = module.removeprefix("openbook.").split(".")[0]
    stem = name.split("_")[0]
    return stem if stem in STAGES else name


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, imported openbook module) for every import statement of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (
                (node.lineno, alias.name) for alias in node.names if alias.name.startswith("openbook.")
            )
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            if node.module == "openbook":
                yield from ((node.lineno, f"openbook.{alias.name}") for alias in node.names)
            elif node.module and node.module.startswith("openbook."):
                yield node.lineno, node.module


def floor_of(part: str) -> int:
    for number, parts in enumerate(FLOORS):
        if part in parts:
            return number
    raise AssertionError(f"openbook.{part} has no floor yet: give it one in {__file__}")


MODULES = sorted(
    path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0].removesuffix(".py") not in FACE
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_runs_upward_and_no_stage_knows_another(path: Path) -> None:
    part = part_of("openbook." + path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."))
    floor = floor_of(part)
    for line, module in imports_of(path):
        other = part_of(module)
        where = f"{path.relative_to(SOURCE)}, line {line}: {part} imports {other}"
        if other in FACE or other.startswith("__"):
            assert part == "cli", f"{where}; only the command line needs the face (for the version)"
            continue
        if other == part:
            continue
        assert floor_of(other) <= floor, f"{where}, which is above it"
        if part in STAGES:
            assert other in NOUNS, f"{where}; a stage takes plain arguments and knows no other part"
        if floor_of(other) == floor:
            assert part in JOINING | BESIDE_STAGES | {"serve"}, f"{where} on its own floor"


def test_only_library_and_what_joins_backends_read_settings() -> None:
    readers = {
        part_of_file(path)
        for path in MODULES
        for _, module in imports_of(path)
        if module == "openbook.settings"
    }
    assert readers <= {"library", "embedders", "language_models", "cli"}, readers


def part_of_file(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def test_nothing_happens_at_import_that_costs_much() -> None:
    heavy = {
        "numpy",
        "faiss",
        "onnxruntime",
        "onnx",
        "kreuzberg",
        "tantivy",
        "pyarrow",
        "ir_measures",
        "tokenizers",
    }
    for name in (
        "__init__",
        "types",
        "errors",
        "settings",
        "json_form",
        *(f"cli/{p.stem}" for p in (SOURCE / "cli").glob("*.py")),
    ):
        tree = ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not heavy & {imported.split(".")[0] for imported in names}, (
                f"{name} imports {names} at once"
            )
