"""What a request asks, whichever way its answer goes: read, kept from forgery, and with its document put in."""

from pathlib import Path

from starlette.requests import Request

from gateway.identity.principals import Principal, ScopeName
from gateway.settings import Settings
from gateway.web.negotiation import Parameters, Refusal, read_parameters
from gateway.web.persisted import Automatic, Documents, read_manifest
from gateway.web.preflight import PREFLIGHT_HEADERS, is_preflighted
from resolvers.execution.executor import Executor


class Intake:
    """Reads requests of at most ``largest`` bytes; ``preflight`` asks for a header where a document comes by GET."""

    def __init__(self, documents: Documents, largest: int, *, preflight: bool) -> None:
        self._documents = documents
        self._largest = largest
        self._preflight = preflight

    async def read(self, request: Request, principal: Principal) -> Parameters:
        """Read the parameters of a principal's request, which have a ``query`` then.

        Raises Refusal for a fault of the HTTP request, and what `Documents.resolve` raises.
        """
        parameters = await read_parameters(request, self._largest)
        named = self.resolve(parameters, principal)
        if not parameters.query:
            raise Refusal(400, "The request has no `query`.")
        if self._preflight and request.method == "GET" and not named and not is_preflighted(request.headers):
            raise Refusal(
                400,
                f"A query by GET needs the header {PREFLIGHT_HEADERS[0]}, so that no foreign page can have sent it.",
            )
        return parameters

    def resolve(self, parameters: Parameters, principal: Principal) -> bool:
        """Put in the document that is named, among those of the principal's tenant; tell whether one was named.

        In allow-list mode those with the scope `debug` may send any document, but never those whom nobody knows.
        """
        free = ScopeName.DEBUG in principal.scopes and not principal.is_anonymous
        return self._documents.resolve(parameters, principal.tenant, free=free)


def make_intake(settings: Settings, executor: Executor) -> Intake:
    """Make the intake of a gateway; raises ManifestError where its documents cannot be used."""
    given = settings.persisted
    trusted = read_manifest(Path(given.manifest), executor.faults) if given.manifest else {}
    documents = Documents(trusted, only=given.only, automatic=Automatic() if given.automatic else None)
    return Intake(documents, settings.largest_request, preflight=asks_preflight(settings))


def asks_preflight(settings: Settings) -> bool:
    """Tell whether a document that comes by GET needs a header."""
    asked = settings.edge.preflight
    return settings.profile == "production" if asked is None else asked
