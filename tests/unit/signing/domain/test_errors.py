import re
from collections.abc import Iterator

from sluice_signing.domain import errors
from sluice_signing.domain.errors import SigningError


def _all(base: type[SigningError]) -> Iterator[type[SigningError]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _all(subclass)


REASONS = [reason for reason in _all(SigningError) if "code" in vars(reason)]


def test_every_reason_has_a_code_of_its_own() -> None:
    codes = [reason.code for reason in REASONS]
    assert len(codes) > 30
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", code) for code in codes)


def test_every_reason_says_what_is_wrong_and_what_to_do() -> None:
    for reason in REASONS:
        assert {"text", "advice"} <= vars(reason).keys(), reason
        assert not reason.text.endswith("."), reason
        assert not reason.advice.endswith("."), reason


def test_all_reasons_are_in_one_module() -> None:
    assert {reason.__module__ for reason in REASONS} == {errors.__name__}


def test_names_in_messages_cannot_act_on_a_terminal() -> None:
    assert "\x1b" not in str(errors.EntryAddedError(name="\x1b[2Jx"))
