"""Dagster's instance in DAGSTER_HOME, for the commands that need it: opened by one at a time, or one clear line.

Apart from `environment`, since importing Dagster takes seconds that other commands need not spend.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dagster import DagsterError, DagsterInstance
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pso_pipeline.cli.environment import FAILED, prepare_dagster_home, stop
from pso_pipeline.storage import FIRST_START_SECONDS


@contextlib.contextmanager
def open_instance(home: Path) -> Iterator[DagsterInstance]:
    """Open the instance for the length of the block; ends the command where its files cannot be used or written.

    The lock serializes the first start for storages other than ours too, which take none.
    """
    home = prepare_dagster_home(home)
    try:
        with FileLock(home / "start.lock", timeout=FIRST_START_SECONDS):
            instance = DagsterInstance.get()
        with instance:
            yield instance
    except Timeout:
        stop(f"another process has been opening DAGSTER_HOME {home} for too long: end it", FAILED)
    except DBAPIError as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {error.orig} (make room where the disk is full)", FAILED)
    except (SQLAlchemyError, DagsterError) as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {str(error).splitlines()[0]}", FAILED)
    except OSError as error:
        stop(f"DAGSTER_HOME {home} cannot be used: {error.strerror or error}", FAILED)
