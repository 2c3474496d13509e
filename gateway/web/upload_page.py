"""The upload page of the demo: files are dropped on it, sent to the store, and carried where they belong.

The script, `static/upload/upload.js`, holds Uppy and is built by `tests/tooling/uppy`. It asks the gateway's endpoint
as any client does: it announces the files, sends the bytes straight to the store, finalizes, and lists the files of
the chosen place. So the store's public endpoint is the one other origin that the page may send requests to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.assets import json_for_html, page_headers, static_root

PATH = "/upload"
"""Where the page is."""

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Upload files - Attachment gateway</title>
    <link rel="icon" type="image/svg+xml" href="{static}/icon.svg">
    <link rel="stylesheet" href="{static}/upload/upload.css">
    <script type="application/json" id="upload-configuration">{configuration}</script>
    <script src="{static}/upload/upload.js" defer></script>
  </head>
  <body>
    <header>
      <h1>Upload files</h1>
      <p>
        The bytes go straight to the object store. Then the gateway carries them to the system that owns the record.
        <a href="{endpoint}">Ask with GraphiQL</a>
      </p>
    </header>
    <main>
      <noscript>Without JavaScript there is the <a href="/schema.graphql">schema</a> to read.</noscript>
      <form id="choices">
        <p>
          <label for="place">Where the files go</label>
          <select id="place"></select>
        </p>
        <fieldset id="methods">
          <legend>How they are sent to the store</legend>
          <label><input type="radio" name="method" value="PUT" checked> PUT: one request, these very bytes</label>
          <label><input type="radio" name="method" value="POST"> POST: an HTML form with a signed policy</label>
          <label><input type="radio" name="method" value="MULTIPART"> MULTIPART: in parts, with a pause</label>
        </fieldset>
      </form>
      <div id="drop"></div>
      <section aria-labelledby="uploads-title">
        <h2 id="uploads-title">Uploads</h2>
        <p id="news" role="status"></p>
        <ul id="uploads"></ul>
      </section>
      <section aria-labelledby="files-title">
        <h2 id="files-title">Files there</h2>
        <table aria-labelledby="files-title">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col">Size</th>
              <th scope="col">Created</th>
            </tr>
          </thead>
          <tbody id="files"></tbody>
        </table>
        <p id="files-news" role="status"></p>
      </section>
    </main>
  </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that files may be sent to.

    `title` is for people, `target` a value of the input `UploadTargetInput`, and `place` the same place as a value of
    `PlaceLookup`, by which its files are listed.
    """

    title: str
    target: Mapping[str, object]
    place: Mapping[str, object]


_MAIL = {"source": "maarch", "resId": 100}
_CASE = {"source": "decisiv", "caseId": "CASE-1001"}
_NOTE = {"source": "espocrm", "type": "Note", "recordId": "68d6ab9c0007ad856", "field": "attachments"}
_LIBRARY = {"source": "arrhes", "organization": "org1", "year": "2025"}
_MESSAGE = {
    "source": "directmail",
    "project": "187812f26ba37d9769d8691d2a83c95c",
    "messageId": "4C3D6FE1-CF46-5946-AA2C-51AB0BE9A6C4",
}

PLACES = (
    Place("Mail 100 (Maarch)", {"mail": _MAIL}, {"record": {"mail": _MAIL}}),
    Place(
        "Case CASE-1001, for both parties (Decisiv)",
        {"case": {**_CASE, "internal": False}},
        {"record": {"case": _CASE}},
    ),
    Place("CRM note (EspoCRM)", {"entity": _NOTE}, {"record": {"entity": _NOTE}}),
    Place("Library of 2025 (Arrhes)", {"library": _LIBRARY}, {"library": _LIBRARY}),
    Place(
        "Message (Direct Mail, which takes no uploads)",
        {"message": _MESSAGE},
        {"record": {"message": _MESSAGE}},
    ),
)
"""The places of the demo: one record of the sandbox for each of its systems."""


def upload_page(places: Sequence[Place], endpoint: str = "/graphql") -> bytes:
    """Write the HTML document of the page, for `endpoint`, with a choice of `places`."""
    shown = [{"title": place.title, "target": place.target, "place": place.place} for place in places]
    page = _PAGE.format(
        static=escape(static_root()),
        endpoint=escape(endpoint),
        configuration=json_for_html({"endpoint": endpoint, "places": shown}),
    )
    return page.encode()


def upload_route(store: str) -> Route:
    """Serve the page at `/upload`; `store` is the public endpoint of the store, `http://host:port`.

    It also needs the routes of `gateway.web.assets.STATIC`.
    """
    page, headers = upload_page(PLACES), page_headers([store])

    def serve(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=headers)

    return Route(PATH, serve)
