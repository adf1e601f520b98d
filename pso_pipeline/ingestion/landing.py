"""The queue between many reads and the one writer: pages wait here as DataFrames until a transaction takes them.

Whatever waits is landed together, so that the warehouse is opened less often the more there is to do. Holds no rule
about rows (`warehouse/landing`) and none about what to read (`plan`).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from pso_pipeline.warehouse.connection import ROWS_PER_ROW_GROUP, Warehouse
from pso_pipeline.warehouse.landing.orders import Landed, OrdersLanding, land_orders
from pso_pipeline.warehouse.landing.progress import FullReadProgress

ORDERS_PER_TRANSACTION = ROWS_PER_ROW_GROUP
"""Most orders that are landed together, and as many as come: a row group goes straight to the file. What is more goes
through the log first and is packed again at the end: half as much again of CPU."""

MAX_ORDERS_PER_BATCH = 10_000
"""Most orders that a read hands over at once: what a killed first read does over."""

MAX_ORDERS_WAITING = ORDERS_PER_TRANSACTION
"""Orders that may wait; reads pause beyond that, so memory does not grow with what the API can deliver."""

PARTS_OF_A_READ = 3
"""Parts of one full read that may wait for others to be landed with. A read of 100 pages from a fast server takes less
than `LINGER_SECONDS`, and one that is killed must not begin again; where several go on at once, their orders are enough
for a transaction before that."""

LINGER_SECONDS = 5.0
"""How long orders wait for others to be landed with: a process that is killed then reads them again."""


@dataclass(slots=True)
class LandingQueue:
    """Takes batches from any number of reads and lands them one transaction at a time, in a thread of its own."""

    warehouse: Warehouse
    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    _waiting: asyncio.Queue[OrdersLanding | None] = field(default_factory=asyncio.Queue)
    _orders_waiting: int = 0
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, landing: OrdersLanding) -> None:
        """Hand some pages over; waits while too many orders are waiting."""
        async with self._room:
            await self._room.wait_for(lambda: self._orders_waiting < MAX_ORDERS_WAITING)
            self._orders_waiting += len(landing.orders)
        self._waiting.put_nowait(landing)

    async def close(self) -> None:
        """Say that nothing more comes; `run` ends when all has landed."""
        await self._waiting.put(None)

    async def run(self) -> None:
        """Land what comes until the queue is closed.

        Raises:
            WarehouseError: The warehouse cannot be used; what was not landed will be read again.
        """
        is_open = True
        while is_open:
            batches = await self._gather()
            is_open = batches[-1] is not None
            await self._make_room(_orders_in(batches))
            if arrived := [batch for batch in batches if batch is not None]:
                self._note(await asyncio.to_thread(self._land, arrived))

    async def _gather(self) -> list[OrdersLanding | None]:
        """Wait for enough to land, for a while, or for the end."""
        batches: list[OrdersLanding | None] = []
        parts: Counter[str] = Counter()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as patience:
                while not batches or (batches[-1] is not None and _is_room(batches)):
                    batch = await self._waiting.get()
                    if not batches:
                        patience.reschedule(asyncio.get_running_loop().time() + LINGER_SECONDS)
                    batches.append(batch)
                    parts.update(_full_read_of(batch))
                    if parts and max(parts.values()) >= PARTS_OF_A_READ:
                        break
        return batches

    async def _make_room(self, orders: int) -> None:
        async with self._room:
            self._orders_waiting -= orders
            self._room.notify_all()

    def _land(self, batches: Sequence[OrdersLanding]) -> Landed:
        landing = OrdersLanding(
            orders=pd.concat([batch.orders for batch in batches]),
            rejects=pd.concat([batch.rejects for batch in batches]),
            met=pd.concat([batch.met for batch in batches]),
            progress=[progress for batch in batches for progress in batch.progress],
        )
        with self.warehouse.open() as connection:
            return land_orders(connection, landing)

    def _note(self, landed: Landed) -> None:
        for service in landed.services:
            self.created[service.service_id] += service.created
            self.changed[service.service_id] += service.changed
        self.rejected += landed.rejected


def _full_read_of(batch: OrdersLanding | None) -> list[str]:
    """Name the full read that a batch is a part of, by its first service; none where it is no such part."""
    progress = batch.progress[:1] if batch is not None else ()
    return [each.service_id for each in progress if isinstance(each, FullReadProgress)]


def _is_room(batches: Sequence[OrdersLanding | None]) -> bool:
    """Whether one more batch, however large, lands together with these."""
    return _orders_in(batches) + MAX_ORDERS_PER_BATCH <= ORDERS_PER_TRANSACTION


def _orders_in(batches: Sequence[OrdersLanding | None]) -> int:
    return sum(len(batch.orders) for batch in batches if batch is not None)
