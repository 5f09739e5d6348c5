"""Whatever the documents hold: the model sees the program's rules, the given pieces, and nothing unseen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from openbook.answer.language_model import Script
from openbook.answer.rules import ANSWERING, ENDING, JOINING, NOTING, REFINING, SCORING
from openbook.events import PromptEvent, RetrievalEvent
from openbook.library import Library
from openbook.types import Evidence, Message
from tests.answer_prompting.pieces import fenced_parts, numbers, outside
from tests.injection.attacks import FACT, ORDER, QUESTION, WORD
from tests.injection.conftest import WatchedModel
from tests.tokens.test_token_counters import byte_level

RULES = {frame.rules for frame in (ANSWERING, REFINING, NOTING, JOINING, SCORING)}
STRATEGIES = ["stuff", "refine", "map-reduce", "map-rerank"]
SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "[INST]",
    "[/INST]", "<s>", "</s>", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<｜User｜>",
    "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<|channel|>", "<|message|>", "<|return|>", "</think>",
    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|endoftext|>",
)  # fmt: skip


def obedient(messages: Sequence[Message]) -> Script:
    """Obeys whatever it sees outside of the fences, and copies what it sees inside."""
    said = messages[0].text + outside(messages)
    if WORD in said or "PWNED" in said.upper():
        return f"{WORD} [99]"
    marks = " ".join(f"[{number}]" for number in numbers(messages))
    return f"{FACT} {marks}\nScore: 50"


def asked(library: Library, strategy: str) -> tuple[WatchedModel, tuple[Evidence, ...], list[PromptEvent]]:
    model = WatchedModel(obedient)
    evidence: tuple[Evidence, ...] = ()
    prompts = []
    for event in library.ask_stream(QUESTION, model=model, strategy=strategy):
        if isinstance(event, RetrievalEvent):
            evidence = event.evidence
        elif isinstance(event, PromptEvent):
            prompts.append(event)
    return model, evidence, prompts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rules_roles_and_tools_are_those_of_an_honest_library(attacked: Library, strategy: str) -> None:
    model, _, prompts = asked(attacked, strategy)
    assert model.seen
    for messages in model.seen:
        assert messages[0].text in RULES
        assert [message.role for message in messages] == ["system", "user"]
    assert set(model.offered) == {()}
    assert [prompt.messages for prompt in prompts] == model.seen


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_pieces_are_exactly_those_that_were_found(attacked: Library, strategy: str) -> None:
    model, evidence, _ = asked(attacked, strategy)
    assert any(FACT in piece.text for piece in evidence)
    seen: set[int] = set()
    for messages in model.seen:
        careful = numbers(messages)
        naive = [int(n) for n in re.findall(r"evidence \[(\d+)\] begins", messages[-1].text)]
        naive_ends = [int(n) for n in re.findall(r"evidence \[(\d+)\] ends", messages[-1].text)]
        assert careful == naive == naive_ends
        assert len(set(careful)) == len(careful)
        seen |= set(careful)
    assert seen == {piece.number for piece in evidence} == set(range(1, len(evidence) + 1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_unseen_and_no_control_token_reaches_the_model(
    attacked: Library, strategy: str, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(byte_level(tmp_path)))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.add_special_tokens(list(SPECIAL))
    control = {tokenizer.token_to_id(token) for token in SPECIAL}
    assert control & set(tokenizer.encode("x<|im_start|>y").ids), "the tokenizer knows no control tokens"
    model, _, _ = asked(attacked, strategy)
    for messages in model.seen:
        text = "".join(message.text for message in messages)
        unseen = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} and c != "\n"}
        assert not unseen
        assert not {c for c in text if 0xFE00 <= ord(c) <= 0xFE0F or 0xE0000 <= ord(c) <= 0xE0FFF}
        assert not control & set(tokenizer.encode(text).ids)


def test_outside_of_the_fences_stands_the_same_as_without_the_attack(
    attacked: Library, honest: Library
) -> None:
    said = [_without_digits(asked(library, "stuff")[0].seen[0]) for library in (attacked, honest)]
    assert said[0] == said[1]
    assert said[0].endswith(_digits_out(f"Question: {QUESTION}\n\n{ENDING}"))


def _without_digits(messages: Sequence[Message]) -> str:
    return _digits_out(re.sub(r"\n{2,}", "\n\n", outside(messages)))


def _digits_out(text: str) -> str:
    return re.sub(r"\d", "", text)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_model_that_obeys_what_stands_outside_of_the_fences_is_not_reached(
    attacked: Library, strategy: str
) -> None:
    answer = attacked.ask(QUESTION, model=WatchedModel(obedient), strategy=strategy)
    assert WORD not in answer.text
    assert "28 days" in answer.text
    assert answer.removed == 0


def test_the_attacks_are_really_in_what_the_model_reads(
    attacked: Library, request: pytest.FixtureRequest
) -> None:
    """Otherwise nothing would have been tested: each one's document is among the pieces."""
    _, evidence, prompts = asked(attacked, "stuff")
    attack = [piece for piece in evidence if piece.path not in ("handbook.md", "notes.md")]
    assert attack
    bodies = dict(fenced_parts(prompts[0].messages))
    assert len(bodies) == len(evidence)
    if request.node.callspec.params["attacked"] in ("plain", "tools"):
        assert any(ORDER in bodies[f"evidence [{piece.number}]"] for piece in attack)
