"""Apps: tenants of the platform."""

from typing import Annotated

from pydantic import AfterValidator, Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import Body, Created, Item, Name, Network, Page, Query, example
from sluice_common.endpoint_names import MAX_BYTES, is_endpoint_name

_APP = {
    "app_id": "6745c1f0a1b2c3d4e5f60717",
    "name": "Meter fleet",
    "client_id": "6745c1f0a1b2c3d4e5f60717",
    "networks": ["default"],
    "created_at": "2026-11-22T12:00:00Z",
}


class AppIn(Body):
    """A new app."""

    model_config = example(name="Meter fleet")

    name: Name


def _can_begin_a_name(prefix: str) -> str:
    if prefix and not is_endpoint_name(prefix):
        raise ValueError(f"no control characters, at most {MAX_BYTES} bytes")
    return prefix


_MAX_PREFIXES = 100
Prefixes = Annotated[
    list[Annotated[str, AfterValidator(_can_begin_a_name)]],
    AfterValidator(lambda prefixes: sorted(set(prefixes))),
    Field(
        max_length=_MAX_PREFIXES,
        description="What endpoint client names begin with that are this app's devices' on plain CoAP, where nobody "
        "proves anything: of several the longest counts, whichever app has it; the empty one stands for all others.",
    ),
]


class EndpointPrefixes(Body):
    """Which endpoint client names are bound to an app."""

    model_config = example(prefixes=["urn:imei:86123"])

    prefixes: Prefixes


class AppChange(Body):
    """Changes of an app."""

    model_config = example(networks=["default"])

    name: Name | None = None
    networks: list[Network] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Radio networks that its products may name; apps with devices in the same cells need one name.",
    )

    def change(self) -> models.AppChange:
        """Return what changes."""
        return self.as_record(models.AppChange)


class App(Created):
    """An app."""

    model_config = example(**_APP)

    app_id: str
    name: str
    client_id: str = Field(description="OAuth2 client id; equals `app_id`.")
    networks: list[str] = Field(description="Radio networks that its products may name.")


class NewApp(App):
    """A created app; its secret is shown this once."""

    model_config = example(client_secret="9f1c04…", **_APP)  # noqa: S106 - an example

    client_secret: str


class Networks(Item):
    """Radio networks."""

    model_config = example(networks=["default"])

    networks: list[str]


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
