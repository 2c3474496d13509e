"""What may be asked for before anything of it is executed: by one operation, and in a time."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of operations; over any of them one is refused and costs no upstream request.

    ``tokens`` counts those of the document, comments too. ``depth`` is the number of fields below each other, apart
    from introspection. ``aliases``, ``directives`` and ``root_fields`` are counted with fragments expanded.
    ``upstream_requests`` and ``nodes`` are bounds that are computed from the document and its variables, see
    `resolvers.costs`.

    ``rate`` is in tokens per second and ``burst`` in tokens, see `gateway.limiter`: what each principal may ask for,
    and by ``tenant_rate`` and ``tenant_burst`` all principals of a tenant together. A rate of 0 is no limit; without
    one production has 200 and 2,000, and other profiles none.
    """

    tokens: int = 2_000
    depth: int = 15
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    upstream_requests: int = 200
    nodes: int = 10_000
    rate: float | None = None
    burst: float = 4_000
    tenant_rate: float | None = None
    tenant_burst: float = 40_000
