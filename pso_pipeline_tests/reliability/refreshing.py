"""This module runs the steps of the `refresh` job without Dagster, in a process that tests start and kill.

The settings come from the environment. Tests choose the size of pages and landings, so that a small world has many.
"""

import asyncio
import datetime as dt
import os
import sys
import tempfile
from datetime import timedelta

from pso_pipeline.bi.snapshot import publish
from pso_pipeline.ingestion import clock as local_clock
from pso_pipeline.ingestion import fetch
from pso_pipeline.ingestion.api import open_api
from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.ingestion.scope import choose_endpoints, discover_enterprises, discover_services
from pso_pipeline.ingestion.sync import SyncOptions, combine_reports, sync_records
from pso_pipeline.mews import responses
from pso_pipeline.settings import Settings
from pso_pipeline.warehouse import writing
from pso_pipeline.warehouse.marts.derive import create_marts, derive
from pso_pipeline.warehouse.session import KeptLake, Warehouse
from pso_pipeline.warehouse.writing import Part


def refresh(*, is_full=False):
    settings = Settings.load()
    with KeptLake() as kept:
        return _refresh(settings, Warehouse.of(settings, kept=kept), is_full=is_full)


def _refresh(settings, warehouse, *, is_full):
    clock = ServerClock()

    def with_api(read):
        async def run():
            async with open_api(settings, clock=clock) as api:
                return await read(api)

        return asyncio.run(run())

    found = with_api(lambda api: discover_enterprises(api, warehouse))
    offered = with_api(lambda api: discover_services(api, warehouse))
    reports = []
    for endpoint in choose_endpoints(settings.pso_endpoints):
        options = SyncOptions(
            is_full=is_full,
            overlap=timedelta(minutes=settings.pso_overlap_minutes),
            token_failures={**found.failures, **offered.failures},
            endpoint=endpoint,
        )
        reports.append(with_api(lambda api, chosen=options: sync_records(api, warehouse, chosen)))
    report = combine_reports(reports)
    with warehouse.open() as connection:
        create_marts(connection)
        derive(connection, None)
    marts = warehouse if warehouse.lake else warehouse.marts_path
    publish(marts, settings.pso_bi_dir, marts_lock=warehouse.hold(Part.MARTS))
    return report


def refresh_with(settings, folder, page_size, pages_per_landing, is_full, *, hours_off=0, is_locked=True):
    """Refresh with these environment variables; the exit status is 1 if a hotel fails.

    The local clock is off by `hours_off`. Without `is_locked` the writers of a lake take no lock.
    """
    os.environ.update(settings)
    if not is_locked:
        writing.take_locks = lambda *_: None

    class LocalClock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + timedelta(hours=hours_off)

    vars(local_clock)["datetime"] = LocalClock
    os.chdir(folder)
    tempfile.tempdir = None
    fetch.PAGE_SIZE, fetch.PAGES_PER_LANDING = page_size, pages_per_landing
    responses.CLOCK_TOLERANCE = timedelta.max  # the worlds jump ahead by days
    report = refresh(is_full=is_full)
    if problems := [*(f"{each.partition_key}: {each.error}" for each in report.failed), *report.troubles]:
        sys.exit("\n".join(problems))


def migrate_and_refresh_with(settings, *args, **options):
    """Run `pso migrate`, as every machine may at its start, and refresh."""
    os.environ.update(settings)
    Warehouse.of(Settings.load()).make()
    refresh_with(settings, *args, **options)
