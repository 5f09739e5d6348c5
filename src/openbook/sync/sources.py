"""What a path means: which source it belongs to, and the run that brings it up to date.

A folder that was added is a source; so is a single file. A path inside a known
source updates that part of it. A folder around known sources takes them over,
documents and vectors included, so that no file is in the library twice. Where
a folder's walk leaves something out (hidden, ignored, inside a library), that
is no part of the folder: it is a source of its own when it is added, and stays
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from openbook.errors import UsageError
from openbook.index.records import FileRecord, Source
from openbook.sync.carry_out import Chunker, ReadFiles, Synchroniser, Watcher
from openbook.sync.plan import Plan, guard_removals, is_within, plan_source
from openbook.types import Document, Outcome

if TYPE_CHECKING:
    from openbook.index.ledger import Ledger
    from openbook.read.discover import Found
    from openbook.read.pool import FileRead


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a source that a run brings up to date; `prefix` is "" for all of it."""

    source: Source
    prefix: str = ""


def add_paths(
    ledger: Ledger,
    paths: Iterable[Path],
    *,
    read: ReadFiles,
    chunk: Chunker,
    committed: Callable[[], None],
    progress: Watcher,
    prune: bool,
) -> tuple[list[Outcome], int]:
    """Synchronise folders and files. Returns their outcomes and the number of new chunks.

    Nothing is changed before all removals have passed the guard. Raises
    UsageError for a path that does not exist and was never added, PruneRefused.
    """
    scopes = _scopes(ledger, list(paths))
    planned = [(scope, *_plan(ledger, scope)) for scope in scopes]
    in_library = ledger.counts().documents
    for scope, plan, records in planned:
        _guard(scope, plan, records, in_library, prune=prune)
    outcomes: list[Outcome] = []
    chunks = 0
    for scope, plan, records in planned:
        run = Synchroniser(
            ledger, scope.source, chunk=chunk, read=read, committed=committed, progress=progress
        )
        run.carry_out(plan, records)
        outcomes.extend(run.outcomes)
        chunks += run.chunks
    return outcomes, chunks


def add_values(
    ledger: Ledger,
    documents: Iterable[Document],
    *,
    source: str,
    chunk: Chunker,
    committed: Callable[[], None],
    progress: Watcher,
) -> tuple[list[Outcome], int]:
    """Make the source named `source` hold exactly these documents."""
    from openbook.read.discover import Found

    target = ledger.put_source(source, "memory")
    records = ledger.files(target.id)
    values = {document.path: _with_language(document) for document in documents}
    plan = Plan()
    for path, document in values.items():
        record = records.get(path)
        if record is None or record.document_id is None or record.content_hash != _digest(document):
            plan.read.append(Found(path, Path(path), len(document.text), 0))
        else:
            plan.unchanged.append(record)
    plan.removed = [r for path, r in records.items() if path not in values and r.outcome != "removed"]
    run = Synchroniser(
        ledger,
        target,
        chunk=chunk,
        read=lambda paths: (_as_read(values[path]) for path, _ in paths),
        committed=committed,
        progress=progress,
    )
    run.carry_out(plan, records)
    return run.outcomes, run.chunks


def _as_read(document: Document) -> FileRead:
    from openbook.read.pool import FileRead

    return FileRead(document.path, document, _digest(document), len(document.text), 0, None)


def _with_language(document: Document) -> Document:
    """A document whose maker did not say its language gets the one that its text shows."""
    from openbook.read.language import detect_language

    return document if document.language else replace(document, language=detect_language(document.text))


def _digest(document: Document) -> bytes:
    digest = blake2b(digest_size=16)
    digest.update(repr((document.title, sorted(document.metadata.items()), document.marks)).encode())
    digest.update(document.text.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _scopes(ledger: Ledger, paths: Sequence[Path]) -> list[Scope]:
    """The scopes of all paths, none inside another: looked up anew once every new source is known."""
    for path in paths:
        _scope(ledger, path)
    scopes = dict.fromkeys(_scope(ledger, path) for path in paths)
    return [
        scope for scope in scopes if not any(scope != other and _around(other, scope) for other in scopes)
    ]


def _around(outer: Scope, inner: Scope) -> bool:
    return outer.source.id == inner.source.id and is_within(inner.prefix, outer.prefix)


def _scope(ledger: Ledger, path: Path) -> Scope:
    """The source that `path` belongs to; a new one where it belongs to none."""
    from openbook.read.discover import reaches

    absolute = path.resolve()
    folders = [source for source in ledger.sources() if source.kind != "memory"]
    for source in sorted(folders, key=lambda source: len(source.root), reverse=True):  # the nearest first
        if source.root == str(absolute):
            return Scope(source)
        if source.kind == "folder" and absolute.is_relative_to(source.root):
            inside = absolute.relative_to(source.root).as_posix()
            if reaches(Path(source.root), inside):
                return Scope(source, inside)
    if not absolute.exists():
        raise UsageError(f"There is nothing at {str(path)!r}. Name an existing folder or file.")
    target = ledger.put_source(str(absolute), "folder" if absolute.is_dir() else "file")
    for source in folders:
        root = Path(source.root)
        if root.is_relative_to(absolute) and reaches(absolute, root.relative_to(absolute).as_posix()):
            _take_over(ledger, source, target)
    return Scope(target)


def _take_over(ledger: Ledger, inner: Source, outer: Source) -> None:
    """Let a folder adopt a source inside it: same documents, longer paths."""
    inside = Path(inner.root).relative_to(outer.root)
    prefix = inside.parent if inner.kind == "file" else inside
    ledger.adopt_source(inner.id, outer.id, "" if prefix == Path() else prefix.as_posix())


def _plan(ledger: Ledger, scope: Scope) -> tuple[Plan, dict[str, FileRecord]]:
    records = ledger.files(scope.source.id)
    return plan_source(_found(scope), records, scope=scope.prefix), records


def _found(scope: Scope) -> Iterator[Found]:
    """The files of a scope that exist now, with paths relative to the source."""
    from openbook.read.discover import discover, look_at

    root = Path(scope.source.root)
    if scope.source.kind == "file":
        if root.exists():
            yield look_at(root, root.name)
        return
    target = root / scope.prefix if scope.prefix else root
    if target.is_file():
        yield look_at(target, scope.prefix)
    elif target.is_dir():
        yield from discover(root, below=scope.prefix)


def _guard(scope: Scope, plan: Plan, records: dict[str, FileRecord], in_library: int, *, prune: bool) -> None:
    removed = sum(record.document_id is not None for record in plan.removed)
    known = sum(record.document_id is not None for record in records.values())
    whole = not scope.prefix and scope.source.kind == "folder"
    left = bool(plan.unchanged or plan.read or plan.moved or plan.problems)
    guard_removals(
        removed,
        known,
        in_library,
        root=scope.source.root,
        any_left=left or not whole,
        prune=prune,
    )
