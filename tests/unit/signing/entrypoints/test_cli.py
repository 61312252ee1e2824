import getpass
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from tests.unit.signing.packages import IMAGE

from sluice_signing import ALGORITHMS
from sluice_signing.entrypoints.cli import EXIT_FILE, EXIT_KEY, EXIT_REFUSED, EXIT_USAGE, main
from sluice_signing.entrypoints.prompts import PASSPHRASE_VARIABLE

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "abc123")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "包" / "app.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.bin", IMAGE)
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    assert main(["keygen", "--algorithm", "ED25519", "--out", str(tmp_path / "keys")]) == 0
    return tmp_path / "keys"


RELEASE = ("--manufacturer", "Acme", "--model", "WM-1", "--model", "WM-2", "--version", "2.0.1")


def _sign(keys: Path, package: Path, *options: str) -> int:
    return main(["sign", "--key", str(keys / "private.pem"), *(options or RELEASE), str(package)])


def _verify(keys: Path, package: Path) -> int:
    return main(["verify", "--key", str(keys / "public.pem"), str(package)])


@pytest.mark.requirement("R040", "R041", "R043", "R045", "R046", "R048")
@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in ALGORITHMS])
def test_a_package_goes_through_the_tool(algorithm: str, package: Path, tmp_path: Path, capsys: Output) -> None:
    keys = tmp_path / algorithm
    assert main(["keygen", "--algorithm", algorithm, "--out", str(keys)]) == 0
    assert _sign(keys, package) == 0
    signed = package.with_name("app_signed.zip")
    assert f"Signed: {signed}" in capsys.readouterr().out
    assert _verify(keys, signed) == 0
    shown = capsys.readouterr().out
    assert "The signature is valid." in shown
    assert f"app.bin ({len(IMAGE)} bytes)" in shown
    assert algorithm in shown
    assert "Made by:   Acme\nModels:    WM-1, WM-2\nVersion:   2.0.1\n" in shown


def test_the_number_of_the_release_is_signed_where_it_is_given(keys: Path, package: Path, capsys: Output) -> None:
    assert _sign(keys, package, *RELEASE, "--sequence", "7") == 0
    assert _verify(keys, package.with_name("app_signed.zip")) == 0
    assert "Sequence:  7\n" in capsys.readouterr().out


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_a_package_is_not_signed_without_saying_what_it_is(
    left_out: int, keys: Path, package: Path, capsys: Output
) -> None:
    said = [("--manufacturer", "Acme"), ("--model", "WM-1"), ("--version", "2.0.1")]
    name, _ = said.pop(left_out)
    assert _sign(keys, package, *[option for pair in said for option in pair]) == EXIT_USAGE
    message = capsys.readouterr().err
    assert name.removeprefix("--") in message
    assert message.endswith("[no_release]\n")
    assert not package.with_name("app_signed.zip").exists()


@pytest.mark.parametrize("option", [("--version", "版本1"), ("--sequence", "x"), ("--model", "WM-1")])
def test_what_a_package_is_cannot_be_signed_in_another_form(
    option: tuple[str, str], keys: Path, package: Path, capsys: Output
) -> None:
    assert _sign(keys, package, *RELEASE, *option) == EXIT_REFUSED
    assert capsys.readouterr().err.endswith("[bad_release]\n")
    assert list(package.parent.iterdir()) == [package]


def test_the_first_form_of_the_manifest_is_there_for_who_asks_for_it(keys: Path, package: Path, capsys: Output) -> None:
    assert _sign(keys, package, "--manifest-v1") == 0
    assert _verify(keys, package.with_name("app_signed.zip")) == 0
    assert "version are not signed" in capsys.readouterr().out


@pytest.fixture
def heeded(ending: signal.Signals) -> Iterator[Callable[[int, FrameType | None], None]]:
    """Return what a signal does outside of the tool; under nohup, as the tests may be, it would be ignored."""

    def fail(*_: object) -> None:
        pytest.fail("the tool did not take the signal")

    before = signal.signal(ending, fail)
    yield fail
    signal.signal(ending, before)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_tool_leaves_no_half_signed_package(
    ending: signal.Signals,
    heeded: Callable[[int, FrameType | None], None],
    keys: Path,
    package: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    present: list[int] = []

    def end_process(*_: object) -> None:
        present.append(len(list(package.parent.iterdir())))
        os.kill(os.getpid(), ending)

    monkeypatch.setattr("sluice_signing.library.append_manifest", end_process)
    with pytest.raises(SystemExit) as exit_:
        _sign(keys, package)
    assert (exit_.value.code, present) == (128 + ending, [2])
    assert list(package.parent.iterdir()) == [package]
    assert signal.getsignal(ending) is heeded


def test_a_signal_that_is_ignored_stays_ignored(keys: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice_signing.library.append_manifest", lambda *_: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert _sign(keys, package) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_signed_package_is_for_those_who_may_read_the_original(mode: int, keys: Path, package: Path) -> None:
    package.chmod(mode)
    assert _sign(keys, package) == 0
    assert package.with_name("app_signed.zip").stat().st_mode & 0o777 == mode


@pytest.mark.requirement("R041")
def test_algorithms_are_listed_one_a_line(capsys: Output) -> None:
    assert main(["algorithms"]) == 0
    assert capsys.readouterr().out.splitlines() == [algorithm.name for algorithm in ALGORITHMS]


def test_inspecting_shows_entries_and_says_that_nothing_is_verified(keys: Path, package: Path, capsys: Output) -> None:
    assert main(["inspect", str(package)]) == 0
    assert "Not signed." in capsys.readouterr().out
    _sign(keys, package)
    assert main(["inspect", str(package.with_name("app_signed.zip"))]) == 0
    shown = capsys.readouterr().out
    assert "NOT VERIFIED" in shown
    assert "'ED25519'" in shown
    assert f"{len(IMAGE)}  app.bin" in shown


def _status_and_code(status: int, capsys: Output) -> tuple[int, str]:
    """Return exit status and reason's code; the message is one line for people."""
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    (line,) = output.err.splitlines()
    return status, line[line.rindex("[") + 1 : -1]


@pytest.mark.requirement("R049")
def test_a_wrong_passphrase_is_a_refused_key(
    keys: Path, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "abc124")
    capsys.readouterr()
    assert _status_and_code(_sign(keys, package), capsys) == (EXIT_KEY, "wrong_passphrase")


@pytest.mark.requirement("R041")
def test_a_weak_passphrase_makes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "abcdefgh")
    status = main(["keygen", "--out", str(tmp_path / "keys")])
    assert _status_and_code(status, capsys) == (EXIT_KEY, "weak_passphrase")
    assert not (tmp_path / "keys").exists()


def test_keys_are_not_overwritten(keys: Path, capsys: Output) -> None:
    before = (keys / "private.pem").read_bytes()
    capsys.readouterr()
    assert _status_and_code(main(["keygen", "--out", str(keys)]), capsys) == (EXIT_KEY, "key_exists")
    assert (keys / "private.pem").read_bytes() == before


@pytest.mark.requirement("R044")
def test_signing_a_file_that_is_no_zip_is_refused(keys: Path, tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "app.zip"
    path.write_bytes(IMAGE)
    capsys.readouterr()
    assert _status_and_code(_sign(keys, path), capsys) == (EXIT_REFUSED, "not_a_zip")
    assert _status_and_code(main(["inspect", str(path)]), capsys) == (EXIT_REFUSED, "not_a_zip")


@pytest.mark.requirement("R023")
def test_unsigned_signed_and_foreign_packages_are_refused_with_different_codes(
    keys: Path, package: Path, tmp_path: Path, capsys: Output
) -> None:
    capsys.readouterr()
    assert _status_and_code(_verify(keys, package), capsys) == (EXIT_REFUSED, "unsigned")
    _sign(keys, package)
    signed = package.with_name("app_signed.zip")
    capsys.readouterr()
    assert _status_and_code(_sign(keys, signed), capsys) == (EXIT_REFUSED, "already_signed")
    main(["keygen", "--algorithm", "ED25519", "--out", str(tmp_path / "other")])
    capsys.readouterr()
    assert _status_and_code(_verify(tmp_path / "other", signed), capsys) == (EXIT_REFUSED, "unknown_key")


def test_several_keys_may_be_given(keys: Path, package: Path, tmp_path: Path) -> None:
    main(["keygen", "--out", str(tmp_path / "other")])
    _sign(keys, package)
    options = ["--key", str(tmp_path / "other" / "public.pem"), "--key", str(keys / "public.pem")]
    assert main(["verify", *options, str(package.with_name("app_signed.zip"))]) == 0


@pytest.mark.parametrize("name", ["missing.zip", "."])
def test_a_file_that_cannot_be_read_is_a_file_error(name: str, keys: Path, tmp_path: Path, capsys: Output) -> None:
    capsys.readouterr()
    assert _status_and_code(_verify(keys, tmp_path / name), capsys) == (EXIT_FILE, "file")


def test_a_file_that_is_no_key_is_a_refused_key(keys: Path, package: Path, capsys: Output) -> None:
    capsys.readouterr()
    status = main(["sign", "--key", str(keys / "public.pem"), *RELEASE, str(package)])
    assert _status_and_code(status, capsys) == (EXIT_KEY, "bad_key")
    status = main(["verify", "--key", str(keys / "private.pem"), str(package)])
    assert _status_and_code(status, capsys) == (EXIT_KEY, "bad_key")


def test_without_a_terminal_the_error_names_the_environment_variable(
    keys: Path, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    capsys.readouterr()
    status = _sign(keys, package)
    assert _status_and_code(status, capsys) == (EXIT_KEY, "no_passphrase")


def _answers(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    """Let somebody at a terminal type these answers."""
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    answers = iter(typed)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))


@pytest.mark.requirement("R041", "R043")
def test_the_passphrase_is_asked_for(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys"
    _answers(monkeypatch, "secret 1", "secret 1", "secret 1", "secret 2")
    assert main(["keygen", "--out", str(keys)]) == 0
    assert _sign(keys, package) == 0
    assert _sign(keys, package) == EXIT_KEY


def test_a_new_passphrase_typed_in_two_ways_makes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    _answers(monkeypatch, "secret 1", "secret 2")
    status = main(["keygen", "--out", str(tmp_path / "keys")])
    assert _status_and_code(status, capsys) == (EXIT_KEY, "different_passphrases")
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("arguments", [[], ["keygen"], ["keygen", "--algorithm", "ROT13", "--out", "x"], ["gpg"]])
def test_wrong_use_ends_with_2(arguments: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: sluice-sign" in capsys.readouterr().err


_WITHOUT_PLATFORM = """
import sys
for name in ("aiokafka", "pymongo", "pydantic", "structlog", "sluice_common", "socket"):
    sys.modules[name] = None
from sluice_signing.entrypoints.cli import main
sys.exit(main(["algorithms"]))
"""


@pytest.mark.requirement("R040")
def test_the_tool_needs_neither_broker_nor_database_nor_network() -> None:
    command = [sys.executable, "-c", _WITHOUT_PLATFORM]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[0] == "ECDSA_256K1+SHA256"


def test_the_tool_runs_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sluice_signing", "verify", "--key", "none.pem", "none.zip"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ended.returncode, ended.stdout) == (EXIT_FILE, "")
    assert ended.stderr == "sluice-sign: none.pem: No such file or directory. [file]\n"


def test_a_short_passphrase_is_accepted_with_an_advice(tmp_path: Path, capsys: Output) -> None:
    assert main(["keygen", "--algorithm", "ED25519", "--out", str(tmp_path / "keys")]) == 0
    assert "12 or more characters" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_the_window_is_an_error_that_names_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tkinter", reason="this Python comes without Tk")
    monkeypatch.delenv("DISPLAY", raising=False)
    # Not in this process: Xlib ends one whose earlier display is gone.
    command = [sys.executable, "-m", "sluice_signing", "gui"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_FILE
    assert "[no_window]" in done.stderr


def test_without_tk_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    assert main(["gui"]) == EXIT_FILE
    assert "python3-tk" in capsys.readouterr().err
