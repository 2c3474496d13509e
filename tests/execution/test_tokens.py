"""Tokens are counted as graphql-core counts them, without its work."""

import pytest
from graphql import GraphQLError, Lexer, Source, TokenKind, parse
from hypothesis import example, given
from hypothesis import strategies as st

from resolvers.execution.tokens import count_tokens
from tests.execution.limiting import AT_THE_LIMIT

MANY = 1_000_000

names = st.from_regex(r"[_A-Za-z][_0-9A-Za-z]{0,5}", fullmatch=True)
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
texts = st.from_regex(r'"([^"\\\x00-\x1f]|\\["\\/bfnrt]){0,8}"', fullmatch=True)
blocks = st.from_regex(r'"""(a|\\"""|"b|""c|\\d|\n){0,6} """', fullmatch=True)
comments = st.from_regex(r"#[^\x00-\x1f]{0,10}\n", fullmatch=True)
tokens = st.one_of(names, numbers, texts, blocks, comments, st.sampled_from([*"!$&()[]{}:=@|", "..."]))
gaps = st.sampled_from([" ", ",", "\n", "\t", "\ufeff", " , "])


def by_core(text: str) -> int:
    """Count tokens with graphql-core's lexer, comments too."""
    lexer = Lexer(Source(text))
    count = 0
    token = lexer.token
    while lexer.advance().kind is not TokenKind.EOF:
        pass
    while token.next is not None:
        token = token.next
        count += 1
    return count - 1


@example('""" """ ')  # which Python 3.11.2 needs to be asked for with care
@given(st.lists(st.tuples(tokens, gaps), max_size=40).map(lambda parts: "".join(a + b for a, b in parts)))
def test_any_tokens_are_counted(text: str) -> None:
    """Whatever stands beside whatever else, nothing is counted twice or left out."""
    # then
    assert count_tokens(text, MANY) == by_core(text)


@pytest.mark.parametrize("limit", AT_THE_LIMIT)
def test_documents_are_counted(limit: str) -> None:
    """The same for documents that clients might send."""
    # given
    text, _ = AT_THE_LIMIT[limit]

    # then
    assert count_tokens(text, MANY) == by_core(text) > 0


@given(st.text(alphabet='"\\#.-1ea_{} \n\x00', max_size=60))
def test_what_can_be_parsed_is_never_counted_higher(text: str) -> None:
    """No document is refused for more tokens than it has; of what cannot be parsed any number may be told."""
    # given
    try:
        parse(text)
    except GraphQLError:
        return

    # then
    assert count_tokens(text, MANY) == by_core(text)


@pytest.mark.parametrize("text", ["a " * 5000, '"' * 5000, "-" * 5000, "\x00" * 5000, '"""\\"""' * 3000])
def test_counting_stops_at_the_limit(text: str) -> None:
    """A document of any length is looked at no further than needed."""
    # then
    assert count_tokens(text, 100) <= 100
