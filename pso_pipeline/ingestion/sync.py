"""Bringing the records of an endpoint up to date: read the scopes, plan, fetch and land, and report each enterprise.

Holds the order of these steps. What is read is decided in `plan`, how in `fetch`, what becomes of it in `warehouse`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.contract.limits import MAX_IDS
from pso_pipeline.ingestion.activity import current_activity, is_watched
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.causes import by_cause, cause_of
from pso_pipeline.ingestion.fetch import Fetcher
from pso_pipeline.ingestion.landing import LandingQueue
from pso_pipeline.ingestion.plan import FullRead, Read, choose_retired, leave_out_recent, plan_refresh, plan_resync
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.landing.correcting import correct_progress
from pso_pipeline.warehouse.landing.progress import Failed, Gone, Progress, record
from pso_pipeline.warehouse.landing.reconciling import Reconciled, forget_seen, reconcile
from pso_pipeline.warehouse.landing.scope import TOKEN_IS_IN_USE_FOR
from pso_pipeline.warehouse.reading import (
    EnterpriseRow,
    ScopeRow,
    read_enterprises,
    read_latest_fetch,
    read_listed_services,
    read_scopes,
    read_token_uses,
)
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline.warehouse.sql import first_row
from pso_pipeline.warehouse.writing import Part, write

log = logging.getLogger(__name__)

Unusable = WarehouseError | LimiterUnusable

CONCURRENT_READS = 8
"""Walks under way at once: enough to keep the link busy while pages are decoded, few enough for a small machine."""


@dataclass(frozen=True, slots=True)
class EnterpriseOutcome:
    """How a sync went for one enterprise.

    `created` and `changed` count its records that landed, whatever happened later; `error` is the one line that says
    why not all could be read, None where all could. Without services in use, nothing was read.
    """

    enterprise_id: str
    partition_key: str
    name: str | None
    created: int
    changed: int
    error: str | None
    reconciled: Reconciled | None = None
    has_services: bool = True


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a sync went: each enterprise that was to be read, records that could not be read, requests by operation.

    `notices` are lines about what was put right or given up. `given_up` says, by partition key, which of the failed
    could not be read because the endpoint was given up for their token; `left_out` counts records of kinds that are not
    kept. Of several endpoints, `endpoint` is the first, and `troubles` are lines about the optional ones.
    `bytes_received` counts the answers to the requests.
    """

    enterprises: tuple[EnterpriseOutcome, ...]
    rejected: int
    requests: Mapping[str, int]
    notices: tuple[str, ...] = ()
    given_up: frozenset[str] = frozenset()
    left_out: int = 0
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS
    troubles: tuple[str, ...] = ()
    bytes_received: int = 0

    @property
    def failed(self) -> tuple[EnterpriseOutcome, ...]:
        """The enterprises that could not be read to the end."""
        return tuple(outcome for outcome in self.enterprises if outcome.error is not None)


def combine_reports(reports: Sequence[SyncReport]) -> SyncReport:
    """Combine the reports of several endpoints; records are counted of the first one.

    An enterprise fails with the first error that any endpoint has for it, but for optional endpoints: what could not be
    read of them is in `troubles`.
    """
    errors: dict[str, str] = {}
    requests: Counter[str] = Counter()
    for report in reports:
        if not report.endpoint.is_optional:
            errors = {each.enterprise_id: str(each.error) for each in report.failed} | errors
        requests.update(report.requests)
    lost = [
        (report.endpoint.name, each.partition_key, str(each.error))
        for report in reports
        if report.endpoint.is_optional
        for each in report.failed
        if each.enterprise_id not in errors
    ]
    return SyncReport(
        tuple(replace(each, error=errors.get(each.enterprise_id)) for each in reports[0].enterprises),
        sum(report.rejected for report in reports),
        requests,
        tuple(line for report in reports for line in report.notices),
        left_out=sum(report.left_out for report in reports),
        endpoint=reports[0].endpoint,
        troubles=describe_troubles(lost),
        bytes_received=sum(report.bytes_received for report in reports),
    )


def describe_troubles(lost: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Describe what could not be read of optional endpoints, one line for each cause.

    `lost` has the name of the endpoint, the partition key of the hotel, and the reason.
    """
    of_endpoint: dict[str, list[tuple[str, str]]] = {}
    for endpoint, key, reason in lost:
        of_endpoint.setdefault(endpoint, []).append((key, reason))
    return tuple(
        f"{endpoint} could not be read: {each.describe()}"
        for endpoint, reasons in of_endpoint.items()
        for each in by_cause(reasons)
    )


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a sync does: which endpoint and enterprises (None: all in scope), all history or changes, its safeguards.

    `token_failures` says, by fingerprint, why tokens could not list their enterprises in this refresh: their
    enterprises fail with that reason. `kept_kinds` are records of optional kinds that are kept. `is_alone` says that
    nobody else reads these enterprises meanwhile: then a full read waits for no other.
    """

    enterprise_ids: Collection[str] | None = None
    is_full: bool = False
    overlap: timedelta = timedelta(minutes=10)
    max_missing_share: float = 0.2
    token_failures: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS
    is_alone: bool = False
    kept_kinds: Collection[str] = ()


async def sync_records(api: Api, warehouse: Warehouse, options: SyncOptions) -> SyncReport:
    """Read what changed since each scope's watermark, or all history, and land it.

    Failures of the API are in the report, by enterprise; what could be read has landed.

    Raises:
        WarehouseError: The warehouse cannot be used.
        LimiterUnusable: The store in which processes share a token's limit cannot be used.
    """
    if not options.is_full or options.is_alone:
        return await _sync(api, warehouse, options)
    with warehouse.resyncing():
        return await _sync(api, warehouse, options)


async def _sync(api: Api, warehouse: Warehouse, options: SyncOptions) -> SyncReport:
    now, endpoint = api.clock.now(), options.endpoint
    # without a `Date` of the server, the local clock alone says what is in the future
    corrected = await asyncio.to_thread(_correct, warehouse, endpoint, now) if api.clock.reported else []
    scope = await asyncio.to_thread(_read_scope, warehouse, endpoint, options.enterprise_ids)
    enterprises = [
        each
        for each in scope.enterprises
        if options.enterprise_ids is not None or not scope.is_left_to_another_process(each, api.tokens, now)
    ]
    api.clock.stamp_after(scope.latest_fetch)
    unreachable = {
        enterprise.enterprise_id: reason
        for enterprise in enterprises
        if (reason := _why_unreachable(enterprise, api, options.token_failures))
    }
    token_of = {
        enterprise.enterprise_id: enterprise.token_fingerprint
        for enterprise in enterprises
        if enterprise.token_fingerprint and enterprise.enterprise_id not in unreachable
    }
    if options.is_full:
        plan = plan_resync(scope.readable, token_of, now, is_joint=endpoint.is_slow)
    else:
        due = leave_out_recent(scope.readable, now, endpoint.read_every) if endpoint.is_slow else scope.readable
        plan = plan_refresh(
            due,
            token_of,
            now,
            options.overlap,
            is_joint=endpoint.is_slow,
            can_omit_scope=endpoint.can_omit_scope,
        )
    queue = LandingQueue(warehouse)
    enterprise_of = {each.scope_id: each.enterprise_id for each in scope.scopes}
    unlisted = {each.scope_id for each in scope.scopes if each.unlisted_since_utc is not None}
    fetcher = Fetcher(
        endpoint,
        api.client,
        api.tokens,
        enterprise_of,
        queue,
        api.clock,
        options.overlap,
        unlisted,
        services_of=scope.services_of,
        left_out_kinds=frozenset(endpoint.optional_kinds) - frozenset(options.kept_kinds),
        language_of=scope.language_of,
    )
    await asyncio.to_thread(_begin, warehouse, endpoint, scope.scopes, unreachable, plan)
    if is_watched():
        activity = current_activity()
        activity.hotels = len({enterprise_of[each] for read in plan for each in read.scope_ids})
        if options.is_full:
            activity.expected = await asyncio.to_thread(_count_known, warehouse, endpoint, options.enterprise_ids)
    await _carry_out(plan, fetcher, queue, enterprise_of)
    retired = choose_retired(fetcher.gone.keys(), scope.scopes, token_of, now)
    failures = fetcher.failures | {each: error for each, error in fetcher.gone.items() if each not in retired}
    if fetcher.gone:
        await asyncio.to_thread(
            _give_up,
            warehouse,
            endpoint,
            fetcher.gone,
            retired=retired,
            enterprise_of=enterprise_of,
            now=now,
        )
    given_up = {
        scope_id: fetcher.given_up[read.token]
        for read in plan
        if read.token in fetcher.given_up
        for scope_id in read.scope_ids
    }
    if given_up:
        await asyncio.to_thread(_note_given_up, warehouse, endpoint, scope.scopes, given_up)
    errors = {**scope.unreadable(endpoint), **unreachable}
    errors |= {enterprise_of[each]: error for each, error in {**failures, **given_up}.items()}
    resynced = {
        scope_id: enterprise_of[scope_id]
        for read in plan
        if isinstance(read, FullRead) and read.is_resync
        for scope_id in read.scope_ids
        if scope_id not in retired
    }
    reconciled = await asyncio.to_thread(
        _reconcile,
        warehouse,
        endpoint,
        resynced,
        read_before=scope.latest_fetch,
        errors=errors,
        max_missing_share=options.max_missing_share,
    )
    scopes_of: dict[str, list[str]] = {}
    for scope_id, enterprise_id in enterprise_of.items():
        scopes_of.setdefault(enterprise_id, []).append(scope_id)
    notices = (*corrected, *_retirements(retired, enterprise_of, enterprises))
    for line in notices:
        log.warning("%s", line)
    with_services = {each.enterprise_id for each in scope.scopes if each.is_in_use and each.scope_id not in retired}
    outcomes = tuple(
        replace(
            _outcome(each, scopes_of, queue, errors, reconciled),
            has_services=each.enterprise_id in with_services,
        )
        for each in enterprises
    )
    lost = {enterprise_of[each] for each in given_up}
    return SyncReport(
        outcomes,
        len(queue.rejected),
        {operation: tally.requests for operation, tally in api.client.tallies.items()},
        notices,
        given_up=frozenset(each.partition_key for each in outcomes if each.enterprise_id in lost),
        left_out=fetcher.left_out,
        endpoint=endpoint,
        bytes_received=sum(tally.bytes_received for tally in api.client.tallies.values()),
    )


def _retirements(
    retired: Collection[str], enterprise_of: Mapping[str, str], enterprises: Sequence[EnterpriseRow]
) -> list[str]:
    counts = Counter(enterprise_of[service] for service in retired)
    return [
        f"{each.partition_key}: {counts[each.enterprise_id]:,} service(s) no longer exist and are retired, "
        "their orders remain"
        for each in enterprises
        if counts[each.enterprise_id]
    ]


async def _carry_out(
    plan: Sequence[Read], fetcher: Fetcher, queue: LandingQueue, enterprise_of: Mapping[str, str]
) -> None:
    slots = asyncio.Semaphore(CONCURRENT_READS)
    unread = Counter(enterprise_of[each] for read in plan for each in read.scope_ids)

    async def carry_out(read: Read) -> None:
        async with slots:
            await fetcher.read(read)
        unread.subtract(enterprise_of[each] for each in read.scope_ids)
        current_activity().hotels_done = sum(count <= 0 for count in unread.values())

    try:
        async with asyncio.TaskGroup() as all_tasks:
            all_tasks.create_task(queue.run())
            async with asyncio.TaskGroup() as reads:
                for read in plan:
                    reads.create_task(carry_out(read))
            await queue.close()
    except* (WarehouseError, LimiterUnusable) as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[Unusable]) -> Unusable:
    first: BaseExceptionGroup[Unusable] | Unusable = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


@dataclass(frozen=True, slots=True)
class _Scope:
    """The enterprises to read, all scopes, when a record was read last, and when each token was used.

    `services_of` has the services that each enterprise lists, where the endpoint needs them.
    """

    enterprises: list[EnterpriseRow]
    scopes: list[ScopeRow]
    latest_fetch: datetime | None
    token_uses: Mapping[str, datetime]
    services_of: Mapping[str, Sequence[str]]
    needs_services: bool

    @property
    def readable(self) -> list[ScopeRow]:
        """The scopes that can be read: all history of an enterprise is read by its services, where so."""
        if not self.needs_services:
            return self.scopes
        return [each for each in self.scopes if 0 < len(self.services_of.get(each.enterprise_id, ())) <= MAX_IDS]

    def unreadable(self, endpoint: Endpoint) -> dict[str, str]:
        """Say why enterprises cannot be read by their services: a request has no room for more than `MAX_IDS`."""
        reason = f"{endpoint.operation}: no request can name more than {MAX_IDS:,} services of a hotel"
        return {each: reason for each, services in self.services_of.items() if len(services) > MAX_IDS}

    @property
    def language_of(self) -> dict[str, str | None]:
        """The language of each enterprise."""
        return {each.enterprise_id: each.language for each in self.enterprises}

    def is_left_to_another_process(self, enterprise: EnterpriseRow, tokens: Collection[str], now: datetime) -> bool:
        """Whether another process with other access tokens reads the enterprise."""
        token = enterprise.token_fingerprint or ""
        used = self.token_uses.get(token)
        return token not in tokens and used is not None and now - used < TOKEN_IS_IN_USE_FOR


def _correct(warehouse: Warehouse, endpoint: Endpoint, now: datetime) -> list[str]:
    with warehouse.open() as connection:
        return correct_progress(connection, now, endpoint)


def _read_scope(warehouse: Warehouse, endpoint: Endpoint, enterprise_ids: Collection[str] | None) -> _Scope:
    with warehouse.open() as connection:
        enterprises, scopes = read_enterprises(connection), read_scopes(connection, endpoint)
        latest_fetch, token_uses = read_latest_fetch(connection, endpoint), read_token_uses(connection)
        services_of = read_listed_services(connection) if endpoint.service_filter else {}
    chosen = [
        each
        for each in enterprises
        if (each.is_in_scope if enterprise_ids is None else each.enterprise_id in enterprise_ids)
    ]
    return _Scope(chosen, scopes, latest_fetch, token_uses, services_of, bool(endpoint.service_filter))


def _count_known(warehouse: Warehouse, endpoint: Endpoint, enterprise_ids: Collection[str] | None) -> int:
    """Count the records that the warehouse has of these enterprises, or of all."""
    of_these = "" if enterprise_ids is None else "WHERE list_contains($ids, enterprise_id)"
    parameters = {} if enterprise_ids is None else {"ids": list(enterprise_ids)}
    query = f"SELECT count(*) FROM {endpoint.table.qualified_name} {of_these}"  # noqa: S608  # a name of the contract
    with warehouse.open() as connection:
        row = first_row(connection, query, parameters)
    return row[0] if row else 0


def _why_unreachable(enterprise: EnterpriseRow, api: Api, token_failures: Mapping[str, str]) -> str | None:
    token = enterprise.token_fingerprint
    if token is None or token not in api.tokens or not enterprise.is_in_scope:
        return "no access token in MEWS_ACCESS_TOKENS sees it any more"
    return token_failures.get(token)


def _begin(
    warehouse: Warehouse,
    endpoint: Endpoint,
    scopes: Collection[ScopeRow],
    unreachable: Mapping[str, str],
    plan: Sequence[Read],
) -> None:
    """Note what fails without being tried, and forget what resyncs that start from the top saw last time."""
    failed = [
        Failed(each.scope_id, each.enterprise_id, unreachable[each.enterprise_id])
        for each in scopes
        if each.enterprise_id in unreachable and each.is_in_use
    ]
    restarted = [
        scope_id
        for read in plan
        if isinstance(read, FullRead) and read.is_resync and read.cursor is None and not read.is_ended
        for scope_id in read.scope_ids
    ]
    if not failed and not restarted:
        return

    def note() -> None:
        record(connection, endpoint, failed)
        forget_seen(connection, endpoint, restarted)

    with warehouse.open() as connection:
        write(connection, note, Part.LANDED)


def _note_given_up(
    warehouse: Warehouse, endpoint: Endpoint, scopes: Collection[ScopeRow], given_up: Mapping[str, str]
) -> None:
    """Note why scopes were not read, unless that is known already: a permission can be lacking for years."""
    known = {each.scope_id: cause_of(each.last_error or "") for each in scopes}
    enterprise_of = {each.scope_id: each.enterprise_id for each in scopes}
    news = [
        Failed(scope_id, enterprise_of[scope_id], error)
        for scope_id, error in given_up.items()
        if known[scope_id] != cause_of(error)
    ]
    if news:
        with warehouse.open() as connection:
            write(connection, lambda: record(connection, endpoint, news), Part.LANDED)


def _give_up(
    warehouse: Warehouse,
    endpoint: Endpoint,
    gone: Mapping[str, str],
    *,
    retired: Collection[str],
    enterprise_of: Mapping[str, str],
    now: datetime,
) -> None:
    """Retire services that no longer exist, and note why the others that are gone could not be read."""
    progress: list[Progress] = []
    for service, error in gone.items():
        is_retired, enterprise = service in retired, enterprise_of[service]
        progress.append(Gone(service, enterprise, now, now if is_retired else None))
        progress += [] if is_retired else [Failed(service, enterprise, error)]
    with warehouse.open() as connection:
        write(connection, lambda: record(connection, endpoint, progress), Part.LANDED)


def _reconcile(
    warehouse: Warehouse,
    endpoint: Endpoint,
    resynced: Mapping[str, str],
    *,
    read_before: datetime | None,
    errors: Mapping[str, str],
    max_missing_share: float,
) -> dict[str, Reconciled]:
    """Judge what is missing in the enterprises whose resync came to its end in every scope of `resynced`."""
    scopes = {scope: enterprise for scope, enterprise in resynced.items() if enterprise not in errors}
    if not scopes:
        return {}
    with warehouse.open() as connection:
        return reconcile(
            connection, endpoint, scopes, read_before or datetime.min.replace(tzinfo=UTC), max_missing_share
        )


def _outcome(
    enterprise: EnterpriseRow,
    scopes: Mapping[str, Sequence[str]],
    queue: LandingQueue,
    errors: Mapping[str, str],
    reconciled: Mapping[str, Reconciled],
) -> EnterpriseOutcome:
    own = scopes.get(enterprise.enterprise_id, ())
    return EnterpriseOutcome(
        enterprise.enterprise_id,
        enterprise.partition_key,
        enterprise.name,
        created=sum(queue.created[scope] for scope in own),
        changed=sum(queue.changed[scope] for scope in own),
        error=errors.get(enterprise.enterprise_id),
        reconciled=reconciled.get(enterprise.enterprise_id),
    )
