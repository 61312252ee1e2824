"""Apps: tenants of the platform."""

from pydantic import Field

from sluice_api.entrypoints.rest.schemas.base import Body, Created, Item, Name, Page, Query, example

_APP = {
    "app_id": "6745c1f0a1b2c3d4e5f60717",
    "name": "Meter fleet",
    "client_id": "6745c1f0a1b2c3d4e5f60717",
    "created_at": "2026-11-22T12:00:00Z",
}


class AppIn(Body):
    """A new app."""

    model_config = example(name="Meter fleet")

    name: Name


class App(Created):
    """An app."""

    model_config = example(**_APP)

    app_id: str
    name: str
    client_id: str = Field(description="OAuth2 client id; equals `app_id`.")


class NewApp(App):
    """A created app; its secret is shown this once."""

    model_config = example(client_secret="9f1c04…", **_APP)  # noqa: S106 - an example

    client_secret: str


class AppPage(Page):
    """Apps."""

    items: list[App]


class AppQuery(Query):
    """Filters of the list of apps."""

    name: str | None = None


class Token(Item):
    """An access token (RFC 6749 §5.1)."""

    model_config = example(access_token="eyJ0eXAi…", token_type="Bearer", expires_in=3600)  # noqa: S106 - an example

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme, no secret
    expires_in: int = Field(description="Seconds.")
