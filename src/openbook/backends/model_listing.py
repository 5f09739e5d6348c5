"""What a server says about the models that it serves: their names, and the window that it gives them.

Every kind of server says it in its own way, and none has to: the list of models
(vLLM, OpenRouter, Groq, newer llama.cpp), Ollama's list of what is loaded,
llama.cpp's properties. Whatever is not said, or not said readably, is unknown;
asking is a help for `openbook model check` and never a condition for anything.

Refused: the window that the weights were trained for where the server gives
less room, which is the rule for Ollama and llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from openbook.backends.model_names import ModelTarget

if TYPE_CHECKING:
    import httpx2

_WINDOWS: Final = ("max_model_len", "context_window", "context_length", "max_context_length", "n_ctx")
"""Fields with the window of a model, as different servers name them."""
_SECONDS: Final = 5.0


def served_names(target: ModelTarget, *, key: str) -> list[str]:
    """Names of the models that a server has; empty where it does not say."""
    if not target.provider.compatible:
        return []
    with _http(target, key) as http:
        return [entry["id"] for entry in _entries(http, target) if isinstance(entry.get("id"), str)]


def served_window(target: ModelTarget, *, key: str) -> int | None:
    """The window that the server gives the model, in tokens; None where it does not say."""
    if not target.provider.compatible:
        return None
    root = target.address.removesuffix("/v1")
    with _http(target, key) as http:
        if target.provider.name == "ollama":
            loaded = _json(http, f"{root}/api/ps").get("models")
            entries = [entry for entry in _mappings(loaded) if _same(entry.get("name"), target.name)]
            return _window(entries[0]) if entries else None
        for entry in _entries(http, target):
            if entry.get("id") == target.name:
                return _window(entry) or _window(_mapping(entry.get("meta"))) or _properties(http, root)
    return None


def _entries(http: httpx2.Client, target: ModelTarget) -> Iterator[Mapping[str, Any]]:
    yield from _mappings(_json(http, f"{target.address}/models").get("data"))


def _properties(http: httpx2.Client, root: str) -> int | None:
    """What llama.cpp says of itself."""
    return _window(_mapping(_json(http, f"{root}/props").get("default_generation_settings")))


def _window(entry: Mapping[str, Any]) -> int | None:
    for name in _WINDOWS:
        value = entry.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _same(name: object, wanted: str) -> bool:
    """Whether a name of Ollama is the wanted one; "latest" is what no tag means."""
    return isinstance(name, str) and name.removesuffix(":latest") == wanted.removesuffix(":latest")


def _http(target: ModelTarget, key: str) -> httpx2.Client:
    import httpx2

    headers = {"User-Agent": "openbook", **({"Authorization": f"Bearer {key}"} if key else {})}
    return httpx2.Client(headers=headers, timeout=_SECONDS, trust_env=not target.local)


def _json(http: httpx2.Client, address: str) -> Mapping[str, Any]:
    """The object at an address; an empty one where there is none."""
    import httpx2

    try:
        reply = http.get(address)
        return _mapping(reply.json()) if reply.status_code == 200 else {}
    except (httpx2.HTTPError, ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
