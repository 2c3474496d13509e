"""The HTML of the pages, their examples and places, without a browser."""

import json
from typing import Literal

import httpx
import pytest
from graphql import build_schema, get_operation_ast, parse, validate
from graphql.execution.values import get_variable_values

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.settings import Settings
from gateway.uploads.storage import StoreSettings
from gateway.web.graphiql import Example, graphiql_page, load_examples
from gateway.web.upload_page import PLACES, Place, upload_page
from tests.tooling.node import ROOT

END_OF_SCRIPT = "</script><script>alert(1)</script>"
STORE = StoreSettings(
    endpoint="http://store.internal:9000",
    public_endpoint="https://files.example.org",
    bucket="uploads",
    signer_access_key="signer",
    signer_secret_key=Secret("signer-secret"),
    reader_access_key="reader",
    reader_secret_key=Secret("reader-secret"),
)
TARGETS = """query Targets($places: [PlaceLookup!]!) { storedFiles(in: $places) { totalCount } }
mutation Upload($uploads: StagedUploadsCreateInput!) {
  stagedUploadsCreate(input: $uploads) { stagedUploads { id } }
}"""


def _configuration(page: bytes, name: str = "graphiql") -> str:
    text = page.decode().partition(f'id="{name}-configuration">')[2]
    return text.partition("</script>")[0]


def test_example_cannot_leave_its_script_element() -> None:
    """Text that would end the element stays text, so the page runs nothing that an example brings."""
    # given
    example = Example("Hostile", f"# {END_OF_SCRIPT}\n{{ __typename }}\n")

    # when
    page = graphiql_page([example])

    # then
    assert END_OF_SCRIPT.encode() not in page
    assert json.loads(_configuration(page))["tabs"][0]["query"] == example.query


def test_examples_have_a_title_and_a_tab_of_their_own() -> None:
    """Every example file starts with a sentence and names its operation, which GraphiQL shows on the tab."""
    # given
    examples = load_examples()

    # when
    operations = [
        example.query.partition("query ")[2].partition(" ")[0].partition("(")[0] for example in examples
    ]

    # then
    assert len(examples) >= 6
    assert all(example.title and not example.title.startswith("#") for example in examples)
    assert len(set(operations)) == len(examples)
    assert all(operation.isidentifier() for operation in operations)
    assert all(example.headers == {"X-Gateway-Trace": "1"} for example in examples)


def test_examples_fit_the_schema() -> None:
    """No example is refused: each is valid by the printed schema, and so are its variables."""
    # given
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))

    # when
    refused = []
    for example in load_examples():
        document = parse(example.query)
        operation = get_operation_ast(document)
        assert operation is not None
        values = get_variable_values(schema, operation.variable_definitions or (), dict(example.variables))
        refused += [*validate(schema, document), *(values if isinstance(values, list) else [])]

    # then
    assert refused == []


def test_place_cannot_leave_its_script_element() -> None:
    """The upload page runs nothing that the name of a place brings, either."""
    # given
    place = Place(END_OF_SCRIPT, {}, {})

    # when
    page = upload_page([place])

    # then
    assert END_OF_SCRIPT.encode() not in page
    assert json.loads(_configuration(page, "upload"))["places"][0]["title"] == END_OF_SCRIPT


def test_places_fit_the_schema() -> None:
    """Every place of the upload page can be uploaded to and listed by the printed schema; no two are the same."""
    # given
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
    document = parse(TARGETS)
    uploads = [
        {"target": place.target, "name": "a.pdf", "mediaType": "application/pdf", "size": 1} for place in PLACES
    ]
    variables = {
        "Targets": {"places": [place.place for place in PLACES]},
        "Upload": {"uploads": {"idempotencyKey": "key", "uploads": uploads}},
    }

    # when
    refused = list(validate(schema, document))
    for name, values in variables.items():
        operation = get_operation_ast(document, name)
        assert operation is not None
        read = get_variable_values(schema, operation.variable_definitions or (), values)
        refused += read if isinstance(read, list) else []

    # then
    assert refused == []
    assert len({place.title for place in PLACES}) == len(PLACES)


@pytest.mark.parametrize(
    ("profile", "store", "status"),
    [("demo", STORE, 200), ("demo", None, 404), ("development", STORE, 404), ("production", STORE, 404)],
)
async def test_upload_page_is_the_demo_s(
    profile: Literal["demo", "development", "production"], store: StoreSettings | None, status: int
) -> None:
    """Only the demo, whose places are made up, serves the page and links to it; it names the public endpoint."""
    # given
    settings = Settings(
        sources=(),
        profile=profile,
        store=store,
        journal=Secret("sqlite://"),
        content_key=Secret("0" * 64),
        id_keys=Secret("0" * 64),
    )
    transport = httpx.ASGITransport(create_app(settings))

    # when
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        page = await client.get("/upload")
        editor = await client.get("/graphql", headers={"accept": "text/html"})

    # then
    policy = page.headers.get("content-security-policy", "")
    assert page.status_code == status
    assert ("; connect-src 'self' https://files.example.org; " in policy) is (status == 200)
    assert "store.internal" not in policy
    assert ('"upload": "/upload"' in editor.text) is (status == 200)
