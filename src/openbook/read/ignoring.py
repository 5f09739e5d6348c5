"""Ignore files as git reads them: `.gitignore` and `.openbookignore`, nested, with negation.

pathspec compiles the patterns. It is asked about one entry at a time, whose
folders are known not to be ignored, as git does it; pathspec's own answer for
whole paths takes `docs/**` for the folder `docs` itself, which git does not.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

IGNORE_FILES: Final = (".gitignore", ".openbookignore")
"""Later ones decide: a file that git ignores can be brought back for openbook."""
_MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The patterns of one folder, last first: (pattern, whether it ignores).

    `skip` is the length of the folder's path in the walk, which the patterns do not see.
    """

    skip: int
    patterns: tuple[tuple[re.Pattern[str], bool], ...]
    any: re.Pattern[str]
    """All patterns in one: most names match none, and one search tells so."""


def is_ignored(path: str, rules: tuple[Rules, ...], *, is_folder: bool) -> bool:
    """Whether the last matching pattern of the innermost folder that has one ignores `path`."""
    for folder in reversed(rules):
        own = path[folder.skip :]
        name = own + "/" if is_folder else own
        if folder.any.search(name) is None:
            continue
        for pattern, ignores in folder.patterns:
            if any(_is_about(match, len(own)) for match in pattern.finditer(name)):
                return ignores
    return False


def _is_about(match: re.Match[str], length: int) -> bool:
    """Whether a match is about the entry itself (`length` characters), not a folder around it.

    pathspec marks the slash after the part that a pattern names with the group `ps_d`.
    """
    slash = match.start("ps_d") if "ps_d" in match.re.groupindex else -1
    return slash == length if slash >= 0 else match.end() <= length


def load_rules(
    folder: str, path: str, names: Iterable[str]
) -> tuple[Rules | None, list[tuple[str, OSError]]]:
    """The rules of a folder's ignore files (None if they hold none), and those that cannot be read.

    `path` is the folder's path in the walk, "" or ending in a slash.
    """
    lines: list[str] = []
    failures: list[tuple[str, OSError]] = []
    for name in names:
        try:
            lines.extend(_lines(os.path.join(folder, name)))  # noqa: PTH118
        except FileNotFoundError:
            continue
        except OSError as error:
            failures.append((name, error))
    patterns = _compile(lines)
    if not patterns:
        return None, failures
    either = "|".join(f"(?:{pattern.pattern})" for pattern, _ in patterns).replace("(?P<ps_d>", "(?:")
    return Rules(len(path), patterns, re.compile(either)), failures


def _lines(file: str) -> list[str]:
    if not stat.S_ISREG(os.stat(file).st_mode):  # noqa: PTH116
        return []  # a folder, or a pipe that would never end
    with open(file, "rb") as stream:
        data = stream.read(_MAX_BYTES)
    return data.decode("utf-8-sig", "backslashreplace").splitlines()


def _compile(lines: list[str]) -> tuple[tuple[re.Pattern[str], bool], ...]:
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    patterns: list[tuple[re.Pattern[str], bool]] = []
    for line in reversed(lines):
        try:
            pattern = GitIgnoreSpecPattern(line)
        except GitIgnorePatternError:
            continue  # git passes over a pattern that is none
        if pattern.include is not None and pattern.regex is not None:
            patterns.append((pattern.regex, pattern.include))
    return tuple(patterns)
