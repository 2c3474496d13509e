"""The GraphiQL page: an editor for explorers, served from the gateway's own origin.

The page asks no other origin and holds no script or style of its own, so its content security policy allows
what comes from the gateway and nothing else. What the editor needs to know travels as JSON in the page; the
script that reads it is `static/graphiql/graphiql.js`, built by `tests/tooling/graphiql`. Nothing here costs an
upstream request.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
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

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)

PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "cache-control": "no-cache",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
)
"""The headers that must go with `graphiql_page`, beside its content type `text/html; charset=utf-8`."""

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Attachment gateway</title>
    <link rel="icon" type="image/svg+xml" href="{static}/icon.svg">
    <link rel="stylesheet" href="{static}/graphiql/graphiql.css">
    <script type="application/json" id="graphiql-configuration">{configuration}</script>
    <script src="{static}/graphiql/graphiql.js" defer></script>
  </head>
  <body>
    <main>
      <h1 class="page-title">Attachment gateway: GraphiQL</h1>
      <div id="graphiql"></div>
      <noscript>Without JavaScript there is the <a href="/schema.graphql">schema</a> to read.</noscript>
    </main>
  </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A document that the page shows in a tab of its own on a first visit.

    `title` is a sentence for people, `query` the text of the document, `variables` what it needs, and `headers`
    what the editor sends along. GraphiQL names a tab after the operation in it.
    """

    title: str
    query: str
    variables: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    etag: str


@functools.cache
def load_examples() -> tuple[Example, ...]:
    """Read the example documents of the demo, in the order of their file names.

    Each is a `.graphql` file in `gateway/web/examples` whose first line is its title in a comment; a `.json`
    file of the same name holds its variables. They name records of the sandbox and ask for the trace of upstream
    requests.
    """
    return tuple(_example(path) for path in sorted((_HERE / "examples").glob("*.graphql")))


def _example(path: Path) -> Example:
    query = path.read_text("utf-8")
    beside = path.with_suffix(".json")
    variables = json.loads(beside.read_text("utf-8")) if beside.exists() else {}
    title = query.partition("\n")[0].removeprefix("#").strip()
    return Example(title, query, variables, {"X-Gateway-Trace": "1"})


def graphiql_page(examples: Sequence[Example], endpoint: str = "/graphql") -> bytes:
    """Write the HTML document of the editor, for `endpoint`, with one tab for each of `examples`.

    Send it with `PAGE_HEADERS`; it also needs the routes of `STATIC`.
    """
    configuration = {"endpoint": endpoint, "tabs": [_tab(example) for example in examples]}
    page = _PAGE.format(static=escape(_static_root()), configuration=_json_for_html(configuration))
    return page.encode()


def _tab(example: Example) -> dict[str, str]:
    return {
        "query": example.query,
        "variables": _pretty(example.variables),
        "headers": _pretty(example.headers),
    }


def _pretty(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) if values else ""


def _json_for_html(value: object) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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


def _static_root() -> str:
    return f"/static/{_version()}"


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
"""The editor's script, stylesheet, images and icon, at `/static/<digest of all>/<name>`, to be kept for a year."""
