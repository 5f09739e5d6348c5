"""The OpenAI-compatible API under `/v1`: what chat programs and the `openai` SDK speak already.

Each library is a model, and the model that makes its vectors is one for
`embeddings`. What comes back is OpenAI's shape with true contents: citations
as annotations, and a field `openbook` with what that shape has no place for.

    requests → messages → replies (asking, shown text, usage) → chat, responses
    models, embeddings                                        → routes

Refused: passing a client's prompt on to a language model. A question is
answered from the documents here, or not at all; and these routes are left out
of the OpenAPI document, because OpenAI's own describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def include(app: FastAPI) -> None:
    """Add the routes of this surface."""
    from openbook.serve.openai_api.routes import application

    app.mount("/v1", application(app.state.shelf), name="openai")
