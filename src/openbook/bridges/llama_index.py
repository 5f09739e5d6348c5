"""A library as a LlamaIndex retriever: `OpenbookRetriever(Library("notes.openbook"))`.

Needs the extra `llama-index` (llama-index-core only). A retriever holds an
open library, so it is not pickled; open the library again where it is wanted.
The nodes that it returns can be pickled and written as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from openbook.bridges.places import metadata_of, name_of
from openbook.errors import MissingExtra
from openbook.library import Library
from openbook.types import Hit

try:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import (
        NodeRelationship,
        NodeWithScore,
        QueryBundle,
        RelatedNodeInfo,
        TextNode,
    )
except ModuleNotFoundError as error:
    raise MissingExtra("The LlamaIndex retriever", extra="llama-index") from error

FOR_MODELS: Final = ("path", "title", "place")
"""What of the metadata a model sees in front of the text; the rest is for programs."""


class OpenbookRetriever(BaseRetriever):
    """Finds places in a library as LlamaIndex nodes with scores, best first.

    `k`, `where` and `per_document` are those of `Library.search`. Raises what
    that raises.
    """

    def __init__(
        self,
        library: Library,
        *,
        k: int | None = None,
        where: Sequence[str] = (),
        per_document: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._library = library
        self._k = k
        self._where = tuple(where)
        self._per_document = per_document

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._library.search(
            query_bundle.query_str, k=self._k, where=self._where, per_document=self._per_document
        )
        return [NodeWithScore(node=_node(hit), score=hit.score) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit) -> TextNode:
    """The hit as a node of the document that it comes from."""
    metadata = metadata_of(hit)
    return TextNode(
        id_=name_of(hit),
        text=hit.text,
        metadata=metadata,
        start_char_idx=hit.start,
        end_char_idx=hit.end,
        excluded_llm_metadata_keys=[name for name in metadata if name not in FOR_MODELS],
        excluded_embed_metadata_keys=list(metadata),
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=str(hit.document_id))},
    )
