"""The processes of jobs, seen from outside: who they are, and waiting for their end without asking again."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from pathlib import Path

from openbook.serve.job_process import session_members

MILLISECONDS = 60_000
"""Longest wait; a test that needs it has failed."""


def children(parent: int | None = None) -> list[int]:
    """The living processes that were started by `parent` (this process if not said).

    Without those that wait to read for libraries which tests before have left open.
    """
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if b"openbook.read.worker" in (folder / "cmdline").read_bytes():
                    continue
                state, starter = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(starter) == (parent or os.getpid()) and state != "Z":
                found.append(int(folder.name))
    return found


def job_process(parent: int | None = None) -> int:
    """The one process in which a job of `parent` runs: it leads a session of its own."""
    leaders = [pid for pid in children(parent) if os.getsid(pid) == pid]
    assert len(leaders) == 1, leaders
    return leaders[0]


class Ends:
    """Holds processes by descriptors, which stay valid when they end, to wait for that end."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._open = {os.pidfd_open(pid): pid for pid in pids}

    @classmethod
    def of_session(cls, leader: int) -> Ends:
        """A job's process and everything that it has started."""
        return cls(session_members(leader))

    def __len__(self) -> int:
        return len(self._open)

    def wait(self) -> None:
        """Return when all of them have ended; fail if one does not."""
        for descriptor, pid in self._open.items():
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            assert poll.poll(MILLISECONDS), f"process {pid} goes on"
            os.close(descriptor)
