"""The schema is a deliverable: its text is kept, it describes itself, follows Relay, and shows what sources know."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

from resolvers.schema import print_schema

ROOT = Path(__file__).parents[2]
FIELDS = tomllib.loads((ROOT / "tests/data/fields.toml").read_text("utf-8"))
NOT_SHOWN = "not shown: "

LEGACY = {
    "content_length",
    "contentLength",
    "date_modified",
    "display_name",
    "downloadURL",
    "file_name",
    "fileName",
    "idFile",
    "idFileParent",
    "idFolder",
    "idFolderParent",
    "idOrganization",
    "idYear",
    "inSendAttach",
    "lastUpdatedAt",
    "lastUpdatedBy",
    "mailevaEnabled",
    "relation",
    "resId",
    "resIdMaster",
    "signDate",
    "storageFilePath",
    "subjectURL",
    "typist",
    "uuid",
}
"""Names of the upstreams that nobody who only knows the gateway would understand."""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """Give the schema as clients see it."""
    return build_schema(print_schema())


def own_types(schema: GraphQLSchema) -> list[GraphQLNamedType]:
    """List the types that are not GraphQL's own."""
    return [
        one
        for one in schema.type_map.values()
        if not is_introspection_type(one) and not is_specified_scalar_type(one)
    ]


def output_fields(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLField]]:
    """List the fields that answers may have, by coordinate."""
    for one in own_types(schema):
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
            yield from ((f"{one.name}.{name}", field) for name, field in one.fields.items())


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """List everything that takes a description, by coordinate."""
    for one in own_types(schema):
        yield one.name, one
        if isinstance(one, GraphQLEnumType):
            yield from ((f"{one.name}.{name}", value) for name, value in one.values.items())
        if isinstance(one, GraphQLInputObjectType):
            yield from ((f"{one.name}.{name}", field) for name, field in one.fields.items())
    for coordinate, field in output_fields(schema):
        yield coordinate, field
        yield from ((f"{coordinate}({name}:)", argument) for name, argument in field.args.items())


def type_text(field: GraphQLField | GraphQLArgument | None) -> str:
    """Write the type of a field or argument as the schema does; empty where there is none."""
    return str(field.type) if field else ""


# The text


def test_the_file_is_what_the_code_says() -> None:
    """Clients generate code from `schema.graphql`, and a reviewer sees each change of the contract there."""
    # given the file as it is kept
    kept = (ROOT / "schema.graphql").read_text("utf-8")

    # when the schema is printed
    printed = print_schema()

    # then they are the same
    assert kept == printed, "schema.graphql is stale: renew it with `make schema` and look at what changed"


def test_everything_is_described(schema: GraphQLSchema) -> None:
    """GraphiQL is the manual: whoever points at anything there reads what it is."""
    # given every type, field, argument, input field and enum value
    described = dict(elements(schema))

    # when their descriptions are looked at
    poor = [
        coordinate
        for coordinate, element in described.items()
        if len((element.description or "").split()) < 2 or not element.description.endswith((".", "`."))
    ]

    # then each is a sentence
    assert len(described) > 200
    assert poor == []


def test_no_name_of_an_upstream_leaks(schema: GraphQLSchema) -> None:
    """Five systems have five vocabularies; the schema has one of its own, in one spelling."""
    # given the names of all types and of all fields that answers may have
    fields = {coordinate: coordinate.split(".")[1] for coordinate, _ in output_fields(schema)}
    types = {one.name: one.name for one in own_types(schema)}

    # when legacy names and foreign spellings are looked for
    leaks = [coordinate for coordinate, name in {**fields, **types}.items() if name in LEGACY or "_" in name]
    capitals = [coordinate for coordinate, name in fields.items() if not name[0].islower()]

    # then there are none
    assert leaks == []
    assert capitals == []


# Relay


def test_connections_follow_relay(schema: GraphQLSchema) -> None:
    """Relay, Apollo and urql page through a connection by its shape alone."""
    # given every type that is called a connection
    connections = [one for one in own_types(schema) if one.name.endswith("Connection")]

    # when their shapes are taken down
    shapes = {}
    for one in connections:
        assert isinstance(one, GraphQLObjectType)
        edge = get_named_type(one.fields["edges"].type)
        assert isinstance(edge, GraphQLObjectType)
        shapes[one.name] = (
            str(one.fields["edges"].type),
            str(one.fields["pageInfo"].type),
            str(one.fields["totalCount"].type),
            str(edge.fields["cursor"].type),
            isinstance(get_named_type(edge.fields["node"].type), GraphQLList),
        )

    # then each has its edges, page information and count, and each edge a cursor and one node
    assert set(shapes) >= {"AttachmentConnection", "FolderEntryConnection", "StoredFileConnection"}
    assert shapes == {
        name: (f"[{name.removesuffix('Connection')}Edge!]!", "PageInfo!", "Int!", "String!", False)
        for name in shapes
    }


def test_page_information_is_relays(schema: GraphQLSchema) -> None:
    """The four fields of `PageInfo` are Relay's, with its types."""
    # given the type
    page_info = schema.get_type("PageInfo")
    assert isinstance(page_info, GraphQLObjectType)

    # when its fields are taken down
    fields = {name: str(field.type) for name, field in page_info.fields.items()}

    # then they are the four
    assert fields == {
        "startCursor": "String",
        "endCursor": "String",
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
    }


def test_every_connection_is_paged_both_ways(schema: GraphQLSchema) -> None:
    """A field that gives a connection takes the four arguments; a page that nobody may ask for is of no use."""
    # given the fields that give connections
    fields = {
        coordinate: field
        for coordinate, field in output_fields(schema)
        if get_named_type(field.type).name.endswith("Connection")
    }

    # when their arguments are taken down
    arguments = {
        coordinate: tuple(type_text(field.args.get(name)) for name in ("first", "after", "last", "before"))
        for coordinate, field in fields.items()
    }

    # then each has all of them, none is required, and the field may be null when its source fails
    assert set(arguments) >= {
        "Folder.descendants",
        "Library.descendants",
        "Query.storedFiles",
        "Record.attachments",
    }
    assert set(arguments.values()) == {("Int", "String", "Int", "String")}
    assert not any(isinstance(field.type, GraphQLNonNull) for field in fields.values())


def test_every_object_with_an_identifier_is_a_node(schema: GraphQLSchema) -> None:
    """What has an `id` can be fetched again by `node`, as Relay's refetching wants it."""
    # given the object types that have an `id`
    identified = [one for one in own_types(schema) if isinstance(one, GraphQLObjectType) and "id" in one.fields]

    # when they are asked what they are
    nodes = {one.name for one in identified if "Node" in {interface.name for interface in one.interfaces}}

    # then each is a Node, with an identifier that is always there, and `node` may say that it is gone
    assert {one.name for one in identified} == nodes
    assert nodes >= {"Attachment", "File", "Folder", "Library", "Record", "Source"}
    assert {str(one.fields["id"].type) for one in identified} == {"ID!"}
    assert str(schema.query_type.fields["node"].type if schema.query_type else "") == "Node"


# What upstreams know


def shown_fields() -> Iterator[tuple[str, str]]:
    """List each documented field of the upstreams with each coordinate that shows it."""
    for kind, shapes in FIELDS.items():
        for shape, fields in shapes.items():
            for name, shown in fields.items():
                for coordinate in [shown] if isinstance(shown, str) else shown:
                    yield f"{kind}.{shape}.{name}", coordinate


def test_every_documented_field_is_reachable(schema: GraphQLSchema) -> None:
    """Whoever moves from a system's own API to the gateway loses nothing."""
    # given the coordinates that the table names, and those that the schema has
    there = {coordinate for coordinate, _ in output_fields(schema)}
    shown = [(name, coordinate) for name, coordinate in shown_fields() if not coordinate.startswith(NOT_SHOWN)]

    # when they are compared
    missing = [f"{name} -> {coordinate}" for name, coordinate in shown if coordinate not in there]

    # then each is there, in all five kinds
    assert set(FIELDS) == {"arrhes", "decisiv", "directmail", "espocrm", "maarch"}
    assert len(shown) > 90
    assert missing == []


def test_every_detail_comes_from_a_documented_field(schema: GraphQLSchema) -> None:
    """A field of `details` that no upstream documents would be invented, and would stay null for ever."""
    # given the types of `details`
    types = (
        "ArrhesDetails",
        "AttachmentVersion",
        "DecisivDetails",
        "DirectMailDetails",
        "EspoCrmDetails",
        "Sender",
    )
    wanted = {
        coordinate
        for coordinate, _ in output_fields(schema)
        if coordinate.split(".")[0] in (*types, "MaarchDetails")
    }

    # when the table's coordinates are taken away
    invented = wanted - {coordinate for _, coordinate in shown_fields()}

    # then nothing is left
    assert wanted
    assert invented == set()
