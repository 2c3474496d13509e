"""What tests of uploads do: announce files, send their bytes to the store as clients do, finalize them."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.graphql.writing import done, write
from tests.world import World

UPLOAD = """id name state method size bytesCarried partSize
  targets { method url headers { name value } parameters { name value } expiresAt }
  problem { code message retryable }
  file { id name size mediaType download { url } }"""
STAGED = f"stagedUploads {{ {UPLOAD} }}"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


def announced(target: dict[str, Any], body: bytes = PDF, **more: Any) -> dict[str, Any]:
    """Describe a file as clients announce it."""
    return {"target": target, "name": "Reçu.pdf", "mediaType": "application/pdf", "size": len(body), **more}


def stage(world: World, target: dict[str, Any], body: bytes = PDF, **more: Any) -> dict[str, Any]:
    """Announce one file, which must be taken."""
    upload: dict[str, Any] = done(
        world, "stagedUploadsCreate", STAGED, uploads=[announced(target, body, **more)]
    )["stagedUploads"][0]
    return upload


def pairs(values: list[dict[str, str]]) -> dict[str, str]:
    """Read names and values."""
    return {one["name"]: one["value"] for one in values}


def send(world: World, target: dict[str, Any], body: bytes) -> httpx.Response:
    """Send bytes to the store, exactly as its target says."""
    if target["method"] == "POST":
        form = pairs(target["parameters"])
        return world.client.post(target["url"], data=form, files={"file": ("Reçu.pdf", body)})
    return world.client.put(target["url"], content=body, headers=pairs(target["headers"]))


def finalize(world: World, *uploads: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Finalize uploads, and give the whole payload."""
    return write(world, "stagedUploadsFinalize", STAGED, uploads=[{"id": one["id"]} for one in uploads], **more)


def carried(world: World, target: dict[str, Any], body: bytes = PDF, **more: Any) -> dict[str, Any]:
    """Bring a file to its source, and give the upload as it is then, which may be FAILED."""
    upload = stage(world, target, body, **more)
    assert send(world, upload["targets"][0], body).is_success
    payload = finalize(world, upload)
    assert payload["userErrors"] == []
    final: dict[str, Any] = payload["stagedUploads"][0]
    return final


def content(world: World, upload: dict[str, Any]) -> bytes:
    """Download what an upload became, by its source's own link or by one of the gateway, whose port it tells not."""
    url = upload["file"]["download"]["url"]
    parts = urlsplit(url)
    here = f"{world.gateway}{parts.path}?{parts.query}"
    answer = world.client.get(here if parts.path.startswith("/content/") else url)
    assert answer.status_code == 200
    return answer.content


def look(world: World, upload: dict[str, Any]) -> dict[str, Any]:
    """Ask how far an upload is, by both of the fields that tell it, which must agree."""
    query = f"""query($id: ID!) {{
      stagedUpload(id: $id) {{ {UPLOAD} }} node(id: $id) {{ ... on StagedUpload {{ {UPLOAD} }} }} }}"""
    data = world.data(query, {"id": upload["id"]})
    found: dict[str, Any] = data["stagedUpload"]
    assert {**data["node"], "file": None} == {**found, "file": None}
    return found
