"""The schema: the types put together, and its text."""

from dataclasses import replace
from typing import Any

import graphql
import strawberry
from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    Visitor,
    build_schema,
    lexicographic_sort_schema,
    parse,
    print_ast,
    specified_directives,
    visit,
)
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
    unsorted = make_schema().as_str()
    text = graphql.print_schema(lexicographic_sort_schema(build_schema(unsorted)))
    definitions = sorted(parse(text).definitions, key=_name_of)
    printed = visit(DocumentNode(definitions=tuple(definitions)), _Applied(parse(unsorted)))
    return print_ast(printed) + "\n"


SPECIFIED = frozenset(directive.name for directive in specified_directives)


class _Applied(Visitor):
    """Puts back the directives of fields, which graphql-core leaves out of a schema that it prints."""

    def __init__(self, original: DocumentNode) -> None:
        super().__init__()
        self._type = ""
        self._directives = {
            (_name_of(definition), field.name.value): [
                one for one in field.directives or () if one.name.value not in SPECIFIED
            ]
            for definition in original.definitions
            for field in getattr(definition, "fields", None) or ()
        }

    def enter(self, node: Any, *_: object) -> Any:
        """Put back those of one field, whose type was entered before it."""
        if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            self._type = _name_of(node)
        if not isinstance(node, FieldDefinitionNode):
            return None
        found = self._directives.get((self._type, node.name.value), [])
        return replace(node, directives=(*(node.directives or ()), *found)) if found else None


def _name_of(definition: Any) -> str:
    return str(definition.name.value).lower()
