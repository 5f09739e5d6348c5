"""How good answers are: what they quote, whether it supports them, and whether they abstain when they should.

For each answered question, a value from 0 to 1 (`docs/measuring.md` has the formulas):

    quote_f1             the words of the quotes against those of the gold quotes (token F1, Rajpurkar 2016)
    citations_on_gold    citations whose quote shares half of the words with a gold quote
    citation_precision   citations that support what they stand behind
    citation_recall      claims that are supported and have a citation
    support_rate         claims that the evidence supports, cited or not
    answer_f1            the words of the answer against those of a reference answer

The two measures of citations follow ALCE (Gao, Yen, Yu and Chen 2023). There a
large language model judges support; here it is openbook's own checker, the one that marks claims
for users, so that these numbers say how an answer fares before it, not before people. An
answer made of quotes has one claim for each quote, and is supported where the quote is verbatim.

Refused: a language model as the judge (its verdict changes with its version and is not
free), and leaving out unanswered questions where a gold answer is known: they count 0,
or abstaining would look like quality.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from openbook.lab.measures import auroc, best_f1, not_found_f1, percentile
from openbook.lab.significance import Interval, auroc_interval

if TYPE_CHECKING:
    from openbook.answer.language_model import LanguageModel
    from openbook.library import Library
    from openbook.types import Answer

JUDGED: Final = (
    "quote_f1", "citations_on_gold", "citation_precision", "citation_recall", "support_rate", "answer_f1",
)  # fmt: skip
"""Names of the measures of answers that are means over questions, in the order in which they are shown."""

_UNSPACED: Final = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_TOKEN: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
"""A word or number; of scripts without blanks, a character (as MLQA counts them, Lewis et al. 2020)."""


def tokens(text: str) -> list[str]:
    """The words of a text as they are compared: without case, punctuation and line ends."""
    return _TOKEN.findall(text.casefold())


def token_f1(said: str, reference: str) -> float:
    """The harmonic mean of precision and recall of words, each counted as often as it stands there.

    Of two texts without words it is 1, of one 0.
    """
    ours, theirs = tokens(said), tokens(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs))


def judge(
    answer: Answer, *, golds: Sequence[Sequence[str]] = (), references: Sequence[str] = ()
) -> dict[str, float]:
    """The measures of one answer that can be told; those that cannot are not among them.

    `golds` holds for each thing that is needed the quotes of which one will do,
    `references` answers in free text, the best of which counts.
    """
    answered = answer.status == "answered"
    found: dict[str, float] = {}
    if golds:
        found["quote_f1"] = _quote_f1(answer, golds) if answered else 0.0
    if answered and answer.citations:
        if golds:
            every = [quote for group in golds for quote in group]
            found["citations_on_gold"] = _share(_on_gold(c.quote, every) for c in answer.citations)
        found["citation_precision"] = _share(citation.supported for citation in answer.citations)
    if answered:
        found |= _claim_measures(answer)
    if references:
        found["answer_f1"] = max(token_f1(answer.text, one) for one in references) if answered else 0.0
    return found


def _claim_measures(answer: Answer) -> dict[str, float]:
    if not answer.claims:  # made of quotes, each of which is a claim and its own evidence
        if not answer.citations:
            return {}
        supported = _share(citation.supported for citation in answer.citations)
        return {"citation_recall": supported, "support_rate": supported}
    cited = [
        any(claim.start <= citation.start < claim.end for citation in answer.citations)
        for claim in answer.claims
    ]
    return {
        "citation_recall": _share(
            claim.supported and has for claim, has in zip(answer.claims, cited, strict=True)
        ),
        "support_rate": _share(claim.supported for claim in answer.claims),
    }


def _quote_f1(answer: Answer, golds: Sequence[Sequence[str]]) -> float:
    """Token F1 of all quotes against the gold quotes, of each group the one that is quoted most fully."""
    said = " ".join(dict.fromkeys(citation.quote for citation in answer.citations))
    counted = Counter(tokens(said))

    def recall(quote: str) -> float:
        wanted = Counter(tokens(quote))
        return (wanted & counted).total() / max(wanted.total(), 1)

    return token_f1(said, " ".join(max(group, key=recall) for group in golds if group))


def _on_gold(quote: str, golds: Iterable[str]) -> bool:
    ours = Counter(tokens(quote))
    for gold in golds:
        theirs = Counter(tokens(gold))
        shorter = min(ours.total(), theirs.total())
        if shorter and 2 * (ours & theirs).total() >= shorter:
            return True
    return False


def _share(values: Iterable[bool]) -> float:
    every = list(values)
    return sum(every) / len(every)


class AnswerSheet:
    """Asks a library questions and keeps what each answer was worth."""

    def __init__(self, library: Library, model: str | LanguageModel | None = None) -> None:
        self._library = library
        self._model = model
        self._confidences: dict[bool, list[float]] = {True: [], False: []}
        self._refused = {True: 0, False: 0}
        self._times: list[float] = []
        self.values: dict[str, dict[str, float]] = {}
        """Measure → question's id → value."""

    def ask(
        self,
        name: str,
        question: str,
        *,
        answerable: bool | None,
        golds: Sequence[Sequence[str]] = (),
        references: Sequence[str] = (),
    ) -> Answer:
        """Ask one question. `answerable` is None where nobody knows."""
        started = time.perf_counter()
        answer = self._library.ask(question, model=self._model)
        self._times.append((time.perf_counter() - started) * 1000)
        answered = answer.status == "answered"
        found = judge(answer, golds=golds, references=references)
        if answerable is None:
            found |= {"answered": float(answered), "confidence": answer.confidence}
        else:
            self._confidences[answerable].append(answer.confidence)
            self._refused[answerable] += not answered
            found["abstention_accuracy"] = float(answered == answerable)
        for measure, value in found.items():
            self.values.setdefault(measure, {})[name] = value
        return answer

    def counts(self) -> dict[str, int]:
        """How many answerable and unanswerable questions were asked."""
        return {"answerable": len(self._confidences[True]), "unanswerable": len(self._confidences[False])}

    def latency(self) -> dict[str, float]:
        """Percentiles of one answer in milliseconds."""
        if not self._times:
            return {}
        return {"ask_p50": percentile(self._times, 0.5), "ask_p95": percentile(self._times, 0.95)}

    def intervals(self) -> dict[str, Interval]:
        """The interval of the one measure that is no mean over questions and has one."""
        answerable, unanswerable = self._confidences[True], self._confidences[False]
        if not answerable or not unanswerable:
            return {}
        return {"not_found_auroc": auroc_interval(answerable, unanswerable)}

    def measures(self) -> dict[str, float | None]:
        """All measures of refusing and answering; None for those that the questions cannot tell."""
        answerable, unanswerable = self._confidences[True], self._confidences[False]
        best = best_f1(answerable, unanswerable)
        threshold = self._library.settings.answer_threshold
        found: dict[str, float | None] = {
            "not_found_auroc": auroc(answerable, unanswerable),
            "not_found_f1": best.f1 if best else None,
            "not_found_f1_threshold": best.threshold if best else None,
            "not_found_f1_as_set": not_found_f1(answerable, unanswerable, threshold) if best else None,
        }
        found |= self._abstention()
        for measure in ("abstention_accuracy", *JUDGED, "answered", "confidence"):
            if values := self.values.get(measure):
                found[measure] = sum(values.values()) / len(values)
        return found

    def _abstention(self) -> Mapping[str, float | None]:
        """Precision and recall of saying "not found", as it was said, of unanswerable questions."""
        right = self._refused[False]
        said, wanted = right + self._refused[True], len(self._confidences[False])
        return {
            "not_found_precision": right / said if said and wanted else None,
            "not_found_recall": right / wanted if wanted else None,
        }
