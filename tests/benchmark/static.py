"""A static upstream: nginx serves bodies in the shapes of Maarch Courrier and Arrhes from files, on loopback.

What is served in the end is some 35 MB in a temporary folder. Where nginx is missing, the script ends with status 2.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.sandbox.server import listen

ATTACHMENTS = 500
MAILS = 3200
PER_MAIL = 10
FILES = 1000
FOLDERS = 200
ORGANIZATIONS = tuple(f"org{number}" for number in range(1, 9))
YEARS = tuple(str(year) for year in range(2018, 2026))
"""The upstream answers the same for each, as the real one does: the key decides what is listed."""
MISSING = 2

NGINX = r"""
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
  large_client_header_buffers 8 256k;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location / {{ try_files $uri.json =404; }}
    location ~ "^/v1/organizations/(\w+)/years/[^/]+/(folders|files)$" {{ try_files /v1/$1/$2.json =404; }}
  }}
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


def folder(number: int, organization: str = "org1", count: int = FOLDERS) -> dict[str, object]:
    """Write one of ``count`` folders of Arrhes, which make six levels, each twice as wide as the one above."""
    roots = -(-count // 32)
    return {
        "id": identifier(organization, "folder", number),
        "idOrganization": organization,
        "idFolderParent": identifier(organization, "folder", number // 2) if number >= roots else None,
        "name": f"Dossier {number}",
        "createdAt": "2025-01-02 03:04:05+00",
        "lastUpdatedAt": None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": None,
    }


def file(number: int, organization: str = "org1", folders: int = FOLDERS) -> dict[str, object]:
    """Write a file of Arrhes; a thousand of them are half a megabyte. No two were made at the same time."""
    own = identifier(organization, "file", number)
    return {
        "id": own,
        "idOrganization": organization,
        "idFolder": identifier(organization, "folder", number % folders),
        "idFileParent": None,
        "reference": f"REF-2025-{number:05d}" if number % 4 else None,
        "name": f"Pièce numéro {number} de {organization}.pdf",
        "storageKey": f"organizations/{organization}/storage/{own}",
        "type": "application/pdf",
        "size": 1000 + number * 37,
        "createdAt": moment(2025, number),
        "lastUpdatedAt": moment(2026, number),
        "hash": hashlib.sha256(own.encode()).hexdigest(),
        "date": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 00:00:00+00" if number % 5 else None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": "user000000000001",
    }


def moment(year: int, number: int) -> str:
    """Write a time that no other number has in this year."""
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{year}-{day // 28 + 1:02d}-{day % 28 + 1:02d} {hour:02d}:{minutes:02d}:{seconds:02d}+00"


def write_bodies(root: Path) -> None:
    """Write 500 attachments, 3,200 mails, and eight libraries of 1,000 files."""
    for number in range(1, ATTACHMENTS + 1):
        write(root / f"rest/attachments/{number}.json", attachment(number, format="docx", versions=[]))
    for mail in range(1, MAILS + 1):
        write(root / f"rest/resources/{mail}/attachments.json", listing(mail))
    for organization in ORGANIZATIONS:
        write_library(root, organization, FILES)


def listing(mail: int) -> dict[str, object]:
    """Write the attachments of one mail."""
    first = (mail - 1) * PER_MAIL + 1
    listed = [attachment(number, canConvert=True) for number in range(first, first + PER_MAIL)]
    return {"attachments": listed, "mailevaEnabled": True}


def write_library(root: Path, organization: str, files: int) -> None:
    """Write a library with a folder for every five files."""
    folders = max(1, files * FOLDERS // FILES)
    write(
        root / f"v1/{organization}/folders.json",
        [folder(number, organization, folders) for number in range(folders)],
    )
    write(
        root / f"v1/{organization}/files.json", [file(number, organization, folders) for number in range(files)]
    )


def write(path: Path, body: object) -> None:
    """Write one body."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, separators=(",", ":"), ensure_ascii=False), "utf-8")


@contextmanager
def upstream(
    core: Sequence[str],
    write_all: Callable[[Path], None] = write_bodies,
    probe: str = "/rest/attachments/1",
) -> Iterator[str]:
    """Serve what ``write_all`` writes with nginx until the end of the block; ``probe`` is one of its paths."""
    program = nginx()
    with tempfile.TemporaryDirectory() as name:
        write_all(Path(name) / "www")
        with listen() as free:
            port = free.getsockname()[1]
        user = "user root;" if os.getuid() == 0 else ""
        settings = Path(name) / "nginx.conf"
        settings.write_text(NGINX.format(folder=name, port=port, user=user), "utf-8")
        running = subprocess.Popen([*core, program, "-c", str(settings)])  # noqa: S603 - nginx
        try:
            origin = f"http://127.0.0.1:{port}"
            wait_for(f"{origin}{probe}")
            yield origin
        finally:
            running.terminate()
            running.wait()


def nginx() -> str:
    """Find nginx, which Debian keeps where users do not look; without it say what to do and end."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        sys.stderr.write("nginx is missing, which serves what is measured on: apt-get install nginx\n")
        sys.exit(MISSING)
    return program


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
