"""Counts the tokens of a document before it is parsed: some 30 times faster than parsing as many of them.

https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Lexical-Tokens has what tokens are.
"""

import re
from itertools import islice

TOKEN = re.compile(
    r"""
    \#[^\n\r]*                                                  # a comment, which the parser counts as well
    | [_A-Za-z][_0-9A-Za-z]*
    | -?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?
    | \"{3}(?>(?:[^"\\]+|\\"{3}|\\|"(?!""))*)(?:"{3}|\Z)        # one that does not end takes all that follows
    | "(?>(?:[^"\\\n\r]+|\\.)*)"?
    | \.{3}
    | [^\s,\ufeff]                                               # a punctuator, or what the parser will refuse
    """,
    re.VERBOSE,
)
"""Every alternative takes whatever it begins to read, so that no text is read twice.

The atomic groups say what ``*+`` would say, which Python 3.11.2 takes back where the last alternative fails.
"""


def count_tokens(text: str, most: int) -> int:
    """Count the tokens of a document, up to so many; each character that belongs to no token counts as one."""
    return sum(1 for _ in islice(TOKEN.finditer(text), min(most, len(text))))
