"""The evaluation of the rules: each is counted again in the hotels that changed, or that broke it before.

`internal.check_counts` has the counts of each rule in each hotel, so a verdict is about all hotels and costs as
much as those that changed. The table belongs to the marts: another version of the package counts every hotel again.
Add a rule in `rules`; how counts become events of Dagster is in `orchestration/evaluations.py`.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import duckdb

from pso_pipeline.contract.endpoints import ENDPOINTS, PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.warehouse.checks.readings import read_repeated_ids
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, Rule, landed_rules
from pso_pipeline.warehouse.checks.templates import sql
from pso_pipeline.warehouse.marts.derive import INPUTS, create_marts, derive
from pso_pipeline.warehouse.sql import statement
from pso_pipeline.warehouse.writing import Part, writes


@dataclass(frozen=True, slots=True)
class HotelCount:
    """The counts of a rule in one hotel; `detail` describes the violations in a few words."""

    enterprise_id: str
    partition_key: str
    checked: int
    violations: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts of a rule over all hotels: records checked, violations, and the hotels that have any, the worst first.

    `counted_now` hotels were counted by this evaluation. The others were counted earlier and have not changed since.
    """

    rule: Rule
    checked: int
    violations: int
    hotels: int
    counted_now: int
    found_in: tuple[HotelCount, ...]

    @property
    def broken_in(self) -> tuple[HotelCount, ...]:
        """The hotels that the rule holds back; records without a hotel are in no figure."""
        return _broken(self.rule, self.found_in)


def evaluate_landed(
    connection: duckdb.DuckDBPyConnection,
    enterprise_ids: Collection[str] | None = None,
    endpoints: Iterable[Endpoint] = (PRODUCT_SERVICE_ORDERS,),
) -> list[Verdict]:
    """Evaluate the rules about the landed records of some endpoints.

    The hotels `enterprise_ids` are counted in any case. If it is None, nothing changed and no rule was broken, there is
    no new verdict about an endpoint.
    """
    create_marts(connection)
    return _evaluate_landed(connection, enterprise_ids, endpoints)


@writes(Part.MARTS)
def _evaluate_landed(
    connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None, endpoints: Iterable[Endpoint]
) -> list[Verdict]:
    for each in _inputs():
        connection.execute(each)
    verdicts = []
    for endpoint in endpoints:
        counted = (sql("checked_records", endpoint),)
        changed = sql("inputs_landed", endpoint)
        verdicts += _evaluate(connection, landed_rules(endpoint), changed, counted, enterprise_ids)
    return verdicts


def evaluate_derived(
    connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None = None
) -> list[Verdict]:
    """Evaluate the rules about the marts; `enterprise_ids` as in `evaluate_landed`.

    The marts of a hotel that breaks a rule are computed again from all its landed orders, then it is counted again.
    """
    create_marts(connection)
    verdicts = _evaluate_derived(connection, enterprise_ids)
    broken = {each.enterprise_id for verdict in verdicts for each in verdict.broken_in}
    if not broken:
        return verdicts
    derive(connection, broken)
    return _evaluate_derived(connection, broken)


@writes(Part.MARTS)
def _evaluate_derived(connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None) -> list[Verdict]:
    changed = statement("checks/inputs_derived.sql")
    return _evaluate(connection, DERIVED_RULES, changed, _inputs(), enterprise_ids)


def find_held_back(connection: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint] = ENDPOINTS) -> dict[str, str]:
    """Evaluate all rules; return the hotels whose newest figures must not be published, by id, with the reason.

    The cost depends on what changed since the last evaluation.
    """
    checked = [endpoint for endpoint in endpoints if endpoint.keeps_versions]
    evaluate_landed(connection, endpoints=checked)
    evaluate_derived(connection)
    rules = (*itertools.chain.from_iterable(map(landed_rules, checked)), *DERIVED_RULES)
    found_in = _found_in(connection, rules)
    reasons: dict[str, list[str]] = {}
    for rule in rules:
        for each in _broken(rule, found_in[rule.key]):
            detail = f" ({each.detail})" if each.detail else ""
            reason = f"{rule.name}: {each.violations:,} of {each.checked:,} {rule.records}{detail}"
            reasons.setdefault(each.enterprise_id, []).append(reason)
    for repeated in read_repeated_ids(connection):
        reasons.setdefault(repeated.enterprise_id, []).append(repeated.reason)
    return {enterprise: "; ".join(dict.fromkeys(found)) for enterprise, found in sorted(reasons.items())}


def _inputs() -> list[str]:
    return [statement(f"marts/{name}.sql") for name in INPUTS]


def _evaluate(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    changed: str,
    counted: Iterable[str],
    enterprise_ids: Collection[str] | None,
) -> list[Verdict]:
    """Evaluate rules in the hotels that the statement `changed` finds; `counted` make the tables they read."""
    connection.execute(changed, {"definition": _definition(rules)})
    found_in = _found_in(connection, rules)
    broken = {each.enterprise_id for rule in rules for each in _broken(rule, found_in[rule.key])}
    connection.execute(
        statement("checks/checked_enterprises.sql"),
        {"check_names": [rule.key for rule in rules], "enterprise_ids": sorted(broken.union(enterprise_ids or ()))},
    )
    ids = [enterprise for enterprise, _ in connection.execute("FROM checked_enterprises").fetchall()]
    if not ids and enterprise_ids is None:
        return []
    for each in counted:
        connection.execute(each)
    for rule in rules:
        connection.execute(sql(rule.name, rule.endpoint), dict(rule.parameters))
        connection.execute(statement("checks/forget_counts.sql"), {"check_name": rule.key})
        connection.execute(statement("checks/keep_counts.sql"), {"check_name": rule.key})
    counted_now = sum(map(bool, ids))
    found_in = _found_in(connection, rules)
    return [_verdict(connection, rule, counted_now, found_in[rule.key]) for rule in rules]


def _verdict(
    connection: duckdb.DuckDBPyConnection, rule: Rule, counted_now: int, found_in: Iterable[HotelCount]
) -> Verdict:
    totals = connection.execute(statement("checks/totals.sql"), {"check_name": rule.key}).fetchall()
    checked, violations, hotels = totals[0]
    return Verdict(rule, checked, violations, hotels, counted_now, tuple(found_in))


def _found_in(connection: duckdb.DuckDBPyConnection, rules: Iterable[Rule]) -> dict[str, list[HotelCount]]:
    """Read the hotels that break each rule, by its key."""
    found: dict[str, list[HotelCount]] = {rule.key: [] for rule in rules}
    rows = connection.execute(statement("checks/worst_hotels.sql"), {"check_names": list(found)}).fetchall()
    for key, *count in rows:
        found[key].append(HotelCount(*count))
    return found


def _broken(rule: Rule, found_in: Iterable[HotelCount]) -> tuple[HotelCount, ...]:
    return tuple(each for each in found_in if rule.blocks and each.enterprise_id)


def _definition(rules: Sequence[Rule]) -> str:
    """Return a digest of the rules, so that a changed rule is counted again in every hotel."""
    parts = [(rule.key, sorted(rule.parameters.items()), sql(rule.name, rule.endpoint)) for rule in rules]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
