"""What one operation may ask for before anything of it is executed."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of one operation; over any of them it is refused and costs no upstream request.

    ``tokens`` counts those of the document, comments too. ``depth`` is the number of fields below each other, apart
    from introspection. ``aliases``, ``directives`` and ``root_fields`` are counted with fragments expanded.
    ``upstream_requests`` and ``nodes`` are bounds that are computed from the document and its variables, see
    `resolvers.costs`.
    """

    tokens: int = 2_000
    depth: int = 15
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    upstream_requests: int = 200
    nodes: int = 10_000
