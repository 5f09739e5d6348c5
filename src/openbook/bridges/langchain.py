"""A library as a LangChain retriever: `OpenbookRetriever(library=Library("notes.openbook"))`.

Needs the extra `langchain` (langchain-core only). A retriever holds an open
library, so it is neither pickled nor serialised; open the library again where
it is wanted. The documents that it returns can be both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import ConfigDict

from openbook.bridges.places import metadata_of, name_of
from openbook.errors import MissingExtra
from openbook.library import Library

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables.config import run_in_executor
except ModuleNotFoundError as error:
    raise MissingExtra("The LangChain retriever", extra="langchain") from error


class OpenbookRetriever(BaseRetriever):
    """Finds places in a library as LangChain documents, best first.

    `k`, `where` and `per_document` are those of `Library.search`; a call may
    bring its own (`retriever.invoke("…", k=3, where=["path=reports/*"])`).
    Raises what `Library.search` raises.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    library: Library
    k: int | None = None
    where: tuple[str, ...] = ()
    per_document: int | None = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun | None = None,  # noqa: ARG002 (LangChain gives it by name)
        k: int | None = None,
        where: Sequence[str] | None = None,
    ) -> list[Document]:
        hits = self.library.search(
            query,
            k=self.k if k is None else k,
            where=self.where if where is None else where,
            per_document=self.per_document,
        )
        return [Document(id=name_of(hit), page_content=hit.text, metadata=metadata_of(hit)) for hit in hits]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun | None = None,  # noqa: ARG002 (as above)
        k: int | None = None,
        where: Sequence[str] | None = None,
    ) -> list[Document]:
        return await run_in_executor(None, partial(self._get_relevant_documents, query, k=k, where=where))
