import pytest
from bson import encode
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    WriteError,
)

from sluice_api.adapters.mongo.poison import DUPLICATE_KEY, content_errors_as_poison
from sluice_common.errors import PoisonError

BAD_VALUE, TOO_LARGE, NOT_PRIMARY, OUT_OF_DISK_SPACE = 2, 10334, 10107, 14031


def bulk(*codes: int) -> BulkWriteError:
    refused = [{"code": code, "errmsg": f"code {code}"} for code in codes]
    return BulkWriteError({"writeErrors": refused, "writeConcernErrors": []})


@pytest.mark.parametrize(
    "error",
    [
        InvalidDocument("a key with a null byte"),
        DocumentTooLarge("17 MiB"),
        OverflowError("an integer of 65 bits"),
        WriteError("refused", TOO_LARGE),
        bulk(BAD_VALUE),
        bulk(BAD_VALUE, DUPLICATE_KEY, TOO_LARGE),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}"[:40],
)
def test_what_is_refused_for_its_content_is_poison(error: Exception) -> None:
    with pytest.raises(PoisonError, match="cannot be stored"), content_errors_as_poison():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection reset"),
        NotPrimaryError("an election"),
        ExecutionTimeout("too slow", 50),
        OperationFailure("no space left on device", OUT_OF_DISK_SPACE),
        WriteError("no space left on device", OUT_OF_DISK_SPACE),
        DuplicateKeyError("there already", DUPLICATE_KEY),
        bulk(DUPLICATE_KEY),
        bulk(BAD_VALUE, OUT_OF_DISK_SPACE),
        bulk(NOT_PRIMARY),
        TimeoutError(),
        ConnectionRefusedError(),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}"[:40],
)
def test_what_may_pass_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, content_errors_as_poison():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("document", [{"a": 2**63}, {"a\0b": 1}, {"a": object()}], ids=["integer", "key", "type"])
def test_what_the_driver_cannot_encode_is_poison(document: dict[str, object]) -> None:
    with pytest.raises(PoisonError), content_errors_as_poison():
        encode(document)
