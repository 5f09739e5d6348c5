"""What becomes of a model that always answers, asked what the documents do not hold.

    python -m benchmarks.always_answers ../shared/data

asks the book's unanswerable questions of two scripted models: one makes its
answer up from the words of the question and cites [1]; the other, harder to
catch, copies a sentence of the evidence that does not answer. For each it
counts the questions that were stopped before the model was asked, those whose
answer was marked (claims without support, or a confidence below the threshold)
and those that went through. The same is counted for the answerable questions
with the answers that people wrote, where every mark is a false alarm.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from openbook.answer.language_model import ScriptedModel
from openbook.answer.sentences import split_sentences
from openbook.lab.labelled_sets import read_questions
from openbook.library import Library
from openbook.types import Answer, Evidence

Reply = Callable[[str, Sequence[Evidence]], str]


def made_up(question: str, evidence: Sequence[Evidence]) -> str:
    """An assertion out of the question's own words."""
    del evidence
    return f"Yes. {question.rstrip('?! .')}: this has been so since 1987, by 45 % [1]."


def copied(question: str, evidence: Sequence[Evidence]) -> str:
    """The first whole sentence of the best evidence."""
    del question
    text = evidence[0].text
    long = [text[a:b] for a, b in split_sentences(text) if b - a > 60 and not text[a:b].startswith("#")]
    return f"{long[0] if long else text[:200]} [1]"


def outcome(library: Library, question: str, reply: Reply) -> str:
    """Ask a model that gives this reply; say what became of it."""
    evidence: list[Evidence] = []

    def noted(event: object) -> None:
        evidence.extend(getattr(event, "evidence", ()))

    model = ScriptedModel(lambda _: reply(question, evidence), name="always-answers", context_tokens=100_000)
    answer = library.ask(question, model=model, on_event=noted)
    if not model.seen:
        return "stopped"
    return judged(answer, library.settings.answer_threshold)


def judged(answer: Answer, threshold: float) -> str:
    """How an answer that was written is shown."""
    if answer.status == "not_found":
        return "not found"
    if not all(claim.supported for claim in answer.claims):
        return "marked: claim without support"
    if answer.confidence < threshold:
        return "marked: low confidence"
    return "unmarked"


def main() -> int:
    """Measure and print one JSON object."""
    data = Path(sys.argv[1])
    questions = read_questions(data / "r4ds-questions.jsonl")
    lines = (data / "r4ds-questions.jsonl").read_text(encoding="utf-8").splitlines()
    written = {entry["question"]: entry["answer"] for entry in map(json.loads, lines) if "answer" in entry}
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder) / "book") as library:
        library.add(data / "r4ds")
        unanswerable = [question.text for question in questions if question.kind == "unanswerable"]
        for name, reply in (("made up", made_up), ("copied", copied)):
            counts[f"unanswerable, {name}"] = Counter(outcome(library, q, reply) for q in unanswerable)
        answerable = [question.text for question in questions if question.kind == "answerable"]
        counts["answerable, as people wrote"] = Counter(
            outcome(library, q, lambda question, _: written[question]) for q in answerable
        )
    sys.stdout.write(json.dumps(counts, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
