"""How many tokens a model takes, prompt and reply together, and where that is known from.

pydantic-ai brings a list of the big providers' models. A server that somebody
runs decides for itself how much of a model's window it makes room for (Ollama:
4,096 tokens by default, whatever the model could take), and may cut what is
longer without a word; so for these, and for all models that are not listed, a
cautious number holds until the user gives a better one.

Refused: asking the server before every answer, and taking the largest window
that the weights could have for the one that the server gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from openbook.backends.model_names import ModelTarget

CAUTIOUS: Final = 8_192
"""Tokens that a model is trusted with of which nothing is known."""

Source: TypeAlias = Literal["setting", "list", "server", "guess"]


@dataclass(frozen=True, slots=True)
class Window:
    """A number of tokens, and whose word it is. "list" is that of pydantic-ai."""

    tokens: int
    source: Source

    @property
    def known(self) -> bool:
        """Whether anybody says so."""
        return self.source != "guess"


def context_window(
    target: ModelTarget, *, setting: int = 0, listed: Callable[[], int | None] = lambda: None
) -> Window:
    """The window of a model: the setting context_tokens, else what is listed, else a cautious guess.

    `listed` looks it up; it is asked only where a list can know: for a
    provider's own models at its own address.
    """
    if setting > 0:
        return Window(setting, "setting")
    found = listed() if target.own_address and not target.local else None
    return Window(found, "list") if found else Window(CAUTIOUS, "guess")
