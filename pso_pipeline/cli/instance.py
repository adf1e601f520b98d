"""Dagster's instance in DAGSTER_HOME, for the commands that need it.

It is apart from `environment` because importing Dagster takes seconds, which other commands need not spend.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dagster import DagsterError, DagsterInstance
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pso_pipeline.cli.environment import prepare_dagster_home

FIRST_START_SECONDS = 120.0
"""Timeout of a command that waits until another one has made Dagster's files."""


class InstanceUnusable(Exception):
    """Dagster's files in DAGSTER_HOME cannot be read or written; one line that names the folder and the reason."""


@contextlib.contextmanager
def open_instance(home: Path) -> Iterator[DagsterInstance]:
    """Open the instance in `home` for the length of the block.

    Processes open it one after the other. Dagster makes its SQLite files when it finds none; two processes that make
    them at once write two versions into them, and then Dagster no longer starts.

    Raises:
        InstanceUnusable: DAGSTER_HOME cannot be used: no permission, a full disk, or files that are not Dagster's.
    """
    home = prepare_dagster_home(home)
    try:
        with FileLock(home / "start.lock", timeout=FIRST_START_SECONDS):
            instance = DagsterInstance.get()
        with instance:
            yield instance
    except Timeout:
        raise InstanceUnusable(f"another process opens DAGSTER_HOME {home} and does not finish: end it") from None
    except DBAPIError as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {error.orig}") from None
    except (SQLAlchemyError, DagsterError) as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}") from None
