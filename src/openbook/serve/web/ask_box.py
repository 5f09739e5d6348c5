"""The box at the foot of the page *Ask*: the question, which documents it is for, and how it is answered.

The text lives in the browser until it is sent. Enter sends, Shift+Enter breaks
the line; while an answer is written the same button stops it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from nicegui import ui

from openbook.serve.desk import Desk
from openbook.serve.web.document_choice import DocumentChoice
from openbook.serve.web.parts import button, plain, text
from openbook.wording import one_line

LONGEST_QUESTION: Final = 4_000
"""Characters of a question; a language model would take more, a person would not type them."""


class AskBox:
    """The box, and what is chosen in it. Made inside the element that it is to stand in."""

    def __init__(
        self,
        desk: Desk,
        *,
        ask: Callable[[str], Awaitable[None]],
        stop: Callable[[], None],
        documents: Iterable[int] = (),
    ) -> None:
        self._desk = desk
        self._model = desk.library.settings.model
        self._ask = ask
        self._stop = stop
        self.with_model = self._model not in ("", "none")
        self.strict = False
        self._choice = DocumentChoice(desk, documents, changed=self._documents_changed)
        form = ui.element("form").classes("ob-composer").props("aria-label=Ask")
        with form, ui.element("div").classes("ob-composer__box"):
            self._chosen = ui.element("div").classes("ob-composer__chosen")
            self._field()
            with ui.element("div").classes("ob-composer__row"):
                self._tools()
        form.on("submit.prevent", js_handler="() => {}")
        self._documents_changed()

    @property
    def documents(self) -> Sequence[int]:
        """The ids of the documents that the question is for; none means all."""
        return self._choice.chosen

    @property
    def where(self) -> list[str]:
        """The same as a condition of a search."""
        return [f"document={','.join(map(str, self.documents))}"] if self.documents else []

    def options(self) -> dict[str, Any]:
        """What is wished of the answer, as `Library.ask_stream` takes it."""
        if self._model in ("", "none"):
            return {"where": self.where}
        return {
            "where": self.where,
            "model": self._model if self.with_model else "none",
            "strict": self.strict,
        }

    def busy(self, busy: bool) -> None:
        """Offer to stop instead of to send."""
        self._send.set_visibility(not busy)
        self._halt.set_visibility(busy)

    def fill(self, question: str) -> None:
        """Put a question into the box without asking it."""
        self._input.props["value"] = question
        self._input.update()

    # -- inside ----------------------------------------------------------------

    def _field(self) -> None:
        field = ui.element("textarea").classes("ob-composer__field")
        field.props.update(
            {
                "rows": "1",
                "autofocus": True,
                "maxlength": str(LONGEST_QUESTION),
                "aria-label": "Your question",
            }
        )
        field.props.update(
            {"placeholder": "Ask your documents …", "autocomplete": "off", "enterkeyhint": "send"}
        )

        async def asked(event: Any) -> None:
            question = str(event.args).strip()
            if question:
                await self._ask(question)

        field.on("keydown", asked, js_handler="(event) => openbookAsk.typed(event, emit)")
        field.on("input", js_handler="(event) => openbookAsk.grow(event.target)")
        field.on("send", asked, js_handler="(event) => emit(event.detail)")
        self._input = field

    def _tools(self) -> None:
        self._choice.button()
        if self._model not in ("", "none"):
            self._toggle(_short(self._model), "o_edit_note", self._set_model, on=True, before="Written by ")
            self._toggle(
                "Strict",
                "o_verified",
                self._set_strict,
                on=False,
                title="Leave out what the documents do not say",
            )
        ui.element("div").classes("ob-composer__space")
        text("span", "Enter sends", "ob-composer__hint ob-small ob-muted").props("aria-hidden=true")
        self._send = button("Ask", icon="o_arrow_upward", kind="primary", only_icon=True).classes(
            "ob-composer__send"
        )
        self._send.on("click", js_handler="() => openbookAsk.send()")
        self._halt = button("Stop", self._stop, icon="o_stop", only_icon=True).classes(
            "ob-composer__send ob-composer__stop"
        )
        self._halt.set_visibility(False)

    def _toggle(
        self,
        label: str,
        icon: str,
        changed: Callable[[bool], None],
        *,
        on: bool,
        before: str = "",
        title: str = "",
    ) -> None:
        """A button that is on or off. `before` is a part of its name that a phone has no room to show."""
        toggle = button("", icon=icon, small=True).classes("ob-toggle")
        toggle.props["aria-pressed"] = "true" if on else "false"
        if title:
            toggle.props["title"] = title
        with toggle:
            if before:
                toggle.props["aria-label"] = f"{before}{label}"
                text("span", before, "ob-toggle__more")
            text("span", label, "ob-toggle__name")

        def turned() -> None:
            now = toggle.props["aria-pressed"] != "true"
            toggle.props["aria-pressed"] = "true" if now else "false"
            toggle.update()
            changed(now)

        toggle.on("click", turned)

    def _set_model(self, on: bool) -> None:
        self.with_model = on

    def _set_strict(self, on: bool) -> None:
        self.strict = on

    def _documents_changed(self) -> None:
        self._chosen.clear()
        self._chosen.set_visibility(bool(self.documents))
        with self._chosen:
            if self.documents:
                text("span", "Only in", "ob-small ob-muted")
            for number, path in self._choice.names():
                with ui.element("span").classes("ob-chip ob-composer__document"):
                    plain(one_line(path))
                    button(
                        f"Ask beyond {one_line(path)}",
                        self._dropping(number),
                        icon="o_close",
                        kind="quiet",
                        small=True,
                        only_icon=True,
                    )

    def _dropping(self, number: int) -> Callable[[], None]:
        return lambda: self._choice.drop(number)


def _short(model: str) -> str:
    """A model's name without its provider."""
    return one_line(model.partition(":")[2] or model)
