"""The schema: the types put together, and its text."""

import graphql
import strawberry
from graphql import build_schema, lexicographic_sort_schema
from strawberry.schema.config import StrawberryConfig

from resolvers.query import Query
from resolvers.scalars import SCALARS
from resolvers.types.attachment import Attachment
from resolvers.types.folder import File, Folder


def make_schema() -> strawberry.Schema:
    """Put the schema together."""
    config = StrawberryConfig(scalar_map=SCALARS)
    return strawberry.Schema(query=Query, types=[Attachment, File, Folder], config=config)


def print_schema() -> str:
    """Print the schema as `schema.graphql` holds it: sorted, so that every difference is a change.

    Strawberry's own `sort_schema` rebuilds the enums so that their members cannot be written any more.
    """
    return graphql.print_schema(lexicographic_sort_schema(build_schema(make_schema().as_str()))) + "\n"
