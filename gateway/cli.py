"""The command line: ``attachment-gateway demo | serve | sources | schema``.

Each command imports what it needs when it runs, so that none waits for the libraries of another. A mistake of the
operator's is one line on standard error and exit status 2.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.signals import exit_on_signals

MISTAKE = 2
HIGHEST_PORT = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status: 0, 1 for what did not work, 2 for a mistake of the operator's."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "attachment-gateway",
        description="One GraphQL schema over the attachments, files and folders of unlike systems.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run the gateway over a sandbox of five systems")
    demo.add_argument("--port", type=_port, default=8000, help="the port of the gateway (default: 8000)")
    demo.set_defaults(run=_demo)
    serve = commands.add_parser("serve", help="run the gateway over the systems of a settings file")
    serve.add_argument("--port", type=_port, help="overrides `port` of the settings")
    serve.add_argument("--host", help="overrides `host` of the settings")
    serve.set_defaults(run=_serve)
    sources = commands.add_parser("sources", help="ask each system of a settings file whether it works")
    sources.set_defaults(run=_sources)
    for command in (serve, sources):
        command.add_argument(
            "--config",
            type=Path,
            default=Path("gateway.toml"),
            help="the settings file (default: gateway.toml)",
        )
    schema = commands.add_parser("schema", help="print the GraphQL schema")
    schema.set_defaults(run=_schema)
    return parser


def _port(text: str) -> int:
    """Read a port; argparse tells what the error says."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to {HIGHEST_PORT}")
    return int(text)


def _mistake(message: object) -> int:
    print(f"attachment-gateway: {message}", file=sys.stderr)
    return MISTAKE


def _demo(arguments: argparse.Namespace) -> int:
    exit_on_signals()
    from gateway.sandbox.demo import run_demo  # noqa: PLC0415
    from gateway.serving import CannotListenError  # noqa: PLC0415

    try:
        return run_demo(arguments.port)
    except CannotListenError as exc:
        return _mistake(exc)


def _serve(arguments: argparse.Namespace) -> int:
    exit_on_signals()
    from gateway.asgi import create_app  # noqa: PLC0415
    from gateway.serving import CannotListenError, listen, make_server, serve  # noqa: PLC0415
    from gateway.settings import ENVIRONMENT, SettingsError, is_loopback, load_settings  # noqa: PLC0415

    given = {"PORT": arguments.port, "HOST": arguments.host}
    environ = os.environ | {ENVIRONMENT + key: str(value) for key, value in given.items() if value is not None}
    try:
        settings = load_settings(arguments.config, environ)
        if not is_loopback(settings.host):
            return _mistake(
                f"serve refuses to listen on {settings.host}: nobody has to log in yet, so loopback only; "
                "set host to 127.0.0.1"
            )
        listener = listen(settings.host, settings.port)
    except (SettingsError, CannotListenError) as exc:
        return _mistake(exc)
    names = ", ".join(source.name for source in settings.sources)
    print(f"serving {names} at {settings.origin}/graphql; Ctrl-C stops", flush=True)
    return 0 if serve(make_server(create_app(settings)), listener) else 1


def _sources(arguments: argparse.Namespace) -> int:
    from gateway.settings import SettingsError, load_settings  # noqa: PLC0415
    from gateway.sources_table import probe_sources, write_table  # noqa: PLC0415

    try:
        settings = load_settings(arguments.config, os.environ)
    except SettingsError as exc:
        return _mistake(exc)
    found = asyncio.run(probe_sources(settings))
    print(write_table(found))
    return 1 if any(one.failure for one in found) else 0


def _schema(_: argparse.Namespace) -> int:
    from resolvers.schema import print_schema  # noqa: PLC0415

    sys.stdout.write(print_schema())
    return 0
