"""How the server would answer a query."""

from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.database import Database
from tests.integration.queries.recorder import Query

Documents = Database[dict[str, Any]]


def scans(database: Documents, query: Query) -> bool:
    """Return whether a query reads all of its collection.

    SecantusDB explains no plan for a query of several fields of which one alone has an index, though it answers it from
    that index and looks at the rest of each document then (as MongoDB would): so it is asked for each field, too.
    """
    collection, wanted, sort = query
    if not _is_scan(database, collection, wanted, sort):
        return False
    if "secantus" not in str(database.client.server_info()).lower():
        return True
    return all(_is_scan(database, collection, {field: clause}, None) for field, clause in wanted.items())


def _is_scan(database: Documents, collection: str, wanted: Mapping[str, Any], sort: Mapping[str, Any] | None) -> bool:
    find = {"find": collection, "filter": wanted} | ({"sort": sort} if sort else {})
    plan = database.command({"explain": find, "verbosity": "queryPlanner"})["queryPlanner"]["winningPlan"]
    return "COLLSCAN" in set(_stages(plan))


def _stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for value in plan.values():
            yield from _stages(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from _stages(value)
