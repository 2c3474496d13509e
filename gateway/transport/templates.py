"""Paths that an operator may set, with places for identifiers: ``/cases/{case_id}/attachments``."""

from string import Formatter

from gateway.transport.client import join_path


def check_template(key: str, template: str, *names: str) -> None:
    """Raise ValueError, with the setting's key, unless the template is a path with just these plain placeholders."""
    fields = [parts[1:] for parts in Formatter().parse(template) if parts[1] is not None]
    plain = all(not form and conversion is None for _, form, conversion in fields)
    if not template.startswith("/") or not plain or {name for name, *_ in fields} != set(names):
        wanted = " and ".join(f"{{{name}}}" for name in names)
        raise ValueError(f"`{key}` must start with a slash and hold {wanted}, and no other placeholder")


def fill_template(template: str, **values: str) -> str:
    """Put percent-encoded values into a checked template; raises BadInput for one that would change the path."""
    return template.format(**{name: join_path(value).removeprefix("/") for name, value in values.items()})
