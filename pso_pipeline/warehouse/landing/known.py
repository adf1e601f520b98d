"""What one process knows of the ids in the warehouse, so that it need not look through all of them at each landing.

Holds hashes of ids and nothing else of an order. Where they do not tell, the statement `are_all_new.sql` does.
"""

from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt

from pso_pipeline.warehouse.sql import statement

Hashes = npt.NDArray[np.uint64]

_PARTS = 64
"""Sorted parts that the hashes are kept in, by their highest bits: growing, all 5 million at once would lie in memory
twice, 80 MB."""

_EDGES = np.arange(1, _PARTS, dtype=np.uint64) * np.uint64(2**64 // _PARTS)


@dataclass(slots=True)
class KnownOrders:
    """The orders of a warehouse that was empty when the first of several landings began, one hash of 8 bytes each.

    Orders are never deleted, so as long as the warehouse holds as many as these landings left, it holds no others.
    Where it holds more, another process landed too, or it was not empty, and nothing is known of it any more.
    """

    _stored: int = 0
    _parts: list[Hashes] = field(default_factory=lambda: _parted(np.empty(0, np.uint64)))

    def arrive(self, connection: duckdb.DuckDBPyConnection) -> "Arriving | None":
        """Hash the orders of the relation `frame`; None where other orders may be in the warehouse."""
        (stored,) = connection.execute("SELECT count(*) FROM mews.product_service_orders").fetchone() or (0,)
        if stored != self._stored:
            self._stored, self._parts = -1, []
            return None
        columns = connection.execute(statement("landing/hash_frame.sql")).fetchnumpy()
        hashes = np.asarray(columns["id_hash"], np.uint64)
        # asked for counts too, NumPy 2.3 sorts: 2 ms for 61,000, and 20 where it hashes them once more
        distinct = _parted(np.unique(hashes, return_counts=True)[0])
        unknown = [each[~_are_in(part, each)] for part, each in zip(self._parts, distinct, strict=True)]
        return Arriving(sum(map(len, unknown)) == len(hashes), unknown)

    def keep(self, arriving: "Arriving", created: int) -> None:
        """Note that these have landed and been committed; `created` of them were new."""
        for number, hashes in enumerate(arriving.unknown):
            part = self._parts[number]
            self._parts[number] = np.insert(part, np.searchsorted(part, hashes), hashes)
        self._stored += created


@dataclass(frozen=True, slots=True)
class Arriving:
    """Orders about to land: whether surely all are new and none comes twice, and the hashes not known so far, by part.

    False says little: two ids can have one hash.
    """

    are_all_new: bool
    unknown: list[Hashes]


def _parted(hashes: Hashes) -> list[Hashes]:
    """Cut sorted hashes at the edges of the parts."""
    return np.split(hashes, np.searchsorted(hashes, _EDGES))


def _are_in(part: Hashes, hashes: Hashes) -> npt.NDArray[np.bool_]:
    if not len(part):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(part, hashes), len(part) - 1)
    are_in: npt.NDArray[np.bool_] = part[places] == hashes
    return are_in
