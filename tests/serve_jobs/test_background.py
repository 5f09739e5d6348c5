"""Work in threads: results, streams and errors reach the event loop, and nothing goes on for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from openbook.errors import UsageError
from openbook.serve import background as background_module
from openbook.serve.background import ANSWERING_THREADS, Background

SECONDS = 60.0
"""Longest wait for something that must happen; a test that needs it has failed."""


@pytest.fixture
def background() -> Iterator[Background]:
    threads = Background()
    yield threads
    threads.close()


def test_calls_return_and_raise(background: Background) -> None:
    def broken() -> None:
        raise UsageError("wrong")

    async def play() -> None:
        assert await background.run(divmod, 7, 3) == (2, 1)
        assert await background.run_long(sorted, [3, 1], reverse=True) == [3, 1]
        with pytest.raises(UsageError, match="wrong"):
            await background.run(broken)

    asyncio.run(play())


def test_a_stop_iteration_ends_no_loop(background: Background) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(background.run(next, iter(())))


def test_threads_see_the_context_of_their_caller(background: Background) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")

    def items() -> Iterator[str]:
        yield request.get()

    async def play() -> None:
        request.set("seventh")
        assert await background.run(request.get) == "seventh"
        assert [item async for item in background.stream(items)] == ["seventh"]

    asyncio.run(play())


def test_searches_go_on_while_all_answers_wait(background: Background) -> None:
    go = threading.Event()

    async def play() -> None:
        waiting = [
            asyncio.create_task(background.run_long(go.wait, SECONDS)) for _ in range(ANSWERING_THREADS + 4)
        ]
        assert await background.run(len, "abc") == 3
        go.set()
        assert all(await asyncio.gather(*waiting))

    asyncio.run(play())


def test_a_stream_comes_in_order_and_its_error_last(background: Background) -> None:
    def items() -> Iterator[int]:
        yield from range(1000)
        raise UsageError("after a thousand")

    async def play() -> list[int]:
        seen: list[int] = []

        async def read() -> None:
            async for item in background.stream(items):
                seen.append(item)

        with pytest.raises(UsageError, match="after a thousand"):
            await read()
        return seen

    assert asyncio.run(play()) == list(range(1000))


def test_a_stream_that_cannot_begin_raises(background: Background) -> None:
    def begin() -> Iterator[int]:
        raise UsageError("no such question")

    async def play() -> None:
        with pytest.raises(UsageError, match="no such question"):
            async for _ in background.stream(begin):
                pass
        nothing: tuple[int, ...] = ()
        assert [item async for item in background.stream(lambda: iter(nothing))] == []

    asyncio.run(play())


def test_values_come_as_they_are_made(background: Background) -> None:
    go = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        assert go.wait(SECONDS)
        yield "second"

    async def play() -> None:
        seen = []
        async for item in background.stream(items):
            seen.append(item)
            go.set()
        assert seen == ["first", "second"]

    asyncio.run(play())


def test_a_slow_reader_holds_the_writer_up_only_when_much_waits(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_module, "WAITING_ITEMS", 3)
    made = 0
    enough = threading.Event()

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(50):
            made += 1
            if made == 5:  # three wait, one was read, one more waits for room
                enough.set()
            yield number

    async def play() -> None:
        stream = background.stream(items)
        assert await anext(stream) == 0
        assert await background.run(enough.wait, SECONDS)
        assert made == 5
        assert [item async for item in stream] == list(range(1, 50))

    asyncio.run(play())


@pytest.mark.parametrize("waiting_items", [1, 10_000])
def test_a_reader_that_leaves_closes_the_stream(
    background: Background, monkeypatch: pytest.MonkeyPatch, waiting_items: int
) -> None:
    monkeypatch.setattr(background_module, "WAITING_ITEMS", waiting_items)
    closed = threading.Event()
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        try:
            while True:
                made += 1
                yield made
        finally:
            closed.set()

    async def play() -> None:
        stream = background.stream(items)
        async for item in stream:
            if item == 3:
                break
        await stream.aclose()
        assert await background.run(closed.wait, SECONDS)

    asyncio.run(play())


def test_a_cancelled_reader_closes_the_stream(background: Background) -> None:
    closed, begun, go = threading.Event(), threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            begun.set()
            assert go.wait(SECONDS)
            yield 2
        finally:
            closed.set()

    async def read() -> None:
        async for _ in background.stream(items):
            pass

    async def play() -> None:
        task = asyncio.create_task(read())
        assert await background.run(begun.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert await background.run(closed.wait, SECONDS)

    asyncio.run(play())


def test_a_stream_that_nobody_awaits_any_more_never_begins(background: Background) -> None:
    go = threading.Event()
    begun: list[str] = []

    def items() -> Iterator[str]:
        begun.append("begun")
        yield "never"

    async def read() -> None:
        async for _ in background.stream(items):
            pass

    async def play() -> None:
        waiting = [
            asyncio.create_task(background.run_long(go.wait, SECONDS)) for _ in range(ANSWERING_THREADS)
        ]
        task = asyncio.create_task(read())
        await background.run(len, "")  # the reader has asked by now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await asyncio.gather(*waiting)
        await asyncio.gather(*(background.run_long(len, "") for _ in range(ANSWERING_THREADS)))

    asyncio.run(play())
    assert begun == []


def test_an_error_that_comes_after_the_reader_left_disturbs_nobody(background: Background) -> None:
    complaints: list[object] = []
    go, over = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            assert go.wait(SECONDS)
            raise UsageError("too late")
        finally:
            over.set()

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        stream = background.stream(items)
        assert await anext(stream) == 1
        await stream.aclose()
        go.set()
        assert await background.run(over.wait, SECONDS)

    asyncio.run(play())
    assert complaints == []


def test_closing_ends_streams_and_refuses_new_work() -> None:
    background = Background()
    closed = threading.Event()
    closing = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            assert closing.wait(SECONDS)
            yield 2
        finally:
            closed.set()

    async def play() -> None:
        seen = []
        async for item in background.stream(items):
            seen.append(item)
            background.close()
            closing.set()
        assert seen == [1]
        assert closed.is_set()
        with pytest.raises(UsageError, match="stopping"):
            await background.run(len, "")
        with pytest.raises(UsageError, match="stopping"):
            async for _ in background.stream(lambda: iter([1])):
                pass

    asyncio.run(play())
