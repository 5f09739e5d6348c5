"""The page *Documents*: what is in the library, what could not be taken in, uploading and deleting."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from openbook.errors import OpenbookError
from openbook.index.ledger_listing import FileFilter, FileOrder
from openbook.index.records import FileEntry
from openbook.serve.advice import advice
from openbook.serve.desk import Desk, Shelf
from openbook.serve.jobs import Job
from openbook.serve.web.job_list import JobList
from openbook.serve.web.kinds import kind_name
from openbook.serve.web.layout import Frame, frame, link, stylesheet
from openbook.serve.web.parts import ChipKind, button, chip, plain, state, text
from openbook.serve.web.undo_bar import UndoBar
from openbook.wording import count, one_line, size

PAGE: Final = 50
"""Files on one page of the table."""

_PROBLEMS: Final = ("failed", "skipped", "empty")
_KINDS: Final[dict[str, ChipKind]] = {"failed": "bad", "skipped": "warn", "empty": "warn"}
_COLUMNS: Final[tuple[tuple[str, FileOrder | None], ...]] = (
    ("Document", "path"),
    ("Outcome", None),
    ("Chunks", "chunks"),
    ("Size", "size"),
    ("Added", "added"),
    ("Changed", "modified"),
)


_SYNCED: Final[WeakKeyDictionary[Desk, dict[str, list[Path]]]] = WeakKeyDictionary()
"""The folders of the syncs that were begun on a page, by job; any visitor may confirm a refused one."""

_ORDERS: Final[dict[str, str]] = {
    "path": "By name",
    "added": "Added last first",
    "modified": "Changed last first",
    "size": "Largest first",
}


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/documents")
    async def page(request: Request) -> None:
        with frame(shelf, request, "documents") as framed:
            stylesheet("documents.css")
            with ui.element("div").classes("ob-page"):
                view = _View(framed)
                view.draw()
        await view.refresh()


class UploadArea(Element, component="upload_area.js"):
    """Where files are dropped or chosen. They are sent to the HTTP API, never through the page's socket."""

    def __init__(self, address: str, *, sent: Callable[[], Any], refused: Callable[[str], Any]) -> None:
        super().__init__()
        self._props["address"] = address
        self.on("sent", sent)
        self.on("refused", lambda event: refused(str(event.args)))


@dataclass(slots=True)
class _Shown:
    """What of the table is shown."""

    wanted: FileFilter = field(default_factory=FileFilter)
    offset: int = 0
    chosen: set[int] = field(default_factory=set)


class _View:
    """The page of one visitor."""

    def __init__(self, framed: Frame) -> None:
        self._desk: Desk = framed.desk
        self._shown = _Shown()
        self._client = ui.context.client

    def draw(self) -> None:
        with ui.element("header").classes("ob-page__head"):
            with ui.element("div"):
                text("h1", "Documents", "ob-title")
                self._subtitle = ui.element("p").classes("ob-subtitle")
            self._sync = button("Sync now", self._synchronise, icon="sync")
            self._sync.props["title"] = (
                "Bring the library in line with its folders: new, changed and deleted files"
            )
        UploadArea(link(self._desk, "/api/documents/upload"), sent=self.refresh, refused=self._refused)
        JobList(self._desk, self.refresh, self._pruning)
        with ui.element("div").classes("ob-row ob-spread"):
            self._filter_row()
        self._table = ui.element("section").classes("ob-table-frame")
        self._table.props.update({"tabindex": "-1", "aria-label": "Files"})
        UndoBar(self._desk, self.refresh)

    def _filter_row(self) -> None:
        search = ui.element("input").classes("ob-field ob-documents__filter")
        search.props.update(
            {"type": "search", "placeholder": "Filter by name", "aria-label": "Filter by name"}
        )
        search.on(
            "input",
            self._typed,
            js_handler="(event) => emit(event.target.value)",
            throttle=0.25,
            leading_events=False,
        )
        self._chosen = ui.element("div").classes("ob-row")
        self._order()
        self._outcomes = (
            ui.element("div").classes("ob-row ob-segments").props('role=group aria-label="Which files"')
        )
        with self._outcomes:
            self._segments = {label: self._segment(label, kinds) for label, kinds in _GROUPS}

    def _order(self) -> None:
        """The order as a choice, for phones, which show no headings of columns."""
        select = ui.element("select").classes("ob-field ob-documents__order").props('aria-label="Order"')
        with select:
            for order, label in _ORDERS.items():
                option = ui.element("option")
                option.props["value"] = order
                with option:
                    plain(label)

        async def chosen(event: Any) -> None:
            order = str(event.args)
            if order in _ORDERS:
                await self._want(order=order, descending=order != "path")

        select.on("change", chosen, js_handler="(event) => emit(event.target.value)")

    async def _typed(self, event: Any) -> None:
        await self._want(text=str(event.args))

    async def _want(self, **changes: Any) -> None:
        self._shown.wanted = replace(self._shown.wanted, **changes)
        self._shown.offset = 0
        await self.refresh()

    async def _turn_to(self, offset: int) -> None:
        self._shown.offset = offset
        await self.refresh()
        self._focus(".ob-table-frame")

    def _focus(self, selector: str) -> None:
        """Give the focus to what stands where the element was that had it and was drawn anew."""
        self._client.run_javascript(f"document.querySelector({json.dumps(selector)})?.focus()")

    async def refresh(self) -> None:
        """Read the list anew and draw it."""
        shown, desk = self._shown, self._desk
        hidden = desk.removals.pending_documents()
        wanted = replace(shown.wanted, hidden=hidden)

        def read() -> tuple[list[FileEntry], int, dict[str, int], dict[str, int]]:
            rows, total = desk.library.files(wanted, offset=shown.offset, limit=PAGE)
            everything = FileFilter(hidden=hidden)
            fitting = replace(everything, text=shown.wanted.text)
            return rows, total, _sums(desk, fitting), _sums(desk, everything)

        rows, total, fitting, sums = await desk.background.run(read)
        shown.chosen &= {row.document_id for row in rows if row.document_id is not None}
        self._draw_head(sums)
        self._draw_segments(fitting)
        self._draw_chosen()
        self._table.clear()
        with self._table:
            if rows:
                self._draw_table(rows)
                self._draw_pages(total)
            else:
                self._draw_nothing(sums["All"])

    def _draw_head(self, sums: dict[str, int]) -> None:
        status = f"{count(sums['Documents'], 'document')}"
        if sums["Problems"]:
            status += f" · {count(sums['Problems'], 'file')} could not be taken in"
        self._subtitle.clear()
        with self._subtitle:
            plain(status)

    def _draw_segments(self, sums: dict[str, int]) -> None:
        for label, kinds in _GROUPS:
            element, name = self._segments[label]
            name.set_text(f"{label} {sums[label]:,}")
            element.props["aria-pressed"] = "true" if tuple(self._shown.wanted.outcomes) == kinds else "false"
            element.update()

    def _segment(self, label: str, kinds: tuple[str, ...]) -> tuple[Element, ui.label]:
        """One group of files to choose; it stays in the page, and so does the focus in it."""

        async def choose() -> None:
            await self._want(outcomes=kinds)

        element = button("", choose, kind="quiet", small=True)
        with element:
            return element, plain(label)

    def _draw_chosen(self) -> None:
        self._chosen.clear()
        number = len(self._shown.chosen)
        if number:
            with self._chosen:
                button(
                    f"Delete {count(number, 'document')}",
                    self._delete_chosen,
                    icon="o_delete",
                    kind="danger",
                    small=True,
                )

    def _draw_table(self, rows: list[FileEntry]) -> None:
        with ui.element("table").classes("ob-table ob-documents"):
            with ui.element("thead"), ui.element("tr"):
                with ui.element("th").classes("ob-documents__box"):
                    text("span", "Choose", "ob-visually-hidden")
                for label, order in _COLUMNS:
                    self._column(label, order)
                with ui.element("th"):
                    text("span", "Actions", "ob-visually-hidden")
            with ui.element("tbody"):
                for row in rows:
                    self._row(row)

    def _column(self, label: str, order: FileOrder | None) -> None:
        wanted = self._shown.wanted
        with ui.element("th") as heading:
            if order is None:
                plain(label)
                return

            async def sort() -> None:
                turned = wanted.order == order and not wanted.descending
                await self._want(order=order, descending=turned)
                self._focus(f".ob-documents__sort[data-order={order}]")

            element = button(label, sort, kind="quiet", small=True).classes("ob-documents__sort")
            element.props["data-order"] = order
            if wanted.order == order:
                heading.props["aria-sort"] = "descending" if wanted.descending else "ascending"
                with element:
                    ui.icon("arrow_downward" if wanted.descending else "arrow_upward").props(
                        "aria-hidden=true"
                    )

    def _row(self, row: FileEntry) -> None:
        with ui.element("tr"):
            with ui.element("td").classes("ob-documents__box"):
                if row.document_id is not None:
                    self._box(row, row.document_id)
            with ui.element("td").classes("ob-documents__name"):
                self._name(row)
            with ui.element("td"):
                chip(row.outcome, kind=_KINDS.get(row.outcome, "plain"))
            text("td", f"{row.chunks:,}" if row.document_id is not None else "", "ob-numbers ob-muted")
            text("td", size(row.size) if row.size else "", "ob-numbers ob-muted ob-nowrap")
            text("td", row.added_at[:10], "ob-numbers ob-muted ob-nowrap")
            text("td", row.modified_at[:10], "ob-numbers ob-muted ob-nowrap")
            with ui.element("td").classes("ob-nowrap"):
                if row.document_id is not None:
                    self._actions(row, row.document_id)

    def _box(self, row: FileEntry, document_id: int) -> None:
        def chosen(event: Any) -> None:
            (self._shown.chosen.add if event.args else self._shown.chosen.discard)(document_id)
            self._draw_chosen()

        box = ui.element("input").classes("ob-box")
        box.props.update({"type": "checkbox", "aria-label": f"Choose {one_line(row.path)}"})
        if document_id in self._shown.chosen:
            box.props["checked"] = True
        box.on("change", chosen, js_handler="(event) => emit(event.target.checked)")

    def _name(self, row: FileEntry) -> None:
        name = one_line(row.path)
        if row.document_id is not None:
            entry = text("a", name, "ob-documents__path")
            entry.props["href"] = link(self._desk, f"/documents/{row.document_id}")
        else:
            text("span", name, "ob-documents__path")
        kind = kind_name(row.media_type) if row.media_type else ""
        details = " · ".join(
            part for part in (kind, one_line(row.title)) if part and part not in (name, Path(name).stem)
        )
        if details:
            text("div", details, "ob-small ob-muted")
        if row.outcome in _PROBLEMS:
            reason = row.reason.removeprefix(f"{row.path!r} ")
            text("div", one_line(reason), "ob-small ob-documents__reason")
            text("div", advice(row), "ob-small ob-muted")

    def _actions(self, row: FileEntry, document_id: int) -> None:
        name = one_line(row.path)
        button(
            f"Delete {name}",
            lambda: self._delete([document_id]),
            icon="o_delete",
            kind="quiet",
            small=True,
            only_icon=True,
        )

    def _draw_pages(self, total: int) -> None:
        offset = self._shown.offset
        if total <= PAGE:
            return
        with ui.element("nav").classes("ob-row ob-documents__pages").props('aria-label="Pages of the table"'):
            back = button(
                "Previous", lambda: self._turn_to(max(0, offset - PAGE)), icon="chevron_left", small=True
            )
            text(
                "span",
                f"{offset + 1:,} to {min(total, offset + PAGE):,} of {total:,}",
                "ob-small ob-muted ob-numbers",
            )
            on = button("Next", lambda: self._turn_to(offset + PAGE), icon="chevron_right", small=True)
            if offset == 0:
                back.props["disabled"] = True
            if offset + PAGE >= total:
                on.props["disabled"] = True

    def _draw_nothing(self, total: int) -> None:
        if total:
            state("o_filter_alt_off", "Nothing fits", "No file fits this filter.")
        else:
            state(
                "o_library_add",
                "No documents yet",
                "Drop files above, or have a folder synchronised: openbook add FOLDER. "
                "Their text can be searched seconds later.",
            )

    async def _delete(self, document_ids: list[int]) -> None:
        try:
            await self._desk.background.run(self._desk.removals.remove, document_ids)
        except OpenbookError as error:
            ui.notify(str(error), multi_line=True)
        self._shown.chosen -= set(document_ids)
        await self.refresh()
        self._focus(".ob-table-frame")

    async def _delete_chosen(self) -> None:
        await self._delete(sorted(self._shown.chosen))

    async def _synchronise(self) -> None:
        roots = list(await self._desk.background.run(self._desk.folders.sources))
        if not roots:
            ui.notify(
                "No folder was added yet. Drop files here, or run: openbook add FOLDER", multi_line=True
            )
            return
        self._submit_sync(roots)

    def _submit_sync(self, roots: list[Path], *, prune: bool = False) -> None:
        title = f"Sync {roots[0].name or roots[0]}" if len(roots) == 1 else f"Sync {len(roots)} folders"
        job = self._desk.jobs.submit("sync", title, roots, prune=prune)
        _SYNCED.setdefault(self._desk, {})[job.id] = roots

    def _pruning(self, job: Job) -> Callable[[], Awaitable[None]] | None:
        """What removes the documents that a sync refused to remove, where this page knows its folders."""
        roots = _SYNCED.get(self._desk, {}).get(job.id)
        if roots is None:
            return None

        async def again() -> None:
            if _SYNCED[self._desk].pop(job.id, None) is not None:  # not if another visitor was quicker
                self._submit_sync(roots, prune=True)

        return again

    def _refused(self, reason: str) -> None:
        ui.notify(reason, multi_line=True, timeout=0, close_button="Close")


def _sums(desk: Desk, wanted: FileFilter) -> dict[str, int]:
    """How many files there are of each group."""
    return {
        label: desk.library.files(replace(wanted, outcomes=kinds), limit=1)[1] for label, kinds in _GROUPS
    }


_GROUPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("All", ()),
    ("Documents", ("added", "updated", "moved", "unchanged")),
    ("Problems", _PROBLEMS),
)
