"""The command line: ``attachment-gateway demo | serve | sources | config | keys | schema | upload | doctor | sweep``.

Each command imports what it needs when it runs, so that none waits for the libraries of another. A mistake of the
operator's is one line on standard error and exit status 2.
"""

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.signals import end_on_signals, note_signals

if TYPE_CHECKING:
    from gateway.settings import Settings

MISTAKE = 2
HIGHEST_PORT = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status: 0, 1 for what did not work, 2 for a mistake of the operator's."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    if run not in (_schema, _upload):  # which log nothing, and start the faster without it
        from gateway.redaction import install  # noqa: PLC0415

        install()
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
    doctor = commands.add_parser("doctor", help="probe the object store of a settings file for weaknesses")
    doctor.set_defaults(run=_doctor)
    sweep = commands.add_parser("sweep", help="take up, end and remove what uploads left behind, once")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be done")
    sweep.set_defaults(run=_sweep)
    config = commands.add_parser("config", help="print the settings in force, with every secret masked")
    config.set_defaults(run=_config)
    for command in (serve, sources, config, doctor, sweep):
        command.add_argument(
            "--config",
            type=Path,
            default=Path("gateway.toml"),
            help="the settings file (default: gateway.toml)",
        )
    _add_keys(commands.add_parser("keys", help="make API keys"))
    _add_upload(commands.add_parser("upload", help="upload files through a running gateway"))
    schema = commands.add_parser("schema", help="print the GraphQL schema")
    schema.set_defaults(run=_schema)
    return parser


def _add_keys(keys: argparse.ArgumentParser) -> None:
    create = keys.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "create", help="make a key, show it once, and print the lines of the settings that let it in"
    )
    create.add_argument("--id", required=True, help="its name: small letters, digits and '-'")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        metavar="SCOPE",
        help="what it may do: files:read, files:write, files:delete or debug; may be given several times",
    )
    create.add_argument("--tenant", default="", help="whose it is, where there are tenants")
    create.add_argument("--days", type=int, help="how long it lives (default: for ever)")
    create.set_defaults(run=_create_key)


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
    end_on_signals()
    from gateway.sandbox.demo import run_demo  # noqa: PLC0415
    from gateway.serving import CannotListenError  # noqa: PLC0415

    try:
        return run_demo(arguments.port)
    except CannotListenError as exc:
        return _mistake(exc)


def _serve(arguments: argparse.Namespace) -> int:
    end_on_signals()
    from gateway.asgi import create_app  # noqa: PLC0415
    from gateway.domain.errors import StorageUnavailable  # noqa: PLC0415
    from gateway.exposure import why_not_served  # noqa: PLC0415
    from gateway.housekeeping import check_journal  # noqa: PLC0415
    from gateway.serving import CannotListenError, listen, make_server, serve  # noqa: PLC0415
    from gateway.settings import ENVIRONMENT, SettingsError, load_settings  # noqa: PLC0415
    from gateway.web.persisted import ManifestError  # noqa: PLC0415

    given = {"PORT": arguments.port, "HOST": arguments.host}
    environ = os.environ | {ENVIRONMENT + key: str(value) for key, value in given.items() if value is not None}
    try:
        settings = load_settings(arguments.config, environ)
        refusal = why_not_served(settings)
        if refusal is not None:
            return _mistake(refusal)
        if weak := _weak_store(settings):
            return _mistake(weak)
        check_journal(settings)
        app = create_app(settings)
        listener = listen(settings.host, settings.port)
    except (SettingsError, ManifestError, CannotListenError) as exc:
        return _mistake(exc)
    except StorageUnavailable as exc:
        return _mistake(f"`journal` cannot be used: {exc.message}")
    names = ", ".join(source.name for source in settings.sources)
    note_signals()
    print(f"serving {names} at {settings.origin}/graphql; Ctrl-C stops", flush=True)
    return 0 if serve(make_server(app, largest_message=settings.largest_request), listener) else 1


def _weak_store(settings: "Settings") -> str | None:
    """Say why production does not start over its store; elsewhere its weaknesses are told while it starts."""
    if settings.store is None:
        return None
    from gateway.housekeeping import store_warnings  # noqa: PLC0415

    if settings.profile == "production":
        found = store_warnings(settings)
        accepting = "to accept it, name the check in `accepted_weaknesses` of [store]"
        return f"serve refuses: {'; '.join(found)}; {accepting}" if found else None
    threading.Thread(target=_warn_of_store, args=[settings], daemon=True).start()
    return None


def _warn_of_store(settings: "Settings") -> None:
    from gateway.housekeeping import store_warnings  # noqa: PLC0415

    for line in store_warnings(settings):
        print(f"attachment-gateway: warning: {line}", file=sys.stderr, flush=True)


def _config(arguments: argparse.Namespace) -> int:
    from gateway.settings import SettingsError, load_settings  # noqa: PLC0415
    from gateway.settings_shown import shown  # noqa: PLC0415

    try:
        print(shown(load_settings(arguments.config, os.environ)))
    except SettingsError as exc:
        return _mistake(exc)
    return 0


def _create_key(arguments: argparse.Namespace) -> int:
    from gateway.keys_command import create_key  # noqa: PLC0415

    try:
        print(create_key(arguments.id, arguments.scope, arguments.tenant, arguments.days))
    except ValueError as exc:
        return _mistake(exc)
    return 0


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
