"""From a name and settings to who is asked, where, and with which key."""

from __future__ import annotations

from typing import Any

import pytest

from openbook.backends.model_names import PROVIDERS, model_key, model_target
from openbook.backends.model_windows import CAUTIOUS
from openbook.errors import KeyRefused, MissingExtra, UsageError
from openbook.language_models import open_limiter, open_model
from openbook.settings import Settings, load_settings

LOCAL = "http://127.0.0.1:8080/v1"
KEYS = {
    "OPENAI_API_KEY": "sk-openai-secret",
    "ANTHROPIC_API_KEY": "sk-ant-secret",
    "GOOGLE_API_KEY": "AIza-secret-secret",
    "MISTRAL_API_KEY": "mistral-secret",
    "GROQ_API_KEY": "gsk_secret",
}


@pytest.mark.parametrize(
    ("name", "address", "key"),
    [
        ("openai:gpt-5-mini", "https://api.openai.com/v1", "sk-openai-secret"),
        ("OpenAI:gpt-5-mini", "https://api.openai.com/v1", "sk-openai-secret"),
        ("anthropic:claude-sonnet-4-5", "https://api.anthropic.com", "sk-ant-secret"),
        ("google:gemini-2.5-flash", "https://generativelanguage.googleapis.com", "AIza-secret-secret"),
        ("mistral:mistral-small-latest", "https://api.mistral.ai", "mistral-secret"),
        ("groq:llama-3.3-70b-versatile", "https://api.groq.com", "gsk_secret"),
        ("ollama:qwen3:4b", "http://127.0.0.1:11434/v1", ""),
    ],
)
def test_providers_have_their_own_address_and_key(name: str, address: str, key: str) -> None:
    target = model_target(name, environment={})
    assert target.full_name.lower() == name.lower()
    assert target.address == address
    assert model_key(target, KEYS) == key


def test_a_key_goes_only_to_its_own_provider() -> None:
    elsewhere = model_target("openai:test", base_url="https://models.example.com/v1", environment={})
    assert model_key(elsewhere, KEYS) == ""
    assert model_key(elsewhere, {**KEYS, "OPENBOOK_MODEL_KEY": "mine"}) == "mine"
    unencrypted = model_target("openai:test", base_url="http://api.openai.com/v1", environment={})
    assert model_key(unencrypted, KEYS) == ""
    same = model_target("openai:test", base_url="https://api.openai.com/v1/", environment={})
    assert model_key(same, KEYS) == "sk-openai-secret"
    assert (
        model_key(model_target("openai:gpt-5", environment={}), {"OPENBOOK_MODEL_KEY": " mine\n"}) == "mine"
    )


def test_the_providers_own_variable_for_the_address() -> None:
    environment = {"OPENAI_BASE_URL": "https://proxy.example.com/v1", **KEYS}
    target = model_target("openai:gpt-5", environment=environment)
    assert target.address == "https://proxy.example.com/v1"
    assert model_key(target, environment) == "sk-openai-secret"
    assert model_key(target, {}) == ""
    assert model_target("openai:x", base_url=LOCAL, environment=environment).address == LOCAL
    remote = model_target("ollama:x", environment={"OLLAMA_BASE_URL": "http://10.0.0.5:11434/v1"})
    assert remote.address == "http://10.0.0.5:11434/v1"


@pytest.mark.parametrize("name", ["openai:gpt-5", "anthropic:claude-sonnet-4-5"])
def test_a_missing_key_is_found_before_anything_is_sent(name: str) -> None:
    with pytest.raises(KeyRefused, match=r"wants a key, and there is none.*OPENBOOK_MODEL_KEY"):
        open_model(Settings(), name, environment={})


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "“quoted”"])
def test_a_key_that_cannot_be_one_is_not_shown(key: str) -> None:
    with pytest.raises(KeyRefused, match="OPENBOOK_MODEL_KEY") as raised:
        open_model(Settings(base_url=LOCAL), "openai:x", environment={"OPENBOOK_MODEL_KEY": key})
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "base_url", "said"),
    [
        ("gpt-5", "", "'openai:gpt-5'"),
        ("open-ai:gpt-5", "", "'openai:gpt-5'"),
        ("claude-sonnet-4-5", "", "'anthropic:claude-sonnet-4-5'"),
        ("gpt-oss", LOCAL, "'openai:gpt-oss'"),
        ("qwen3:4b", "", "'ollama:qwen3:4b'"),
        ("qwen3:4b", LOCAL, "'openai:qwen3:4b'"),
        ("openai:", "", "expected openai:NAME"),
        ("openai:  ", "", "expected openai:NAME"),
        (":gpt-5", "", "unknown provider ''"),
        ("  ", LOCAL, "names no provider"),
    ],
)
def test_names_without_a_provider(name: str, base_url: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        model_target(name, base_url=base_url, environment={})
    assert said in str(raised.value)
    if "NAME" not in said:
        assert all(provider in str(raised.value) for provider in PROVIDERS)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8080", "ftp://host/v1", "http://", "http://[::1", "http://host:port/v1", "/v1"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError, match="expected the address of a server"):
        model_target("openai:x", base_url=address, environment={})


@pytest.mark.parametrize(
    "address", ["http://me:hidden@host/v1", "http://hidden@host/v1", "https://host/v1?key=hidden"]
)
def test_secrets_in_an_address_are_refused_and_not_shown(address: str) -> None:
    for name in ("openai:x", "anthropic:x"):
        with pytest.raises(UsageError) as raised:
            model_target(name, base_url=address, environment={})
        assert "hidden" not in str(raised.value)


def test_an_address_that_was_copied_too_far_is_mended() -> None:
    for ending in ("", "/", "/chat/completions", "/chat/completions/"):
        assert model_target("openai:x", base_url=f" {LOCAL}{ending} ", environment={}).address == LOCAL


def test_only_compatible_providers_take_an_address() -> None:
    with pytest.raises(UsageError, match="Unset base_url"):
        model_target("anthropic:claude", base_url=LOCAL, environment={})


@pytest.mark.parametrize(
    ("name", "base_url", "allowed"),
    [
        ("ollama:x", "", True),
        ("openai:x", LOCAL, True),
        ("openai:x", "http://localhost:8080/v1", True),
        ("openai:x", "http://[::1]:8080/v1", True),
        ("openai:x", "http://127.0.0.1.example.com/v1", False),
        ("openai:x", "http://10.0.0.5/v1", False),
        ("openai:x", "", False),
        ("anthropic:x", "", False),
    ],
)
def test_offline_allows_only_this_machine(name: str, base_url: str, allowed: bool) -> None:
    settings = Settings(base_url=base_url, offline=True)
    if allowed:
        open_model(settings, name, environment=KEYS)
    else:
        with pytest.raises(UsageError, match="offline forbids"):
            open_model(settings, name, environment=KEYS)


def test_settings_reach_the_model() -> None:
    environment = {
        "OPENBOOK_SETTINGS": "/nowhere.toml",
        "OPENBOOK_MODEL": "openai:from-settings",
        "OPENBOOK_BASE_URL": LOCAL,
        "OPENBOOK_CONTEXT_TOKENS": "12345",
        "OPENBOOK_MODEL_SECONDS": "7.5",
        "OPENBOOK_MODEL_RETRIES": "2",
        "OPENBOOK_REQUESTS_PER_MINUTE": "60",
        "OPENBOOK_MODEL_KEY": "secret-secret",
    }
    settings = load_settings(environment)
    model = open_model(settings, environment=environment)
    assert model.name == "openai:from-settings"
    assert model.target.address == LOCAL
    assert (model.context_tokens, model.window.source, model.window.known) == (12_345, "setting", True)
    assert (model.seconds, model.retries) == (7.5, 2)
    assert model.limiter is not None
    assert model.limiter.requests_per_minute == 60
    assert open_model(settings, "ollama:other", environment=environment).name == "ollama:other"
    assert "secret" not in repr(settings)
    assert open_limiter(Settings()) is None


def test_no_model_at_all() -> None:
    with pytest.raises(UsageError, match=r"No language model is named.*--model.*OPENBOOK_MODEL"):
        open_model(Settings(), environment={})


@pytest.mark.parametrize(
    ("name", "options", "tokens", "source"),
    [
        ("openai:gpt-5-mini", {}, 400_000, "list"),
        ("openai:gpt-4o", {}, 128_000, "list"),
        ("openai:never-heard-of", {}, CAUTIOUS, "guess"),
        ("openai:gpt-4o", {"base_url": LOCAL}, CAUTIOUS, "guess"),
        ("ollama:qwen3", {}, CAUTIOUS, "guess"),
        ("ollama:qwen3", {"context_tokens": 32_768}, 32_768, "setting"),
    ],
)
def test_windows(name: str, options: dict[str, Any], tokens: int, source: str) -> None:
    model = open_model(Settings(**options), name, environment=KEYS)
    assert (model.context_tokens, model.window.source) == (tokens, source)
    assert model.window.known is (source != "guess")
    model.close()


@pytest.mark.parametrize("provider", [p for p in PROVIDERS.values() if p.extra])
def test_a_provider_that_is_not_installed_says_how_to_get_it(
    provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for module in ("anthropic", "google.genai", "mistralai", "mistralai.client", "groq"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not there, whatever is installed
    for module in [name for name in sys.modules if name.startswith(f"pydantic_ai.models.{provider.name}")]:
        monkeypatch.delitem(sys.modules, module)
    model = open_model(Settings(), f"{provider.name}:test", environment=KEYS)
    with pytest.raises(MissingExtra, match=rf'pip install "openbook\[{provider.extra}\]"'):
        model.prepare()
