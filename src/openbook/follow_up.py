"""Follow-up questions without a language model: the conversation blended into both legs of a search.

"And if it's missing?" finds nothing by itself. So the question is searched as
a mixture of itself and of the conversation: its vector is moved towards that
of one text made of the first question, the one before, and itself; and the
words of earlier questions are looked for too, with less weight the longer ago
they were asked. One number, the weight of the conversation, drives both legs.

How much a question needs the conversation is judged by two signals:

- the *gain*: by how much the nearest chunk comes nearer when the question is
  asked in its context. It knows no language. A question that stands alone, or
  that changes the subject, loses by its context.
- a *reference*: a pronoun before anything in the question that it could stand
  for ("how is it calculated", not "how do I open a file and read it").

    weight = 0.1 + 1.0 · gain + 0.25 · (1 if it refers to something), within 0 and 0.6

Those numbers are fitted by `scripts/fit_follow_up.py`. Later questions of
conversations gain by them, in nDCG@10: cloud documentation .313 → .360 (asked
as a person rewrote them: .332), finance posts .264 → .302 (rewritten .325),
each ± .02; on a book, the right place is among the first five for 20 of 20
questions instead of 6. Questions about something else, asked after a
conversation, lose .008 on aerodynamics abstracts and nothing on the other two.
The pronouns are judged in the library's main language; where that fails, the
gain remains.

Refused: one weight for every question (the best one, 0.3, gains .025 on finance
posts instead of .038, loses .011 after a change of subject, and lifts half as
many of the book's questions), and the mean of the earlier questions' vectors
instead of the text in context (.004 on finance posts). Refused too, although
it is at hand: the evidence found before. Its words change nothing beyond the
questions' words, and its vectors less than the noise (.003 to .008), for
embedding ten times as much text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from openbook.types import Exchange

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.types import FloatMatrix

    Embed: TypeAlias = Callable[[Sequence[str], Literal["query", "document"]], FloatMatrix]
    EmbedTexts: TypeAlias = Callable[[Sequence[str]], FloatMatrix]
    Nearest: TypeAlias = Callable[[NDArray[np.float32]], float | None]

ContentWords: TypeAlias = Callable[[str], list[str]]

ALWAYS: Final = 0.1
PER_GAIN: Final = 1.0
FOR_REFERENCE: Final = 0.25
MOST: Final = 0.6
"""The question itself keeps at least two fifths."""
DECAY: Final = 0.6
"""The words of a question count so much for each question asked since."""
USUAL_GAIN: Final = 0.1
"""Assumed where there are no vectors to measure it by."""
NOTED: Final = 0.2
"""From this weight on the person is told that the question was understood as a follow-up."""
BEFORE_REFERENCE: Final = 2
"""Content words before a pronoun, at most; after more it probably stands for one of them."""
EARLIER: Final = 8
"""Earlier questions whose words count; those before add less than a fiftieth."""
LONGEST: Final = 400
"""Characters kept of an earlier question: a pasted page must not become the question."""

REFERRING: Final = frozenset(
    # English; the forms of other languages only where they mean nothing else in one of these languages
    (
        "it its they them their theirs this that these those he she him his her one ones "
        "dies diese dieser dieses diesen diesem damit davon dafür dazu darin daran darauf daraus dadurch "
        "cela ça ceci celui celle ceux celles "
        "eso esto ello esos esas aquello "
        "questo questa questi queste quello quella ciò "
        "isso isto essa aquilo disso nisso "
        "deze daarvan daarmee daarvoor hiervan hiermee "
        "это этот эта эти этого этом их"
    ).split()
)
_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question that was asked after others.

    `in_context` is the text whose vector it is mixed with; `earlier` holds the
    questions before it, newest first; `refers` tells of a pronoun that stands
    for something said before.
    """

    question: str
    in_context: str
    earlier: tuple[str, ...]
    refers: bool


@dataclass(frozen=True, slots=True)
class Blend:
    """What is really searched for.

    `vector` is a unit vector, shape (dimension,), None without an embedder.
    `words` holds earlier questions with the weight (0 to 1) of their words.
    `weight` is the conversation's share; at 0 the question stands alone.
    `notes` tell the person where the conversation counts noticeably.
    """

    vector: NDArray[np.float32] | None = None
    words: tuple[tuple[str, float], ...] = ()
    weight: float = 0.0
    notes: tuple[str, ...] = ()


def follow_up(question: str, history: Sequence[Exchange], content_words: ContentWords) -> FollowUp | None:
    """The question among the earlier ones, or None if nothing was asked before.

    `history` stands oldest first. `content_words` analyses a text without its
    stop words.
    """
    earlier = _earlier(history)
    if not earlier:
        return None
    return FollowUp(question, _in_context(question, earlier), earlier, refers(question, content_words))


def refers(question: str, content_words: ContentWords) -> bool:
    """Whether a pronoun of the question stands for something outside of it."""
    for word in _WORD.finditer(question):
        if word[0].lower() in REFERRING:
            return len(content_words(question[: word.start()])) <= BEFORE_REFERENCE
    return False


def weight(follow_up: FollowUp, gain: float) -> float:
    """The conversation's share (0 to 0.6) in what is searched for; `gain` is a difference of cosines."""
    needed = ALWAYS + PER_GAIN * gain + (FOR_REFERENCE if follow_up.refers else 0.0)
    return min(max(needed, 0.0), MOST)


def blend(follow_up: FollowUp, embed: EmbedTexts | None, nearest: Nearest) -> Blend:
    """The question mixed with its conversation, as much as it needs it.

    `embed` gives unit rows of texts and is called once; None searches by words
    alone. `nearest` gives the cosine of the chunk nearest to a vector, or None
    if there is none.
    """
    if embed is None:
        return _blended(follow_up, None, weight(follow_up, USUAL_GAIN))
    alone, together = embed([follow_up.question, follow_up.in_context])
    near_alone, near_together = nearest(alone), nearest(together)
    gain = USUAL_GAIN
    if near_alone is not None and near_together is not None:
        gain = near_together - near_alone
    share = weight(follow_up, gain)
    return _blended(follow_up, mixed(alone, together, share), share)


def mixed(alone: NDArray[np.float32], together: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """normalise((1 - share) · alone + share · together), for unit vectors of shape (dimension,)."""
    import numpy as np

    total = np.float32(1 - share) * alone + np.float32(share) * together
    length = float(np.linalg.norm(total))
    # Opposite vectors may cancel out; the question keeps its own then. So it does at a share of 0.
    return alone if share == 0.0 or length < 1e-6 else (total / np.float32(length)).astype(np.float32)


def weighted_words(follow_up: FollowUp, share: float) -> tuple[tuple[str, float], ...]:
    """Earlier questions with the weight of their words, newest first; none at a share of 0."""
    if share == 0.0:
        return ()
    return tuple((text, share * DECAY**age) for age, text in enumerate(follow_up.earlier[:EARLIER]))


def ranking_embed(embed: Embed, question: str, history: Sequence[Exchange], share: float) -> Embed:
    """An embedder that gives `question` the vector it was searched by, and any other text its own.

    For ranking the sentences of the evidence. `share` is the weight of the
    search's `Blend`. Ranking by the question's own words and the mixed vector
    answers 12 of 20 follow-up questions of a book's readers, 5 of them with
    the very quote that was wanted; the question's own vector 10 and 4. Ranked
    by the text in context, sentences that answered the question before come
    first: 17 answers, 2 of them right.
    """
    earlier = _earlier(history)
    if not earlier or share == 0.0:
        return embed

    def embed_asked(texts: Sequence[str], role: Literal["query", "document"]) -> FloatMatrix:
        if role != "query" or list(texts) != [question]:
            return embed(texts, role)
        alone, together = embed([question, _in_context(question, earlier)], "query")
        return mixed(alone, together, share).reshape(1, -1)

    return embed_asked


def _blended(follow_up: FollowUp, vector: NDArray[np.float32] | None, share: float) -> Blend:
    notes: tuple[str, ...] = ()
    if share >= NOTED:
        notes = (f"Understood as a follow-up to “{_shortened(follow_up.earlier[0])}”.",)
    return Blend(vector, weighted_words(follow_up, share), share, notes)


def _earlier(history: Sequence[Exchange]) -> tuple[str, ...]:
    """The earlier questions as they were meant, newest first, each at a sensible length."""
    asked = ((exchange.meant or exchange.question).strip() for exchange in reversed(history))
    return tuple(text[:LONGEST] for text in asked if text)


def _in_context(question: str, earlier: Sequence[str]) -> str:
    """The first question, which named the subject, the one before, and the question: of bounded length."""
    before = [earlier[0]] if len(earlier) == 1 else [earlier[-1], earlier[0]]
    return " ".join([*before, question])


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 80 else f"{words[:79].rstrip()}…"
