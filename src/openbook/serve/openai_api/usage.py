"""How many tokens a reply took, and who counted them.

Where a language model wrote, its server's own numbers are given: they are what
it charges, evidence included. Where answers are quotes no model was asked, and
the numbers say how much went over this API: the texts of the messages and the
text of the reply, in tokens of the library's embedder, or by estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbook.chunk_tokens import EstimatingCounter

if TYPE_CHECKING:
    from openbook.embed import Embedder
    from openbook.types import Answer


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the prompt and of the reply. `counted_by` names a model, an embedder, or "estimate"."""

    prompt: int
    completion: int
    counted_by: str

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


def usage_of(answer: Answer, asked: Sequence[str], shown: str, embedder: Embedder | None) -> Usage:
    """What an answer took. `asked` is all that was sent, `shown` all that is sent back."""
    used = answer.usage
    if "input_tokens" in used and "output_tokens" in used:
        return Usage(used["input_tokens"], used["output_tokens"], answer.generator)
    prompt, counted_by = count_tokens(asked, embedder)
    completion, _ = count_tokens([shown], embedder)
    return Usage(prompt, completion, counted_by)


def count_tokens(texts: Sequence[str], embedder: Embedder | None) -> tuple[int, str]:
    """The tokens of all texts together, and what counted them."""
    if embedder is None:
        return sum(EstimatingCounter().counts(texts)), "estimate"
    return sum(embedder.count_tokens(texts)), embedder.name
