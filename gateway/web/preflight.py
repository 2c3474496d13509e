"""Against forged requests of foreign pages (CSRF): what no page can send without asking first.

A page of another origin can send a GET, or a POST of plain text or a form, without the browser asking us (a CORS
preflight). Such a POST is refused by its content type. A GET with a document in it must have a header that a page can
send to another origin only after a preflight, or the browser's own word that the page is ours. A GET that names a
persisted document is harmless: GET never executes mutations, and the document was registered before.
"""

from collections.abc import Mapping

PREFLIGHT_HEADERS = (
    "x-gateway-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "graphql-require-preflight",
)
"""Any of these will do, with any value but an empty one: clients of others send the latter three."""
SITE = "sec-fetch-site"


def is_preflighted(headers: Mapping[str, str]) -> bool:
    """Tell whether a request cannot come from a foreign page that nobody has let in."""
    return headers.get(SITE) == "same-origin" or any(headers.get(name) for name in PREFLIGHT_HEADERS)
