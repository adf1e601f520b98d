"""Landing what the access tokens can access: enterprises with their permanent partition keys, and services.

What a listing lacks is given up only where the loss is plausible, or where listings have lacked it for a day.
"""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa

from pso_pipeline.contract.endpoints import ENDPOINTS, ENTERPRISES, SERVICES, Endpoint
from pso_pipeline.warehouse.landing.frames import TIMESTAMP, registered, rows_of_frame, rows_of_records
from pso_pipeline.warehouse.landing.progress import Changed, record
from pso_pipeline.warehouse.landing.records import keep_rejects
from pso_pipeline.warehouse.landing.statements import merge_listing, sql
from pso_pipeline.warehouse.sql import first_row
from pso_pipeline.warehouse.writing import Part, writes

MAX_LOST_SHARE = 0.2
"""Largest share of a token's hotels or services that one listing may lose, beyond `PLAUSIBLE_LOSS`."""

PLAUSIBLE_LOSS = 2
"""Hotels or services that one listing may lose whatever share that is, as long as some are left: a group of three sells
one."""

UNLISTED_FOR = timedelta(hours=24)
"""How long all listings must lack something before it is given up, however much that is."""

TOKEN_IS_IN_USE_FOR = timedelta(hours=24)
"""How long after its last listing a token that is not in the settings counts as used by another process."""

_LONGEST_SLUG = 60


@dataclass(frozen=True, slots=True)
class Hotel:
    """A hotel as messages name it."""

    enterprise_id: str
    partition_key: str


@dataclass(frozen=True, slots=True)
class Loss:
    """What the listing of one access token lacks of what it listed before, `known` in all.

    `is_refused` says that the loss is implausible, so that nothing was given up; otherwise these are out of scope.
    """

    token_fingerprint: str
    known: int
    lost: tuple[Hotel, ...]
    is_refused: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """The partition keys of the hotels."""
        return tuple(hotel.partition_key for hotel in self.lost)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Hotels of a token that is not in the settings; `is_in_use` says that another process used it a short time ago.

    Then they stay in scope and are left to that process; otherwise they are out of scope.
    """

    token_fingerprint: str
    hotels: tuple[Hotel, ...]
    is_in_use: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """The partition keys of the hotels."""
        return tuple(hotel.partition_key for hotel in self.hotels)


@dataclass(frozen=True, slots=True)
class ScopeChange:
    """What landing a listing of enterprises changed in the scope, where it took something out or refused to."""

    losses: Sequence[Loss]
    leftovers: Sequence[Leftover]


@writes(Part.LANDED)
def land_enterprises(
    connection: duckdb.DuckDBPyConnection,
    enterprises: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    unreadable: Mapping[str, str],
    answered: Collection[str],
    configured: Collection[str],
    now: datetime,
    max_lost_share: float = MAX_LOST_SHARE,
) -> ScopeChange:
    """Land the enterprises that tokens listed, in one transaction; give new ones their partition key.

    `enterprises` has the columns of `mews.enterprises` that the API fills; `unreadable` maps the ids of listed
    enterprises whose records were rejected to their tokens: known ones count as listed. `answered` holds the
    fingerprints of the tokens that were listed to the end, `configured` those of all in the settings; `now` is the
    server's time. A hotel goes out of scope when the token that saw it last no longer lists it, and that loss is
    plausible or a day old; or when its token has left the settings, every other was listed, and no process has used it
    for a day.
    """
    found_rows = rows_of_frame("found", enterprises)
    ids, names = (found_rows.table.column(name).to_pylist() for name in ("id", "name"))
    known = dict(connection.execute("SELECT id, partition_key FROM mews.enterprises").fetchall())
    taken = set(known.values())
    keys = []
    for identifier, name in zip(ids, names, strict=True):
        key = known.get(identifier) or partition_key(name, identifier, taken)
        taken.add(key)
        keys.append(key)
    frame = enterprises.assign(partition_key=pd.Series(keys, dtype=enterprises["id"].dtype, index=enterprises.index))
    with registered(connection, rows_of_frame("found", frame)):
        connection.execute(merge_listing(ENTERPRISES, ("is_in_scope", "token_fingerprint")))
    only_unreadable = {each: token for each, token in unreadable.items() if each not in set(ids)}
    _execute(connection, "keep_unreadable_enterprises", ids=[*only_unreadable], tokens=[*only_unreadable.values()])
    tokens = _Tokens(set(answered), set(configured))
    change = _narrow_scope(connection, {*ids, *only_unreadable}, tokens, now, max_lost_share)
    _execute(connection, "record_tokens", tokens=list(answered), now=utc_without_zone(now))
    _execute(connection, "forget_listings")
    keep_rejects(connection, rejects)
    return change


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Fingerprints of the tokens that were listed to the end, and of all in the settings."""

    answered: Collection[str]
    configured: Collection[str]

    @property
    def have_all_answered(self) -> bool:
        return bool(self.answered) and set(self.configured) <= set(self.answered)


def _narrow_scope(
    connection: duckdb.DuckDBPyConnection,
    listed: Collection[str],
    tokens: _Tokens,
    now: datetime,
    max_lost_share: float,
) -> ScopeChange:
    """Take hotels out of scope, or note since when they are not listed."""
    of_token: dict[str | None, list[tuple[Hotel, datetime | None]]] = {}
    for enterprise_id, key, token, since in connection.execute(sql("listings", "hotels_in_scope")).fetchall():
        of_token.setdefault(token, []).append((Hotel(enterprise_id, key), since and since.replace(tzinfo=UTC)))
    used = dict(connection.execute("SELECT token_fingerprint, listed_utc FROM mews.access_tokens").fetchall())
    losses, leftovers, out, unlisted = [], [], [], []
    for token, hotels in of_token.items():
        lost = [(hotel, since) for hotel, since in hotels if hotel.enterprise_id not in listed]
        if not lost:
            continue
        if token in tokens.answered:
            is_refused = is_implausible(len(lost), len(hotels), max_lost_share)
            gone = [hotel for hotel, since in lost if not is_refused or _has_lasted(since, now)]
            kept = [hotel for hotel, _ in lost if hotel not in gone]
            out += gone
            unlisted += kept
            for of_kind, is_kept in ((gone, False), (kept, True)):
                if of_kind:
                    losses.append(Loss(str(token), len(hotels), tuple(of_kind), is_kept))
        elif token not in tokens.configured and tokens.have_all_answered:
            # a warehouse of an earlier version does not say when a token was used
            last_used = used.get(token, utc_without_zone(now)) if token else None
            is_in_use = last_used is not None and utc_without_zone(now) - last_used < TOKEN_IS_IN_USE_FOR
            left = tuple(hotel for hotel, _ in lost)
            out += [] if is_in_use else left
            leftovers.append(Leftover(token or "", left, is_in_use))
            if token and token not in used:
                _execute(connection, "record_tokens", tokens=[token], now=utc_without_zone(now))
    _execute(connection, "mark_out_of_scope", ids=[hotel.enterprise_id for hotel in out])
    _execute(
        connection,
        "mark_unlisted_enterprises",
        ids=[hotel.enterprise_id for hotel in unlisted],
        now=utc_without_zone(now),
    )
    return ScopeChange(losses, leftovers)


def is_implausible(lost: int, known: int, max_lost_share: float) -> bool:
    """Whether a listing that lacks `lost` of those known before is taken for a fault of the source.

    So are all of them, and more than `PLAUSIBLE_LOSS` where they are more than the share; a share of 1 allows any loss.
    """
    if max_lost_share >= 1:
        return False
    return lost == known or lost > max(PLAUSIBLE_LOSS, max_lost_share * known)


@dataclass(frozen=True, slots=True)
class Listed:
    """The services of an enterprise were listed through a token: all of them at `listed_utc`, or what changed (None).

    Every change up to `watermark_utc` is in the listing.
    """

    enterprise_id: str
    token_fingerprint: str
    listed_utc: datetime | None
    watermark_utc: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """The result of landing a listing of services.

    `known` counts the services in the warehouse, `returned` those that had been retired and are listed again, `moved`
    those that are listed as another hotel's now; `losses` are the tokens whose listing lacks an implausible number of
    services, with the hotels that these belong to.
    """

    known: int
    returned: int
    moved: int
    losses: Sequence["ServiceLoss"]


@dataclass(frozen=True, slots=True)
class ServiceLoss:
    """How many of the known services of a token its whole listing lacks, and the hotels that sell them."""

    token_fingerprint: str
    known: int
    lost: int
    partition_keys: tuple[str, ...]


_LISTED_SCHEMA = pa.schema(
    {
        "enterprise_id": pa.string(),
        "token_fingerprint": pa.string(),
        "listed_utc": TIMESTAMP,
        "watermark_utc": TIMESTAMP,
    }
)


@writes(Part.LANDED)
def land_services(
    connection: duckdb.DuckDBPyConnection,
    services: pd.DataFrame,
    rejects: pd.DataFrame,
    listed: Collection[Listed] = (),
    *,
    unreadable: Collection[str] = (),
    now: datetime | None = None,
    max_lost_share: float = MAX_LOST_SHARE,
    endpoints: Collection[Endpoint] = ENDPOINTS,
) -> Offer:
    """Land the services that tokens listed, in one transaction.

    `services` has the columns of `mews.services`; `listed` says how far which enterprises have been listed by that;
    `unreadable` holds the ids of listed services whose records were rejected: known ones count as listed. Records that
    landed before their service was known get their enterprise, and so do those of a service that is another hotel's
    now. All history is read again of hotels with a new service that is older than what was read of them by their
    services. `now` is the server's time; services that a whole listing lacks since then are marked, and stay.
    """
    now = now or datetime.now(UTC)
    with registered(connection, rows_of_frame("found", services)):
        moved = connection.execute(sql("listings", "moved_services")).fetchall()
        (returned,) = first_row(connection, sql("listings", "count_returned_services")) or (0,)
        for endpoint in endpoints:
            if endpoint.service_filter:
                connection.execute(sql("progress", "begin_again", endpoint))
        connection.execute(merge_listing(SERVICES))
        _execute(connection, "keep_unreadable_services", ids=list(unreadable))
        if listed:
            with registered(connection, rows_of_records("listed", listed, _LISTED_SCHEMA)):
                _execute(connection, "record_listings")
                _execute(connection, "mark_unlisted_services", unreadable=list(unreadable), now=utc_without_zone(now))
    for endpoint in endpoints:
        if endpoint.scope == "service":
            _correct_enterprises(connection, endpoint, [service for (service,) in moved])
    keep_rejects(connection, rejects)
    (known,) = first_row(connection, "SELECT count(*) FROM mews.services") or (0,)
    losses = _service_losses(connection, now, max_lost_share)
    return Offer(int(known), int(returned), len(moved), losses)


def _correct_enterprises(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, moved: Collection[str]) -> None:
    """Give records the enterprise of their service where it was not known, or is another one now."""
    if moved:
        connection.execute(sql("progress", "move", endpoint), {"ids": list(moved)})
    unknown = connection.execute(sql("merge", "scopes_without_enterprise", endpoint)).fetchall()
    if moved or unknown:
        for file in ("merge", "versions"):
            connection.execute(sql(file, "correct_enterprise", endpoint))
        record(connection, endpoint, [Changed(*each) for each in unknown])


def _service_losses(connection: duckdb.DuckDBPyConnection, now: datetime, max_lost_share: float) -> list[ServiceLoss]:
    """Find the tokens, and the hotels, whose last whole listing lacks an implausible number of their services."""
    of_token: dict[str, dict[str, tuple[int, int]]] = {}
    rows = connection.execute(
        sql("listings", "count_unlisted_services"), {"since": utc_without_zone(now) - UNLISTED_FOR}
    )
    for token, key, known, lost in rows.fetchall():
        of_token.setdefault(token, {})[key] = (known, lost)
    losses = []
    for token, hotels in of_token.items():
        known, lost = (sum(counts[place] for counts in hotels.values()) for place in (0, 1))
        of_all = is_implausible(lost, known, max_lost_share)
        lost_of = {
            key: gone
            for key, (of_hotel, gone) in hotels.items()
            if gone and (of_all or (gone > PLAUSIBLE_LOSS and is_implausible(gone, of_hotel, max_lost_share)))
        }
        if lost_of:
            losses.append(ServiceLoss(token, known, sum(lost_of.values()), tuple(lost_of)))
    return losses


def partition_key(name: str | None, identifier: str, taken: Collection[str]) -> str:
    """Make the readable key of an enterprise: a slug of its name and the first 8 characters of its id.

    Where another enterprise has that key already, more characters of the id make it unique.
    """
    slug = _slug(name or "")[:_LONGEST_SLUG].strip("-") or "hotel"
    suffix = _slug(identifier)
    if suffix != identifier.lower() or len(suffix) > _LONGEST_SLUG:  # no id of the API's own form
        suffix = hashlib.sha256(identifier.encode()).hexdigest()
    keys = (f"{slug}-{suffix[:length]}" for length in range(min(8, len(suffix)), len(suffix) + 1))
    return next((key for key in keys if key not in taken), f"{slug}-{suffix}")


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text[:1_000]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")


def _has_lasted(since: datetime | None, now: datetime) -> bool:
    return since is not None and now - since >= UNLISTED_FOR


def _execute(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> None:
    connection.execute(sql("listings", name), parameters or None)


def utc_without_zone(moment: datetime) -> datetime:
    """Write an aware time as the warehouse keeps it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)
