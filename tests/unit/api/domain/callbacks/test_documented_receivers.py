"""The snippets by which `docs/api.md` has receivers check a callback: each takes ours and refuses what is not."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from sluice_api.domain.callbacks.dialect import headers_of
from sluice_embedded.install import ROOT

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"status":"FAILED"}'
_PYTHON = """
import json, sys
for case in json.loads(sys.argv[1]):
    print(is_ours(case["secret"], case["headers"], case["body"].encode()))
"""
_JAVASCRIPT = """
for (const found of JSON.parse(process.argv[2])) {
  console.log(isOurs(found.secret, found.headers, Buffer.from(found.body)));
}
"""
_JAVA = """
class Main {
    public static void main(String[] argv) throws Exception {
        for (int at = 0; at < argv.length; at += 5) {
            Map<String, String> headers = Map.of(
                "webhook-id", argv[at + 1], "webhook-timestamp", argv[at + 2], "webhook-signature", argv[at + 3]);
            System.out.println(Callback.isOurs(argv[at], headers, argv[at + 4].getBytes("UTF-8")));
        }
    }
}
"""
_LAST_IMPORT = "import javax.crypto.spec.SecretKeySpec;\n"


class Case(NamedTuple):
    """What a receiver judges."""

    secret: str
    headers: dict[str, str]
    body: bytes = BODY


def snippet(language: str) -> str:
    """Return the receiver in a language."""
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    return str(next(text for text in found if "webhook-signature" in text))


def program(name: str) -> str:
    """Return where a program is; skip if it is not there."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def judged(*command: str) -> list[bool]:
    """Return what a receiver says of each case."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [{"true": True, "false": False}[line.lower()] for line in done.stdout.split()]


def by_script(interpreter: str, script: str, cases: Sequence[Case], file: Path) -> list[bool]:
    """Have a script judge."""
    file.write_text(script)
    argument = [{"secret": case.secret, "headers": case.headers, "body": case.body.decode()} for case in cases]
    return judged(interpreter, str(file), json.dumps(argument))


def by_java(cases: Sequence[Case], file: Path) -> list[bool]:
    """Have the receiver in Java judge; one process, as it compiles for seconds."""
    imports, _, receiver = snippet("java").partition(_LAST_IMPORT)
    file.write_text(imports + _LAST_IMPORT + _JAVA + receiver)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    argv = [text for c in cases for text in (c.secret, *(c.headers[name] for name in names), c.body.decode())]
    return judged(program("java"), str(file), *argv)


def by_receiver(language: str, cases: Sequence[Case], folder: Path) -> list[bool]:
    """Have the receiver in a language judge."""
    if language == "java":
        return by_java(cases, folder / "Main.java")
    if language == "javascript":
        return by_script(program("node"), snippet(language) + _JAVASCRIPT, cases, folder / "receiver.js")
    return by_script(sys.executable, snippet(language) + _PYTHON, cases, folder / "receiver.py")


def headers_at(at: datetime, *secrets: str) -> dict[str, str]:
    """Return the headers of a callback that is posted at a time."""
    return headers_of("t:d:FAILED", BODY, secrets, at)


@pytest.mark.parametrize("language", ["python", "javascript", "java"])
def test_a_documented_receiver_takes_what_either_of_two_secrets_signs_and_refuses_all_else(
    language: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    ours = [Case(OLD, headers_at(now, OLD)), Case(OLD, headers_at(now, NEW, OLD))]
    others = [
        Case(OLD, headers_at(now, NEW)),
        Case(OLD, headers_at(now, OLD), BODY + b"."),
        Case(OLD, headers_at(now - timedelta(minutes=6), OLD)),
        Case(OLD, headers_at(now, OLD) | {"webhook-id": "another"}),
    ]
    assert by_receiver(language, ours + others, tmp_path) == [True] * len(ours) + [False] * len(others)
