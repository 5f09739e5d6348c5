"""One server for all tests of this folder: two libraries, one of them with a scripted model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest

from openbook.settings import Settings
from tests.openai_api.serving import SETTINGS, Scripted, Serving, client_of, write_texts


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three documents."""
    return write_texts(tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Iterator[Serving]:
    """A server of the libraries `birds` (quotes), `written` (a scripted model) and `words` (no vectors)."""
    root = tmp_path_factory.mktemp("libraries")
    birds = Scripted(root / "birds.openbook", settings=SETTINGS)
    written = Scripted(root / "written.openbook", settings=SETTINGS)
    words = Scripted(root / "words.openbook", settings=Settings(embedder="onnx:none", cache=str(root)))
    birds.add(documents)
    written.add(documents)
    words.add(documents)
    with Serving(birds, written, words) as running:
        yield running


@pytest.fixture
def written(serving: Serving) -> Iterator[Scripted]:
    """The library whose model a test chooses."""
    library = serving.shelf.desk("written").library
    assert isinstance(library, Scripted)
    yield library
    library.writer = None


@pytest.fixture
def client(serving: Serving) -> Iterator[openai.OpenAI]:
    """The official client of the server."""
    with ExitStack() as stack:
        yield stack.enter_context(client_of(serving))
