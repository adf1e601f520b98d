"""The queue between many reads and the one writer: pages wait here as DataFrames until a transaction takes them.

Whatever waits is landed together, so that the warehouse is opened less often the more there is to do. Holds no rule
about rows (`warehouse/landing`) and none about what to read (`plan`).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from pso_pipeline.warehouse.landing.known import KnownOrders
from pso_pipeline.warehouse.landing.orders import Landed, OrdersLanding, land_orders
from pso_pipeline.warehouse.landing.progress import FullReadProgress
from pso_pipeline.warehouse.session import Warehouse

ORDERS_PER_TRANSACTION = 60_000
"""Most orders that are landed together, and exactly so many where more come."""

MAX_ORDERS_PER_BATCH = 5_000
"""Most orders that a read hands over at once. Eight reads at once hold about half as many each, in the pages' own small
pieces of memory."""

MAX_ORDERS_AT_HAND = 5 * ORDERS_PER_TRANSACTION // 4
"""Orders that may wait or be under way into the warehouse; reads pause beyond that, so memory does not grow with what
the API can deliver. With the batches that eight reads gather meanwhile, this is as much as a fast server delivers while
a transaction lands."""

PARTS_OF_A_READ = 6
"""Parts of one full read that may wait for others to be landed with. A read of 100 pages from a fast server takes less
than `LINGER_SECONDS`, and one that is killed must not begin again; where several go on at once, their orders are enough
for a transaction before that."""

LINGER_SECONDS = 5.0
"""How long orders wait for others to be landed with: a process that is killed then reads them again."""


@dataclass(slots=True)
class LandingQueue:
    """Takes batches from any number of reads and lands them one transaction at a time, in a thread of its own.

    `created` and `changed` count orders by service; `rejected` holds the records that could not be read, each once.
    """

    warehouse: Warehouse
    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    rejected: set[str] = field(default_factory=set)
    _known: KnownOrders = field(default_factory=KnownOrders)
    _waiting: asyncio.Queue[OrdersLanding | None] = field(default_factory=asyncio.Queue)
    _left_over: list[OrdersLanding] = field(default_factory=list)
    _is_open: bool = True
    _orders_at_hand: int = 0
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, landing: OrdersLanding) -> None:
        """Hand some pages over; waits while too many orders are at hand."""
        async with self._room:
            await self._room.wait_for(lambda: self._orders_at_hand < MAX_ORDERS_AT_HAND)
            self._orders_at_hand += len(landing.orders)
        self._waiting.put_nowait(landing)

    async def close(self) -> None:
        """Say that nothing more comes; `run` ends when all has landed."""
        await self._waiting.put(None)

    async def run(self) -> None:
        """Land what comes until the queue is closed.

        Raises:
            WarehouseError: The warehouse cannot be used; what was not landed will be read again.
        """
        while self._is_open or self._left_over:
            await self._land_next()

    async def _land_next(self) -> None:
        if batches := await self._gather():
            self._note(await asyncio.to_thread(self._land, batches))
            await self._make_room(_orders_in(batches))

    async def _gather(self) -> list[OrdersLanding]:
        """Wait for as many orders as are landed together, for a while, or for the end."""
        batches, self._left_over = self._left_over, []
        parts = Counter(read for batch in batches for read in _full_read_of(batch))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS if batches else None) as patience:
                while _orders_in(batches) < ORDERS_PER_TRANSACTION and max(parts.values(), default=0) < PARTS_OF_A_READ:
                    batch = await self._waiting.get()
                    if batch is None:
                        self._is_open = False
                        break
                    if not batches:
                        patience.reschedule(asyncio.get_running_loop().time() + LINGER_SECONDS)
                    batches.append(batch)
                    parts.update(_full_read_of(batch))
        if (surplus := _orders_in(batches) - ORDERS_PER_TRANSACTION) > 0:
            last = batches.pop()
            first, rest = _parted(last, len(last.orders) - surplus)
            batches.append(first)
            self._left_over = [rest]
        return batches

    async def _make_room(self, orders: int) -> None:
        async with self._room:
            self._orders_at_hand -= orders
            self._room.notify_all()

    def _land(self, batches: Sequence[OrdersLanding]) -> Landed:
        landing = OrdersLanding(
            orders=pd.concat([batch.orders for batch in batches]),
            rejects=pd.concat([batch.rejects for batch in batches]),
            met=pd.concat([batch.met for batch in batches]),
            progress=[progress for batch in batches for progress in batch.progress],
        )
        self.rejected.update(landing.rejects["record"])
        # several threads would each fill a part of a row group, and closing the file would compress all parts again
        with self.warehouse.open(threads=1) as connection:
            return land_orders(connection, landing, self._known)

    def _note(self, landed: Landed) -> None:
        for service in landed.services:
            self.created[service.service_id] += service.created
            self.changed[service.service_id] += service.changed


def _full_read_of(batch: OrdersLanding) -> list[str]:
    """Name the full read that a batch is a part of, by its first service; none where it is no such part."""
    progress = batch.progress[:1]
    return [each.service_id for each in progress if isinstance(each, FullReadProgress)]


def _parted(batch: OrdersLanding, orders: int) -> tuple[OrdersLanding, OrdersLanding]:
    """Part a batch after so many orders; what it stands for goes with the rest."""
    first = OrdersLanding(batch.orders.iloc[:orders], batch.rejects.iloc[:0], batch.met.iloc[:0])
    return first, replace(batch, orders=batch.orders.iloc[orders:])


def _orders_in(batches: Sequence[OrdersLanding]) -> int:
    return sum(len(batch.orders) for batch in batches)
