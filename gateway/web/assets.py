"""What the pages share: the files they load from the gateway's own origin, and the headers they go out with.

A page asks no other origin and holds no script or style of its own, so its content security policy allows what comes
from the gateway and nothing else. What a page needs to know travels as JSON in it; its script, stylesheet and images
lie in `static` and are built by `tests/tooling`. Nothing here costs an upstream request.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

_HERE = Path(__file__).parent
_YEAR_S = 31_536_000

# Named here, because what the machine's own table says of scripts differs from one to the next.
_MEDIA_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".txt": "text/plain; charset=utf-8",
    }
)


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    etag: str


def page_headers(connect: Sequence[str] = ()) -> Mapping[str, str]:
    """Give the headers that must go with a page, beside its content type `text/html; charset=utf-8`.

    ``connect`` are the other origins, `http://host:port`, that the page's script may send requests to.
    """
    policy = ["default-src 'self'"]
    policy += [" ".join(["connect-src 'self'", *connect])] if connect else []
    policy += ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "object-src 'none'"]
    return MappingProxyType(
        {
            "content-security-policy": "; ".join(policy),
            "cache-control": "no-cache",
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
    )


def json_for_html(value: object) -> str:
    """Write JSON that cannot end the script element it stands in, nor open a comment there."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def static_root() -> str:
    """Give the path that all assets lie below, `/static/<digest of all>`."""
    return f"/static/{_version()}"


@functools.cache
def _assets() -> Mapping[str, _Asset]:
    root = _HERE / "static"
    paths = (path for path in sorted(root.rglob("*")) if path.is_file())
    return MappingProxyType({path.relative_to(root).as_posix(): _asset(path) for path in paths})


def _asset(path: Path) -> _Asset:
    content = path.read_bytes()
    return _Asset(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


@functools.cache
def _version() -> str:
    """Digest all assets: their addresses change when any of them does, so each may be kept for ever."""
    digest = hashlib.sha256()
    for name, asset in _assets().items():
        digest.update(f"{name} {asset.etag}\n".encode())
    return digest.hexdigest()[:16]


def _serve(request: Request) -> Response:
    asset = _assets().get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("Not found", status_code=404, headers={"x-content-type-options": "nosniff"})
    # An address of another version comes from a page of another replica: answered, but not to be kept.
    current = request.path_params["version"] == _version()
    headers = {
        "cache-control": f"public, max-age={_YEAR_S}, immutable" if current else "no-cache",
        "etag": asset.etag,
        "x-content-type-options": "nosniff",
    }
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


STATIC = Mount("/static", routes=[Route("/{version}/{name:path}", _serve, methods=["GET", "HEAD"])])
"""The pages' scripts, stylesheets, images and icon, at `/static/<digest of all>/<name>`, to be kept for a year."""
