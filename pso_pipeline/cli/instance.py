"""Dagster's instance in DAGSTER_HOME, for the commands that need it: opened by one at a time, or one clear line.

Apart from `environment`, since importing Dagster takes seconds that other commands need not spend.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dagster import DagsterError, DagsterInstance
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.orchestration.storage import FIRST_START_SECONDS


class InstanceUnusable(Exception):
    """Dagster's files in DAGSTER_HOME cannot be used or written; one line that names the folder and says why."""


@contextlib.contextmanager
def open_instance(home: Path) -> Iterator[DagsterInstance]:
    """Open the instance for the length of the block, without a second process that opens it for the first time.

    The lock serializes the first start for storages other than ours too, which take none.

    Raises:
        InstanceUnusable: DAGSTER_HOME cannot be used, here or within the block: no permission, no room, not Dagster's.
    """
    home = prepare_dagster_home(home)
    try:
        with FileLock(home / "start.lock", timeout=FIRST_START_SECONDS):
            instance = DagsterInstance.get()
        with instance:
            yield instance
    except Timeout:
        raise InstanceUnusable(f"another process has been opening DAGSTER_HOME {home} for too long: end it") from None
    except DBAPIError as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {error.orig}") from None
    except (SQLAlchemyError, DagsterError) as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise InstanceUnusable(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}") from None
