"""Evaluating the rules for the hotels whose orders changed since the last look, or in which something was wrong then.

What each rule counts in each hotel is kept in `marts.internal.check_counts`, so that the verdict is about all hotels
and costs as much as those that changed. It goes with the marts: another version of the package looks at all of them.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb

from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, LANDED_RULES, Rule
from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.memory import with_enough_memory
from pso_pipeline.warehouse.sql import statement


@dataclass(frozen=True, slots=True)
class HotelCount:
    """What a rule counted in one hotel; `detail` says in a few words what was found."""

    enterprise_id: str
    partition_key: str
    checked: int
    violations: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule counts over all hotels: orders checked, violations, and the hotels that have any, the worst first.

    `looked_at` hotels were counted now, the others earlier and have not changed since.
    """

    rule: Rule
    checked: int
    violations: int
    hotels: int
    looked_at: int
    found_in: tuple[HotelCount, ...]

    @property
    def broken_in(self) -> tuple[HotelCount, ...]:
        """The hotels in which too much was found for BI."""
        return tuple(each for each in self.found_in if _is_broken(self.rule, each))


def evaluate_landed(
    connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None = None
) -> list[Verdict]:
    """Evaluate the rules about landed orders.

    The hotels `enterprise_ids` are looked at in any case. Where there are none, and nothing changed and nothing was
    wrong, there is no new verdict.
    """
    _execute(connection, "marts/enterprise_inputs")
    return _evaluate(connection, LANDED_RULES, "inputs_landed", ("checks/checked_orders",), enterprise_ids)


def evaluate_derived(
    connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None = None
) -> list[Verdict]:
    """Evaluate the rules about the marts; `enterprise_ids` as in `evaluate_landed`."""
    counted = ("marts/enterprise_inputs", "checks/checked_orders")
    return _evaluate(connection, DERIVED_RULES, "inputs_derived", counted, enterprise_ids)


def _evaluate(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    inputs: str,
    counted: Sequence[str],
    enterprise_ids: Collection[str] | None,
) -> list[Verdict]:
    """Evaluate rules where the statement `inputs` tells that something changed; `counted` make what they count."""
    create_marts(connection)
    connection.execute(statement(f"checks/{inputs}.sql"), {"definition": _definition(rules)})
    broken = {each.enterprise_id for rule in rules for each in _found_in(connection, rule) if _is_broken(rule, each)}
    connection.execute(
        statement("checks/checked_enterprises.sql"),
        {"check_names": [rule.name for rule in rules], "enterprise_ids": sorted(broken.union(enterprise_ids or ()))},
    )
    ids = [enterprise for enterprise, _ in connection.execute("FROM checked_enterprises").fetchall()]
    if not ids and enterprise_ids is None:
        return []
    for name in counted:
        _execute(connection, name)
    for rule in rules:
        _execute(connection, f"checks/{rule.name}", dict(rule.parameters))
        connection.begin()
        connection.execute(statement("checks/forget_counts.sql"), {"check_name": rule.name})
        connection.execute(statement("checks/keep_counts.sql"), {"check_name": rule.name})
        connection.commit()
    looked_at = sum(map(bool, ids))
    return [_verdict(connection, rule, looked_at) for rule in rules]


def _execute(connection: duckdb.DuckDBPyConnection, name: str, parameters: object = None) -> None:
    query = statement(f"{name}.sql")
    with_enough_memory(connection, lambda: connection.execute(query, parameters))


def _verdict(connection: duckdb.DuckDBPyConnection, rule: Rule, looked_at: int) -> Verdict:
    totals = connection.execute(statement("checks/totals.sql"), {"check_name": rule.name}).fetchall()
    checked, violations, hotels = totals[0]
    return Verdict(rule, checked, violations, hotels, looked_at, tuple(_found_in(connection, rule)))


def _found_in(connection: duckdb.DuckDBPyConnection, rule: Rule) -> list[HotelCount]:
    rows = connection.execute(statement("checks/worst_hotels.sql"), {"check_name": rule.name}).fetchall()
    return [HotelCount(*row) for row in rows]


def _is_broken(rule: Rule, count: HotelCount) -> bool:
    return rule.is_broken_by(count.checked, count.violations)


def _definition(rules: Sequence[Rule]) -> str:
    """Digest what decides the counts, so that a changed rule is evaluated anew for every hotel."""
    parts = [(rule.name, sorted(rule.parameters.items()), statement(f"checks/{rule.name}.sql")) for rule in rules]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
