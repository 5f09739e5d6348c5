"""Nothing that openbook does, or a dependency of it, contacts anybody or leaves files behind.

Native code does not go through Python's sockets, so this is watched from
outside: the commands run as real processes in a network namespace without
interfaces, where the kernel counts every packet that found no way out, and
under strace, which sees every connect and every file opened for writing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCUMENTS = {
    "holidays.md": "# Holidays\n\nEverybody gets 28 days of paid holiday a year.\n",
    "parking.html": "<html><body><h1>Parking</h1><p>A parking permit costs nothing.</p></body></html>",
    "prices.csv": "article,price\npencil,2\nchair,80\n",
}
ONLY_ON_LINUX = "not possible on this system"


class Machine:
    """Folders that a user's programs write to, all of them empty and watched."""

    def __init__(self, root: Path, model: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.library = self.work / ".openbook"
        self.cache = root / "cache"
        for name in ("home", "cache", "config", "data", "state", "runtime", "temporary", "work/documents"):
            (root / name).mkdir(parents=True)
        for name, text in DOCUMENTS.items():
            (self.work / "documents" / name).write_text(text, encoding="utf-8")
        shutil.copytree(model, self.cache / "openbook" / "models" / model.name, copy_function=_link)

    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")
        }
        return kept | {
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_RUNTIME_DIR": str(self.root / "runtime"),
            "TMPDIR": str(self.root / "temporary"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def files(self) -> set[str]:
        """Everything that lies in the watched folders, but for the library and openbook's own cache."""
        own = (self.library, self.cache / "openbook")
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if not any(path == folder or folder in path.parents for folder in own)
        }

    def script(self) -> str:
        """The whole path, as a shell runs it; every command must end well."""
        openbook = f"{sys.executable} -m openbook"
        return (
            f"set -e; {openbook} add documents --json > add.json; "
            f"{openbook} search parking --json > search.json; "
            f'{openbook} ask "How many days of paid holiday does everybody get?" --json > ask.json'
        )

    def results(self) -> dict[str, dict[str, object]]:
        found = {}
        for name in ("add", "search", "ask"):
            file = self.work / f"{name}.json"
            found[name] = json.loads(file.read_text(encoding="utf-8"))
            file.unlink()
        return found


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def machine(tmp_path: Path, installed_model: Path) -> Machine:
    return Machine(tmp_path, installed_model)


def isolated() -> list[str]:
    """The command that runs another one without any network interface; skips where that is refused."""
    program = shutil.which("unshare")
    for options in (["--net"], ["--net", "--map-root-user"]):
        if (
            program
            and subprocess.run([program, *options, "true"], capture_output=True, check=False).returncode == 0
        ):
            return [program, *options]
    pytest.skip(f"network namespaces are {ONLY_ON_LINUX}")


def check_results(machine: Machine) -> None:
    results = machine.results()
    assert results["add"]["counts"] == {"added": len(DOCUMENTS)}
    assert results["add"]["pending"] == 0
    assert results["search"]["coverage"] == 1.0
    assert results["ask"]["status"] == "answered"
    assert "28 days" in str(results["ask"]["text"])


COUNTERS = "cat /proc/net/snmp"
CONTACT = re.compile(r"AF_INET6?\b|sin_port|sin6_port")
ATTEMPT = [
    sys.executable,
    "-c",
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect_ex(('192.0.2.1', 9))",
]
"""A program that does try to reach somebody (sending nothing): both ways of watching must notice it."""


def lost_packets(snmp: str) -> int:
    """How many packets of this namespace found no way out, and how many connections were begun."""
    rows = [line.split() for line in snmp.splitlines() if line.startswith(("Ip:", "Tcp:", "Udp:"))]
    values = {
        f"{names[0]}{name}": int(value)
        for names, numbers in zip(rows[::2], rows[1::2], strict=True)
        for name, value in zip(names[1:], numbers[1:], strict=True)
    }
    return (
        values["Ip:OutNoRoutes"]
        + values["Ip:OutRequests"]
        + values["Tcp:ActiveOpens"]
        + values["Udp:OutDatagrams"]
    )


def test_the_whole_path_without_any_network(machine: Machine) -> None:
    prefix = isolated()
    control = [*prefix, "sh", "-c", f"{shlex.join(ATTEMPT)}; {COUNTERS}"]
    seen = subprocess.run(control, capture_output=True, text=True, check=True).stdout
    if lost_packets(seen) == 0:
        pytest.skip(f"counting lost packets is {ONLY_ON_LINUX}")
    before = machine.files()
    result = subprocess.run(
        [*prefix, "sh", "-c", f"{machine.script()}; {COUNTERS}"],
        cwd=machine.work,
        env=machine.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert lost_packets(result.stdout) == 0
    check_results(machine)
    assert machine.files() == before
    assert machine.library.is_dir()


def test_no_call_of_the_system_connects_or_writes_elsewhere(machine: Machine) -> None:
    program = shutil.which("strace")
    log = machine.root.parent / f"{machine.root.name}-calls"
    calls = "trace=connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2"
    command = [program or "", "-f", "-qq", "-y", "-s", "400", "-e", calls, "-o", str(log)]
    if not program or subprocess.run([*command, *ATTEMPT], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"watching system calls is {ONLY_ON_LINUX}")
    assert CONTACT.search(log.read_text(encoding="utf-8", errors="replace")), "a connection was not noticed"
    result = subprocess.run(
        [*command, "sh", "-c", machine.script()],
        cwd=machine.work,
        env=machine.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    check_results(machine)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    assert len(lines) > 100, "strace saw nothing"
    assert not [line for line in lines if CONTACT.search(line)]
    allowed = (
        str(machine.library),
        str(machine.cache / "openbook"),
        str(machine.root / "temporary"),
        str(machine.work),
    )
    foreign = {path for path in written(lines, machine.work) if not path.startswith(allowed)}
    assert not {path for path in foreign if not path.startswith(("/dev/", "/proc/"))}


CALL = re.compile(
    r'\b(openat|open|creat|mkdir|mkdirat|rename\w*)\((?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)"(.*)'
)


def written(lines: list[str], work: Path) -> Iterator[str]:
    """Yield every path that a call created or opened for writing, unless the call failed."""
    for line in lines:
        call = CALL.search(line)
        if call is None or re.search(r"= -1 E", call.group(4)):
            continue
        name, folder, path, rest = call.groups()
        if not name.startswith("open") or re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE", rest):
            yield str(Path(folder or work) / path)
