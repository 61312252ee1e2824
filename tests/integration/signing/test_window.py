"""The window, driven on a real X server (Xvfb), with every pop-up that a user sees.

``SLUICE_SCREENSHOTS=docs/images`` writes the pictures that the documentation shows.
"""

import gc
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes import start_process

from sluice_signing.entrypoints.window.texts import Language

tk = pytest.importorskip("tkinter", reason="this Python comes without Tk")
window_module = pytest.importorskip("sluice_signing.entrypoints.window.window", reason="this Python comes without Tk")

pytestmark = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed (Debian: apt install xvfb)")

DEADLINE = 30.0
PASSPHRASE = "abc123"
IMAGE = bytes(range(256)) * 40
SCREEN = (960, 760)
DIALOG = ".__tk__messagebox"


class Screen:
    """An X server of its own, without a screen."""

    def __init__(self, folder: Path) -> None:
        read, write = os.pipe()
        width, height = SCREEN
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-fbdir", str(folder)]
        self.process = start_process([*command, "-nolisten", "tcp"], pass_fds=(write,), stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.display = f":{pipe.readline().strip()}"
        self._memory = folder / "Xvfb_screen0"

    def pixels(self) -> bytes:
        """Return what is shown, as rows of red, green and blue."""
        raw = self._memory.read_bytes()
        header = struct.unpack(">25L", raw[:100])  # XWDFile.h
        width, height, row_bytes, colors = header[4], header[5], header[12], header[19]
        start = header[0] + 12 * colors
        rows = bytearray()
        for y in range(height):
            row = raw[start + y * row_bytes : start + y * row_bytes + 4 * width]
            rgb = bytearray(3 * width)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows += rgb
        return bytes(rows)

    def save(self, path: Path) -> None:
        """Write what is shown as PNG."""
        width, height = SCREEN
        pixels = self.pixels()
        rows = b"".join(b"\0" + pixels[y * 3 * width : (y + 1) * 3 * width] for y in range(height))

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

        header = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
        )


class User:
    """Somebody in front of the window who reads every pop-up and closes it."""

    def __init__(self, screen: Screen, language: Language) -> None:
        self.screen = screen
        self.root = tk.Tk(screenName=screen.display, className="sluice-sign")
        self.window = window_module.Window(self.root, language)
        self.popups: list[tuple[str, str]] = []
        self.picture: Path | None = None
        self._seen = 0
        self._watch()

    def _watch(self) -> None:
        self._seen += 1
        if not int(self.root.tk.call("winfo", "exists", DIALOG)):
            self._seen = 0
        if self._seen > 3 and int(self.root.tk.call("winfo", "viewable", DIALOG)):
            if self.picture is not None:
                self.screen.save(self.picture)
                self.picture = None
            message = str(self.root.tk.call(f"{DIALOG}.msg", "cget", "-text"))
            detail = str(self.root.tk.call(f"{DIALOG}.dtl", "cget", "-text"))
            self.popups.append((message, detail))
            self.root.tk.call(f"{DIALOG}.ok", "invoke")
        self.root.after(50, self._watch)

    def wait(self, reached: Callable[[], bool]) -> None:
        """Let the window live until something is reached."""
        deadline = time.monotonic() + DEADLINE
        while not reached():
            assert time.monotonic() < deadline
            self.root.update()
            time.sleep(0.01)

    def fill(self, **fields: str | Path) -> None:
        """Type into fields."""
        for name, value in fields.items():
            self.window.form.fields[name].set(str(value))

    def press(self, button: str) -> tuple[str, str]:
        """Press a button with the mouse and return what pops up."""
        before = len(self.popups)
        widget = self.window.form.buttons[button]
        self.wait(lambda: bool(widget.winfo_viewable()))
        for event in ("<Enter>", "<ButtonPress-1>", "<ButtonRelease-1>"):
            widget.event_generate(event, x=5, y=5)
        self.wait(lambda: len(self.popups) > before)
        return self.popups[-1]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    screen = Screen(tmp_path_factory.mktemp("screen"))
    yield screen
    screen.process.terminate()
    screen.process.wait(DEADLINE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SCREENSHOTS", str(Path(os.environ.get("SLUICE_SCREENSHOTS") or tmp_path).resolve()))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Language:
    return "zh" if request.param == "zh" else "en"


@pytest.fixture
def user(screen: Screen, language: Language) -> Iterator[User]:
    user = User(screen, language)
    yield user
    user.root.destroy()
    del user
    gc.collect()  # what is left of a window may not be collected in another thread than the one that made it


@pytest.fixture
def package() -> Path:
    path = Path("固件包") / "应用 v1.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", IMAGE)
    return path


@pytest.fixture
def keys(user: User) -> Path:
    """Make a key pair with the first area."""
    folder = Path("密钥")
    user.fill(new_passphrase=PASSPHRASE, repeat=PASSPHRASE, folder=folder)
    _, detail = user.press("generate")
    assert detail.splitlines() == [str(folder / "private.pem"), str(folder / "public.pem")]
    return folder


SUCCESS = {"en": "The signature is valid.", "zh": "验证签名成功!"}
FAILURE = {"en": "Verification failed!", "zh": "验签异常!"}


@pytest.mark.requirement("R040", "R041", "R042", "R043", "R045", "R046", "R047", "R048")
def test_a_package_goes_through_the_three_areas(user: User, keys: Path, package: Path, language: Language) -> None:
    assert (keys / "private.pem").stat().st_mode & 0o777 == 0o600
    user.fill(private_key=keys / "private.pem", passphrase=PASSPHRASE, package=package)
    user.fill(manufacturer="Acme", models="WM-1; WM-2", version="2.0.1", sequence="7")
    assert user.press("open_key")[1].startswith("ECDSA_256K1+SHA256\n")
    signed = package.with_name("应用 v1_signed.zip")
    assert user.press("sign")[1] == str(signed)
    assert package.exists()
    user.fill(public_key=keys / "public.pem", signed_package=signed)
    user.picture = Path(os.environ["SLUICE_SCREENSHOTS"]) / f"signature-tool-{language}.png"
    message, detail = user.press("verify")
    assert message == SUCCESS[language]
    assert "app.bin" in detail
    assert str(len(IMAGE)) in detail
    assert "WM-1; WM-2" in detail


def test_the_first_form_of_the_manifest_is_there_for_who_chooses_it(user: User, keys: Path, package: Path) -> None:
    user.fill(private_key=keys / "private.pem", passphrase=PASSPHRASE, package=package, manifest="v1")
    assert user.press("sign")[1].endswith("_signed.zip")


def test_what_is_signed_of_a_package_must_be_said(user: User, keys: Path, package: Path, language: Language) -> None:
    user.fill(private_key=keys / "private.pem", passphrase=PASSPHRASE, package=package, manufacturer="Acme")
    assert user.press("sign")[1].endswith({"en": "Models (a; b)", "zh": "设备型号（a; b）"}[language])
    user.fill(models="WM-1", version="2.0.1", sequence="x")
    assert user.press("sign")[1].endswith("[bad_release]")


@pytest.mark.requirement("R047")
def test_a_package_that_was_changed_fails_to_verify(user: User, keys: Path, package: Path, language: Language) -> None:
    user.fill(public_key=keys / "public.pem", signed_package=package)
    message, detail = user.press("verify")
    assert message == FAILURE[language]
    assert detail.endswith("[unsigned]")


@pytest.mark.requirement("R049")
def test_a_wrong_passphrase_is_shown_when_the_key_is_imported(user: User, keys: Path) -> None:
    user.fill(private_key=keys / "private.pem", passphrase="abc124")
    assert user.press("open_key")[1].endswith("[wrong_passphrase]")


@pytest.mark.requirement("R041")
def test_a_weak_passphrase_makes_no_key(user: User, tmp_path: Path) -> None:
    user.fill(new_passphrase="abcdef", repeat="abcdef", folder=tmp_path / "keys")
    assert user.press("generate")[1].endswith("[weak_passphrase]")
    user.fill(new_passphrase=PASSPHRASE, repeat="abc124")
    assert user.press("generate")[1].endswith("[different_passphrases]")
    assert not (tmp_path / "keys").exists()


@pytest.mark.requirement("R044")
def test_the_window_does_not_sign_a_file_that_is_no_zip(user: User, keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.bin"
    path.write_bytes(IMAGE)
    user.fill(private_key=keys / "private.pem", passphrase=PASSPHRASE, package=path)
    user.fill(manufacturer="Acme", models="WM-1", version="2.0.1")
    assert user.press("sign")[1].endswith("[not_a_zip]")


def test_an_empty_field_and_a_missing_file_are_named(user: User, tmp_path: Path, language: Language) -> None:
    label = {"en": "Public key file", "zh": "公钥文件"}[language]
    assert user.press("verify")[1].endswith(label)
    user.fill(public_key=tmp_path / "none.pem", signed_package=tmp_path / "none.zip")
    assert "none.pem" in user.press("verify")[1]


def test_an_unexpected_error_is_shown_and_the_buttons_are_enabled_again(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("unheard of")

    monkeypatch.setattr(window_module, "read_key", broken)
    user.fill(public_key=tmp_path / "a.pem", signed_package=tmp_path / "a.zip")
    for _ in range(2):
        assert user.press("verify")[1].endswith("RuntimeError: unheard of")


def test_closing_the_window_waits_for_what_is_being_written(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def slow(*_: object) -> None:
        time.sleep(0.3)
        ended.set()

    monkeypatch.setattr(window_module, "read_key", slow)
    user.fill(private_key=tmp_path / "a.pem", passphrase=PASSPHRASE, package=tmp_path / "a.zip", manifest="v1")
    user.window.press(user.window._sign)
    assert not ended.is_set()
    user.window.finish()
    assert ended.is_set()


def test_a_button_changes_the_language(user: User) -> None:
    titles = [str(user.root.title())]
    user.window.form.switch.invoke()
    titles.append(str(user.root.title()))
    assert set(titles) == {"Offline signature tool", "离线签名工具"}


def test_the_window_shows_more_than_one_colour(user: User, screen: Screen) -> None:
    user.wait(lambda: bool(user.window.form.buttons["verify"].winfo_viewable()))
    user.root.update()
    assert len(set(screen.pixels())) > 16


def test_the_command_opens_the_window(screen: Screen) -> None:
    command = [sys.executable, "-m", "sluice_signing", "gui", "--language", "zh"]
    process = start_process(command, env=os.environ | {"DISPLAY": screen.display})
    try:
        probe = tk.Tk(screenName=screen.display)
        deadline = time.monotonic() + DEADLINE
        while "sluice-sign" not in probe.winfo_interps():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        probe.destroy()
    finally:
        process.terminate()
        process.wait(DEADLINE)
