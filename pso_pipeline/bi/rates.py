"""Rates as `contract/metrics.yml` defines them, their SQL, and how sure a rate is.

Used by everything that shows a rate: the command line, the report, the Superset bundle, the documentation. Add a rate
in `metrics.yml`; no rate is written in code.
"""

import functools
import math
from importlib.resources import files
from typing import Literal

import msgspec

SMALL_GROUP = 30
"""A rate over fewer orders than this is shown greyed, with its interval."""

FIRM_ORDERS = "SUM(firm_orders)"
"""The denominator that takes in firm orders of any age."""

_Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""

Group = Literal["cancellation", "check_in", "time_to_cancel", "composition", "value"]


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rate: a numerator over a denominator, both SQL aggregates over the columns of `mart.<table>`.

    `maturity_days` is the age in days that orders must have to be counted. The fields are explained at the top of
    `metrics.yml`.
    """

    name: str
    label: str
    numerator: str
    denominator: str
    format: Literal["percent", "ratio", "amount"]
    sentence: str
    group: Group
    table: str
    date: str
    maturity_days: int | None = None
    is_headline: bool = False
    per: Literal["currency"] | None = None

    @property
    def is_share(self) -> bool:
        """Whether the numerator counts a part of the denominator, so that an interval can be given."""
        return self.format == "percent" and self.per is None


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure that is not a quotient of counts, as an SQL aggregate over the columns of `mart.<table>`."""

    name: str
    label: str
    expression: str
    format: Literal["hours", "amount"]
    sentence: str
    group: Group
    table: str
    date: str
    per: Literal["currency"] | None = None


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that `metrics.yml` defines, in its order."""

    rates: tuple[Rate, ...]
    measures: tuple[Measure, ...]

    def rate(self, name: str) -> Rate:
        """Find a rate by its name.

        Raises:
            KeyError: There is none of that name.
        """
        return {rate.name: rate for rate in self.rates}[name]


@functools.cache
def load_metrics() -> Metrics:
    """Read and validate `metrics.yml`, once for each process.

    Raises:
        msgspec.ValidationError: A definition lacks a field, has an unknown one, or one of a wrong kind.
    """
    text = files("pso_pipeline.contract").joinpath("metrics.yml").read_bytes()
    return msgspec.yaml.decode(text, type=Metrics)


def rate_sql(rate: Rate) -> str:
    """Write the rate as one SQL expression, which is null where the denominator is 0, or over several currencies."""
    return of_one(rate.per, f"CAST({rate.numerator} AS DOUBLE) / NULLIF({rate.denominator}, 0)")


def complete_sql(rate: Rate) -> str:
    """Write a rate with a maturity as SQL that is null as well where any firm order is too young to be in it."""
    return f"CASE WHEN {FIRM_ORDERS} = {rate.denominator} THEN {rate_sql(rate)} END"


def measure_sql(measure: Measure) -> str:
    """Write the measure as one SQL expression, which is null over several currencies."""
    return of_one(measure.per, measure.expression)


def of_one(column: str | None, expression: str) -> str:
    """Make an SQL expression null where a group has several values of `column`; None leaves it alone."""
    return expression if column is None else f"CASE WHEN MIN({column}) = MAX({column}) THEN {expression} END"


def is_small_group(orders: int) -> bool:
    """Return whether a rate over that many orders is shown greyed, with its interval."""
    return orders < SMALL_GROUP


def wilson_interval(successes: int, trials: int) -> tuple[float, float] | None:
    """Give the Wilson 95 % interval of a share, as two numbers between 0 and 1; None where there were no trials.

    Source: Wilson, Journal of the American Statistical Association 22 (1927), 209 to 212.
    """
    if not trials:
        return None
    share = successes / trials
    scale = 1 + _Z95**2 / trials
    centre = (share + _Z95**2 / (2 * trials)) / scale
    half_width = _Z95 * math.sqrt(share * (1 - share) / trials + _Z95**2 / (4 * trials**2)) / scale
    # at 0 or all of the trials one end is exactly 0 or 1, which rounding can miss
    return max(0.0, centre - half_width), min(1.0, centre + half_width)
