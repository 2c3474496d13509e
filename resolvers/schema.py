"""The schema: the types put together, and its text."""

import graphql
import strawberry
from graphql import GraphQLError, build_schema, lexicographic_sort_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from resolvers.query import Query
from resolvers.scalars import SCALARS
from resolvers.types.attachment import Attachment
from resolvers.types.folder import File, Folder


class GatewaySchema(strawberry.Schema):
    """The gateway's schema; its errors are logged where they are presented, not twice."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Leave the errors to `resolvers.errors.present`, which masks and logs them."""


def make_schema(*, suggestions: bool = True) -> GatewaySchema:
    """Put the schema together; ``suggestions`` are the "did you mean" of validation errors."""
    config = StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not suggestions)
    return GatewaySchema(query=Query, types=[Attachment, File, Folder], config=config)


def print_schema() -> str:
    """Print the schema as `schema.graphql` holds it: sorted, so that every difference is a change.

    Strawberry's own `sort_schema` rebuilds the enums so that their members cannot be written any more.
    """
    return graphql.print_schema(lexicographic_sort_schema(build_schema(make_schema().as_str()))) + "\n"
