"""The command line: ``attachment-gateway demo | serve | sources | schema | upload | doctor | sweep``.

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
    serve.add_argument(
        "--guarded",
        action="store_const",
        const="true",
        help="something before the gateway authenticates everybody, so it may listen on any address",
    )
    serve.set_defaults(run=_serve)
    sources = commands.add_parser("sources", help="ask each system of a settings file whether it works")
    sources.set_defaults(run=_sources)
    doctor = commands.add_parser("doctor", help="probe the object store of a settings file for weaknesses")
    doctor.set_defaults(run=_doctor)
    sweep = commands.add_parser("sweep", help="take up, end and remove what uploads left behind, once")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be done")
    sweep.set_defaults(run=_sweep)
    for command in (serve, sources, doctor, sweep):
        command.add_argument(
            "--config",
            type=Path,
            default=Path("gateway.toml"),
            help="the settings file (default: gateway.toml)",
        )
    _add_upload(commands.add_parser("upload", help="upload files through a running gateway"))
    schema = commands.add_parser("schema", help="print the GraphQL schema")
    schema.set_defaults(run=_schema)
    return parser


def _add_upload(upload: argparse.ArgumentParser) -> None:
    upload.add_argument("files", nargs="+", type=Path, metavar="FILE")
    upload.add_argument(
        "--to",
        required=True,
        metavar="TARGET",
        help="mail:100, case:CASE-1001, folder:ID, library:org1/2025 or entity:Note/ID/attachments",
    )
    upload.add_argument("--source", help="the source; may be left out where one alone has such targets")
    upload.add_argument(
        "--url",
        default="http://127.0.0.1:8000/graphql",
        help="the gateway (default: http://127.0.0.1:8000/graphql)",
    )
    sides = upload.add_mutually_exclusive_group()
    sides.add_argument(
        "--internal", action="store_true", default=None, help="for a case: only our own side sees it"
    )
    sides.add_argument(
        "--not-internal",
        action="store_false",
        default=None,
        dest="internal",
        help="for a case: both sides see it",
    )
    upload.add_argument(
        "--on-conflict",
        choices=("fail", "rename", "replace"),
        default="fail",
        help="what to do when the name is taken (default: fail)",
    )
    upload.add_argument(
        "--run",
        dest="run_name",
        metavar="NAME",
        help="a name for this run: begun again under it, nothing is uploaded twice",
    )
    upload.set_defaults(run=_upload)


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

    given = {"PORT": arguments.port, "HOST": arguments.host, "GUARDED": arguments.guarded}
    environ = os.environ | {ENVIRONMENT + key: str(value) for key, value in given.items() if value is not None}
    try:
        settings = load_settings(arguments.config, environ)
        if not (settings.guarded or is_loopback(settings.host)):
            return _mistake(
                f"serve refuses to listen on {settings.host}: nobody has to log in yet, so loopback only; "
                "set host to 127.0.0.1, or say `guarded = true` where something in front authenticates everybody"
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


def _upload(arguments: argparse.Namespace) -> int:
    from gateway.upload_command import MistakeError, run_upload  # noqa: PLC0415

    try:
        return run_upload(arguments)
    except MistakeError as exc:
        return _mistake(exc)


def _doctor(arguments: argparse.Namespace) -> int:
    from gateway.settings import SettingsError, load_settings  # noqa: PLC0415
    from gateway.uploads.doctor import examine, exit_code, report  # noqa: PLC0415

    try:
        settings = load_settings(arguments.config, os.environ)
    except SettingsError as exc:
        return _mistake(exc)
    if settings.store is None:
        return _mistake(f"{arguments.config}: there is no [store] table, so there is no store to examine")
    findings = asyncio.run(examine(settings.store))
    print(report(findings))
    return exit_code(findings)


def _sweep(arguments: argparse.Namespace) -> int:
    from gateway.domain.errors import GatewayError  # noqa: PLC0415
    from gateway.housekeeping import sweep_once  # noqa: PLC0415
    from gateway.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings(arguments.config, os.environ)
        if settings.store is None:
            return _mistake(f"{arguments.config}: there is no [store] table, so there is nothing to sweep")
        swept = asyncio.run(sweep_once(settings, dry_run=arguments.dry_run))
    except SettingsError as exc:
        return _mistake(exc)
    except GatewayError as exc:
        print(f"attachment-gateway: {exc.code} {exc.message}", file=sys.stderr)
        return 1
    lines = swept.lines()
    print("\n".join(["nothing is changed; a sweep would find", *lines] if arguments.dry_run else lines))
    return 1 if swept.failed else 0


def _schema(_: argparse.Namespace) -> int:
    from resolvers.schema import print_schema  # noqa: PLC0415

    sys.stdout.write(print_schema())
    return 0
