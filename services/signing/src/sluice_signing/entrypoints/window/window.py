"""The tool's window: the three areas of the guide's signature tool (R040-R049), in English and Chinese.

Plain Tk, which comes with Python: it needs neither network nor server. All rules are the library's.
"""

import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import filedialog, messagebox
from typing import TypeVar

from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import DifferentPassphrasesError, SigningError
from sluice_signing.domain.keys import keygen, load_private_key, load_public_key
from sluice_signing.domain.passphrases import check_passphrase
from sluice_signing.domain.release import Release, parse_sequence
from sluice_signing.domain.verification import VerifiedPackage
from sluice_signing.entrypoints.window.background import Background
from sluice_signing.entrypoints.window.form import Form
from sluice_signing.entrypoints.window.texts import Language, reason
from sluice_signing.library import read_key, sign, verify, write_key_pair

_T = TypeVar("_T")
_MANIFESTS = ("v2", "v1")


class MissingFieldError(Exception):
    """A field that is needed is empty; carries its label's key."""


class Window:
    """The window.

    Attributes:
        form: Its widgets.
    """

    def __init__(self, root: tk.Tk, language: Language) -> None:
        """Build it.

        Args:
            root: An empty application.
            language: The language to begin with; a button changes it.
        """
        self.form = Form(root, language)
        self._background = Background(root, self._show_busy)
        self._generate_area()
        self._sign_area()
        self._verify_area()
        self._progress = self.form.progressbar()

    def finish(self) -> None:
        """Wait for work in progress, so that closing the window leaves no half-written file."""
        self._background.finish()

    # Its areas.

    def _generate_area(self) -> None:
        area = self.form.area("generate_area")
        self.form.choice(area, "algorithm", [row.name for row in ALGORITHMS])
        self.form.entry(area, "new_passphrase", secret=True)
        self.form.entry(area, "repeat", secret=True)
        self.form.note(area, "hint")
        self.form.entry(area, "folder", button=("choose", filedialog.askdirectory))
        self.form.button(area, "generate", lambda: self.press(self._generate))

    def _sign_area(self) -> None:
        area = self.form.area("sign_area")
        self.form.entry(area, "private_key", button=("import", _ask_pem))
        self.form.entry(area, "passphrase", secret=True)
        self.form.entry(area, "package", button=("choose", _ask_zip))
        self.form.choice(area, "manifest", _MANIFESTS)
        for field in ("manufacturer", "models", "version", "sequence"):
            self.form.entry(area, field)
        self.form.button(area, "open_key", lambda: self.press(self._open_key))
        self.form.button(area, "sign", lambda: self.press(self._sign), column=2)

    def _verify_area(self) -> None:
        area = self.form.area("verify_area")
        self.form.entry(area, "public_key", button=("import", _ask_pem))
        self.form.entry(area, "signed_package", button=("choose", _ask_zip))
        self.form.button(area, "verify", lambda: self.press(self._verify))

    # What its buttons do.

    def _generate(self) -> None:
        algorithm, passphrase = self._need("algorithm"), self._need("new_passphrase")
        check_passphrase(passphrase)
        if self.form.fields["repeat"].get() != passphrase:
            raise DifferentPassphrasesError
        folder = Path(self.form.fields["folder"].get() or filedialog.askdirectory() or self._need("folder"))
        self._run(
            lambda: write_key_pair(keygen(algorithm, passphrase), folder),
            lambda paths: self._inform("generated", "\n".join(map(str, paths))),
        )

    def _open_key(self) -> None:
        path, passphrase = Path(self._need("private_key")), self._need("passphrase")
        self._run(
            lambda: load_private_key(read_key(path, "private"), passphrase).public,
            lambda key: self._inform("key_opened", f"{key.algorithm.name}\n{key.key_id}"),
        )

    def _sign(self) -> None:
        key, passphrase = Path(self._need("private_key")), self._need("passphrase")
        package, release = Path(self._need("package")), self._release()
        self._run(
            lambda: sign(package, read_key(key, "private"), passphrase, release=release),
            lambda signed: self._inform("signed", str(signed)),
        )

    def _release(self) -> Release | None:
        """Return what the package is; None for the first form of the manifest, which does not say it."""
        if self.form.fields["manifest"].get() != _MANIFESTS[0]:
            return None
        sequence = self.form.fields["sequence"].get().strip()
        return Release(
            manufacturer=self._need("manufacturer"),
            models=tuple(model.strip() for model in self._need("models").split(";")),
            version=self._need("version"),
            sequence=parse_sequence(sequence) if sequence else None,
        )

    def _verify(self) -> None:
        key, package = Path(self._need("public_key")), Path(self._need("signed_package"))
        self._run(
            lambda: verify(package, [load_public_key(read_key(key, "public"))]),
            self._inform_verified,
            failed="not_verified",
        )

    def _need(self, key: str) -> str:
        value = self.form.fields[key].get()
        if not value:
            raise MissingFieldError(key)
        return value

    # Running and showing.

    def press(self, command: Callable[[], None]) -> None:
        """Do what a button does; show why if it cannot be done."""
        try:
            command()
        except MissingFieldError as error:
            self._complain("failed", self.form.text("missing", field=self.form.text(str(error))))
        except SigningError as error:
            self._complain("failed", reason(error, self.form.language))

    def _run(self, work: Callable[[], _T], then: Callable[[_T], None], failed: str = "failed") -> None:
        self._background.run(work, then, lambda error: self._complain(failed, self._problem(error)))

    def _problem(self, error: Exception) -> str:
        if isinstance(error, SigningError):
            return reason(error, self.form.language)
        if isinstance(error, OSError):
            return f"{error.filename or ''}: {error.strerror or error}"
        return self.form.text("unexpected", detail=f"{type(error).__name__}: {error}")

    def _show_busy(self, busy: bool) -> None:
        for button in self.form.buttons.values():
            button.state(["disabled" if busy else "!disabled"])
        if busy:
            self._progress.start()
        else:
            self._progress.stop()

    def _inform_verified(self, package: VerifiedPackage) -> None:
        detail = self.form.text(
            "verified_detail",
            image_name=package.image_name,
            image_size=package.image_size,
            image_sha256=package.image_sha256,
            algorithm=package.algorithm,
            key_id=package.key_id,
        )
        if (release := package.release) is not None:
            models = "; ".join(release.models)
            detail += self.form.text(
                "release_detail", maker=release.manufacturer, models=models, version=release.version
            )
        self._inform("verified", detail)

    def _inform(self, key: str, detail: str) -> None:
        messagebox.showinfo(self.form.text("title"), self.form.text(key), detail=detail, parent=self.form.root)

    def _complain(self, key: str, detail: str) -> None:
        messagebox.showerror(self.form.text("title"), self.form.text(key), detail=detail, parent=self.form.root)


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
