"""The sandbox as a whole: five upstream systems with the demo's data, each on a port of its own."""

import os
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.secret import Secret
from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.store import BUCKET, Store
from gateway.sandbox.stores import reached
from gateway.uploads.storage import StoreSettings
from gateway.upstreams.arrhes import ArrhesSettings
from gateway.upstreams.base import SourceSettings
from gateway.upstreams.decisiv import DecisivSettings
from gateway.upstreams.directmail import DirectMailSettings
from gateway.upstreams.espocrm import EspoCrmSettings
from gateway.upstreams.maarch import MaarchSettings

CONTENT = "directmail content"
"""Direct Mail's links point to a bucket, which is a server of its own."""
STORE = "S3 store"
SERVERS = ("arrhes", "decisiv", "directmail", "espocrm", "maarch", CONTENT)


def make_apps(origins: Mapping[str, str], store: Store | None) -> Mapping[str, ASGIApp]:
    """Make the application of each server, with its data; ``origins`` says where each will be served.

    Blocks for two requests to the store.
    """
    from gateway.sandbox.arrhes.app import create_app as arrhes_app  # noqa: PLC0415 - the gateway's side needs none
    from gateway.sandbox.decisiv.app import create_app as decisiv_app  # noqa: PLC0415
    from gateway.sandbox.directmail.app import create_app as directmail_app  # noqa: PLC0415
    from gateway.sandbox.directmail.app import create_content_app  # noqa: PLC0415
    from gateway.sandbox.espocrm.app import create_app as espocrm_app  # noqa: PLC0415
    from gateway.sandbox.maarch.app import create_app as maarch_app  # noqa: PLC0415

    mailings = directmail.seeded(content_origin=origins[CONTENT])
    return {
        "arrhes": arrhes_app(arrhes.seeded(), store),
        "decisiv": decisiv_app(decisiv.seeded()),
        "directmail": directmail_app(mailings),
        "espocrm": espocrm_app(espocrm.seeded()),
        "maarch": maarch_app(maarch.seeded()),
        CONTENT: create_content_app(mailings),
    }


def make_sources(origins: Mapping[str, str]) -> tuple[SourceSettings, ...]:
    """Give the settings of one source per system, named after its kind.

    EspoCRM is asked as its administrator, because only he gets many attachments by one request. Arrhes takes uploads
    where ``origins`` has a store, which is where it sends them.
    """
    content_host, store_host = (origins.get(name, "").partition("://")[2] for name in (CONTENT, STORE))
    return (
        ArrhesSettings(
            **_place("arrhes", origins, "/v1"),
            organization=arrhes.ORGANIZATION,
            year=arrhes.YEAR,
            key=Secret(arrhes.API_KEY),
            link_hosts=(store_host,) if store_host else (),
        ),
        DecisivSettings(**_place("decisiv", origins, "/platform_api"), token=Secret(decisiv.TOKEN)),
        DirectMailSettings(
            **_place("directmail", origins, "/api/v2"),
            key_id=directmail.KEY_ID,
            key_secret=Secret(directmail.KEY_SECRET),
            link_hosts=(content_host,),
        ),
        EspoCrmSettings(
            **_place("espocrm", origins, "/api/v1"),
            auth="basic",
            username=espocrm.ADMIN,
            password=Secret(espocrm.ADMIN_PASSWORD),
        ),
        MaarchSettings(
            **_place("maarch", origins, "/rest"), username=maarch.USER, password=Secret(maarch.PASSWORD)
        ),
    )


def make_store(origin: str, page: str) -> StoreSettings:
    """Make the bucket for uploads in the running store, and give the gateway's settings for it.

    ``page`` is the origin of the pages that may upload. Blocks for some requests to the store.
    """
    return reached(origin, os.environ).settings(BUCKET, [page])


def _place(kind: str, origins: Mapping[str, str], path: str) -> dict[str, Any]:
    return {"name": kind, "kind": kind, "url": origins[kind] + path}


class ByPort:
    """One application for several ports, which gives each request to that of its port."""

    def __init__(self, apps: Mapping[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._apps[scope["server"][1]](scope, receive, send)
