"""Documents of MongoDB to records and back. Nothing else knows what a document looks like."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from sluice_api.adapters.mongo.collections import Document
from sluice_api.domain.models import Record

Kept = TypeVar("Kept", bound=Record)


class RecordCodec(Generic[Kept]):
    """Documents of one kind.

    Args:
        kind: What they are read as; fields that it does not know are left out.
        id_field: Its field that is `_id` in the document.
    """

    def __init__(self, kind: type[Kept], id_field: str) -> None:
        self._kind = kind
        self._id_field = id_field

    def record(self, document: Document) -> Kept:
        """Return a document as a record."""
        return msgspec.convert({**document, self._id_field: document["_id"]}, self._kind)

    def document(self, record: Kept) -> Document:
        """Return a record as a document."""
        document = fields_of(record)
        return {"_id": document.pop(self._id_field), **document}


def fields_of(record: msgspec.Struct) -> Document:
    """Return the fields of a record, or of a value inside one, as they are stored."""
    fields: Document = msgspec.to_builtins(record, builtin_types=(datetime, bytes))
    return fields
