"""What the pool promises when all goes well: nothing is lost, nothing starts needlessly."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbook.errors import ReadError, UsageError
from openbook.read.pool import FileRead, ReadingPool

OpenPool = Callable[..., ReadingPool]
Files = Callable[..., list[tuple[str, Path]]]


def test_every_file_comes_back_once_with_its_bytes_hash_size_and_time(
    open_pool: OpenPool, files: Files
) -> None:
    items = files(*(f"text {number} é" for number in range(50)))
    results = {result.path: result for result in open_pool(2).read(items)}
    assert sorted(results) == sorted(path for path, _ in items)
    for path, file in items:
        result, data = results[path], file.read_bytes()
        assert result.error is None
        assert result.document is not None
        assert result.document.text == data.decode()
        assert result.content_hash == hashlib.blake2b(data, digest_size=16).digest()
        assert (result.size, result.mtime_ns) == (len(data), file.stat().st_mtime_ns)


def test_no_worker_starts_without_a_file(open_pool: OpenPool) -> None:
    pool = open_pool(2)
    assert list(pool.read([])) == []
    assert pool.started == 0


def test_one_file_starts_one_worker_and_the_next_call_uses_it_again(
    open_pool: OpenPool, files: Files
) -> None:
    pool = open_pool(4)
    (first,) = pool.read(files("pid"))
    (second,) = pool.read(files("pid"))
    assert pool.started == 1
    assert first.document is not None
    assert second.document is not None
    assert first.document.text == second.document.text
    assert first.document.text.split()[1] == str(os.getpid())


def test_only_a_few_files_are_taken_from_the_iterable_ahead_of_the_results(
    open_pool: OpenPool, files: Files
) -> None:
    (item,) = files("small")
    taken = itertools.count()
    last = 0

    def endless() -> Iterator[tuple[str, Path]]:
        nonlocal last
        for last in taken:
            yield f"{last}.txt", item[1]

    results = open_pool(2).read(endless())
    for number in range(100):
        assert next(results).error is None
        assert last <= number + 12
    assert isinstance(results, Iterator)


def test_an_abandoned_iteration_leaves_a_usable_pool(open_pool: OpenPool, files: Files) -> None:
    pool = open_pool(2)
    results = pool.read(files(*("text" for _ in range(20))))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert pool.started == 0
    assert all(result.error is None for result in pool.read(files("again")))


def test_noise_on_standard_output_does_not_disturb_the_answers(open_pool: OpenPool, files: Files) -> None:
    results = list(open_pool(1).read(files("print this", "text", "print that")))
    assert [result.error for result in results] == [None, None, None]


def test_names_with_line_ends_emoji_and_undecodable_bytes(open_pool: OpenPool, tmp_path: Path) -> None:
    names = ["line\nend.txt", "bicycle 🚲.txt", os.fsdecode(b"latin-\xe9.txt"), "-dash.txt", "a'\"b.txt"]
    items = []
    for name in names:
        (tmp_path / name).write_text("words", encoding="utf-8")
        items.append((name, tmp_path / name))
    results = {result.path: result for result in open_pool(1).read(items)}
    assert set(results) == set(names)
    assert all(result.error is None for result in results.values())


def test_a_text_of_fifty_megabytes_passes_through(open_pool: OpenPool, tmp_path: Path) -> None:
    file = tmp_path / "big.log"
    line = b"2024-03-01 12:00:00 INFO request 4711 was served in 12 ms\n"
    file.write_bytes(line * (50_000_000 // len(line)))
    (result,) = open_pool(1, max_bytes=100_000_000).read([("big.log", file)])
    assert result.error is None
    assert result.document is not None
    assert len(result.document.text) == file.stat().st_size


def test_the_errors_of_readers_keep_their_class_and_words(open_pool: OpenPool, files: Files) -> None:
    (result,) = open_pool(1).read(files("extra"))
    assert type(result.error).__name__ == "MissingExtra"
    assert "openbook[ocr]" in str(result.error)


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(UsageError, match="1 or more"):
        ReadingPool(0, max_bytes=1, seconds=1, memory=0)


def test_a_reader_that_cannot_be_imported_is_an_error_of_the_run_not_of_a_file(
    open_pool: OpenPool, files: Files
) -> None:
    with pytest.raises(ReadError, match="no_such_reader"):
        list(open_pool(1, reader="no_such_reader:read").read(files("text")))


def test_results_are_documents_or_errors_never_both_or_neither(open_pool: OpenPool, files: Files) -> None:
    results: list[FileRead] = list(open_pool(2).read(files("text", "panic", "exit 3", "")))
    assert len(results) == 4
    assert all((result.document is None) != (result.error is None) for result in results)
