"""From "provider:name" to who is asked, where, and with which key.

Keys come from the environment and nowhere else, and each goes only where it
belongs: OPENBOOK_MODEL_KEY to the model that the settings name, a provider's
own variable (OPENAI_API_KEY) only to that provider's own address. A server that
somebody runs under another address never sees it.

Refused: taking the provider from the model's name (the same weights are served
by many), and reading keys from settings, which are printed and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from openbook.backends.embedding_request import is_loopback
from openbook.errors import KeyRefused, UsageError

OWN_KEY: Final = "OPENBOOK_MODEL_KEY"
"""The variable that holds the key of the model that the settings name, whoever serves it."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves models: where, and which variables of the environment hold its key and another address.

    `extra` is the extra of openbook that brings its client, "" where none is
    needed. `compatible` says that it speaks OpenAI's protocol, so that the
    setting base_url may point somewhere else.
    """

    name: str
    address: str
    keys: tuple[str, ...]
    address_variable: str = ""
    extra: str = ""
    compatible: bool = False
    needs_key: bool = True


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            Provider(
                "openai",
                "https://api.openai.com/v1",
                ("OPENAI_API_KEY",),
                address_variable="OPENAI_BASE_URL",
                compatible=True,
            ),
            Provider("anthropic", "https://api.anthropic.com", ("ANTHROPIC_API_KEY",), extra="anthropic"),
            Provider(
                "google",
                "https://generativelanguage.googleapis.com",
                ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
                extra="google",
            ),
            Provider("mistral", "https://api.mistral.ai", ("MISTRAL_API_KEY",), extra="mistral"),
            Provider("groq", "https://api.groq.com", ("GROQ_API_KEY",), extra="groq"),
            Provider(
                "ollama",
                "http://127.0.0.1:11434/v1",
                ("OLLAMA_API_KEY",),
                address_variable="OLLAMA_BASE_URL",
                compatible=True,
                needs_key=False,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """A model and its address. Holds no key.

    `own_address` says that the address is the provider's own and not one that
    the user chose; only there the provider's own key may go.
    """

    provider: Provider
    name: str
    address: str
    own_address: bool = True

    @property
    def full_name(self) -> str:
        """As users write it: "ollama:qwen3"."""
        return f"{self.provider.name}:{self.name}"

    @property
    def local(self) -> bool:
        """Whether it is served by this machine."""
        return is_loopback(self.address)


def model_target(
    full_name: str, *, base_url: str = "", environment: Mapping[str, str], offline: bool = False
) -> ModelTarget:
    """Who serves the model that is named like "openai:gpt-5-mini", and where.

    Raises UsageError for a name without a known provider, an address that is
    none, and an address on another machine while `offline`.
    """
    provider, name = _provider_and_name(full_name, base_url)
    if base_url and not provider.compatible:
        raise UsageError(
            f"The setting base_url is {_shown(base_url)!r}, but {provider.name!r} has its own address and "
            "protocol. Unset base_url, or name the model that is served there: openai:NAME."
        )
    elsewhere = environment.get(provider.address_variable, "") if provider.address_variable else ""
    address = base_url or elsewhere or provider.address
    source = "setting base_url" if base_url else f"variable {provider.address_variable}"
    target = ModelTarget(
        provider,
        name,
        _checked_address(address, source),
        # Whoever sets the provider's own variable for the address means it to get the provider's own key.
        own_address=not base_url or _same_place(base_url, provider.address),
    )
    if offline and not target.local:
        raise UsageError(
            f"The setting offline forbids all network use, and {target.full_name!r} is at "
            f"{target.address!r}. Use a model on this machine (ollama:NAME), or set OPENBOOK_OFFLINE=0."
        )
    return target


def model_key(target: ModelTarget, environment: Mapping[str, str]) -> str:
    """The key for a model; "" where none is needed.

    Raises KeyRefused, before anything is sent, if it is missing or cannot be one.
    """
    names = [OWN_KEY, *(target.provider.keys if target.own_address else ())]
    for name in names:
        key = environment.get(name, "").strip()
        if not key:
            continue
        if not all("!" <= character <= "~" for character in key):
            # Found out here, because an HTTP library would show it in its error.
            raise KeyRefused(
                f"The variable {name} holds blanks, line breaks or letters that no key has; "
                "expected plain ASCII. Copy the key again."
            )
        return key
    if target.provider.needs_key and _same_place(target.address, target.provider.address):
        raise KeyRefused(
            f"{target.full_name!r} wants a key, and there is none. Put it into the environment as "
            f"{target.provider.keys[0]} or {OWN_KEY}."
        )
    return ""


def key_advice(target: ModelTarget) -> str:
    """What to do about a missing or a wrong key."""
    names = [*(target.provider.keys[:1] if target.own_address else ()), OWN_KEY]
    return f"Put a valid key into the environment as {' or '.join(names)}."


def _provider_and_name(full_name: str, base_url: str) -> tuple[Provider, str]:
    prefix, colon, name = full_name.strip().partition(":")
    provider = PROVIDERS.get(prefix.lower())
    if provider is not None and name.strip():
        return provider, name.strip()
    known = ", ".join(PROVIDERS)
    if provider is not None:
        raise UsageError(f"The model {full_name!r} has no name; expected {provider.name}:NAME.")
    guess = _guess(full_name.strip(), base_url)
    said = f"names the unknown provider {prefix!r}" if colon else "names no provider"
    raise UsageError(
        f"The model {full_name!r} {said}; expected provider:name with one of: {known}. "
        f"Perhaps you mean {guess!r}? Any OpenAI-compatible server is openai:NAME with the setting base_url."
    )


def _guess(full_name: str, base_url: str) -> str:
    """A name that may be meant, for a message only."""
    last = full_name.rpartition(":")[2]
    families = (("gpt-", "openai"), ("claude-", "anthropic"), ("gemini-", "google"))
    for beginning, provider in () if base_url else families:
        if last.startswith(beginning):
            return f"{provider}:{last}"
    return f"{'openai' if base_url else 'ollama'}:{full_name or 'NAME'}"


def _checked_address(address: str, source: str) -> str:
    address = address.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise UsageError(
            f"The {source} is {_shown(address)!r}; expected the address of a server, such as "
            "http://127.0.0.1:8080/v1."
        )
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"The {source}, for the host {host!r}, holds a name, a password or a query; expected only the "
            f"address. A key belongs into the environment, as {OWN_KEY}."
        )
    return address


def _same_place(address: str, other: str) -> bool:
    """Whether two addresses are the same host by the same protocol: a key never goes out unencrypted."""
    try:
        parts, others = urlsplit(address), urlsplit(other)
    except ValueError:
        return False
    return (parts.scheme, parts.hostname) == (others.scheme, others.hostname)


def _shown(address: str) -> str:
    """An address for a message, without what may be a password."""
    return address.rpartition("@")[2].partition("?")[0]
