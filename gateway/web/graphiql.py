"""The GraphiQL page: an editor for explorers, served from the gateway's own origin.

What the editor needs to know travels as JSON in the page (see `gateway.web.assets`); the script that reads it is
`static/graphiql/graphiql.js`, built by `tests/tooling/graphiql`. Nothing here costs an upstream request.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from gateway.web.assets import json_for_html, page_headers, static_root

_HERE = Path(__file__).parent

PAGE_HEADERS = page_headers()
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


def graphiql_page(examples: Sequence[Example], endpoint: str = "/graphql", upload: str | None = None) -> bytes:
    """Write the HTML document of the editor, for `endpoint`, with one tab for each of `examples`.

    `upload` is the path of the upload page, which the editor links to where there is one. Send it with
    `PAGE_HEADERS`; it also needs the routes of `gateway.web.assets.STATIC`.
    """
    configuration = {"endpoint": endpoint, "tabs": [_tab(example) for example in examples], "upload": upload}
    page = _PAGE.format(static=escape(static_root()), configuration=json_for_html(configuration))
    return page.encode()


def _tab(example: Example) -> dict[str, str]:
    return {
        "query": example.query,
        "variables": _pretty(example.variables),
        "headers": _pretty(example.headers),
    }


def _pretty(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) if values else ""
