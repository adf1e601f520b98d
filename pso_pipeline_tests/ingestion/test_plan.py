"""The planner, whatever the state of the services: all that is due is asked for once, as the API takes it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.ingestion import plan as planner
from pso_pipeline.ingestion.plan import (
    LISTING_OVERLAP,
    MAX_SPREAD,
    RELIST_AFTER,
    RESYNC_RESUMES_WITHIN,
    FullRead,
    IntervalRead,
    cut,
    plan_listing,
    plan_refresh,
    plan_resync,
)
from pso_pipeline.mews.requests import GetAll, latest_end
from pso_pipeline.warehouse.reading import ListingRow, ScopeRow

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)

ages = st.timedeltas(timedelta(hours=-30), timedelta(days=800))
overlaps = st.timedeltas(timedelta(), timedelta(days=3))
moments = st.one_of(st.none(), ages.map(lambda age: NOW - age))
TOKEN_OF = {"e1": "one", "e2": "one", "e3": "two"}


@st.composite
def services(draw):
    """Services of four hotels, of which the last is out of reach, in any state of progress."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["e1", "e2", "e3", "out of reach"]),
                st.booleans(),
                moments,
                moments,
                st.sampled_from([None, "c1", "c2"]),
            ),
            max_size=40,
        )
    )
    return [
        ScopeRow(f"s{number:02}", enterprise, is_in_use, watermark, started, cursor, 7, None, None)
        for number, (enterprise, is_in_use, watermark, started, cursor) in enumerate(rows)
    ]


def due(rows):
    return {row.scope_id for row in rows if row.is_in_use and row.enterprise_id in TOKEN_OF}


def check_reads(reads, rows):
    """Each due service is in one read, of its own token, in requests that the API's limits allow."""
    named = Counter(service for read in reads for service in read.scope_ids)
    assert named == Counter(due(rows))
    of = {row.scope_id: row for row in rows}
    for read in reads:
        assert {TOKEN_OF[of[service].enterprise_id] for service in read.scope_ids} == {read.token}
        if isinstance(read, IntervalRead):
            for interval in read.intervals:
                GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": read.scope_ids, "UpdatedUtc": interval})
        else:
            GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": read.scope_ids})
            assert {of[service].enterprise_id for service in read.scope_ids} == {read.enterprise_id}


@given(services(), overlaps)
def test_a_refresh_asks_for_every_due_service_once_and_from_early_enough(rows, overlap):
    reads = plan_refresh(rows, TOKEN_OF, NOW, overlap)
    check_reads(reads, rows)
    of = {row.scope_id: row for row in rows}
    for read in reads:
        members = [of[service] for service in read.scope_ids]
        if isinstance(read, FullRead):
            assert all(member.watermark_utc is None for member in members)
            assert not read.is_resync
            assert {member.full_read_cursor for member in members} == {read.cursor}
            assert read.started_utc is None or read.cursor is not None
        else:
            earliest = min(member.watermark_utc for member in members)
            assert read.intervals[0].start_utc <= min(earliest, NOW) - overlap
            assert read.intervals[-1].end_utc >= NOW
            assert max(member.watermark_utc for member in members) - earliest <= MAX_SPREAD


@given(services())
def test_a_resync_reads_all_history_of_every_due_service(rows):
    reads = plan_resync(rows, TOKEN_OF, NOW)
    check_reads(reads, rows)
    of = {row.scope_id: row for row in rows}
    for read in reads:
        assert isinstance(read, FullRead)
        known = {of[service].watermark_utc is not None for service in read.scope_ids}
        assert known == {read.is_resync}
        if read.is_resync and read.cursor is not None:
            assert read.started_utc is not None
            assert NOW - read.started_utc <= RESYNC_RESUMES_WITHIN


@given(ages, overlaps)
def test_intervals_leave_no_gap_and_are_no_longer_than_the_api_takes(age, more):
    end = NOW
    start = end - abs(age) - more
    intervals = cut(start, end)
    assert intervals[0].start_utc <= start
    assert intervals[-1].end_utc >= end
    for interval in intervals:
        assert interval.end_utc <= latest_end(interval.start_utc)
    for earlier, later in pairwise(intervals):
        assert later.start_utc == earlier.end_utc
    assert len(intervals) <= (end - start) / timedelta(days=89) + 1


def test_more_than_1000_services_of_one_token_are_asked_for_in_chunks_hotel_by_hotel(monkeypatch):
    rows = [ScopeRow(f"s{n:04}", f"e{n % 7}", True, NOW, None, None, 0, None, None) for n in range(2 * MAX_IDS + 1)]
    reads = plan_refresh(rows, {f"e{n}": "one" for n in range(7)}, NOW, timedelta())
    assert [len(read.scope_ids) for read in reads] == [MAX_IDS, MAX_IDS, 1]
    hotels = [int(service[1:]) % 7 for read in reads for service in read.scope_ids]
    assert hotels == sorted(hotels), "those of a hotel that left the scope must stand together"


listings = st.lists(
    st.tuples(st.integers(0, 3_000), st.booleans(), st.timedeltas(timedelta(hours=-1), timedelta(hours=8))),
    max_size=12,
).map(
    lambda found: [
        ListingRow(f"e{number}", "one", count, NOW - age if is_listed else None, NOW - age if is_listed else None)
        for number, (count, is_listed, age) in enumerate(found)
    ]
)


@given(listings)
def test_changed_services_are_listed_only_where_that_misses_none_and_costs_less(rows):
    plan = plan_listing(rows, NOW)
    assert plan_listing(rows, None).changes is None
    if plan.changes is None:
        return
    listed = [row for row in rows if row.listed_utc]
    assert set(plan.new_enterprises) == {row.enterprise_id for row in rows} - {row.enterprise_id for row in listed}
    assert plan.changes.start_utc <= min(row.watermark_utc for row in listed) - LISTING_OVERLAP + timedelta(seconds=1)
    assert plan.changes.end_utc >= NOW
    assert all(NOW - row.listed_utc < RELIST_AFTER for row in listed)
    assert 1 + len(planner.chunks(plan.new_enterprises)) < sum(row.services for row in rows) // 1000 + 1


def test_3500_hotels_with_4_services_each_take_15_requests_for_services_and_orders():
    """And 4 for the enterprises: 19 of the 20 that a quiet refresh may take."""
    hotels = [f"e{n}" for n in range(3_500)]
    services = [ScopeRow(f"{e}-{n}", e, True, NOW, None, None, 0, None, None) for e in hotels for n in range(4)]
    assert len(plan_refresh(services, dict.fromkeys(hotels, "one"), NOW, timedelta(minutes=10))) == 14
    listed = [ListingRow(e, "one", 4, NOW - timedelta(hours=1), NOW - timedelta(hours=1)) for e in hotels]
    plan = plan_listing(listed, NOW)
    assert plan.changes is not None
    assert plan.new_enterprises == ()
