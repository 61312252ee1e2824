"""Credentials beside those with which apps were made."""

from sluice_api.adapters.mongo.collections import CREDENTIALS
from sluice_api.adapters.mongo.records import RecordCodec
from sluice_api.adapters.mongo.repository import TenantRepository
from sluice_api.domain.models import Credential, CredentialFilter
from sluice_common.mongo import Database

_CODEC = RecordCodec(Credential, "client_id")


class CredentialStore(TenantRepository[Credential, CredentialFilter]):
    """The credentials."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CREDENTIALS, _CODEC, "credential")

    async def put(self, credential: Credential) -> None:
        """Store a credential, or another in its place: one whose creation was interrupted."""
        ours = {"_id": credential.client_id, "app_id": credential.app_id}
        await self._documents.replace_one(ours, _CODEC.document(credential), upsert=True)

    async def of_client(self, client_id: str) -> Credential | None:
        """Return the credential of a client id, whoever's; None if there is none."""
        document = await self._documents.find_one({"_id": client_id})
        return None if document is None else _CODEC.record(document)

    async def delete_all(self, app_id: str) -> None:
        """Delete all credentials of an app."""
        await self._documents.delete_many({"app_id": app_id})
