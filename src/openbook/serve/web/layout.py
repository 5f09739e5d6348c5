"""The frame around every page: navigation, the library that is shown, the theme, and running jobs.

A page opens `frame(...)` and puts its content into it. The theme is kept in a
cookie, so that a page arrives in the right one and does not flash.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from openbook.serve.desk import Desk, Shelf
from openbook.serve.web.parts import ProgressBar, button, plain, text

PageName: TypeAlias = Literal["ask", "search", "documents", "map", "status"]

STATIC: Final = Path(__file__).parent / "static"
STATIC_PATH: Final = "/static"
THEME_COOKIE: Final = "openbook-theme"

_PAGES: Final[tuple[tuple[PageName, str, str, str], ...]] = (
    ("ask", "/", "Ask", "o_forum"),
    ("search", "/search", "Search", "search"),
    ("documents", "/documents", "Documents", "o_description"),
    ("map", "/map", "Map", "o_bubble_chart"),
    ("status", "/status", "Status", "o_monitor_heart"),
)

_LOGO: Final = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" '
    'stroke-linejoin="round" aria-hidden="true">'
    '<path d="M12 6.5C10 4.8 7 4.2 3 4.5v14c4-.3 7 .3 9 2 2-1.7 5-2.3 9-2v-14c-4-.3-7 .3-9 2Z"/>'
    '<path d="M12 6.5v14M6 9.2c1.3 0 2.3.2 3.2.6M15 13.2l1.4 1.4 2.7-3"/></svg>'
)

_ANNOUNCED: Final = "document.getElementById('popup')?.setAttribute('role', 'alert')"
"""Has NiceGUI's word that the connection is lost read out to those who do not see it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page works with: its desk, the part of the sidebar that it may fill, and the theme."""

    desk: Desk
    more: Element
    dark: ui.dark_mode

    def link(self, path: str, **query: str | int) -> str:
        """A path of this site that stays with the same library."""
        return link(self.desk, path, **query)


def link(desk: Desk, path: str, **query: str | int) -> str:
    """A path of this site with its query, and the library named where it is not the first."""
    named = {"library": desk.name} if desk.named else {}
    asked = urlencode({**query, **named})
    return f"{path}?{asked}" if asked else path


def stylesheet(name: str) -> None:
    """Have the page load a stylesheet of `static/`; its address changes when the file does."""
    version = blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    ui.add_head_html(f'<link rel="stylesheet" href="{STATIC_PATH}/{name}?v={version}">')


def script(name: str) -> None:
    """Have the page load a script of `static/` before it is drawn; its address changes when the file does."""
    version = blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    ui.add_head_html(f'<script src="{STATIC_PATH}/{name}?v={version}"></script>')


@contextmanager
def frame(
    shelf: Shelf, request: Request, active: PageName | None, *, title: str = "", desk: Desk | None = None
) -> Iterator[Frame]:
    """Draw the frame of a page; what is made inside it is the page's content.

    The library is `desk`, or the one that the address names, or the first.
    Raises UsageError for a name that is not there.
    """
    desk = desk or shelf.desk(request.query_params.get("library"))
    label = next((label for name, _, label, _ in _PAGES if name == active), "")
    ui.page_title(f"{title or label} · {desk.name}")
    stylesheet("theme.css")
    theme = request.cookies.get(THEME_COOKIE, "auto")
    dark = ui.dark_mode({"dark": True, "light": False}.get(theme))
    client = ui.context.client
    client.on_connect(lambda: client.run_javascript(_ANNOUNCED))
    app = ui.element("div").classes("ob-app")
    with app:
        skip = text("a", "Skip to the content", "ob-skip")
        skip.props["href"] = "#content"
        more = _sidebar(shelf, desk, active, dark)
        main = ui.element("div").classes("ob-main")  # NiceGUI's own `main` is around all
        main.props["id"] = "content"
        main.props["tabindex"] = "-1"
    with main:
        yield Frame(desk, more, dark)


def _sidebar(shelf: Shelf, desk: Desk, active: PageName | None, dark: ui.dark_mode) -> Element:
    with ui.element("aside").classes("ob-sidebar"):
        brand = ui.element("a").classes("ob-brand")
        brand.props["href"] = link(desk, "/")
        with brand:
            ui.html(_LOGO, sanitize=False).style("display: contents")
            text("span", "openbook", "ob-brand__name")
        navigation = ui.element("nav").classes("ob-nav")
        navigation.props["aria-label"] = "Pages"
        with navigation:
            for name, path, label, icon in _PAGES:
                entry = ui.element("a").classes("ob-nav__link")
                entry.props["href"] = link(desk, path)
                if name == active:
                    entry.props["aria-current"] = "page"
                with entry:
                    ui.icon(icon).props("aria-hidden=true")
                    plain(label)
        more = ui.element("div").classes("ob-sidebar__more")
        with ui.element("div").classes("ob-sidebar__foot"):
            _running_job(desk)
            library_choice(shelf, desk)
            theme_choice(dark)
    return more


def _running_job(desk: Desk) -> None:
    """The job that runs, wherever in the site somebody is."""
    card = ui.element("div").classes("ob-stack ob-small").style("padding: 0 10px; gap: 6px")
    with card:
        title = ui.label().classes("ob-muted")
        bar = ProgressBar("Progress of the running job")

    def refresh() -> None:
        job = next((job for job in desk.jobs.jobs() if job.state == "running"), None)
        card.set_visibility(job is not None)
        if job is not None:
            progress = job.progress
            counted = f" · {progress.done:,} of {progress.total:,}" if progress and progress.total else ""
            title.set_text(f"{job.title}{counted}")
            bar.show(progress.done / progress.total if progress and progress.total else None)

    refresh()
    ui.timer(1.0, refresh)


def library_choice(shelf: Shelf, desk: Desk) -> None:
    """Links to the other libraries of this server, if there are any."""
    desks = list(shelf)
    if len(desks) < 2:
        text("div", desk.name, "ob-small ob-muted").style("padding: 0 10px; overflow-wrap: anywhere")
        return
    with ui.element("nav").props('aria-label="Libraries"').classes("ob-nav"):
        for other in desks:
            entry = ui.element("a").classes("ob-nav__link ob-small").style("min-height: 32px")
            entry.props["href"] = link(other, "/")
            if other is desk:
                entry.props["aria-current"] = "true"
            with entry:
                ui.icon("o_menu_book").props("aria-hidden=true")
                plain(other.name)


def theme_choice(dark: ui.dark_mode) -> None:
    """A button that goes from the device's theme to the dark one, the light one and back."""

    def turn() -> None:
        following: dict[bool | None, bool | None] = {None: True, True: False, False: None}
        dark.set_value(following[dark.value])
        label, _ = _theme_label(dark.value)
        ui.run_javascript(
            f'document.cookie = "{THEME_COOKIE}={label}; path=/; max-age=31536000; SameSite=Strict"'
        )
        show()

    def show() -> None:
        label, icon = _theme_label(dark.value)
        shown.set_name(icon)
        name.set_text(f"Theme: {label}")

    with ui.element("div"), button("", turn, kind="quiet", small=True):  # stays, and so does the focus
        shown = ui.icon("").props("aria-hidden=true")
        name = plain("")
    show()


def _theme_label(value: bool | None) -> tuple[str, str]:
    labels: dict[bool | None, tuple[str, str]] = {
        None: ("auto", "o_brightness_auto"),
        True: ("dark", "o_dark_mode"),
        False: ("light", "o_light_mode"),
    }
    return labels[value]
