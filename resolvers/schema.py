"""The schema: the types put together, and its text."""

from typing import Any

import graphql
import strawberry
from graphql import DocumentNode, build_schema, lexicographic_sort_schema, parse, print_ast
from strawberry.schema.config import StrawberryConfig

from resolvers.mutation import Mutation
from resolvers.query import Query
from resolvers.scalars import SCALARS
from resolvers.subscription import Subscription
from resolvers.types.attachment import Attachment
from resolvers.types.folder import File, Folder
from resolvers.user_errors import ERROR_TYPES


def make_schema() -> strawberry.Schema:
    """Put the schema together."""
    config = StrawberryConfig(scalar_map=SCALARS)
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Attachment, File, Folder, *ERROR_TYPES],
        config=config,
    )


def print_schema() -> str:
    """Print the schema as `schema.graphql` holds it: sorted as people sort, so that every difference is a change.

    Strawberry's own `sort_schema` rebuilds the enums so that their members cannot be written any more.
    """
    text = graphql.print_schema(lexicographic_sort_schema(build_schema(make_schema().as_str())))
    definitions = sorted(parse(text).definitions, key=_name_of)
    return print_ast(DocumentNode(definitions=tuple(definitions))) + "\n"


def _name_of(definition: Any) -> str:
    return str(definition.name.value).lower()
