"""Ways to have a language model answer from evidence, whether or not it fits into one window.

stuff       one request with all the evidence that fits
refine      one request for each part of the evidence; each improves the answer so far
map-reduce  notes from each part, side by side, then one answer from the notes
map-rerank  an answer with a score from each piece, side by side; the best one wins
auto        stuff where the evidence fits, else refine for two parts, map-reduce for more

Pieces keep their numbers through all requests, so citations stay right. Each
way is a stream of events that ends with a `Written`. Only text of the final
answer is streamed; a reply that may still turn out to be the fixed words for
"not found" is held back until that is clear.

Refused: letting a failed part fail the whole answer after others succeeded
(what it would have said is reported as left out), and hiding that a reply
broke off: what arrived is kept, and the stream says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from openbook.answer.language_model import LanguageModel
from openbook.answer.model_session import Session, Spoken, Stream, Written, streamed
from openbook.answer.prompting import Budget
from openbook.answer.rules import ANSWERING
from openbook.answer.strategies_in_parts import map_reduce, map_rerank, parts_of, refine
from openbook.errors import UsageError
from openbook.types import Evidence, Exchange

__all__ = ["STRATEGIES", "Written", "stuff", "write"]

STRATEGIES: Final = ("auto", "stuff", "refine", "map-reduce", "map-rerank")


def write(
    question: str,
    evidence: Sequence[Evidence],
    model: LanguageModel,
    *,
    history: Sequence[Exchange] = (),
    strategy: str = "auto",
    answer_tokens: int = 1000,
    parallel: int = 4,
    used: Mapping[str, int] | None = None,
) -> Stream:
    """Have `model` answer; yields events, and a `Written` last.

    A reply that breaks off keeps what arrived: an ErrorEvent says why, and
    `Written.finish` is "broken". Closing the generator, or Ctrl-C, stops the
    running request. `used` is what this answer has taken before, and is added.
    Raises UsageError for an unknown strategy, PromptTooLong
    where the question leaves no room, and LanguageModelError where nothing of
    an answer had arrived.
    """
    if strategy not in STRATEGIES:
        raise UsageError(f"Unknown strategy {strategy!r}; expected one of: {', '.join(STRATEGIES)}.")
    budget = Budget.of_window(model.context_tokens, answer_tokens)
    session = Session(question, model, budget, history, max(parallel, 1), dict(used or {}))
    if strategy == "auto":
        parts = parts_of(evidence, session, ANSWERING)
        strategy = {0: "stuff", 1: "stuff", 2: "refine"}.get(len(parts), "map-reduce")
    ways: dict[str, Callable[[Sequence[Evidence], Session], Stream]] = {
        "stuff": stuff,
        "refine": refine,
        "map-reduce": map_reduce,
        "map-rerank": map_rerank,
    }
    yield from ways[strategy](evidence, session)


def stuff(evidence: Sequence[Evidence], session: Session) -> Stream:
    """One request with all the evidence that fits."""
    prompt = session.prompt(evidence, ANSWERING, with_history=True)
    spoken = Spoken()
    yield from streamed(prompt, session, spoken)
    yield from session.written(spoken, "stuff", [prompt])
