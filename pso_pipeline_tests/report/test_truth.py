"""Whatever is chosen in the filters, no curve falls and no sentence of the page is untrue; no name runs as a script."""

import itertools
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest

from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.bi.rates import load_metrics
from pso_pipeline.bi.report.page import write_report
from pso_pipeline_tests.report import embedded
from pso_pipeline_tests.report.odd_world import HELD_BACK, NEVER_READ, NO_LONGER_READ
from pso_pipeline_tests.report.opened import Report

METRICS = load_metrics()

EVERY_CURVE = """() => {
    const data = window.reportData;
    const services = [null, ...data.services.keys()];
    const hotels = [null, ...[...data.hotels, ...data.other_hotels].keys()];
    const found = { selections: 0, lines: 0, points: 0, falls: [], others: [] };
    const check = (selection, { name, points, orders }) => {
        found.lines += 1;
        found.points += points.length;
        points.forEach((point, place) => {
            if (point.orders !== orders) found.others.push([selection, name, point]);
            if (place > 0 && point.canceled < points[place - 1].canceled) found.falls.push([selection, name, point]);
        });
    };
    for (const hotel of hotels) for (const service of services) {
        for (let from = 0; from < data.months.length; from += 4) {
            for (let to = data.months.length - 1; to >= from; to -= 5) {
                const selection = { hotel, service, origin: null, segment: null, weeks: null, from, to };
                found.selections += 1;
                figures.curves(selection).lines.forEach((line) => check(selection, line));
            }
        }
    }
    return found;
}"""


@pytest.mark.parametrize("world", ["published", "published_odd", "published_sandbox"])
def test_no_curve_falls_and_each_counts_the_same_orders_in_all_of_its_points(browser, request, world):
    context = browser.new_context(offline=True)
    page = Report(context, write_report(request.getfixturevalue(world))).wait().page
    page.evaluate(
        "async () => { window.reportData = await figures.load(document.querySelector('#data').textContent); }"
    )
    found = page.evaluate(EVERY_CURVE)
    context.close()
    assert found["selections"] > 200
    assert found["points"] > found["lines"] > 400
    assert (found["falls"], found["others"]) == ([], [])


FIGURES = """
    WITH counted AS (
        SELECT * FROM mart.dim_enterprises WHERE {hotels}
    ),
    daily AS (
        SELECT * FROM mart.agg_orders_daily JOIN counted USING (enterprise_id)
        WHERE date_trunc('month', date) BETWEEN $first AND $last AND {services}
    )
    SELECT
        coalesce(sum(orders_created), 0)::INT AS created, coalesce(sum(firm_orders), 0)::INT AS firm,
        coalesce(sum(checked_in_orders), 0)::INT AS served, coalesce(sum(canceled_orders), 0)::INT AS canceled,
        coalesce(sum(unresolved_orders), 0)::INT AS unresolved,
        coalesce(sum(mature_firm_orders_30d), 0)::INT AS mature,
        (SELECT count(*)::INT FROM (
            SELECT date_trunc('month', date) FROM daily GROUP BY ALL
            HAVING sum(firm_orders) > sum(mature_firm_orders_30d)
        )) AS young_months
    FROM daily
"""
COUNTED = "is_in_scope AND as_of_utc IS NOT NULL"


def figures_of(snapshot, selection, months):
    hotel, service, first, last = selection
    query = FIGURES.format(
        hotels=COUNTED if hotel is None else f"enterprise_id = '{hotel}'",
        services="true" if service is None else f"service_id IN {service}",
    )
    found = snapshot.execute(query, {"first": months[first], "last": months[last]})
    return dict(zip([column[0] for column in found.description], found.fetchone(), strict=True))


@pytest.fixture(scope="module")
def odd(published_odd):
    with duckdb.connect(str(snapshot_path(published_odd)), read_only=True) as connection:
        yield connection


def number(text: str) -> int:
    return int(text.replace(",", ""))


def share_of(part: int, whole: int) -> str:
    """Write a share as a browser does, which rounds halves up."""
    return f"{Decimal(100 * part / whole).quantize(Decimal('0.1'), ROUND_HALF_UP)}%"


def check_orders(page, found, context):
    shown = re.match(r"Showing ([\d,]+) orders", page["selection"])
    assert shown, context
    assert number(shown[1]) == found["created"], context


def check_cohorts(page, found, context):
    note = page["cohort"]
    if found["firm"] == 0:
        assert note.startswith("No firm orders are selected."), context
    elif found["young_months"] == 0:
        assert note.startswith("Every firm order shown was at least 30 days old"), context
        assert found["mature"] == found["firm"], context
    else:
        words = "a month" if found["young_months"] == 1 else f"{found['young_months']} months"
        assert note.startswith(f"Shaded: {words} in which not all firm orders were 30 days old"), context


def check_outcomes(page, found, context):
    note = page["outcomes"]
    still_open = found["firm"] - found["served"] - found["canceled"] - found["unresolved"]
    if found["firm"] == 0:
        assert note == "No firm orders are selected.", context
    elif still_open + found["unresolved"] == 0:
        assert note == "Every firm order selected was served or canceled.", context
    else:
        assert note.startswith(f"Of {found['firm']:,} firm orders, "), context
        for orders, words in ((still_open, "were still open"), (found["unresolved"], "are unresolved")):
            expected = f"{orders:,} ({share_of(orders, found['firm'])}) {words}"
            assert (expected in note) == (orders > 0), context


def check_unsettled(page, found, context):
    """What is said of a rate that waits for no age, in the breakdowns and in the list of all rates."""
    still_open = found["firm"] - found["served"] - found["canceled"]
    if found["firm"] == 0:
        expected = "No firm orders are selected."
    elif still_open == 0:
        expected = "Every firm order counted was resolved."
    else:
        share = share_of(still_open, found["firm"])
        expected = f"Not final: {share} of the firm orders were still open when the data were read."
    # where nothing is selected, the breakdowns are those of the newest months before that have orders
    assert page["breakdown"].startswith(expected) or found["firm"] == 0, context
    assert page["rates"].count(expected) == 5, context


def check_status(page, hotel, context):
    words: dict[str | None, str] = {
        HELD_BACK: "The newest figures of this hotel are held back (12 orders <img",
        NEVER_READ: "This hotel is not read to its end yet: orders are missing.",
        **dict.fromkeys(NO_LONGER_READ, "This hotel is no longer read: its figures are as of 14 December 2023"),
        None: "Hotels that are no longer read, or not read to their end yet, are not among them",
    }
    for each, sentence in words.items():
        assert (sentence in page["selection"]) == (each == hotel or words.get(hotel) == sentence), context


READ = """() => ({
    selection: document.querySelector("#selection").textContent,
    cohort: document.querySelector("#cohort-note").textContent,
    outcomes: document.querySelector("#outcomes-note").textContent,
    breakdown: document.querySelector("#breakdown-note").textContent,
    rates: document.querySelector("#all-rates").textContent,
    pwned: window.pwned ?? null,
})"""


def test_every_sentence_is_true_under_every_filter(browser, odd_report, odd):
    context = browser.new_context(offline=True)
    report = Report(context, odd_report).wait()
    data = embedded.data(odd_report)
    months = data["months"]
    places = positions(odd, data)
    last = len(months) - 1
    spans = [(0, last), (0, 0), (3, 17), (last - 8, last - 6), (last - 2, last), (last, last)]
    seen = set()
    for hotel, span in itertools.product([None, *places["hotels"]], spans):
        for service in [None, *sorted(places["services"].get(hotel, ()))][:2]:
            selection = (hotel, None if service is None else places["ids"][service], *span)
            state = {"period": "..".join(months[end][:7] for end in span), "rate": "cancellation_rate_to_date"}
            if hotel is not None:
                state["hotel"] = data["hotels"][places["hotels"][hotel]]["key"]
            if service is not None:
                state["service"] = data["services"][service]
            report.go(urlencode(state))
            page = report.page.evaluate(READ)
            found = figures_of(odd, selection, months)
            seen |= {
                ("firm", found["firm"] > 0),
                ("young", found["young_months"] > 0),
                ("open", found["firm"] > found["served"] + found["canceled"]),
                ("unresolved", found["unresolved"] > 0),
            }
            for check in (check_orders, check_cohorts, check_outcomes, check_unsettled):
                check(page, found, (selection, page))
            check_status(page, hotel, (selection, page))
            assert page["pwned"] is None
    assert report.complaints == []
    context.close()
    # both sides of every condition were met
    assert len(seen) == 8


def positions(snapshot, data) -> dict[str, dict[Any, Any]]:
    """Where on the page each hotel and each service of a hotel is, found by the number of its orders."""
    orders = dict(
        snapshot.execute(
            "SELECT enterprise_id, sum(orders_created)::INT FROM mart.agg_orders_daily GROUP BY ALL"
        ).fetchall()
    )
    assert len(set(orders.values())) == len(orders)
    by_orders = {number: hotel for hotel, number in orders.items()}
    hotels = {by_orders[hotel["orders"]]: place for place, hotel in enumerate(data["hotels"])}
    counts = data["counts"]["agg_orders_daily"]
    services: dict[str, set[int]] = {}
    ids: dict[int, str] = {}
    rows = snapshot.execute(
        "SELECT enterprise_id, service_id, sum(orders_created)::INT FROM mart.agg_orders_daily GROUP BY ALL"
    ).fetchall()
    sums: dict[tuple[int, int], int] = {}
    for hotel, service, created in zip(
        counts["hotel"], counts["service"], counts["values"]["SUM(orders_created)"], strict=True
    ):
        sums[hotel, service] = sums.get((hotel, service), 0) + created
    for enterprise, service_id, created in rows:
        (place,) = [
            service for (hotel, service), total in sums.items() if (hotel, total) == (hotels[enterprise], created)
        ]
        services.setdefault(enterprise, set()).add(place)
        ids[place] = f"('{service_id}')"
    return {"hotels": hotels, "services": services, "ids": ids}


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_names_run_nothing_and_break_no_layout(browser, odd_report, width):
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    report = Report(context, odd_report).wait()
    report.go("period=all")
    page = report.page
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    bars = page.locator('[data-chart="by-hotel"] svg .mark-rect path')
    for place in range(bars.count()):
        bars.nth(place).hover()
        page.wait_for_selector("#vg-tooltip-element.visible")
    assert page.evaluate("document.querySelectorAll('img, b, a:not(.skip, [href^=\"#\"], [hidden])').length") == 0
    assert page.evaluate("window.pwned ?? null") is None
    assert report.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert max(report.edges("svg.marks, select, .notice, td, th", "right")) <= max(
        width, *report.edges(".scroll table", "right")
    )
    texts = page.locator("option").all_inner_texts() + [
        row[0] for row in report.rows('[data-chart="by-service"] table')
    ]
    assert max(map(len, texts)) <= 64
    assert not re.search("[\u0000-\u001f\u202a-\u202e\u2066-\u2069\u200b]", "".join(texts))
    hotels = page.locator("#hotels option").evaluate_all("all => all.map(each => each.value)")
    assert len(set(hotels)) == len(hotels) == len(embedded.data(odd_report)["hotels"])
    assert max(map(len, hotels)) <= 64
    assert not re.search("[\u0000-\u001f\u202a-\u202e\u2066-\u2069\u200b]", "".join(hotels))
    context.close()


def test_what_no_total_holds_is_named_with_its_age_and_reason(browser, odd_report, odd):
    context = browser.new_context(offline=True)
    report = Report(context, odd_report).wait()
    report.go("period=all")
    notices = {
        name: report.text(f'[data-status="{name}"]') for name in ("held back", "no longer read", "not read to its end")
    }
    ((as_of,),) = odd.execute(
        "SELECT as_of_utc FROM mart.dim_enterprises WHERE enterprise_id = $id", {"id": HELD_BACK}
    ).fetchall()
    assert "1 hotel held back: a check keeps the newest figures back" in notices["held back"]
    assert f"as of {as_of.day} {as_of:%B %Y}" in notices["held back"]
    assert "12 orders <img src=x onerror=" in notices["held back"]
    assert notices["no longer read"].startswith("2 hotels no longer read and in no total:")
    assert notices["no longer read"].count("as of 14 December 2023") == 2
    assert "1 hotel not read to its end yet and in no total: Hotel 7" in notices["not read to its end"]
    ((counted, every),) = odd.execute(
        f"SELECT sum(orders_created) FILTER ({COUNTED})::INT, sum(orders_created)::INT"
        " FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)"
    ).fetchall()
    assert f"{counted:,} orders" in report.text(".facts")
    assert "7 hotels counted" in report.text(".facts")
    assert f"they have {every - counted:,} more." in report.text("#selection")
    context.close()
