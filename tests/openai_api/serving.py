"""A real server in a thread, and the official client that talks to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import openai
import uvicorn

from openbook.answer.language_model import LanguageModel
from openbook.library import Library
from openbook.serve.application import create_app
from openbook.serve.desk import Shelf
from openbook.serve.options import ServeOptions
from openbook.serve.server import listening_socket
from openbook.settings import Settings

SETTINGS = Settings(embedder="hash:64", read_workers=1, chunk_tokens=60, threads=1, model_threshold=0.0)

TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water for hours.\n\n"
    "## Food\n\nThe grey heron eats fish, frogs and voles. In winter it hunts at the river mouth.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "prices.csv": "fish,price\ntrout,12\npike,19\n",
}


def write_texts(folder: Path) -> Path:
    """Write the small documents into a folder, and return it."""
    for name, text in TEXTS.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


class Scripted(Library):
    """A library whose answers are written by the model that a test puts into `writer`."""

    writer: LanguageModel | None = None

    def _language_model(self, wished: str | LanguageModel | None) -> LanguageModel | None:
        return super()._language_model(wished) if wished is not None else self.writer


class Serving:
    """uvicorn with the whole application, on a free port of this machine."""

    def __init__(self, *libraries: Library) -> None:
        options = ServeOptions(web=False)
        self.shelf = Shelf.open(libraries, options)
        config = uvicorn.Config(create_app(self.shelf, options), log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._socket = listening_socket("127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self.port: int = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@contextmanager
def client_of(serving: Serving) -> Iterator[openai.OpenAI]:
    """The official client; it does not try again by itself, so that every error is seen."""
    with openai.OpenAI(
        base_url=f"{serving.address}/v1", api_key="unused", max_retries=0, timeout=60
    ) as client:
        yield client
