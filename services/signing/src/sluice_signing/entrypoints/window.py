"""The tool's window: the three areas of the guide's signature tool (R040-R049), in English and Chinese.

Plain Tk, which comes with Python: it needs neither network nor server. What takes long runs in a thread, so that the
window stays alive; one thing at a time. All rules are the library's.
"""

import queue
import threading
import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import filedialog, messagebox, ttk
from typing import TypeVar

from sluice_signing.adapters.key_files import read_key, write_key_pair
from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import DifferentPassphrasesError, SigningError
from sluice_signing.domain.keys import keygen, load_private_key, load_public_key
from sluice_signing.domain.passphrases import check_passphrase
from sluice_signing.domain.verification import VerifiedPackage
from sluice_signing.entrypoints.texts import Language, reason, text
from sluice_signing.library import sign, verify

_T = TypeVar("_T")
_POLL_MS = 50
_WIDTH = 58
_PADDING = 6


class MissingFieldError(Exception):
    """A field that is needed is empty; carries its label's key."""


class Window:
    """The window.

    Attributes:
        root: Its Tk application.
        fields: Variables of its entries, by the key of their labels.
        buttons: Its buttons, by the keys of their labels.
    """

    def __init__(self, root: tk.Tk, language: Language) -> None:
        """Build it.

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
        self._work: threading.Thread | None = None
        root.resizable(width=False, height=False)
        if root.tk.call("tk", "windowingsystem") == "x11":
            ttk.Style(root).theme_use("clam")  # the default there is from the 1980s
        self._switch = ttk.Button(root, command=self._change_language)
        self._switch.pack(anchor="e", padx=_PADDING, pady=(_PADDING, 0))
        self._generate_area()
        self._sign_area()
        self._verify_area()
        self._progress = ttk.Progressbar(root, mode="indeterminate")
        self._progress.pack(fill="x", padx=_PADDING, pady=_PADDING)
        self._label()

    def _generate_area(self) -> None:
        area = self._area("generate_area")
        algorithm = self._field("algorithm")
        algorithm.set(ALGORITHMS[0].name)
        names = [row.name for row in ALGORITHMS]
        choice = ttk.Combobox(area, textvariable=algorithm, values=names, state="readonly", width=_WIDTH)
        self._row(area, "algorithm", choice)
        self._entry_row(area, "new_passphrase", secret=True)
        self._entry_row(area, "repeat", secret=True)
        self._note(area, "hint")
        self._entry_row(area, "folder", button=("choose", filedialog.askdirectory))
        self._action(area, "generate", self._generate)

    def _sign_area(self) -> None:
        area = self._area("sign_area")
        self._entry_row(area, "private_key", button=("import", _ask_pem))
        self._entry_row(area, "passphrase", secret=True)
        self._entry_row(area, "package", button=("choose", _ask_zip))
        self._action(area, "open_key", self._open_key)
        self._action(area, "sign", self._sign, column=2)

    def _verify_area(self) -> None:
        area = self._area("verify_area")
        self._entry_row(area, "public_key", button=("import", _ask_pem))
        self._entry_row(area, "signed_package", button=("choose", _ask_zip))
        self._action(area, "verify", self._verify)

    # Building blocks.

    def _area(self, key: str) -> ttk.LabelFrame:
        area = ttk.LabelFrame(self.root, padding=_PADDING)
        area.pack(fill="x", padx=_PADDING, pady=_PADDING)
        self._labelled.append((area, key))
        self._rows[area] = 0
        return area

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

    def _entry_row(
        self,
        area: ttk.LabelFrame,
        key: str,
        *,
        secret: bool = False,
        button: tuple[str, Callable[[], str]] | None = None,
    ) -> None:
        variable = self._field(key)
        row = self._row(area, key, ttk.Entry(area, textvariable=variable, width=_WIDTH, show="•" if secret else ""))
        if button is not None:
            label, ask = button
            chooser = ttk.Button(area, command=lambda: variable.set(ask() or variable.get()))
            chooser.grid(row=row, column=2, sticky="e")
            self._labelled.append((chooser, label))

    def _note(self, area: ttk.LabelFrame, key: str) -> None:
        note = ttk.Label(area, wraplength=460)
        note.grid(row=self._rows[area], column=1, sticky="w", padx=_PADDING)
        self._rows[area] += 1
        self._labelled.append((note, key))

    def _action(self, area: ttk.LabelFrame, key: str, command: Callable[[], None], column: int = 1) -> None:
        button = ttk.Button(area, command=lambda: self._guarded(command))
        button.grid(row=self._rows[area], column=column, sticky="w" if column == 1 else "e", padx=_PADDING)
        self.buttons[key] = button
        self._labelled.append((button, key))

    # Language.

    def _label(self) -> None:
        self.root.title(self._text("title"))
        self._switch.configure(text="English" if self.language == "zh" else "中文")
        for widget, key in self._labelled:
            widget.configure(text=self._text(key))  # type: ignore[call-arg] # every one of them has a text

    def _change_language(self) -> None:
        self.language = "en" if self.language == "zh" else "zh"
        self._label()

    def _text(self, key: str, **parameters: object) -> str:
        return text(key, self.language, **parameters)

    # What its buttons do.

    def _generate(self) -> None:
        algorithm, passphrase = self._need("algorithm"), self._need("new_passphrase")
        check_passphrase(passphrase)
        if self.fields["repeat"].get() != passphrase:
            raise DifferentPassphrasesError
        folder = Path(self.fields["folder"].get() or filedialog.askdirectory() or self._need("folder"))
        self._run(
            lambda: write_key_pair(keygen(algorithm, passphrase), folder),
            lambda paths: self._tell("generated", "\n".join(map(str, paths))),
        )

    def _open_key(self) -> None:
        path, passphrase = Path(self._need("private_key")), self._need("passphrase")
        self._run(
            lambda: load_private_key(read_key(path, "private"), passphrase).public,
            lambda key: self._tell("key_opened", f"{key.algorithm.name}\n{key.key_id}"),
        )

    def _sign(self) -> None:
        key, passphrase = Path(self._need("private_key")), self._need("passphrase")
        package = Path(self._need("package"))
        self._run(
            lambda: sign(package, read_key(key, "private"), passphrase),
            lambda signed: self._tell("signed", str(signed)),
        )

    def _verify(self) -> None:
        key, package = Path(self._need("public_key")), Path(self._need("signed_package"))
        self._run(
            lambda: verify(package, [load_public_key(read_key(key, "public"))]), self._verified, failed="not_verified"
        )

    def _verified(self, package: VerifiedPackage) -> None:
        shown = {name: getattr(package, name) for name in ("image_name", "image_size", "image_sha256")}
        detail = self._text("verified_detail", **shown, algorithm=package.algorithm, key_id=package.key_id)
        self._tell("verified", detail)

    def _need(self, key: str) -> str:
        value = self.fields[key].get()
        if not value:
            raise MissingFieldError(key)
        return value

    # Running and telling.

    def _guarded(self, command: Callable[[], None]) -> None:
        try:
            command()
        except MissingFieldError as error:
            self._complain("failed", self._text("missing", field=self._text(str(error))))
        except SigningError as error:
            self._complain("failed", reason(error, self.language))

    def _run(self, work: Callable[[], _T], then: Callable[[_T], None], failed: str = "failed") -> None:
        """Do work in a thread, then tell what came of it; the buttons rest meanwhile."""
        results: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

        def do() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - whatever happened is told, and the buttons come back
                problem = error
                results.put(lambda: self._complain(failed, self._problem(problem)))
            else:
                results.put(lambda: then(result))

        self._rest(resting=True)
        self._work = threading.Thread(target=do, daemon=True)
        self._work.start()
        self._poll(results)

    def finish(self) -> None:
        """Wait for work in progress, so that closing the window leaves no half-written file."""
        if self._work is not None:
            self._work.join()

    def _problem(self, error: Exception) -> str:
        if isinstance(error, SigningError):
            return reason(error, self.language)
        if isinstance(error, OSError):
            return f"{error.filename or ''}: {error.strerror or error}"
        return self._text("unexpected", detail=f"{type(error).__name__}: {error}")

    def _poll(self, results: "queue.SimpleQueue[Callable[[], None]]") -> None:
        try:
            tell = results.get_nowait()
        except queue.Empty:
            self.root.after(_POLL_MS, self._poll, results)
            return
        self._rest(resting=False)
        tell()

    def _rest(self, *, resting: bool) -> None:
        for button in self.buttons.values():
            button.state(["disabled" if resting else "!disabled"])
        if resting:
            self._progress.start()
        else:
            self._progress.stop()

    def _tell(self, key: str, detail: str) -> None:
        messagebox.showinfo(self._text("title"), self._text(key), detail=detail, parent=self.root)

    def _complain(self, key: str, detail: str) -> None:
        messagebox.showerror(self._text("title"), self._text(key), detail=detail, parent=self.root)


def _ask_pem() -> str:
    return filedialog.askopenfilename(filetypes=[("PEM", "*.pem"), ("*", "*")])


def _ask_zip() -> str:
    return filedialog.askopenfilename(filetypes=[("ZIP", "*.zip")])


def open_window(language: Language) -> None:
    """Show the window until it is closed.

    Raises:
        tk.TclError: There is no display.
    """
    root = tk.Tk(className="sluice-sign")
    window = Window(root, language)
    root.mainloop()
    window.finish()
