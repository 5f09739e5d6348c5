"""The files of a folder: ignore rules as git has them, links, odd names, and what cannot be read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook.errors import UsageError
from openbook.read.discover import Found, discover, look_at


def write(root: Path, *paths: str, text: str = "words\n") -> None:
    """Small files; a path that ends in a slash is a folder."""
    for path in paths:
        file = root / path
        if path.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def paths(root: Path, below: str = "") -> list[str]:
    """The paths found, in order."""
    return [found.path for found in discover(root, below=below)]


def only(root: Path) -> Found:
    """The one thing found."""
    (found,) = discover(root)
    return found


def test_files_of_a_folder_come_before_its_folders_by_name(tmp_path: Path) -> None:
    write(tmp_path, "b/2.md", "b/1.md", "a/x/y.md", "z.md", "A.md")
    assert paths(tmp_path) == ["A.md", "z.md", "a/x/y.md", "b/1.md", "b/2.md"]


def test_size_time_and_place_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "a/notes.md")
    os.utime(tmp_path / "a/notes.md", ns=(5, 1_700_000_000_123_456_789))
    assert only(tmp_path) == Found("a/notes.md", tmp_path / "a/notes.md", 6, 1_700_000_000_123_456_789)


def test_hidden_names_caches_environments_and_libraries_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".hidden.md", ".git/config", "__pycache__/x.txt", "web/node_modules/p/README.md")
    write(tmp_path, "venv/pyvenv.cfg", "venv/lib/notes.txt", "my.openbook/ledger.sqlite", "my.openbook/x.txt")
    assert paths(tmp_path) == ["a.md"]


def test_a_library_itself_is_refused_with_a_word(tmp_path: Path) -> None:
    write(tmp_path, "ledger.sqlite", "notes.md")
    found = only(tmp_path)
    assert found.skipped
    assert "is an openbook library itself" in found.problem


def test_kinds_that_are_not_read_are_skipped_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, "photo.jpg", "a.md", "b.unknown")
    image, *others = sorted(discover(tmp_path), key=lambda found: found.path, reverse=True)
    assert (image.path, image.skipped, "is an image" in image.problem) == ("photo.jpg", True, True)
    assert [(found.path, found.problem, found.skipped) for found in others] == [
        ("b.unknown", "", False),
        ("a.md", "", False),
    ]


def test_nested_ignore_files_and_negation(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n/only-here.md\ndocs/**/draft*\n", encoding="utf-8")
    (tmp_path / "deep" / ".gitignore").write_text("!keep.log\nlocal.md\n", encoding="utf-8")
    write(tmp_path, "a.log", "build/x.md", "only-here.md", "deep/only-here.md", "deep/keep.log", "deep/b.log")
    write(tmp_path, "deep/local.md", "deep/more/keep.log", "docs/a/b/draft1.md", "docs/a/final.md")
    assert sorted(paths(tmp_path)) == [
        "deep/keep.log",
        "deep/more/keep.log",
        "deep/only-here.md",
        "docs/a/final.md",
    ]


def test_openbookignore_decides_after_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pdf\n", encoding="utf-8")
    (tmp_path / ".openbookignore").write_text("!paper.pdf\nsecret/\n", encoding="utf-8")
    write(tmp_path, "paper.pdf", "other.pdf", "secret/a.md", "b.md")
    assert paths(tmp_path) == ["b.md", "paper.pdf"]


def test_an_ignore_file_with_a_mark_odd_line_ends_and_nonsense(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbf*.log\r\n[\r\n!\r\n**/\xff*\r\n# comment\r\n\r\n")
    write(tmp_path, "a.log", "b.md")
    assert paths(tmp_path) == ["b.md"]


def test_a_part_of_the_folder_keeps_the_rules_around_it(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n/a/gone/\n", encoding="utf-8")
    write(tmp_path, "a/b/1.md", "a/b/2.log", "a/gone/3.md", "c/4.md", ".h/5.md")
    (tmp_path / "a" / ".gitignore").write_text("b/1.md\n", encoding="utf-8")
    write(tmp_path, "a/b/6.md")
    assert paths(tmp_path, "a/b") == ["a/b/6.md"]
    assert paths(tmp_path, "a/") == ["a/b/6.md"]
    assert paths(tmp_path, "c/4.md") == ["c/4.md"]
    for left_out in ("a/gone", ".h", "a/b/1.md", "a/b/2.log"):
        assert paths(tmp_path, left_out) == []


@pytest.mark.parametrize("below", ["../x", "a/../../x", "/etc"])
def test_a_part_outside_of_the_folder_is_refused(tmp_path: Path, below: str) -> None:
    with pytest.raises(UsageError, match="is not a path inside"):
        list(discover(tmp_path, below=below))


def test_links_to_folders_are_followed_once_and_real_folders_keep_their_paths(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "real/a.md")
    write(outside, "b.md", "deep/c.md")
    (root / "also").symlink_to("real")
    (root / "far").symlink_to(outside)
    (root / "far-again").symlink_to(outside / "deep")
    (outside / "loop").symlink_to(outside)
    (root / "real" / "up").symlink_to(root)
    assert paths(root) == ["real/a.md", "far/b.md", "far/deep/c.md"]
    assert paths(root, "real") == ["real/a.md"]
    assert paths(root, "also") == []
    assert paths(root, "far") == ["far/b.md", "far/deep/c.md"]


def test_a_link_to_a_hidden_folder_shows_it(tmp_path: Path) -> None:
    write(tmp_path, ".store/a.md")
    (tmp_path / "shown").symlink_to(".store")
    assert paths(tmp_path) == ["shown/a.md"]
    assert paths(tmp_path, "shown") == ["shown/a.md"]


def test_a_link_to_a_folder_around_is_not_followed_and_said(tmp_path: Path) -> None:
    write(tmp_path, "private.md", "root/a.md")
    (tmp_path / "root" / "up").symlink_to(tmp_path)
    first, second = discover(tmp_path / "root")
    assert first.path == "a.md"
    assert (second.path, second.skipped) == ("up", True)
    assert "a folder around it" in second.problem


def test_links_to_files_are_files_and_broken_ones_failures(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    (tmp_path / "b.md").symlink_to("a.md")
    (tmp_path / "c.md").symlink_to("nowhere.md")
    (tmp_path / "d.md").symlink_to("d.md")
    found = {item.path: item for item in discover(tmp_path)}
    assert found["b.md"].size == found["a.md"].size
    assert not found["b.md"].problem
    assert "is a link to 'nowhere.md', which does not exist" in found["c.md"].problem
    assert "cannot be read" in found["d.md"].problem
    assert not found["c.md"].skipped
    assert not found["d.md"].skipped


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_sockets_are_skipped_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / ".gitignore")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("end.txt")
        found = list(discover(tmp_path))
    assert [(item.path, item.skipped) for item in found] == [("end.txt", True), ("pipe.txt", True)]
    assert all("not a regular file" in item.problem for item in found)


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ["two\nlines.md", "🦢 storks.md", "sp ace.md", "ende\u0301.md", "quote'\".md"]
    for name in names:
        (tmp_path / name).write_text("words", encoding="utf-8")
    assert sorted(paths(tmp_path)) == sorted(names)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no undecodable names")
def test_undecodable_names_are_printable_unique_and_still_open(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    names = [b"caf\xe9.md", b"caf\\xe9.md", b"caf\xe8.md", b"\xff/x.md"]
    Path(os.fsdecode(folder + b"/\xff")).mkdir()
    for name in names:
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
    found = list(discover(tmp_path))
    assert len({item.path for item in found}) == len(names)
    assert {item.file.read_bytes() for item in found} == set(names)
    for item in found:
        item.path.encode()
    assert "caf\\xe8.md" in {item.path for item in found}


def test_what_cannot_be_listed_is_a_failure_under_its_own_path(tmp_path: Path) -> None:
    missing = list(discover(tmp_path / "gone"))
    assert [(found.path, found.skipped) for found in missing] == [(".", False)]
    assert "cannot be listed: No such file or directory" in missing[0].problem


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder, and an effective user who may not read everything (root may)."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o777)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(before)
            for folder in root.iterdir():
                folder.chmod(0o700)


def test_a_locked_folder_is_a_failure(ordinary_user: Path) -> None:
    write(ordinary_user, "a.md", "locked/b.md")
    (ordinary_user / "locked").chmod(0)
    found = list(discover(ordinary_user))
    assert [(item.path, item.skipped) for item in found] == [("a.md", False), ("locked", False)]
    assert "'locked' cannot be listed: Permission denied" in found[1].problem


def test_an_ignore_file_that_cannot_be_read_is_a_failure(ordinary_user: Path) -> None:
    """What it would have kept out is found, so the report must say why."""
    write(ordinary_user, "a.md", ".gitignore")
    (ordinary_user / ".gitignore").chmod(0)
    found = list(discover(ordinary_user))
    assert [(item.path, bool(item.problem)) for item in found] == [(".gitignore", True), ("a.md", False)]


def test_a_tree_deeper_than_paths_may_be_long_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    """Each folder is made from inside the one above; the walk reaches as far as the system lets it."""
    write(tmp_path, "a.md")
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(40):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    first, last = discover(tmp_path)
    assert first.path == "a.md"
    assert "cannot be listed" in last.problem


def test_one_file_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    assert look_at(tmp_path / "a.md", "x/a.md") == Found(
        "x/a.md", tmp_path / "a.md", 6, (tmp_path / "a.md").stat().st_mtime_ns
    )
    assert "cannot be read: No such file" in look_at(tmp_path / "b.md", "b.md").problem
    assert look_at(tmp_path, "folder").skipped


names = st.sampled_from(["a", "b", "foo", "foo.md", "x.log", "keep.log", "build", "data", "é.md"])
files = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=12)
patterns = st.lists(
    st.tuples(
        st.sampled_from(["", "!"]),
        st.sampled_from(["", "/", "**/", "a/", "build/", "foo/"]),
        st.sampled_from(
            ["a", "b", "foo", "*", "*.log", "fo?", "[fk]*", "build", "**", "data", "x.log", "é*"]
        ),
        st.sampled_from(["", "/", "/*", "/**", "/b"]),
    ).map("".join),
    max_size=6,
)


@settings(max_examples=60)
@given(files=files, root_rules=patterns, inner_rules=patterns)
def test_git_itself_finds_the_same_files(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], root_rules: list[str], inner_rules: list[str]
) -> None:
    """The oracle: what git lists as untracked and not ignored."""
    root = tmp_path_factory.mktemp("tree")
    for path in files:
        if not any((root / parent).is_file() for parent in Path(path).parents) and not (root / path).is_dir():
            write(root, path)
    (root / ".gitignore").write_text("\n".join(root_rules), encoding="utf-8")
    if (root / "a").is_dir():
        (root / "a" / ".gitignore").write_text("\n".join(inner_rules), encoding="utf-8")
    git = ["git", "-C", str(root), "-c", "core.excludesFile=", "-c", "core.quotePath=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-o", "-z", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout
    expected = [path for path in listed.split("\0") if path and not path.endswith(".gitignore")]
    assert sorted(paths(root)) == sorted(expected), (root_rules, inner_rules)
    for below in {path.split("/")[0] for path in files}:
        assert paths(root, below) == [path for path in paths(root) if path.split("/")[0] == below]
