"""What loading costs and touches: nothing before it is needed, and no file outside."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openbook.backends.model_store import install_model

HEAVY = ("onnxruntime", "onnx", "tokenizers", "safetensors", "huggingface_hub", "concurrent.futures")

CHEAP = f"""
import sys
from pathlib import Path
from openbook.backends.onnx_encoder import OnnxEmbedder
embedder = OnnxEmbedder(Path(sys.argv[1]))
assert embedder.fingerprint and embedder.dimension and embedder.name and embedder.max_tokens
print([name for name in {HEAVY!r} if name in sys.modules])
"""

EMBED = """
import sys
from pathlib import Path
from openbook.backends.onnx_encoder import OnnxEmbedder
embedder = OnnxEmbedder(Path(sys.argv[1]), threads=2)
embedder.embed(["red cat", "blue dog", "green house"], "document")
print([name for name in ("onnx", "safetensors", "huggingface_hub") if name in sys.modules])
"""


@pytest.fixture
def installed(tiny: Path, tmp_path: Path) -> Path:
    return install_model("x", model_folder=tiny, cache=tmp_path / "cache")


def run(code: str, *arguments: str, home: Path) -> str:
    """Run code in a process of its own whose every user folder is `home`."""
    home.mkdir(exist_ok=True)
    folders = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    environment |= dict.fromkeys(folders, str(home)) | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_constructing_imports_nothing_heavy(installed: Path, tmp_path: Path) -> None:
    assert run(CHEAP, str(installed), home=tmp_path / "home") == "[]"


def test_embedding_needs_none_of_the_tools_of_the_conversion(installed: Path, tmp_path: Path) -> None:
    assert run(EMBED, str(installed), home=tmp_path / "home") == "[]"


def test_embedding_leaves_no_file_behind(installed: Path, tmp_path: Path) -> None:
    # onnxruntime would write a device id and an event database here.
    home = tmp_path / "home"
    before = sorted(path.name for path in installed.iterdir())
    run(EMBED, str(installed), home=home)
    assert list(home.rglob("*")) == []
    assert sorted(path.name for path in installed.iterdir()) == before


def test_installing_leaves_no_file_behind(tiny: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import sys; from openbook.backends.model_store import install_model as install; "
        "install('x', model_folder=sys.argv[1], cache=sys.argv[2])"
    )
    run(code, str(tiny), str(tmp_path / "cache"), home=home)
    assert list(home.rglob("*")) == []


def runtime_imports(tree: ast.AST) -> bool:
    """Whether onnxruntime is imported when the code runs; for type checkers alone does not count."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return False
    if isinstance(tree, ast.Import) and any(
        alias.name.split(".")[0] == "onnxruntime" for alias in tree.names
    ):
        return True
    if isinstance(tree, ast.ImportFrom) and (tree.module or "").split(".")[0] == "onnxruntime":
        return True
    return any(runtime_imports(child) for child in ast.iter_child_nodes(tree))


def test_onnxruntime_is_imported_in_one_place_only() -> None:
    # The place that forbids its reports first.
    source = Path(__file__).parent.parent.parent / "src" / "openbook"
    modules = [
        path for path in source.rglob("*.py") if runtime_imports(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert [path.name for path in modules] == ["onnx_session.py"]
