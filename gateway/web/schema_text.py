"""`/schema.graphql`: the schema as text, in production for those who may see what is behind it."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.domain.errors import InsufficientScope, Unauthenticated
from gateway.identity.principals import ScopeName
from gateway.web.door import Door, challenge
from gateway.web.refusals import error_response

NO_CACHE = {"cache-control": "no-cache"}


class SchemaText:
    """Serves the schema. Unless it is ``public``, it takes what introspection takes, the scope `debug`."""

    def __init__(self, text: str, door: Door, *, public: bool) -> None:
        self._text = text
        self._door = door
        self._public = public

    async def serve(self, request: Request) -> Response:
        """Answer with the text, 401 or 403."""
        if not self._public:
            try:
                visitor = await self._door.admit(request.scope)
            except Unauthenticated as exc:
                return challenge(exc, uuid4().hex)
            if ScopeName.DEBUG not in visitor.principal.scopes:
                error = InsufficientScope("The schema takes the scope `debug` here.")
                return error_response(error, 403, uuid4().hex)
        return PlainTextResponse(self._text, headers=NO_CACHE)
