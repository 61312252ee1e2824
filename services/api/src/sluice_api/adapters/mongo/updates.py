"""Updates of many documents in one statement, of each its own.

A statement costs a small server more than the document that it changes, and one is cheaper on MongoDB too.
"""

from collections.abc import Mapping, Sequence

from sluice_api.adapters.mongo.collections import Document

Pipeline = Sequence[Document]
MAX_EACH = 40
"""Documents of a statement: for each of them the server looks through the ids of all."""


def each_of(changes: Mapping[str, Document]) -> Pipeline:
    """Return the update that sets the fields of a document that its id has here."""
    return [{"$replaceWith": {"$mergeObjects": ["$$ROOT", _of_id(changes)]}}]


def newer_of(changes: Mapping[str, Document]) -> Pipeline:
    """Return the same for documents with a `version`: one that is not older than its change stays as it is."""
    newer = {"$gt": ["$$change.version", "$version"]}
    changed = {"$cond": [newer, {"$mergeObjects": ["$$ROOT", "$$change"]}, "$$ROOT"]}
    return [{"$replaceWith": {"$let": {"vars": {"change": _of_id(changes)}, "in": changed}}}]


def _of_id(changes: Mapping[str, Document]) -> Document:
    # Literal, as what a device has said may begin with a dollar.
    ids, fields = ({"$literal": list(values)} for values in (changes, changes.values()))
    return {"$arrayElemAt": [fields, {"$indexOfArray": [ids, "$_id"]}]}
