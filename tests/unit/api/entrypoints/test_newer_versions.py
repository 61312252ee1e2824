"""What a newer version has stored is shown as it is; what users ask for is what this version knows (ADR 0023)."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.api.records import AT

from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.commands import CommandQuery
from sluice_api.entrypoints.rest.schemas.tasks import Execution, ExecutionQuery

DOCUMENT: dict[str, Any] = {
    "_id": "t:d",
    "app_id": "a",
    "task_id": "t",
    "device_id": "d",
    "endpoint": "e",
    "product_id": "m",
    "group_ids": [],
    "active": True,
    "status": "PAUSED",
    "step": "VERIFYING",
    "attempt": 1,
    "max_retries": 2,
    "target_version": "2.0",
    "version": 7,
    "reason": {"code": "quota_exceeded", "params": {"quota": "5"}},
    "coverage": {"cell_id": 7, "coverage_class": "level-3", "network": "n"},
    "created_at": AT,
    "history": [{"at": AT, "attempt": 1, "step": "VERIFYING"}],
}
CODEC = RecordCodec(models.Execution, "execution_id")


def test_an_execution_of_a_newer_version_is_stored_again_as_it_was() -> None:
    again = CODEC.document(CODEC.record(DOCUMENT))

    assert {name: again[name] for name in ("status", "step", "reason")} == {
        name: DOCUMENT[name] for name in ("status", "step", "reason")
    }


def test_an_execution_of_a_newer_version_is_shown_with_its_own_words() -> None:
    shown = Execution.model_validate(CODEC.record(DOCUMENT), from_attributes=True).model_dump(mode="json")

    assert (shown["status"], shown["step"]) == ("PAUSED", "VERIFYING")
    assert shown["coverage"]["coverage_class"] == "level-3"
    assert shown["reason"]["text"] == "A reason of a newer version: quota_exceeded"
    assert shown["history"][0]["step"] == "VERIFYING"


@pytest.mark.parametrize("query", [ExecutionQuery, CommandQuery])
def test_a_filter_must_be_a_status_that_this_version_knows(query: type[ExecutionQuery | CommandQuery]) -> None:
    assert query.model_validate({"status": "FAILED"}).status == "FAILED"
    with pytest.raises(ValidationError, match=r"one of .*FAILED"):
        query.model_validate({"status": "PAUSED"})
