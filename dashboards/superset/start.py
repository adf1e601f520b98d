#!/usr/bin/env python
"""Start Superset on a published snapshot, with the dashboard of `bundle/` imported: what `make superset` runs.

Runs in the environment of `requirements.lock` and knows the package by its published snapshot alone. Importing again
overwrites what the bundle describes, by its fixed identifiers, and nothing else.
"""

import contextlib
import io
import logging
import os
import secrets
import socket
import sys
from pathlib import Path

import click
import yaml

HERE = Path(__file__).parent.resolve()
BUNDLE = HERE / "bundle"
SNAPSHOT = "pso_bi.duckdb"
DASHBOARD = "/superset/dashboard/check-in-and-cancellation/"
ADMIN = "admin"
SIGN_IN = "password"
"""File in Superset's home that holds the administrator's password."""
LOOPBACK = "127.0.0.1"
USAGE = 2


@click.command()
@click.option(
    "--bi-dir",
    type=click.Path(path_type=Path),
    envvar="PSO_BI_DIR",
    default=Path("data/sandbox/bi"),
    show_default=True,
    help="Folder in which the snapshot is published.",
)
@click.option("--port", default=8088, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path("data/superset"),
    show_default=True,
    help="Where Superset keeps its users and dashboards.",
)
@click.option("--import-only", is_flag=True, help="Import the dashboard and stop.")
@click.option("--check", is_flag=True, help="Only say what is in the way of starting; needs no Superset.")
def main(bi_dir: Path, port: int, home: Path, import_only: bool, check: bool) -> None:
    """Start Superset on a published snapshot, with the dashboard imported."""
    snapshot = bi_dir.absolute() / SNAPSHOT
    if not snapshot.is_file():
        stop(f"nothing is published in {bi_dir}: run `make demo ARGS=--once` first, or name another --bi-dir")
    server = None if import_only else listen(port)
    if check:
        return
    click.echo("Preparing Superset, about a minute the first time ...")
    try:
        prepare_environment(home.absolute(), snapshot)
    except OSError as error:
        stop(f"{home} cannot be used ({error.strerror}): choose another folder with --home")
    # its migrations log some 900 lines and print a dozen, and SQLAlchemy warns about Superset's own models
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        set_up(snapshot, home.absolute())
    if server:
        serve(server, bi_dir, home)


def listen(port: int) -> socket.socket:
    """Bind the address before any work is spent; only this machine can reach it."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((LOOPBACK, port))
    except OSError as error:
        stop(f"{LOOPBACK}:{port} cannot be used ({error.strerror}): choose another with --port")
    server.set_inheritable(True)
    return server


def prepare_environment(home: Path, snapshot: Path) -> None:
    """Give Superset its configuration, its private folder, and a key that signs its sessions, made once."""
    os.umask(0o077)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    os.environ.setdefault("SUPERSET_SECRET_KEY", read_secret(home / "secret_key"))
    os.environ["SUPERSET_HOME"] = str(home)
    os.environ["PSO_SUPERSET_SNAPSHOT"] = str(snapshot)
    os.environ["SUPERSET_CONFIG_PATH"] = str(HERE / "superset_config.py")


def read_secret(path: Path) -> str:
    """Read a secret that is made at random the first time; nobody else can read its file."""
    with contextlib.suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(42), encoding="ascii")
    path.chmod(0o600)
    return path.read_text(encoding="ascii")


def set_up(snapshot: Path, home: Path) -> None:
    """Bring Superset's own database up to date, make the administrator, import the bundle."""
    from flask_migrate import upgrade
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        from superset import appbuilder, db, security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.utils.core import override_user

        upgrade()
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()
        has_password = (home / SIGN_IN).exists()
        password = read_secret(home / SIGN_IN)
        admin = security_manager.find_user(ADMIN)
        if admin is None:
            admin = security_manager.add_user(
                ADMIN,
                "Local",
                "Administrator",
                "admin@localhost",
                security_manager.find_role("Admin"),
                password=password,
            )
        elif not has_password:
            # an earlier version gave every installation the same one
            security_manager.reset_password(admin.id, password)
        with override_user(admin):
            ImportAssetsCommand(read_bundle(snapshot)).run()


def read_bundle(snapshot: Path) -> dict[str, str]:
    """Read the files of the bundle by their path in it, with the connection pointed at the snapshot."""
    files = sorted(BUNDLE.rglob("*.yaml"))
    contents = {str(path.relative_to(BUNDLE)): path.read_text(encoding="utf-8") for path in files}
    connection = yaml.safe_load(contents["databases/pso_bi.yaml"])
    connection["sqlalchemy_uri"] = f"duckdb:///{snapshot}"
    return contents | {"databases/pso_bi.yaml": yaml.safe_dump(connection)}


def serve(server: socket.socket, bi_dir: Path, home: Path) -> None:
    """Become the web server."""
    address = f"http://{LOOPBACK}:{server.getsockname()[1]}"
    os.environ["PSO_SUPERSET_SOCKET"] = str(server.fileno())
    os.environ["PSO_SUPERSET_GREETING"] = (
        f"Superset on {bi_dir}: {address}{DASHBOARD}\n"
        f"Sign in as {ADMIN} with the password in {home / SIGN_IN} (no other machine can reach it). Ctrl-C stops it.\n"
    )
    command = [sys.executable, "-m", "gunicorn", "--config", str(HERE / "gunicorn.conf.py")]
    os.execv(sys.executable, command)


def stop(message: str) -> None:
    """End with one line that says what to do."""
    click.echo(message, err=True)
    sys.exit(USAGE)


if __name__ == "__main__":
    main()
