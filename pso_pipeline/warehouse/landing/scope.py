"""Landing what the access tokens reach: enterprises with their permanent partition keys, and services."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd
import pyarrow as pa

from pso_pipeline.warehouse.landing.frames import TIMESTAMP, registered, rows_of_frame, rows_of_records
from pso_pipeline.warehouse.landing.orders import keep_rejects
from pso_pipeline.warehouse.landing.progress import Revised, record
from pso_pipeline.warehouse.sql import statement


def land_enterprises(
    connection: duckdb.DuckDBPyConnection,
    enterprises: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    answered: Collection[str],
    all_answered: bool,
) -> None:
    """Land the enterprises that tokens listed, in one transaction; give new ones their partition key.

    `enterprises` has the columns of `mews.enterprises`, the partition key left out; `answered` holds the
    fingerprints of the tokens that were listed to the end. Enterprises that only these used to see, and no longer
    do, go out of scope; so do those of tokens no longer configured, where `all_answered` says that every token was
    listed.
    """
    connection.begin()
    known = dict(connection.execute("SELECT id, partition_key FROM mews.enterprises").fetchall())
    taken = set(known.values())
    keys = []
    for identifier, name in zip(enterprises["id"], enterprises["name"], strict=True):
        key = known.get(identifier) or partition_key(name, identifier, taken)
        taken.add(key)
        keys.append(key)
    frame = enterprises.assign(partition_key=pd.Series(keys, dtype=enterprises["id"].dtype, index=enterprises.index))
    with registered(connection, rows_of_frame("found", frame)):
        connection.execute(statement("landing/merge_enterprises.sql"))
    connection.execute(
        statement("landing/mark_out_of_scope.sql"),
        {"answered": list(answered), "all_answered": all_answered, "listed": list(enterprises["id"])},
    )
    connection.execute(statement("landing/forget_listings.sql"))
    keep_rejects(connection, rejects)
    connection.commit()


@dataclass(frozen=True, slots=True)
class Listed:
    """The services of an enterprise were listed through a token: all of them at `listed_utc`, or what changed (None).

    Every change up to `watermark_utc` is in the listing.
    """

    enterprise_id: str
    token_fingerprint: str
    listed_utc: datetime | None
    watermark_utc: datetime


_LISTED_SCHEMA = pa.schema(
    {
        "enterprise_id": pa.string(),
        "token_fingerprint": pa.string(),
        "listed_utc": TIMESTAMP,
        "watermark_utc": TIMESTAMP,
    }
)


def land_services(
    connection: duckdb.DuckDBPyConnection,
    services: pd.DataFrame,
    rejects: pd.DataFrame,
    listed: Collection[Listed] = (),
) -> int:
    """Land the services that tokens listed, in one transaction; return how many are known now.

    `services` has the columns of `mews.services`; `listed` says how far which enterprises have been listed by that.
    Orders that landed before their service was known get their enterprise.
    """
    connection.begin()
    with registered(connection, rows_of_frame("found", services)):
        connection.execute(statement("landing/merge_services.sql"))
    if listed:
        with registered(connection, rows_of_records("listed", listed, _LISTED_SCHEMA)):
            connection.execute(statement("landing/record_listings.sql"))
    if unplaced := connection.execute(statement("landing/unplaced_services.sql")).fetchall():
        connection.execute(statement("landing/place_orders.sql"))
        connection.execute(statement("landing/place_versions.sql"))
        record(connection, [Revised(*each) for each in unplaced])
    keep_rejects(connection, rejects)
    (known,) = connection.execute("SELECT count(*) FROM mews.services").fetchone() or (0,)
    connection.commit()
    return int(known)


def partition_key(name: str | None, identifier: str, taken: Collection[str]) -> str:
    """Make the readable key of an enterprise: a slug of its name and the first 8 characters of its id.

    Where another enterprise has that key already, more characters of the id tell them apart.
    """
    ascii_name = unicodedata.normalize("NFKD", name or "").encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-") or "hotel"
    lengths = (length for length in range(8, len(identifier) + 1) if f"{slug}-{identifier[:length]}" not in taken)
    return f"{slug}-{identifier[: next(lengths, len(identifier))]}"
