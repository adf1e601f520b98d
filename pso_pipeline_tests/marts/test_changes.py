"""What changed: the same rows as plain Python gives, and the right one first where one thing was made to happen."""

import math
import os
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from pso_pipeline.contract.marts import AGG_CHANGES
from pso_pipeline.warehouse.marts.derive import derive
from pso_pipeline_tests.marts import reference, reference_items
from pso_pipeline_tests.marts.changes import COUNTED, Counts, Values, expected_changes
from pso_pipeline_tests.marts.rows import insert, read
from pso_pipeline_tests.marts.world import generate

LAST_DAY = date(2026, 11, 29)
DAYS = 140
HOTELS = 4
ORIGINS = ("Distributor", "Commander", "Navigator")
WORLDS = int(os.environ.get("PSO_TEST_WORLDS", "6"))
"""How many worlds of each kind are tried; docs/metrics.md names the figures of 100."""


def test_the_rows_agree_with_plain_python(connection):
    world = generate(seed=20240702, orders=3000)
    for table, rows in world.landed.items():
        insert(connection, table, rows)
    derive(connection)
    values: Values = defaultdict(dict)
    facts, orders = reference.facts(world), {order["id"]: order for order in world.product_service_orders}
    for item in reference_items.item_facts(world).values():
        canceled_on = facts.get(item["service_order_id"], {}).get("canceled_date")
        if canceled_on and item["item_kind"] == "sale" and item["is_canceled"] and item["order_link"] == "with_order":
            order = orders[item["service_order_id"]]
            amounts = values[order["enterprise_id"], order["service_id"], order["origin"], canceled_on]
            amounts[item["currency"]] = amounts.get(item["currency"], Decimal(0)) + item["gross_value"]

    found = assert_as_expected(connection, values)
    assert len(found) > 500
    in_one_currency = [row for row in found if row["currency"]]
    assert {row["currency"] for row in in_one_currency} > {"EUR"}
    assert 0 < len(in_one_currency) < len(found)
    assert sum(bool(row["canceled_value"]) and bool(row["compared_canceled_value"]) for row in in_one_currency) > 5


def assert_as_expected(connection: duckdb.DuckDBPyConnection, values: Values) -> list[dict[str, Any]]:
    """Compare the rows with those that plain Python computes of the daily counts; return them."""
    counts: Counts = {}
    for hotel, service, origin, day, *numbers in read(
        connection, "agg_orders_daily", ["enterprise_id", "service_id", "origin", "date", *COUNTED]
    ):
        counts.setdefault((hotel, service, origin, day), Counter()).update(dict(zip(COUNTED, numbers, strict=True)))
    last_days = {
        hotel: day for hotel, day in read(connection, "dim_enterprises", ["enterprise_id", "as_of_date"]) if day
    }
    expected = expected_changes(counts, values, last_days)
    ours = {
        row[: len(AGG_CHANGES.key)]: dict(zip(AGG_CHANGES.column_names, row, strict=True))
        for row in read(connection, "agg_changes")
    }
    assert ours.keys() == expected.keys()
    for key, row in expected.items():
        assert row.keys() == ours[key].keys() - {"enterprise_id", "sentence"}
        for name, value in row.items():
            if isinstance(value, float) and ours[key][name] is not None:
                assert float(ours[key][name]) == pytest.approx(value, rel=1e-6, abs=1e-4), (key, name)
            else:
                assert ours[key][name] == value, (key, name)
        if row["mix_effect"] is not None:
            effects = sum(ours[key][name] for name in ("volume_effect", "mix_effect", "rate_effect"))
            change = ours[key]["cancellations"] - ours[key]["compared_cancellations"]
            assert effects == pytest.approx(change, abs=1e-6)
        assert (ours[key]["sentence"] is None) == (row["kind"] is None)
    return list(ours.values())


class Portfolio:
    """Daily counts of hotels in which nothing changes, until something is made to happen in one of them."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.hotel = int(self.chance.integers(HOTELS))
        self.service = int(self.chance.integers(3))
        self.rates = self.chance.uniform(0.15, 0.3, (HOTELS, len(ORIGINS)))
        self.orders = self.chance.uniform(6, 14, (HOTELS, 3, len(ORIGINS)))

    def counts(self, kind: str) -> pd.DataFrame:
        """Orders and cancellations of each day; the last 7 are those of `kind`."""
        origin = int(np.argmax(self.rates[self.hotel]))
        if kind == "mix":
            self.rates[self.hotel] = 0.1
            self.rates[self.hotel, origin] = 0.5
        parts = []
        for hotel, service, place in np.ndindex(self.orders.shape):
            usual = np.full(DAYS, self.orders[hotel, service, place])
            if hotel == self.hotel and kind == "closed" and service == self.service:
                usual[-7:] = 0
            if hotel == self.hotel and kind == "mix":
                usual[-7:] *= 2 if place == origin else 0.5
            created = self.chance.poisson(usual)
            day = np.repeat(np.arange(DAYS), created)
            days_later = self.chance.exponential(5, day.size).astype(int)
            is_canceled = self.chance.random(day.size) < self.rates[hotel, place]
            if hotel == self.hotel and kind == "rate" and place == origin:
                is_canceled |= (day + days_later >= DAYS - 7) & (
                    self.chance.random(day.size) < self.rates[hotel, place] / (1 - self.rates[hotel, place])
                )
            canceled_on = (day + days_later)[is_canceled & (day + days_later < DAYS)]
            parts.append(
                pd.DataFrame(
                    {
                        "enterprise_id": f"hotel {hotel}",
                        "service_id": f"service {hotel} {service}",
                        "origin": ORIGINS[place],
                        "date": [LAST_DAY - timedelta(days=DAYS - 1 - number) for number in range(DAYS)],
                        "orders_created": created,
                        "cancellations": np.bincount(canceled_on, minlength=DAYS),
                    }
                )
            )
        return pd.concat(parts)

    def expected(self, kind: str) -> tuple[str, dict[str, Any]]:
        """What must be found first: its kind, and what it is about."""
        hotel = {"enterprise_id": f"hotel {self.hotel}"}
        origin = ORIGINS[int(np.argmax(self.rates[self.hotel]))]
        return {
            "rate": ("rate", {**hotel, "level": "origin", "origin": origin}),
            "closed": ("orders", {**hotel, "level": "service", "service_id": f"service {self.hotel} {self.service}"}),
            "mix": ("mix", {**hotel, "level": "hotel"}),
        }[kind]


def first_change(connection: duckdb.DuckDBPyConnection, counts: pd.DataFrame) -> dict[str, Any]:
    connection.execute("DELETE FROM mart.agg_orders_daily; DELETE FROM mart.dim_enterprises")
    zero = ", ".join(f"0 AS {name}" for name in ("mature_firm_orders_7d", "canceled_within_7d", "unresolved_orders"))
    connection.register("given", counts)
    connection.execute(f"INSERT INTO mart.agg_orders_daily BY NAME SELECT *, {zero} FROM given")
    connection.unregister("given")
    connection.execute(
        "INSERT INTO mart.dim_enterprises BY NAME SELECT DISTINCT enterprise_id, $day AS as_of_date, "
        "upper(enterprise_id) AS enterprise_name FROM mart.agg_orders_daily",
        {"day": LAST_DAY},
    )
    found = connection.execute("FROM mart.agg_changes WHERE rank = 1")
    names = [name for name, *_ in found.description or ()]
    return dict(zip(names, found.fetchall()[0], strict=True))


@pytest.mark.parametrize("kind", ["rate", "closed", "mix"])
def test_the_change_that_was_made_comes_first(connection, kind):
    right = 0
    for seed in range(WORLDS):
        portfolio = Portfolio(seed)
        first = first_change(connection, portfolio.counts(kind))
        expected, about = portfolio.expected(kind)
        right += first["is_beyond_chance"] and first["kind"] == expected and about.items() <= first.items()
    assert right >= math.floor(0.95 * WORLDS)


@pytest.mark.parametrize("kind", ["rate", "closed", "mix", "nothing"])
def test_kinds_scores_and_ranks_agree_with_plain_python(connection, kind):
    first_change(connection, Portfolio(17).counts(kind))
    found = assert_as_expected(connection, {})
    assert {row["kind"] for row in found} >= {None, "rate", "orders"}
    assert any(row["is_beyond_chance"] for row in found) == (kind != "nothing")


def test_no_sentence_claims_a_change_where_nothing_changed(connection):
    claimed = 0
    for seed in range(WORLDS):
        first = first_change(connection, Portfolio(1000 + seed).counts("nothing"))
        claimed += first["is_beyond_chance"]
        assert first["is_beyond_chance"] or first["sentence"].endswith("This may be chance.")
    assert claimed <= max(1, math.ceil(0.05 * WORLDS))


def test_sentences(connection):
    def sentence(kind: str) -> str:
        return str(first_change(connection, Portfolio(3).counts(kind))["sentence"])

    assert sentence("rate") == (
        "HOTEL 3: 88 cancellations through Front desk in the last 7 days; these 189 orders usually have 40."
    )
    assert sentence("closed") == "HOTEL 3: no orders of service 3 0 in the last 7 days, usually 255."
    assert sentence("mix") == (
        "HOTEL 3: 88 more cancellations than usual in the last 7 days because of where orders come from: "
        "62 % through Front desk, which cancels more, usually 27 %."
    )


def test_less_than_five_weeks_are_compared_and_not_judged(connection):
    counts = Portfolio(5).counts("closed")
    with pytest.raises(IndexError):
        first_change(connection, counts[counts["date"] > LAST_DAY - timedelta(days=30)])
    compared = connection.execute("SELECT DISTINCT comparison, window_days FROM mart.agg_changes").fetchall()
    assert compared == [("before", 7)]
