"""`Library`: a folder of knowledge. Add, search, ask.

The one place that reads settings, picks backends and joins the stages; every
surface (commands, HTTP, MCP, web page) calls it. It holds no algorithm: sync,
vectorising, retrieval and answering live in their own modules and take plain
arguments.

The folder holds `ledger.sqlite` (the truth), `lexical/` and `vectors/` (derived
from it, rebuilt at need) and `lock` (held by the one writer). It is data: to
open one runs no code from it, contacts nobody and reads nothing outside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from openbook.embedders import Embedders
from openbook.errors import LibraryLocked, LibraryNotFound, ModelError, UsageError
from openbook.index.derived import DerivedIndexes
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.reading import Readers
from openbook.settings import Settings, load_settings, to_store, with_stored
from openbook.standing import library_status
from openbook.tuned import ADAPTER, AdapterInUse, Tuner, calibration_in_use, rechunk, tunings
from openbook.types import Answer, Hits, LibraryStatus, Outcome, Progress, Report, Verification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.adapting import Adapter
    from openbook.answer.language_model import LanguageModel
    from openbook.answering import Manner
    from openbook.asking import AskOptions
    from openbook.calibrating import FittedCalibration
    from openbook.conversing import Chat
    from openbook.embed import Embedder, Role
    from openbook.events import ErrorEvent, Event
    from openbook.index.conversation_records import Conversation
    from openbook.index.ledger_listing import FileFilter
    from openbook.index.records import ChunkRecord, DocumentRecord, FileEntry, FileRecord, Source
    from openbook.language_models import OpenModels
    from openbook.searching import Searcher
    from openbook.tuned import Tuning
    from openbook.types import Chunk, Document, Exchange, FloatMatrix
    from openbook.vectorize import Embedded


class Library:
    """A library of documents in one folder (see the module's description).

    >>> with Library("notes.openbook") as library:
    ...     report = library.add("documents/")
    ...     hits = library.search("how do I join two tables?")
    ...     answer = library.ask("how do I join two tables?")

    One object may be used by several threads; several processes may read a
    library while one writes. Raises LibraryNotFound when there is none and
    `create` is false, LibraryTooNew, LibraryDamaged.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        settings: Settings | None = None,
        embedder: Embedder | None = None,
        create: bool = True,
        on_retry: Callable[[ErrorEvent], None] | None = None,
    ) -> None:
        """Open or create the library at `path`.

        `settings` replaces the user's settings file and environment.
        `embedder` replaces the one that the settings name. `on_retry` hears of
        every request to a language model that failed and will be tried again.
        """
        self.path = Path(path)
        if not create and not (self.path / LEDGER_NAME).is_file():
            raise LibraryNotFound(
                f"There is no library at {str(self.path)!r}. Make one with: openbook add FOLDER "
                f"--library {str(self.path)!r}"
            )
        chosen = settings if settings is not None else load_settings()
        self._ledger = Ledger(self.path / LEDGER_NAME, create=create)
        self._chosen = chosen
        if missing := to_store(chosen, self._ledger.settings()):
            self._ledger.put_settings(missing)
        self._stored = self._ledger.settings()
        own = self.settings = with_stored(chosen, self._stored, place=self.path)
        self._embedders = Embedders(self.settings, embedder)
        self._readers = Readers(own.read_workers, own.max_file_bytes, own.read_seconds, own.read_memory)
        self.embedder_given = embedder is not None
        self._models: OpenModels | None = None
        self._on_retry = on_retry
        self._opening = threading.Lock()
        self._adapters = AdapterInUse()
        self._indexes = DerivedIndexes(
            self.path, self._ledger, surroundings_weight=self.settings.surroundings_weight
        )
        self._catch_up_if_free()

    # -- writing ---------------------------------------------------------------

    def add(
        self,
        *paths: str | Path,
        prune: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Bring the library in line with folders and files.

        Each folder is synchronised: new, changed and moved files enter, files
        that are gone leave. Text can be found by its words as soon as it is
        read; vectors follow. Interrupting or killing a run loses nothing that
        was reported; the next run goes on.

        Raises PruneRefused when a folder lost more than half of the library's
        documents and `prune` is false, UsageError for a path that is not there,
        LibraryLocked when another process keeps writing.
        """
        from openbook.sync.sources import add_paths

        if not paths:
            raise UsageError("No path to add was given. Name at least one folder or file.")
        started = time.monotonic()
        with self._writing():
            with self._readers.at_work() as read:
                outcomes, chunks = add_paths(
                    self._ledger,
                    [Path(path) for path in paths],
                    read=read,
                    chunk=self._chunk,
                    committed=self._indexes.publish_text,
                    progress=progress or _ignore,
                    prune=prune,
                )
            return self._finish(outcomes, chunks, progress or _ignore, started)

    def add_documents(
        self,
        documents: Iterable[Document],
        *,
        source: str,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Make the library hold exactly these documents under the name `source`.

        For documents that do not come from files (a database, a test
        collection). The same rules hold as for a folder: what did not change
        is not read again, what is no longer there is removed.
        """
        from openbook.sync.sources import add_values

        started = time.monotonic()
        with self._writing():
            outcomes, chunks = add_values(
                self._ledger,
                documents,
                source=source,
                chunk=self._chunk,
                committed=self._indexes.publish_text,
                progress=progress or _ignore,
            )
            return self._finish(outcomes, chunks, progress or _ignore, started)

    def remove(self, *paths: str, documents: Collection[int] = ()) -> Report:
        """Remove documents, so that no byte of their text stays in the library.

        `paths` are paths or patterns (`drafts/*`) as the library names them,
        `documents` are ids, for where several documents share a path. Their
        cached vectors go too. Raises UsageError for a path that matches no
        document and for an unknown id; nothing is removed then.
        """
        started = time.monotonic()
        with self._writing():
            found: dict[int, str] = {}
            if documents:
                found = {record.id: record.path for record in self._ledger.documents()}
                found = {number: found[number] for number in documents if number in found}
                if unknown := sorted(set(documents) - found.keys()):
                    raise UsageError(f"This library has no document {unknown[0]!r}. Nothing was removed.")
            for path in paths:
                matches = self._ledger.find_documents(path)
                if not matches:
                    raise UsageError(f"No document of this library matches {path!r}. Nothing was removed.")
                found.update({record.id: record.path for record in matches})
            self._ledger.remove_documents(sorted(found), forget_vectors=True)
            outcomes = [Outcome(path, "removed") for path in found.values()]
            return self._finish(outcomes, 0, _ignore, started, embed=False)

    def verify(self, *, repair: bool = True) -> Verification:
        """Reconcile the ledger with itself and with both indexes.

        With `repair`, an index that disagrees is built again from the ledger.
        """
        if not repair:
            return self._indexes.verify(repair=False)
        with self._writing():
            return self._indexes.verify(repair=True)

    # -- reading ---------------------------------------------------------------

    def search(
        self,
        question: str,
        *,
        k: int | None = None,
        where: Sequence[str] = (),
        per_document: int | None = None,
        explain: bool = False,
        history: Sequence[Exchange] = (),
        within: Collection[int] | None = None,
    ) -> Hits:
        """Return the best `k` places for a question, by words and by meaning.

        `where` holds conditions (`path=joins*`, `page<10`,
        `modified>=2024-01-01`, any metadata key), all of which must hold.
        `per_document` limits the hits of one document; hits are then single
        chunks. `history` holds the earlier exchanges of a conversation, oldest
        first: a question that needs them is searched together with them.
        `within` holds ids of chunks; nothing else is found then.
        Raises UsageError for an empty question or a wrong condition.
        """
        return self.searcher().search(
            question,
            k=k,
            where=where,
            per_document=per_document,
            explain=explain,
            history=history,
            within=within,
        )

    def searcher(self) -> Searcher:
        """What searches the library as it is now, for those who look into a search (`openbook.lab`)."""
        from openbook.searching import Searcher

        self._refresh()  # before the embedder is chosen, so that it is that of the vectors in use
        embedder, notes = self._search_embedder()
        adapter = None
        if embedder is not None and ADAPTER in self._stored:
            adapter, note = self._adapters.of(self._ledger, self._stored, embedder)
            notes = (*notes, note)
        return Searcher(
            self._ledger,
            self._indexes,
            embedder,
            notes,
            k=self.settings.k,
            candidates=self.settings.candidates,
            cosine_weight=self.settings.cosine_weight,
            adapter=adapter,
            title_weight=self.settings.title_weight,
        )

    def ask(
        self,
        question: str,
        *,
        on_event: Callable[[Event], None] | None = None,
        **options: Unpack[AskOptions],
    ) -> Answer:
        """Answer a question with checked citations, or say honestly that nothing answers it.

        Without a language model the answer is made of verbatim quotes. With
        one (the option `model`, or the settings') the model writes it, and each
        of its claims is checked against the evidence. The status is `not_found`
        when the calibrated confidence stays below the threshold of the
        settings; the evidence then holds the nearest misses. `on_event` sees
        every event as it happens (`openbook.events`); for the options see
        `openbook.asking.AskOptions`. Raises UsageError, LanguageModelError.
        """
        from openbook.answering import final_answer

        return final_answer(self.ask_stream(question, **options), on_event)

    def ask_stream(self, question: str, **options: Unpack[AskOptions]) -> Iterator[Event]:
        """The same as a stream of events: what was found, text as it arrives, the checked answer last."""
        from openbook.answering import Grounds
        from openbook.asking import Asker, Limits, wish_of
        from openbook.backends.tracing import traced

        wish = wish_of(question, options)
        self._refresh()
        embedder = self._search_embedder()[0]
        calibration = calibration_in_use(self._ledger, self._stored, embedder)
        asker = Asker(
            Grounds(self._ledger, self._indexes.lexical, embedder, *calibration),
            search=self.search,
            model=self._language_model(options.get("model")),
            manner=self._manner(options),
            limits=Limits(self.settings.agent_steps, self.settings.agent_tokens, self.settings.agent_seconds),
            evidence_tokens=self.settings.evidence_tokens,
        )
        model = asker.model.name if asker.model is not None else ""
        return traced(asker.events(wish), question=question, model=model)

    def chat(
        self,
        conversation: int | str | None = None,
        *,
        name: str = "",
        hidden: Callable[[], Collection[int]] = frozenset,
    ) -> Chat:
        """Begin a conversation, or go on with the one of this number or name.

        Its turns are kept in the library. What came from documents whose ids
        `hidden` gives is not shown, and goes along with no question. Raises UsageError for a conversation
        that is not there, or a name that fits several.
        """
        from openbook.conversing import Chat

        return Chat(self._ledger, self.ask_stream, conversation=conversation, name=name, hidden=hidden)

    def conversations(self) -> list[Conversation]:
        """All conversations without their turns, the one used last first."""
        return self._ledger.conversations()

    def documents(self, where: Sequence[str] = ()) -> Iterator[DocumentRecord]:
        """Documents without their text, in the order of their paths: all, or those that fit `where`.

        Raises UsageError for a wrong condition. Those on pages, headings and places do not count here.
        """
        from openbook.index.where import parse_where

        return iter(self._ledger.select_documents(parse_where(where))) if where else self._ledger.documents()

    def document(self, document_id: int) -> Document:
        """One document with its text and marks. Raises UsageError for an unknown id."""
        return self._ledger.document(document_id)

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRecord]:
        """The chunks with these ids, in the order asked for; unknown ids are left out."""
        return self._ledger.chunks(ids)

    def embeddings(self) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float16]]]:
        """Yield (document id, chunk ids, their vectors) of the embedded documents, by id, in flat memory.

        Vectors are the plain ones of the active generation, unit rows of shape
        (chunks, dimension), in the order of the document. Each document is
        read whole, but a writer may come between two of them: see `version`.
        """
        active = self._ledger.active_generation()
        return iter(()) if active is None else self._ledger.iterate_vectors(active.id)

    def version(self) -> tuple[int, int]:
        """(sequence number of the ledger, id of the active generation or 0): another one after any change."""
        active = self._ledger.active_generation()
        return self._ledger.sequence, active.id if active is not None else 0

    def question_vector(self, question: str) -> NDArray[np.float32] | None:
        """The question as a unit vector of the active generation; None where only words can be searched."""
        from openbook.index.conversation_records import storable

        embedder, _ = self._search_embedder()
        return None if embedder is None else embedder.embed([storable(question)], role="query")[0]

    def embed(self, texts: Sequence[str], *, role: Role = "document") -> FloatMatrix:
        """Vectors as this library has them. Raises ModelError where it is searched by words alone."""
        from openbook.index.conversation_records import storable

        embedder, notes = self._search_embedder()
        if embedder is None:
            raise ModelError(f"Nothing here makes vectors of texts. {' '.join(notes)}")
        return embedder.embed([storable(text) for text in texts], role)

    def embedder(self) -> Embedder | None:
        """What its questions are turned into vectors with; None where it is searched by words alone."""
        return self._search_embedder()[0]

    def files(
        self, wanted: FileFilter | None = None, *, offset: int = 0, limit: int = 100
    ) -> tuple[list[FileEntry], int]:
        """A page of all files by path, those that failed too, and how many there are in all."""
        from openbook.index.ledger_listing import ALL_FILES

        return self._ledger.list_files(wanted or ALL_FILES, offset=offset, limit=limit)

    def file_of(self, document_id: int) -> FileRecord | None:
        """What was seen of a document's file when it was read; None if it came from no file."""
        return self._ledger.file_of(document_id)

    def sources(self) -> list[Source]:
        """The folders, files and collections that the documents come from, oldest first."""
        return self._ledger.sources()

    def status(self) -> LibraryStatus:
        """What the library holds, how complete it is, and which files have problems."""
        self._refresh()
        return library_status(self.path, self._ledger, self._indexes)

    # -- moving ----------------------------------------------------------------

    def export(self, file: str | Path, *, conversations: bool = True) -> Path:
        """Write the library, vectors included, to one file that `import_` opens elsewhere.

        `conversations` says whether the questions asked of it go along.
        """
        from openbook.index.archive import export_library

        return export_library(self.path, Path(file), conversations=conversations)

    def export_parquet(self, folder: str | Path) -> Path:
        """Write documents, chunks and vectors as Parquet files (extra `parquet`)."""
        from openbook.backends.parquet import export_parquet

        return export_parquet(self._ledger, Path(folder))

    @classmethod
    def import_(cls, file: str | Path, folder: str | Path, *, settings: Settings | None = None) -> Library:
        """Open a file that `export` wrote as a new library in `folder`. Nothing is embedded again."""
        from openbook.index.archive import import_library

        import_library(Path(file), Path(folder))
        return cls(folder, settings=settings, create=False)

    # -- models ----------------------------------------------------------------

    def restore_generation(self) -> str:
        """Go back to the vectors of the model used before, and return its name.

        Raises UsageError if no earlier, complete generation is kept.
        """
        with self._writing():
            name = self._indexes.restore_generation()
            self._indexes.publish_vectors()
            return name

    # -- tuning ----------------------------------------------------------------

    def tunings(self) -> list[Tuning]:
        """The changes of settings that were adopted for this library and not taken back, oldest first."""
        return tunings(self._ledger)

    def adopt(
        self,
        changes: Mapping[str, float | FittedCalibration],
        *,
        adapter: Adapter | None = None,
        measured: Mapping[str, float] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Tuning:
        """Keep tuned settings (and an adapter) with the library, and what they replace for `undo_tuning`."""
        with self._writing():
            return self._tuner(progress).adopt(changes, adapter=adapter, measured=measured or {})

    def undo_tuning(self, *, progress: Callable[[Progress], None] | None = None) -> Tuning:
        """Restore what the newest tuning replaced, and return it. Raises UsageError if there is none."""
        with self._writing():
            return self._tuner(progress).undo()

    # -- closing ---------------------------------------------------------------

    def close(self) -> None:
        """Close all files and connections. The object cannot be used afterwards."""
        if self._models is not None:
            self._models.close()
        self._readers.close()
        self._indexes.close()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------

    def _finish(
        self,
        outcomes: Sequence[Outcome],
        chunks: int,
        progress: Callable[[Progress], None],
        started: float,
        *,
        embed: bool = True,
    ) -> Report:
        """Bring the indexes up to date, embed what waits for it, and leave no removed byte."""
        self._indexes.publish_text()
        notes: tuple[str, ...] = ()
        computed = reused = 0
        if embed:
            embedder, notes = self._embedders.for_writing()
            if embedder is not None:
                embedded = self._embed(embedder, progress)
                computed, reused = embedded.computed, embedded.reused
        self._indexes.publish_vectors()
        notes = (*notes, *self._indexes.purge())
        return Report(
            outcomes=tuple(outcomes),
            chunks=chunks,
            embedded=computed,
            reused=reused,
            pending=self._ledger.counts().chunks - self._indexes.embedded_chunks(),
            seconds=time.monotonic() - started,
            notes=notes,
        )

    def _embed(self, embedder: Embedder, progress: Callable[[Progress], None]) -> Embedded:
        """Complete the vectors of this embedder; a new model's serve once they are complete."""
        from openbook.vectorize import embed_pending

        generation = self._ledger.open_generation(embedder.fingerprint, embedder.name, embedder.dimension)
        embedded = embed_pending(
            self._ledger, generation, embedder, publish=self._indexes.publish_vectors, progress=progress
        )
        self._indexes.activate(generation)
        return embedded

    @contextmanager
    def _writing(self) -> Iterator[None]:
        from openbook.index.lock import WriteLock

        with WriteLock(self.path, self.settings.lock_seconds):
            yield

    def _catch_up_if_free(self) -> None:
        """Repair what a killed run left behind, unless another process is at work on it."""
        from openbook.index.lock import WriteLock

        if self._ledger.read_only or not self._indexes.behind():
            return
        try:
            with WriteLock(self.path, 0.0):
                self._indexes.publish_text()
                self._indexes.publish_vectors()
        except LibraryLocked:
            return  # the writer brings the indexes up to date; search says how much is there

    def _tuner(self, progress: Callable[[Progress], None] | None) -> Tuner:
        def chunk_anew(tokens: int) -> None:
            rechunk(self._ledger, partial(self._chunk, max_tokens=tokens))
            self._finish([], 0, progress or _ignore, time.monotonic())

        return Tuner(self._ledger, self._indexes, chunk_anew)

    def _refresh(self) -> None:
        """See what other processes have committed: documents, and settings that a tuning changed."""
        stored = self._ledger.settings()
        if stored != self._stored:
            self.settings = with_stored(self._chosen, stored, place=self.path)
            self._indexes.reweigh(self.settings.surroundings_weight)
            self._stored = stored
        self._indexes.refresh()

    def _chunk(self, document: Document, max_tokens: int | None = None) -> list[Chunk]:
        from openbook.chunk import chunk_document

        embedder = self._embedders.configured()
        return chunk_document(
            document,
            max_tokens=max_tokens or self.settings.chunk_tokens,
            tokenizer=embedder.tokenizer if embedder is not None else None,
        )

    def _search_embedder(self) -> tuple[Embedder | None, tuple[str, ...]]:
        return self._embedders.for_searching(self._ledger.active_generation())

    def _language_model(self, wished: str | LanguageModel | None) -> LanguageModel | None:
        """The model that writes: the wished one, else the settings'; None where answers quote."""
        name = self.settings.model if wished is None else wished
        if not isinstance(name, str):
            return name
        if name in ("", "none"):
            return None
        from openbook.language_models import OpenModels

        with self._opening:
            if self._models is None:
                self._models = OpenModels(self.settings, on_retry=self._on_retry)
        return self._models.model(name)

    def _manner(self, options: AskOptions) -> Manner:
        from openbook.answering import Manner
        from openbook.searching import positive

        most = self.settings.answer_tokens
        return Manner(
            answer_tokens=min(positive(options.get("answer_tokens"), most, "answer_tokens"), most),
            strategy=options.get("strategy") or self.settings.strategy,
            threshold=self.settings.answer_threshold,
            model_threshold=self.settings.model_threshold,
            parallel=self.settings.parallel,
            strict=options.get("strict", False),
            sentence_distance=self.settings.sentence_distance,
        )


def _ignore(progress: Progress) -> None:
    """Progress that nobody watches."""
