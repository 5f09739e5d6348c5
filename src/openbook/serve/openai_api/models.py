"""The libraries of a server, and what makes their vectors, as a list of models."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from openbook.serve.openai_api.embeddings import embedding_name
from openbook.serve.openai_api.errors import Refused, short

if TYPE_CHECKING:
    from openbook.serve.desk import Shelf


class Models:
    """All models of a server. `created` of each is when the server started."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._started = int(time.time())

    async def all(self) -> dict[str, Any]:
        """The list: libraries first, then embedding models."""
        return {"object": "list", "data": [self._form(name) for name in await self._names()]}

    async def one(self, name: str) -> dict[str, Any]:
        """One of them. Raises Refused (404) for an unknown name."""
        names = await self._names()
        if name not in names:
            raise Refused(
                f"There is no model {short(name)} here. There is: {', '.join(map(repr, names))}.",
                param="model",
                code="model_not_found",
                status=404,
            )
        return self._form(name)

    async def _names(self) -> list[str]:
        names = [desk.name for desk in self._shelf]
        for desk in self._shelf:
            embedder = await desk.background.run(desk.library.embedder)
            if embedder is not None and embedding_name(embedder) not in names:
                names.append(embedding_name(embedder))
        return names

    def _form(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "openbook"}
