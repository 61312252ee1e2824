"""Credentials of an app."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from sluice_api.entrypoints.rest.schemas.base import Body, Created, Name, Page, Query, example
from sluice_api.entrypoints.rest.schemas.enums import Scope

_CREDENTIAL = {
    "client_id": "6745c1f0a1b2c3d4e5f60731",
    "name": "Build server",
    "scopes": ["publish", "read"],
    "created_by": "6745c1f0a1b2c3d4e5f60717",
    "created_at": "2026-11-22T12:00:00Z",
}


class CredentialIn(Body):
    """A new credential."""

    model_config = example(name="Build server", scopes=["publish", "read"])

    name: Name
    scopes: set[Scope] = Field(min_length=1, description="What it may do.")


class Credential(Created):
    """A credential."""

    model_config = example(**_CREDENTIAL)

    client_id: str = Field(description="OAuth2 client id.")
    name: str
    scopes: Annotated[list[Scope], BeforeValidator(sorted)]
    created_by: str = Field(description="Client id of who made it.")


class NewCredential(Credential):
    """A created credential; its secret is shown this once."""

    model_config = example(client_secret="9f1c04…", **_CREDENTIAL)  # noqa: S106 - an example

    client_secret: str


class CredentialPage(Page):
    """Credentials."""

    items: list[Credential]


class CredentialQuery(Query):
    """Filters of the list of credentials."""

    name: str | None = None
