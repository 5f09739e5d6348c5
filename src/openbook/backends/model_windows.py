"""How many tokens a model takes, prompt and reply together, and where that is known from.

Models of the big providers are listed in genai-prices, which comes with
pydantic-ai. A server on this machine decides for itself how much of a model's
window it makes room for (Ollama: 4,096 by default, whatever the model could
take), and cuts what is longer without a word; so for these, and for all models
that are not listed, a cautious number holds until the user gives a better one.

Refused: asking the server before every answer, and taking the largest window
that the weights could have for the one that the server gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from openbook.backends.model_names import ModelTarget

CAUTIOUS: Final = 8_192
"""Tokens that a model is trusted with of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Window:
    """A number of tokens, and whose word it is: "setting", "genai-prices", "server", or "" for a guess."""

    tokens: int
    source: str

    @property
    def known(self) -> bool:
        """Whether anybody says so; otherwise it is a guess."""
        return bool(self.source)


def context_window(target: ModelTarget, *, setting: int = 0) -> Window:
    """The window of a model: the setting context_tokens, else what is listed, else a cautious guess."""
    if setting > 0:
        return Window(setting, "setting")
    if target.own_address and not target.local:
        listed = _listed(target)
        if listed:
            return Window(listed, "genai-prices")
    return Window(CAUTIOUS, "")


def _listed(target: ModelTarget) -> int | None:
    # Here, and not at the top: the list costs a fifth of a second to import.
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, model = get_snapshot().find_provider_model(
            target.name, provider=None, provider_id=target.provider.name, provider_api_url=None
        )
    except LookupError:
        return None
    return model.context_window
