"""pydantic-ai's model for a target: the one place that imports its providers and builds their clients.

Only the chat-completions protocol is used of OpenAI: it is the one that
llama.cpp, vLLM, LM Studio, Ollama and the rest speak, so that one path is
tested for all. The clients' own retries are off; they know no limiter.

Refused: `infer_model`, which reads keys and addresses from variables that
openbook does not document, and clients that follow redirects, which would carry
a prompt to an address that nobody configured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openbook.backends.model_names import ModelTarget
from openbook.errors import MissingExtra

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

CONNECT_SECONDS: Final = 10.0
"""How long a connection may take; a reply may take the setting model_seconds."""


class NotStreamed(Exception):
    """The server has answered with something that is no stream of events. `instead` says with what."""

    def __init__(self, instead: str) -> None:
        super().__init__(f"not a stream of events but {instead}")
        self.instead = instead


@dataclass(frozen=True, slots=True)
class OpenedClient:
    """A model of pydantic-ai, and the connections under it."""

    model: Model
    http: httpx2.AsyncClient

    async def close(self) -> None:
        """End all connections. To be awaited in the event loop that used them."""
        await self.http.aclose()
        async with self.model:  # leaving it closes what its provider has opened by itself
            return


def open_client(
    target: ModelTarget, *, key: str, seconds: float, transport: httpx2.AsyncBaseTransport | None = None
) -> OpenedClient:
    """The model of pydantic-ai for a target. Nothing is sent yet. A `transport` takes the network's place.

    Raises MissingExtra if the provider's package is not installed.
    """
    http = _http_client(target, seconds, transport)
    if target.provider.compatible:
        return OpenedClient(_compatible(target, key, http), http)
    build = _BUILDERS[target.provider.name]
    try:
        return OpenedClient(build(target, key, http), http)
    except ImportError as error:
        raise MissingExtra(
            f"The model {target.full_name!r} (of {target.provider.name})", extra=target.provider.extra
        ) from error


def client_settings(target: ModelTarget, *, max_tokens: int | None, seconds: float) -> ModelSettings:
    """What is asked of every request. `seconds` is how long a server may be silent, not the whole time."""
    from pydantic_ai.settings import ModelSettings

    # The other clients take a number only; pydantic-ai makes them connect within five seconds.
    # Its types name the timeout of httpx where that is installed; the client of openai speaks through httpx2.
    timeout: Any = _timeout(seconds) if target.provider.compatible else seconds
    settings = ModelSettings(timeout=timeout, max_retries=0)
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    return settings


def _compatible(target: ModelTarget, key: str, http: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.ollama import OllamaProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Without a key an empty header would be sent; servers without keys ignore any.
    place: Any = {"base_url": target.address, "api_key": key or "none", "http_client": http}
    profile = OpenAIModelProfile(
        # A stream that ends without a reason is one that was cut: it must not look whole.
        openai_chat_streaming_requires_finish_reason=True,
        # Tags that nobody writes: model_messages finds the real ones, in whatever pieces they come.
        thinking_tags=("\0think", "\0thought"),
    )
    if target.own_address and target.provider.name == "openai":
        return OpenAIChatModel(target.name, provider=OpenAIProvider(**place), profile=profile)
    # Many servers know the limit of tokens by its older name only.
    profile["openai_chat_supports_max_completion_tokens"] = False
    if target.provider.name == "ollama":
        return OllamaModel(target.name, provider=OllamaProvider(**place), profile=profile)
    served = OpenAICompatibleProvider("openai-compatible", **place)
    return OpenAIChatModel(target.name, provider=served, profile=profile)


def _http_client(
    target: ModelTarget, seconds: float, transport: httpx2.AsyncBaseTransport | None
) -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(
        transport=transport,
        event_hooks={"request": [_say_little], "response": [_require_stream]},
        timeout=_timeout(seconds),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        follow_redirects=False,
        trust_env=not target.local,  # no proxy stands before this machine
    )


def _timeout(seconds: float) -> httpx2.Timeout:
    import httpx2

    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


async def _say_little(request: httpx2.Request) -> None:
    """Take away what the client would tell about this machine: its system, processor and versions."""
    for name in [name for name in request.headers if name.startswith("x-stainless-")]:
        del request.headers[name]
    request.headers["user-agent"] = "openbook"


async def _require_stream(response: httpx2.Response) -> None:
    """Tell a page of a web site, a redirect, or an error that is sent with 200, from a reply."""
    if not response.request.url.path.endswith("/chat/completions"):
        return
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code == 200 and kind in ("text/html", "application/json"):
        raise NotStreamed(repr(kind))
    if 300 <= response.status_code < 400:
        raise NotStreamed(f"{response.status_code}, to ask at {response.headers.get('location', '')!r}")


def _anthropic(target: ModelTarget, key: str, http: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider = AnthropicProvider(api_key=key, base_url=target.address, http_client=http)
    return AnthropicModel(target.name, provider=provider)


def _google(target: ModelTarget, key: str, http: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=key, base_url=target.address, http_client=http)
    return GoogleModel(target.name, provider=provider)


def _mistral(target: ModelTarget, key: str, http: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    provider = MistralProvider(api_key=key, base_url=target.address, http_client=http)
    return MistralModel(target.name, provider=provider)


def _groq(target: ModelTarget, key: str, http: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.groq import GroqModel
    from pydantic_ai.providers.groq import GroqProvider

    del http  # its client is built on the older httpx
    return GroqModel(target.name, provider=GroqProvider(api_key=key, base_url=target.address))


_BUILDERS: Final[dict[str, Callable[[ModelTarget, str, httpx2.AsyncClient], Model]]] = {
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "groq": _groq,
}
