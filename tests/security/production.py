"""A gateway in production over the sandbox, and what its clients see of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings
from gateway.identity.principals import ScopeName
from tests.world import World, running_world

KEYS = {"content_key": Secret("00" * 32), "id_keys": Secret("01" * 64)}
_READER, _READERS_HASH = new_key("reader")
_OTHER, _OTHERS_HASH = new_key("other")
READER, OTHER = _READER.reveal(), _OTHER.reveal()
"""The API keys of two who may read and write, and have no business with what is only for debugging."""
_SCOPES = (ScopeName.READ.value, ScopeName.WRITE.value, ScopeName.DELETE.value)


@contextmanager
def production(**settings: Any) -> Iterator[World]:
    """Start the systems and a gateway, whose client has the key; ``settings`` change those of the gateway."""
    keys = (
        ApiKeySettings(id="reader", sha256=Secret(_READERS_HASH), scopes=_SCOPES),
        ApiKeySettings(id="other", sha256=Secret(_OTHERS_HASH), scopes=_SCOPES),
    )
    sources = {"private_links": True}  # the sandbox is on this machine
    with running_world(profile="production", api_keys=keys, sources=sources, **KEYS, **settings) as world:
        world.client.headers["authorization"] = f"Bearer {READER}"
        yield world


def posted(world: World, query: str, variables: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Post a query as clients of today do; gives the status and the body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = world.client.post(
        f"{world.gateway}/graphql",
        json={"query": query, "variables": variables},
        headers={"accept": "application/graphql-response+json", **named},
    )
    return answer.status_code, answer.json()


def codes(body: dict[str, Any]) -> list[str]:
    """Give the codes of all errors."""
    return [error["extensions"]["code"] for error in body["errors"]]
