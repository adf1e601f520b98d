"""The queue between many reads and the one writer: pages wait here as DataFrames until a transaction takes them.

What waits is landed together, so that the warehouse is opened less often the more there is to do. Holds no rule about
rows (`warehouse/landing`) and none about what to read (`plan`).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from pso_pipeline.warehouse.landing.progress import FullReadProgress
from pso_pipeline.warehouse.landing.records import Landed, Landing, land_records
from pso_pipeline.warehouse.session import Warehouse

RECORDS_PER_TRANSACTION = 120_000
"""Records after which a landing waits for no others; about as many as DuckDB writes into its file as one row group."""

RECORDS_PER_BATCH = 5_000
"""Records that a read hands over at once."""

MAX_WAITING_RECORDS = 5 * RECORDS_PER_TRANSACTION // 4
"""Records that may wait or be on their way into the warehouse: reads pause beyond that, so memory does not grow with
what the API can deliver."""

PARTS_OF_A_READ = 6
"""Parts of one full read that may wait for others to be landed with: a read that is killed starts again from the cursor
that landed last."""

LINGER_SECONDS = 5.0
"""How long records wait for others to be landed with: a process that is killed then reads them again."""


@dataclass(slots=True)
class LandingQueue:
    """Takes batches from any number of reads and lands them one transaction at a time, in a thread of its own.

    `created` and `changed` count records by scope; `rejected` holds the records that could not be read, each once.
    """

    warehouse: Warehouse
    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    rejected: set[str] = field(default_factory=set)
    _waiting: asyncio.Queue[Landing | None] = field(default_factory=asyncio.Queue)
    _is_open: bool = True
    _records: int = 0
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, landing: Landing) -> None:
        """Hand some pages over; waits while too many records wait already."""
        async with self._room:
            await self._room.wait_for(lambda: self._records < MAX_WAITING_RECORDS)
            self._records += len(landing.records)
        self._waiting.put_nowait(landing)

    async def close(self) -> None:
        """Say that nothing more comes; `run` ends when all has landed."""
        await self._waiting.put(None)

    async def run(self) -> None:
        """Land what comes until the queue is closed.

        Raises:
            WarehouseError: The warehouse cannot be used; what was not landed will be read again.
        """
        while self._is_open:
            if batches := await self._gather():
                self._note(await asyncio.to_thread(self._land, batches))
                async with self._room:
                    self._records -= _count(batches)
                    self._room.notify_all()

    async def _gather(self) -> list[Landing]:
        """Wait for as many records as are landed together, for a while, or for the end."""
        batches: list[Landing] = []
        parts: Counter[str] = Counter()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as deadline:
                while _count(batches) < RECORDS_PER_TRANSACTION and max(parts.values(), default=0) < PARTS_OF_A_READ:
                    batch = await self._waiting.get()
                    if batch is None:
                        self._is_open = False
                        break
                    if not batches:
                        deadline.reschedule(asyncio.get_running_loop().time() + LINGER_SECONDS)
                    batches.append(batch)
                    parts.update(_full_read_of(batch))
        return batches

    def _land(self, batches: Sequence[Landing]) -> Landed:
        landing = Landing(
            endpoint=batches[0].endpoint,
            records=pd.concat([batch.records for batch in batches]),
            rejects=pd.concat([batch.rejects for batch in batches]),
            seen=pd.concat([batch.seen for batch in batches]),
            progress=[progress for batch in batches for progress in batch.progress],
        )
        self.rejected.update(landing.rejects["record"])
        # several threads would each fill a part of a row group, and closing the file would compress all parts again
        with self.warehouse.open(threads=1) as connection:
            return land_records(connection, landing)

    def _note(self, landed: Landed) -> None:
        for each in landed.scopes:
            self.created[each.scope_id] += each.created
            self.changed[each.scope_id] += each.changed


def _full_read_of(batch: Landing) -> list[str]:
    """Name the full read that a batch is a part of, by its first scope; none where it is no such part."""
    return [each.scope_id for each in batch.progress[:1] if isinstance(each, FullReadProgress)]


def _count(batches: Sequence[Landing]) -> int:
    return sum(len(batch.records) for batch in batches)
