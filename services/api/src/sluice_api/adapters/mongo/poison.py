"""Which errors of MongoDB a document causes by what it contains.

They are raised as `PoisonError`: the document would be refused for ever. Whatever else fails (network, no primary,
deadline, full disk) stays what it is: it may pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import InvalidDocument, InvalidStringData
from pymongo.errors import BulkWriteError, WriteError

from sluice_common.errors import PoisonError

DUPLICATE_KEY = 11_000
"""Code of what is there already, which is neither poison nor trouble."""
_CONTENT_CODES = frozenset(
    {
        2,  # BadValue
        9,  # FailedToParse
        14,  # TypeMismatch
        15,  # Overflow
        22,  # InvalidBSON
        28,  # PathNotViable
        52,  # DollarPrefixedFieldName
        53,  # InvalidIdField
        56,  # EmptyFieldName
        57,  # DottedFieldName
        121,  # DocumentValidationFailure
        171,  # CannotIndexParallelArrays
        10334,  # BSONObjectTooLarge
        17419,  # the document would be too large after the update
        17420,  # the same of an upsert
    }
)
"""Codes of MongoDB's `error_codes.yml` that name the content of one document."""


@contextmanager
def content_errors_as_poison() -> Iterator[None]:
    """Raise `PoisonError` where the driver or the server refuses a document for what it contains."""
    try:
        yield
    except (InvalidDocument, InvalidStringData, OverflowError) as error:
        raise PoisonError(f"cannot be stored: {error}") from error
    except BulkWriteError as error:
        refused = {e["code"]: e["errmsg"] for e in error.details["writeErrors"]}
        of_content = refused.keys() & _CONTENT_CODES
        if not of_content or refused.keys() - _CONTENT_CODES - {DUPLICATE_KEY}:
            raise
        raise PoisonError(f"cannot be stored: {refused[min(of_content)]}") from error
    except WriteError as error:
        if error.code not in _CONTENT_CODES:
            raise
        raise PoisonError(f"cannot be stored: {error}") from error
