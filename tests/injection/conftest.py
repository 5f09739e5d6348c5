"""Libraries that hold honest documents and one attack, read by the real reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from openbook.answer.language_model import Script, ScriptedModel, ScriptedReply, Tool
from openbook.library import Library
from openbook.settings import Settings
from openbook.types import Message
from tests.injection.attacks import ATTACKS, HONEST


class WatchedModel(ScriptedModel):
    """Remembers which tools it was offered."""

    def __init__(
        self, script: Callable[[Sequence[Message]], Script], *, context_tokens: int = 20_000
    ) -> None:
        super().__init__(script, context_tokens=context_tokens)
        self.offered: list[tuple[str, ...]] = []

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> ScriptedReply:
        self.offered.append(tuple(tool.name for tool in tools))
        return super().reply(messages, tools=tools, max_tokens=max_tokens)


def library_of(folder: Path, files: dict[str, bytes]) -> Library:
    (folder / "documents").mkdir(parents=True)
    for name, content in files.items():
        (folder / "documents" / name).write_bytes(content)
    settings = Settings(embedder="hash:384", read_workers=1, model_threshold=0.0)
    library = Library(folder / "library", settings=settings)
    report = library.add(folder / "documents")
    assert not report.failures
    return library


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library without an attack."""
    with library_of(tmp_path_factory.mktemp("honest"), dict(HONEST)) as library:
        yield library


@pytest.fixture(scope="session", params=sorted(ATTACKS))
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library with one attack."""
    name, content = ATTACKS[request.param]
    with library_of(tmp_path_factory.mktemp("attacked"), {**HONEST, name: content}) as library:
        yield library
