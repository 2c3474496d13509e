"""A static upstream: nginx serves bodies in the shapes of Maarch Courrier and Arrhes from files, on loopback."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.sandbox.server import listen

ATTACHMENTS = 500
MAILS = 3200
PER_MAIL = 10
FILES = 1000
FOLDERS = 200

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
{user}
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  default_type application/json;
  open_file_cache max=8000 inactive=600s;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; location / {{ try_files $uri.json =404; }} }}
}}
"""


def attachment(number: int, **more: object) -> dict[str, object]:
    """Write an attachment with the keys that Maarch Courrier gives it."""
    return {
        "resId": number,
        "resIdMaster": (number - 1) // PER_MAIL + 1,
        "chrono": f"MAARCH/2025D/{number}",
        "title": f"Réponse à la demande n° {number}",
        "typist": number % 40 + 1,
        "modifiedBy": "",
        "creationDate": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 14:25:{number % 60:02d}.{number:06d}",
        "modificationDate": None if number % 3 else f"2026-01-{number % 28 + 1:02d} 09:00:00.{number:06d}",
        "relation": number % 3 + 1,
        "status": "A_TRA",
        "type": "response_project",
        "inSignatureBook": True,
        "inSendAttach": False,
        "external_state": [],
        "typistLabel": "Charlotte CHARLES",
        "typeLabel": "Projet de réponse",
        "canUpdate": True,
        "canDelete": number % 5 != 0,
        **more,
    }


def identifier(*parts: object) -> str:
    """Make up an id of Arrhes' length."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def folder(number: int) -> dict[str, object]:
    """Write a folder of Arrhes; each but the first four hangs on one before it."""
    return {
        "id": identifier("folder", number),
        "idOrganization": "org1",
        "idFolderParent": identifier("folder", number // 4) if number >= 4 else None,
        "name": f"Dossier {number}",
        "createdAt": "2025-01-02 03:04:05+00",
        "lastUpdatedAt": None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": None,
    }


def file(number: int) -> dict[str, object]:
    """Write a file of Arrhes; a thousand of them are half a megabyte."""
    own = identifier("file", number)
    return {
        "id": own,
        "idOrganization": "org1",
        "idFolder": identifier("folder", number % FOLDERS),
        "idFileParent": None,
        "reference": f"REF-2025-{number:05d}" if number % 4 else None,
        "name": f"Pièce numéro {number} de org1.pdf",
        "storageKey": f"organizations/org1/storage/{own}",
        "type": "application/pdf",
        "size": 1000 + number * 37,
        "createdAt": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 10:{number % 60:02d}:00+00",
        "lastUpdatedAt": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d} 11:{number % 60:02d}:00+00",
        "hash": hashlib.sha256(own.encode()).hexdigest(),
        "date": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 00:00:00+00" if number % 5 else None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": "user000000000001",
    }


def write_bodies(root: Path) -> None:
    """Write what nginx serves."""
    for number in range(1, ATTACHMENTS + 1):
        write(root / f"rest/attachments/{number}.json", attachment(number, format="docx", versions=[]))
    for mail in range(1, MAILS + 1):
        first = (mail - 1) * PER_MAIL + 1
        listed = [attachment(number, canConvert=True) for number in range(first, first + PER_MAIL)]
        write(root / f"rest/resources/{mail}/attachments.json", {"attachments": listed, "mailevaEnabled": True})
    library = root / "v1/organizations/org1/years/2025"
    write(library / "folders.json", [folder(number) for number in range(FOLDERS)])
    write(library / "files.json", [file(number) for number in range(FILES)])


def write(path: Path, body: object) -> None:
    """Write one body."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, separators=(",", ":"), ensure_ascii=False), "utf-8")


@contextmanager
def upstream(core: Sequence[str]) -> Iterator[str]:
    """Serve the bodies with nginx until the end of the block."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as name:
        write_bodies(Path(name) / "www")
        with listen() as free:
            port = free.getsockname()[1]
        user = "user root;" if os.getuid() == 0 else ""
        settings = Path(name) / "nginx.conf"
        settings.write_text(NGINX.format(folder=name, port=port, user=user), "utf-8")
        running = subprocess.Popen([*core, program, "-c", str(settings)])  # noqa: S603 - nginx
        try:
            origin = f"http://127.0.0.1:{port}"
            wait_for(f"{origin}/rest/attachments/1")
            yield origin
        finally:
            running.terminate()
            running.wait()


def wait_for(url: str) -> None:
    """Wait until somebody answers."""
    for _ in range(100):
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    sys.exit("nginx does not start")
