"""Uploads, downloads and text recognition of the Arrhes sandbox (`upstreams.md` sections 2.3, 2.4 and 2.6)."""

from dataclasses import asdict
from typing import Any

from gateway.sandbox.arrhes.objects import Objects
from gateway.sandbox.arrhes.state import (
    LARGEST_FILE,
    Account,
    File,
    Refused,
    State,
    changed,
    create_file,
    internal_error,
    own,
    storage_key,
)

UPLOAD_EXPIRES = 60
DOWNLOAD_EXPIRES = 3600
DELETE_EXPIRES = 60
"""Seconds."""


async def upload_url(
    state: State, objects: Objects, account: Account, values: dict[str, Any]
) -> dict[str, Any]:
    """Sign a PUT of exactly ``size`` bytes, of any type; sizes below zero pass, and the limits come before the id."""
    if values["size"] > LARGEST_FILE:
        raise Refused(400, "Fichier trop volumineux")
    file = own(state.files, account, values["idFile"])
    organization = account.organization
    if organization.storage_used + values["size"] > organization.storage_limit:
        raise Refused(400, "Limite de stockage atteinte")
    owner = {"idfile": file.id, "idorganization": organization.id, "iduser": account.user}
    url = objects.signed(
        "PUT",
        storage_key(file),
        expires=UPLOAD_EXPIRES,
        now=state.clock(),
        query={f"x-amz-meta-{name}": value for name, value in owner.items()} | {"x-id": "PutObject"},
        length=int(values["size"]),
    )
    return {"file": asdict(file), "url": url}


async def finalize(state: State, objects: Objects, account: Account, values: dict[str, Any]) -> dict[str, Any]:
    """Take type and size from the object; each call adds the size to the organization's usage, the second one too."""
    file = own(state.files, account, values["idFile"])
    await _present(state, objects, file)
    found = await objects.stat(storage_key(file))
    if found is None:
        raise internal_error()
    account.organization.storage_used += found.size
    stored = {"storageKey": storage_key(file), "type": found.type, "size": found.size}
    return asdict(changed(state, state.files, file, account, stored))


async def download_url(
    state: State, objects: Objects, account: Account, values: dict[str, Any]
) -> dict[str, Any]:
    """Sign a GET; whether the object is still there is not looked at."""
    file = _finalized(state, account, values, "Le fichier associé n'existe pas")
    await _present(state, objects, file)
    query = {"x-amz-checksum-mode": "ENABLED", "x-id": "GetObject"}
    expires = DOWNLOAD_EXPIRES
    return {"url": objects.signed("GET", storage_key(file), expires=expires, now=state.clock(), query=query)}


async def delete_url(
    state: State, objects: Objects, account: Account, values: dict[str, Any]
) -> dict[str, Any]:
    """Sign a DELETE of the object alone: record and quota stay."""
    file = _finalized(state, account, values, "Le fichier associé n'existe pas")
    await _present(state, objects, file)
    query = {"x-id": "DeleteObject"}
    expires = DELETE_EXPIRES
    return {"url": objects.signed("DELETE", storage_key(file), expires=expires, now=state.clock(), query=query)}


async def recognize(state: State, objects: Objects, account: Account, values: dict[str, Any]) -> dict[str, Any]:
    """Make a Markdown file beside an image or a PDF, for one page of the quota, which is looked at before the id."""
    if account.organization.ocr_pages < 1:
        cause = "Organization has no OCR pages left"
        raise Refused(403, "Vous n'avez plus de pages OCR disponibles", cause)
    file = _finalized(state, account, values, "Le fichier source n'a pas de contenu associé")
    await _present(state, objects, file)
    if await objects.stat(storage_key(file)) is None:
        raise internal_error()
    if not (file.type or "").startswith(("image/", "application/pdf")):
        raise Refused(400, "Le format du fichier n'est pas compatible avec l'OCR (image ou PDF uniquement)")
    if state.recognize is None:
        raise internal_error()
    text = state.recognize(file, await objects.get(storage_key(file))).encode()
    account.organization.ocr_pages -= 1
    return {"file": await _add_markdown(state, objects, account, file, text)}


async def _add_markdown(
    state: State, objects: Objects, account: Account, source: File, text: bytes
) -> dict[str, Any]:
    name = f"{source.name.rpartition('.')[0] or source.name}.md"
    new = {"name": name, "reference": None, "hash": None, "idFolder": source.idFolder}
    file = create_file(state, account, new)
    await objects.put(storage_key(file), text, "text/markdown")
    return await finalize(state, objects, account, {"idFile": file.id})


def _finalized(state: State, account: Account, values: dict[str, Any], otherwise: str) -> File:
    file = own(state.files, account, values["idFile"])
    if file.storageKey is None:
        raise Refused(400, otherwise)
    return file


async def _present(state: State, objects: Objects, file: File) -> None:
    """Put a seeded file's contents into the store when they are first asked for: the demo starts faster so."""
    contents = state.contents.get(file.id)
    if contents is not None:
        await objects.put(storage_key(file), contents(), file.type or "application/octet-stream")
        state.contents.pop(file.id, None)
