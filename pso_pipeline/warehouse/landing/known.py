"""What one process knows of the ids in the warehouse, so that it need not look through all of them at each landing.

Holds hashes of ids and nothing else of an order. Where they do not tell, the statement `are_all_new.sql` does.
"""

from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt

from pso_pipeline.warehouse.sql import statement

Hashes = npt.NDArray[np.uint64]


@dataclass(slots=True)
class KnownOrders:
    """The orders of a warehouse that was empty when the first of several landings began, one hash of 8 bytes each.

    Orders are never deleted, so as long as the warehouse holds as many as these landings left, it holds no others.
    Where it holds more, another process landed too, or it was not empty, and nothing is known of it any more.
    """

    _stored: int = 0
    _hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))

    def arrive(self, connection: duckdb.DuckDBPyConnection) -> "Arriving | None":
        """Hash the orders of the relation `frame`; None where other orders may be in the warehouse."""
        (stored,) = connection.execute("SELECT count(*) FROM mews.product_service_orders").fetchone() or (0,)
        if stored != self._stored:
            self._hashes = np.empty(0, np.uint64)
            self._stored = -1
            return None
        columns = connection.execute(statement("landing/hash_frame.sql")).fetchnumpy()
        hashes = np.asarray(columns["id_hash"], np.uint64)
        distinct = np.unique(hashes)
        places = np.searchsorted(self._hashes, distinct)
        are_known = np.zeros(len(distinct), np.bool_)
        if len(self._hashes):
            are_known = self._hashes[np.minimum(places, len(self._hashes) - 1)] == distinct
        return Arriving(
            are_all_new=len(distinct) == len(hashes) and not are_known.any(),
            hashes=distinct[~are_known],
            places=places[~are_known],
        )

    def keep(self, arriving: "Arriving", created: int) -> None:
        """Note that these have landed and been committed; `created` of them were new."""
        self._hashes = np.insert(self._hashes, arriving.places, arriving.hashes)
        self._stored += created


@dataclass(frozen=True, slots=True)
class Arriving:
    """Orders about to land: whether surely all are new and none comes twice, and the hashes not known so far.

    False says little: two ids can have one hash.
    """

    are_all_new: bool
    hashes: Hashes
    places: npt.NDArray[np.intp]
