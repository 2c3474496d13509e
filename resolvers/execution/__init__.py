"""Compiled execution: a document becomes one function per selection, and everything unknown goes to graphql-core.

`documents` parses and validates, `fields` reads from the schema how a field gets its value, `projection` writes the
functions, `run` executes one plan, `executor` caches plans and falls back.
"""
