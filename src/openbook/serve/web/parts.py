"""The parts that all pages are made of: buttons, states, progress, chips. Their look is in `theme.css`.

Refused: Quasar's buttons and cards. Plain elements with classes of our own need
half the markup, and look like one hand made them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from nicegui import ui
from nicegui.element import Element

ButtonKind: TypeAlias = Literal["plain", "primary", "quiet", "danger"]
ChipKind: TypeAlias = Literal["plain", "good", "warn", "bad"]


def text(tag: str, content: str, classes: str = "") -> Element:
    """An element that holds plain text; nothing in it is ever read as HTML."""
    element = ui.element(tag).classes(classes)
    with element:
        plain(content)
    return element


def plain(content: str) -> ui.label:
    """A run of plain text inside whatever element is open."""
    return ui.label(content).style("display: contents")


def button(
    label: str,
    on_click: Callable[..., Any] | None = None,
    *,
    icon: str = "",
    kind: ButtonKind = "plain",
    small: bool = False,
    only_icon: bool = False,
) -> Element:
    """A button. With `only_icon` its label is for screen readers and the tooltip."""
    classes = ["ob-button"]
    if kind != "plain":
        classes.append(f"ob-button--{kind}")
    if small:
        classes.append("ob-button--small")
    if only_icon:
        classes.append("ob-button--icon")
    element = ui.element("button").classes(" ".join(classes))
    element.props["type"] = "button"
    if only_icon:
        element.props["aria-label"] = label
        element.props["title"] = label
    with element:
        if icon:
            ui.icon(icon).props("aria-hidden=true")
        if label and not only_icon:
            plain(label)
    if on_click is not None:
        element.on("click", on_click)
    return element


def chip(label: str, *, icon: str = "", kind: ChipKind = "plain") -> Element:
    """A small label with a meaning."""
    element = ui.element("span").classes("ob-chip" if kind == "plain" else f"ob-chip ob-chip--{kind}")
    with element:
        if icon:
            ui.icon(icon).props("aria-hidden=true")
        plain(label)
    return element


def state(icon: str, title: str, explanation: str, *, bad: bool = False) -> Element:
    """What a page shows where it has nothing to show, or failed. Buttons may be added inside it."""
    element = ui.element("section").classes("ob-state ob-state--bad" if bad else "ob-state")
    if bad:
        element.props["role"] = "alert"
    with element:
        ui.icon(icon).props("aria-hidden=true")
        text("h2", title, "ob-state__title")
        text("p", explanation, "ob-state__text")
    return element


def skeleton(lines: int = 3) -> Element:
    """Grey lines where text is about to come."""
    element = ui.element("div").classes("ob-stack")
    element.props["aria-hidden"] = "true"
    with element:
        for number in range(lines):
            ui.element("div").classes("ob-skeleton").style(f"width: {(92, 100, 64)[number % 3]}%")
    return element


class ProgressBar:
    """A bar that fills; `show(None)` says that nobody knows how far it is."""

    def __init__(self, label: str) -> None:
        self._frame = ui.element("div").classes("ob-progress ob-progress--unknown")
        self._frame.props["role"] = "progressbar"
        self._frame.props["aria-label"] = label
        with self._frame:
            self._bar = ui.element("div").classes("ob-progress__bar")

    def show(self, share: float | None) -> None:
        """Fill it to `share` (0 to 1)."""
        self._frame.classes(
            add="ob-progress--unknown" if share is None else "",
            remove="ob-progress--unknown" if share is not None else "",
        )
        if share is None:
            self._frame.props.pop("aria-valuenow", None)
            self._bar.style(replace="")
        else:
            percent = round(100 * min(1.0, max(0.0, share)))
            self._frame.props["aria-valuenow"] = str(percent)
            self._bar.style(f"width: {percent}%")
        self._frame.update()
