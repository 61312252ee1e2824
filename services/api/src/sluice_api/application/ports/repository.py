"""What all repositories of records that belong to an app have in common.

Every method takes the app, so that another app's id is simply not found.
"""

from typing import Protocol, TypeVar

from sluice_api.domain.models import Page, Record

Record_co = TypeVar("Record_co", bound=Record, covariant=True)
Filter_contra = TypeVar("Filter_contra", bound=Record, contravariant=True)


class Lookup(Protocol[Record_co]):
    """Finds records by their ids."""

    async def find(self, app_id: str, identifier: str) -> Record_co | None:
        """Return the record, None if the app has none of that id."""
        ...

    async def get(self, app_id: str, identifier: str) -> Record_co:
        """Return the record.

        Raises:
            NotFoundError: The app has none of that id.
        """
        ...


class Repository(Lookup[Record_co], Protocol[Record_co, Filter_contra]):
    """Finds, lists and deletes records."""

    async def page(self, app_id: str, wanted: Filter_contra, limit: int, after: str | None) -> Page[Record_co]:
        """Return one page in order of creation.

        Args:
            app_id: Whose.
            wanted: What records must be like.
            limit: Most records.
            after: Cursor of the page before.

        Raises:
            InvalidError: `after` is no cursor.
        """
        ...

    async def delete(self, app_id: str, identifier: str) -> None:
        """Delete a record.

        Raises:
            NotFoundError: The app has none of that id.
        """
        ...
