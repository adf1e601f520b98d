"""Deciding what to read: pure functions from how far each service has come to the reads that bring it up to date.

Add a rule about what is asked for together, again or in pieces here. Nothing here waits, fetches or opens anything.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from pso_pipeline.contract.enums import BOOKABLE
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.mews.requests import Interval, latest_end
from pso_pipeline.warehouse.reading import ServiceRow

MAX_SPREAD = timedelta(hours=6)
"""Services whose watermarks lie further apart are not asked for together: the newer ones would be read again for
nothing."""

SLACK = timedelta(seconds=2)
"""How far an interval reaches beyond the server's estimated time, which its `Date` gives in whole seconds."""

RESYNC_RESUMES_WITHIN = timedelta(hours=24)
"""A full resync that was interrupted longer ago starts from the top: what it met says too little by then."""


@dataclass(frozen=True, slots=True)
class FullRead:
    """All history of some services of one enterprise, newest first, without an interval.

    `cursor`, `started_utc` and `orders` continue a read that was interrupted. `is_resync` says that the services had
    been read before and that what the source no longer has is to be marked.
    """

    token: str
    enterprise_id: str
    service_ids: tuple[str, ...]
    is_resync: bool = False
    started_utc: datetime | None = None
    cursor: str | None = None
    orders: int = 0


@dataclass(frozen=True, slots=True)
class IntervalRead:
    """What changed in services of any enterprises behind one token, interval after interval, oldest first."""

    token: str
    service_ids: tuple[str, ...]
    intervals: tuple[Interval, ...]


Read = FullRead | IntervalRead


def plan_refresh(
    services: Collection[ServiceRow], token_of: Mapping[str, str], now: datetime, overlap: timedelta
) -> list[Read]:
    """Plan a refresh: intervals for what was read before, first reads for the rest.

    `token_of` maps the enterprises to refresh to the fingerprint of their token; services of others are left out.
    `now` is the server's time. Bookable services are left out: orders are made against additional ones.
    """
    orderable = _orderable(services, token_of)
    known = [service for service in orderable if service.watermark_utc is not None]
    new = [service for service in orderable if service.watermark_utc is None]
    return [*_interval_reads(known, token_of, now, overlap), *_full_reads(new, token_of, is_resync=False)]


def plan_resync(services: Collection[ServiceRow], token_of: Mapping[str, str], now: datetime) -> list[Read]:
    """Plan a full resync: all history of every service, going on where an interrupted one of late stopped."""
    orderable = _orderable(services, token_of)
    known = [
        service if _goes_on(service, now) else _from_the_top(service)
        for service in orderable
        if service.watermark_utc is not None
    ]
    new = [service for service in orderable if service.watermark_utc is None]
    return [*_full_reads(known, token_of, is_resync=True), *_full_reads(new, token_of, is_resync=False)]


def cut(start: datetime, end: datetime) -> tuple[Interval, ...]:
    """Cut a span into intervals no longer than the API takes, oldest first; neighbours share their boundary."""
    intervals = []
    start = start.replace(microsecond=0)
    while (limit := latest_end(start)) < end:
        intervals.append(Interval(start, limit))
        start = limit
    return (*intervals, Interval(start, end))


def chunks(service_ids: Sequence[str], size: int = MAX_IDS) -> list[tuple[str, ...]]:
    """Cut a list of ids into lists that one request may hold."""
    return [tuple(service_ids[at : at + size]) for at in range(0, len(service_ids), size)]


def _orderable(services: Collection[ServiceRow], token_of: Mapping[str, str]) -> list[ServiceRow]:
    return [service for service in services if service.kind != BOOKABLE and service.enterprise_id in token_of]


def _interval_reads(
    services: Collection[ServiceRow], token_of: Mapping[str, str], now: datetime, overlap: timedelta
) -> Iterator[IntervalRead]:
    dated = sorted(
        (token_of[service.enterprise_id], service.watermark_utc, service.service_id)
        for service in services
        if service.watermark_utc is not None
    )
    for token, of_token in groupby(dated, key=lambda each: each[0]):
        for start, service_ids in _near_each_other([(watermark, service) for _, watermark, service in of_token]):
            # a server whose clock was set back reports a time before the watermark; nothing is lost by asking from
            # there
            since = min(start, now) - overlap
            intervals = cut(since, now + SLACK)
            for ids in chunks(service_ids):
                yield IntervalRead(token, ids, intervals)


def _near_each_other(dated: Sequence[tuple[datetime, str]]) -> Iterator[tuple[datetime, list[str]]]:
    group: list[str] = []
    start: datetime | None = None
    for watermark, service_id in dated:
        if start is not None and watermark - start > MAX_SPREAD:
            yield start, group
            start, group = None, []
        start = start or watermark
        group.append(service_id)
    if start is not None:
        yield start, group


def _full_reads(
    services: Collection[ServiceRow], token_of: Mapping[str, str], *, is_resync: bool
) -> Iterator[FullRead]:
    def together(service: ServiceRow) -> tuple[str, str, str]:
        return service.enterprise_id, str(service.full_read_started_utc), service.full_read_cursor or ""

    for _, group in groupby(sorted(services, key=together), key=together):
        members = list(group)
        first = members[0]
        for ids in chunks(sorted(member.service_id for member in members)):
            yield FullRead(
                token=token_of[first.enterprise_id],
                enterprise_id=first.enterprise_id,
                service_ids=ids,
                is_resync=is_resync,
                started_utc=first.full_read_started_utc if first.full_read_cursor else None,
                cursor=first.full_read_cursor,
                orders=first.full_read_orders if first.full_read_cursor else 0,
            )


def _goes_on(service: ServiceRow, now: datetime) -> bool:
    started = service.full_read_started_utc
    return started is not None and service.full_read_cursor is not None and now - started <= RESYNC_RESUMES_WITHIN


def _from_the_top(service: ServiceRow) -> ServiceRow:
    return replace(service, full_read_started_utc=None, full_read_cursor=None, full_read_orders=0)
