"""The window's widgets: areas with rows of fields, notes and buttons, labelled in one of two languages."""

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from sluice_signing.entrypoints.window.texts import Language, text

_WIDTH = 58
_PADDING = 6


class Form:
    """Widgets and their labels.

    Attributes:
        root: Its Tk application.
        language: The language of its labels.
        fields: Variables of its entries, by the key of their labels.
        buttons: Its buttons, by the keys of their labels.
    """

    def __init__(self, root: tk.Tk, language: Language) -> None:
        """Begin an empty form.

        Args:
            root: An empty application.
            language: The language to begin with; a button changes it.
        """
        self.root = root
        self.language = language
        self.fields: dict[str, tk.StringVar] = {}
        self.buttons: dict[str, ttk.Button] = {}
        self._labelled: list[tuple[ttk.Widget, str]] = []
        self._rows: dict[ttk.Widget, int] = {}
        root.resizable(width=False, height=False)
        if root.tk.call("tk", "windowingsystem") == "x11":
            ttk.Style(root).theme_use("clam")  # the default there is from the 1980s
        self.switch = ttk.Button(root, command=self._change_language)
        self.switch.pack(anchor="e", padx=_PADDING, pady=(_PADDING, 0))

    def area(self, key: str) -> ttk.LabelFrame:
        """Add an area."""
        area = ttk.LabelFrame(self.root, padding=_PADDING)
        area.pack(fill="x", padx=_PADDING, pady=_PADDING)
        self._labelled.append((area, key))
        self._rows[area] = 0
        return area

    def choice(self, area: ttk.LabelFrame, key: str, values: Sequence[str]) -> None:
        """Add a row with a choice; the first value is chosen."""
        variable = self._field(key)
        variable.set(values[0])
        box = ttk.Combobox(area, textvariable=variable, values=list(values), state="readonly", width=_WIDTH)
        self._row(area, key, box)

    def entry(
        self,
        area: ttk.LabelFrame,
        key: str,
        *,
        secret: bool = False,
        button: tuple[str, Callable[[], str]] | None = None,
    ) -> None:
        """Add a row with an entry.

        Args:
            area: Where to.
            key: Key of its label.
            secret: Whether what is typed stays hidden.
            button: Label and function of a button that asks for the entry's value.
        """
        variable = self._field(key)
        row = self._row(area, key, ttk.Entry(area, textvariable=variable, width=_WIDTH, show="•" if secret else ""))
        if button is not None:
            label, ask = button
            chooser = ttk.Button(area, command=lambda: variable.set(ask() or variable.get()))
            chooser.grid(row=row, column=2, sticky="e")
            self._labelled.append((chooser, label))

    def note(self, area: ttk.LabelFrame, key: str) -> None:
        """Add a text."""
        note = ttk.Label(area, wraplength=460)
        note.grid(row=self._rows[area], column=1, sticky="w", padx=_PADDING)
        self._rows[area] += 1
        self._labelled.append((note, key))

    def button(self, area: ttk.LabelFrame, key: str, command: Callable[[], None], column: int = 1) -> None:
        """Add a button that does something."""
        button = ttk.Button(area, command=command)
        button.grid(row=self._rows[area], column=column, sticky="w" if column == 1 else "e", padx=_PADDING)
        self.buttons[key] = button
        self._labelled.append((button, key))

    def progressbar(self) -> ttk.Progressbar:
        """Add a bar that shows that work is in progress, and label the form, which is complete with it."""
        bar = ttk.Progressbar(self.root, mode="indeterminate")
        bar.pack(fill="x", padx=_PADDING, pady=_PADDING)
        self._label()
        return bar

    def text(self, key: str, **parameters: object) -> str:
        """Return a text in the form's language."""
        return text(key, self.language, **parameters)

    def _field(self, key: str) -> tk.StringVar:
        return self.fields.setdefault(key, tk.StringVar(self.root))

    def _row(self, area: ttk.LabelFrame, key: str, widget: ttk.Widget) -> int:
        row = self._rows[area]
        self._rows[area] += 1
        label = ttk.Label(area, width=24)
        label.grid(row=row, column=0, sticky="w", pady=2)
        widget.grid(row=row, column=1, sticky="we", padx=_PADDING, pady=2)
        self._labelled.append((label, key))
        return row

    def _label(self) -> None:
        self.root.title(self.text("title"))
        self.switch.configure(text="English" if self.language == "zh" else "中文")
        for widget, key in self._labelled:
            widget.configure(text=self.text(key))  # type: ignore[call-arg] # every one of them has a text

    def _change_language(self) -> None:
        self.language = "en" if self.language == "zh" else "zh"
        self._label()
