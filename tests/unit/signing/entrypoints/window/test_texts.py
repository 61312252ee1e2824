import string
from collections.abc import Iterator

import pytest

from sluice_signing.domain.errors import SigningError, WrongPassphraseError, ZipBombError
from sluice_signing.entrypoints.window.texts import REASONS_ZH, WINDOW, reason, system_language, text


def _reasons(base: type[SigningError]) -> Iterator[type[SigningError]]:
    for error in base.__subclasses__():
        if "code" in vars(error):
            yield error
        yield from _reasons(error)


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


REASONS = list(_reasons(SigningError))


def test_every_reason_has_its_chinese_form_and_no_other_is_there() -> None:
    assert {error.code for error in REASONS} == set(REASONS_ZH)


@pytest.mark.parametrize("error", REASONS, ids=lambda error: error.code)
def test_a_chinese_reason_needs_nothing_that_the_english_one_lacks(error: type[SigningError]) -> None:
    assert _placeholders(REASONS_ZH[error.code]) <= _placeholders(error.text)


@pytest.mark.parametrize("key", WINDOW)
def test_both_languages_name_the_same_values(key: str) -> None:
    english, chinese = WINDOW[key]
    assert _placeholders(english) == _placeholders(chinese)


@pytest.mark.requirement("R047")
def test_the_two_messages_are_those_of_the_guide() -> None:
    assert text("verified", "zh") == "验证签名成功!"
    assert text("not_verified", "zh") == "验签异常!"


def test_a_reason_ends_with_its_code_in_both_languages() -> None:
    bomb = ZipBombError(name="app.bin", compressed_size=10, size=1000)
    assert reason(bomb, "zh") == "条目'app.bin'由10字节解压为1000字节以上，疑似zip炸弹。[zip_bomb]"
    assert reason(WrongPassphraseError(), "en").endswith(". [wrong_passphrase]")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US"}, "zh"),
    ],
)
def test_the_window_speaks_the_language_of_the_system(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert system_language() == language
