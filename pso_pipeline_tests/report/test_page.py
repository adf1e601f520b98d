"""The page in a real browser, from disk and without a network: every chart drawn, filters true to the snapshot."""

import csv
import io
import re
import statistics
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import expect

from pso_pipeline.bi.rates import Rate, load_metrics, wilson_interval
from pso_pipeline.bi.report.data import CURVE_DAYS, DURATION_STEPS, PRECISION
from pso_pipeline.bi.report.page import write_report
from pso_pipeline_tests.marts.world import World, generate
from pso_pipeline_tests.report.conftest import publish_world
from pso_pipeline_tests.report.opened import Report

METRICS = load_metrics()
ORDERS = "mart.rpt_orders JOIN (SELECT enterprise_id, as_of_utc FROM mart.dim_enterprises) USING (enterprise_id)"
RATES = [rate for rate in METRICS.rates if rate.name != "cancellation_curve" and not rate.per]
NO_FIGURE = "\N{EN DASH}"
CHARTS = (
    "weekly-created",
    "weekly-canceled",
    "cohorts",
    "curve",
    "durations",
    "outcomes",
    "self-service",
    "check-ins",
    "by-hotel",
    "by-service",
    "by-origin",
)


@pytest.fixture
def opened(browser, report):
    """The report with all months, as the tests of single figures compute them."""
    context = browser.new_context(offline=True)
    opened = Report(context, report).wait()
    opened.select(period="All months")
    yield opened
    context.close()


def counted(text: str) -> tuple[int, int]:
    """Read `1,234 of 5,678 …`."""
    numbers = re.match(r"([\d,]+) of ([\d,]+)", text)
    assert numbers, text
    return int(numbers[1].replace(",", "")), int(numbers[2].replace(",", ""))


def expected(snapshot: duckdb.DuckDBPyConnection, rate: Rate, where: str = "true") -> tuple[int, int]:
    """Compute a rate's numerator and denominator for the orders of the months on the page that meet a condition."""
    query = f"""
        SELECT coalesce({rate.numerator}, 0)::BIGINT, coalesce({rate.denominator}, 0)::BIGINT
        FROM (
            SELECT facts.*, as_of_utc, date_trunc('month', {rate.date}) AS month, enterprise_name AS hotel,
                service_name AS service
            FROM mart.{rate.table} AS facts
            JOIN mart.dim_enterprises USING (enterprise_id)
            JOIN mart.dim_services ON dim_services.service_id = facts.service_id
        )
        WHERE as_of_utc IS NOT NULL AND month BETWEEN DATE '2021-06-01' AND DATE '2024-07-01' AND {where}
    """
    numerator, denominator = snapshot.execute(query).fetchall()[0]
    return numerator, denominator


def percent(value: float) -> str:
    return f"{value:.1%}"


def test_it_asks_nobody_for_anything_and_complains_about_nothing(opened):
    assert opened.requests == [opened.address]
    assert opened.complaints == []
    assert opened.text("#trouble") == ""


def test_a_request_to_another_address_would_be_refused_by_its_own_policy(opened):
    answers = opened.page.evaluate(
        """async () => {
            const violations = [];
            document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
            await fetch("https://example.org/").catch(() => null);
            const script = Object.assign(document.createElement("script"), { textContent: "window.strange = 1" });
            document.body.append(script);
            await new Promise((resolve) => setTimeout(resolve, 0));
            return [violations.map((name) => name.split("-")[0]), window.strange ?? null];
        }"""
    )
    assert answers == [["connect", "script"], None]


@pytest.mark.parametrize("name", [*CHARTS, "by-segment"])
def test_every_chart_is_drawn_and_said_in_words_and_figures(opened, name):
    chart = opened.page.locator(f'[data-chart="{name}"]')
    expect(chart.locator("svg")).to_be_visible()
    marks = chart.locator("svg .mark-rect path, svg .mark-symbol path, svg .mark-line path")
    assert marks.count() > 1
    box = chart.locator("svg").bounding_box()
    assert box["width"] > 300
    assert box["height"] > 20
    words = chart.locator(".drawing").get_attribute("aria-label")
    assert chart.locator(".drawing").get_attribute("role") == "img"
    assert re.search(r"\d", words), words
    chart.locator("summary").click()
    expect(chart.locator("tbody tr").first).to_be_visible()


SELECTIONS = {
    "everything": ({}, "true"),
    "hotel": ({"hotel": "Hotel 3"}, "hotel = 'Hotel 3'"),
    "service": ({"service": "hotel 5 bar"}, "service = 'hotel 5 bar'"),
    "months": (
        {"from": "Feb 2023", "to": "Mar 2024"},
        "month BETWEEN DATE '2023-02-01' AND DATE '2024-03-01'",
    ),
    "all of them": (
        {"hotel": "Hotel 0", "service": "hotel 0 spa", "from": "Jan 2024"},
        "hotel = 'Hotel 0' AND service = 'hotel 0 spa' AND month >= DATE '2024-01-01'",
    ),
    "origin": ({"origin": "Front desk"}, "origin = 'Commander'"),
    "segment": ({"segment": "Company", "hotel": "Hotel 2"}, "account_type = 'Company' AND hotel = 'Hotel 2'"),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_rate_under_a_filter_is_the_snapshots(opened, snapshot, name):
    choices, where = SELECTIONS[name]
    opened.select(**choices)
    opened.page.locator("#every-rate > details > summary").click()
    rows = {row[0].splitlines()[0]: row[1].splitlines() for row in opened.rows("#all-rates")}
    assert list(rows) == [rate.label for rate in RATES]
    for rate in RATES:
        numerator, denominator = expected(snapshot, rate, where)
        figure, basis = rows[rate.label]
        assert counted(basis) == (numerator, denominator), rate.name
        if not denominator:
            assert figure == NO_FIGURE
        elif rate.is_share:
            assert figure == percent(numerator / denominator), rate.name
        else:
            assert figure == f"{numerator / denominator:.2f}"
        assert ("95% interval" in basis) == (0 < denominator < 30)
    for rate in RATES:
        if rate.is_headline:
            assert counted(opened.text(f'[data-rate="{rate.name}"] .basis')) == expected(snapshot, rate, where)
    assert opened.complaints == []


def test_the_headline_names_every_headline_rate_and_the_time_of_the_data(opened, snapshot):
    cards = opened.page.locator("#glance [data-rate] h3").all_inner_texts()
    assert cards == [rate.label for rate in METRICS.rates if rate.is_headline]
    query = f"SELECT count(*), count(DISTINCT enterprise_name) FROM {ORDERS} WHERE as_of_utc IS NOT NULL"
    orders, hotels = snapshot.execute(query).fetchall()[0]
    facts = opened.text(".facts")
    assert f"{orders:,} orders" in facts
    assert f"{hotels} hotels" in facts
    assert "data as of 1 July 2024, 09:30 UTC" in facts


def test_show_all_takes_every_filter_back(opened):
    opened.select(period="Last 28 days")
    before = opened.text("#selection")
    opened.select(hotel="Hotel 4", to="Jan 2024")
    assert "Hotel 4" in opened.text("#selection")
    opened.page.click("#reset")
    opened.page.wait_for_function("before => document.querySelector('#selection').textContent === before", arg=before)


def test_the_ends_of_the_period_stay_in_order(opened):
    opened.select(to="Dec 2022")
    opened.select(**{"from": "May 2023"})
    assert opened.text("#to option:checked") == "May 2023"


@pytest.mark.parametrize("days", [7, 30, 90])
def test_months_that_are_too_young_are_marked(opened, snapshot, days):
    rate = METRICS.rate(f"cancellation_rate_{days}d")
    opened.page.select_option("#cohort-rate", label=rate.label)
    expect(opened.page.locator('[data-chart="cohorts"] thead')).to_contain_text(f"Orders {days} days old")
    query = f"""
        SELECT strftime(date, '%Y-%m'), {rate.numerator}::INT, {rate.denominator}::INT, sum(firm_orders)::INT
        FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE date < DATE '2024-08-01' AND as_of_utc IS NOT NULL GROUP BY 1 ORDER BY 1
    """
    rows = opened.rows('[data-chart="cohorts"] table')
    young = 0
    for row, (_, numerator, denominator, firm) in zip(rows, snapshot.execute(query).fetchall(), strict=True):
        assert [int(cell.replace(",", "")) for cell in row[2:5]] == [numerator, denominator, firm]
        state = "complete" if denominator == firm > 0 else ("not complete" if denominator else "too young")
        assert row[5] == state
        young += state != "complete"
    assert young > 0
    note = opened.text("#cohort-note")
    assert f"not all firm orders were {days} days old" in note
    assert note.startswith(f"Shaded: {young} months" if young > 1 else "Shaded: a month")
    shades = opened.page.locator('[data-chart="cohorts"] svg .mark-rect path')
    expect(shades).to_have_count(young)


def test_small_groups_are_greyed_with_their_interval(opened, snapshot):
    rate = METRICS.rate("cancellation_rate_90d")
    where = "hotel = 'Hotel 7' AND service = 'hotel 7 spa' AND month >= DATE '2024-01-01'"
    numerator, denominator = expected(snapshot, rate, where)
    assert 0 < denominator < 30
    opened.select(hotel="Hotel 7", service="hotel 7 spa", **{"from": "Jan 2024"})
    card = opened.page.locator(f'[data-rate="{rate.name}"]')
    assert "is-small" in card.get_attribute("class")
    low, high = wilson_interval(numerator, denominator) or (0, 0)
    assert card.locator(".sure").inner_text() == f"Only few orders: 95% interval {percent(low)} to {percent(high)}"
    marks = opened.page.locator('[data-chart="cohorts"] svg .mark-symbol path[stroke="var(--greyed)"]')
    assert marks.count() > 0


def test_a_large_group_is_not_greyed(opened):
    assert opened.page.locator("#glance .is-small").count() == 0
    assert opened.text('[data-rate="check_in_rate_resolved"] .sure') == ""


def hours(text: str) -> float:
    found = re.fullmatch(r"(?:over )?([\d.]+) (min|hours|days)", text)
    assert found, text
    return float(found[1]) * {"min": 1 / 60, "hours": 1, "days": 24}[found[2]]


@pytest.mark.parametrize("hotel", ["All hotels counted", "Hotel 1"])
def test_the_time_to_cancel_is_as_near_as_the_page_says(opened, snapshot, hotel):
    opened.select(hotel=hotel)
    where = "as_of_utc IS NOT NULL" if hotel == "All hotels counted" else f"enterprise_name = '{hotel}'"
    for measure in METRICS.measures:
        if measure.per:
            continue
        exact = snapshot.execute(
            f"SELECT {measure.expression} FROM {ORDERS} WHERE {measure.date} < DATE '2024-08-01' AND {where}"
        ).fetchone()[0]
        shown = hours(opened.text(f'[data-measure="{measure.name}"] .value'))
        assert shown == pytest.approx(min(exact, DURATION_STEPS[-1]), rel=PRECISION + 0.02), measure.name


def test_the_curve_in_figures(opened, snapshot):
    """The first line counts every cohort that is at least 90 days old, as far as the youngest of them is observed."""
    query = """
        WITH cohorts AS (
            SELECT service_id, date_trunc('month', date) AS cohort_month, sum(firm_orders) AS firm
            FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)
            WHERE as_of_utc IS NOT NULL GROUP BY ALL HAVING firm > 0
        ),
        observed AS (
            SELECT cohorts.*, max(days_since_creation) AS last_day
            FROM cohorts JOIN mart.agg_cancellation_curve AS curve USING (service_id, cohort_month)
            WHERE orders_at_risk = firm GROUP BY ALL HAVING last_day >= 90
        )
        SELECT days_since_creation, sum(canceled_by_then)::INT, sum(orders_at_risk)::INT
        FROM observed JOIN mart.agg_cancellation_curve USING (service_id, cohort_month)
        WHERE list_contains($days, days_since_creation) AND days_since_creation <= (SELECT min(last_day) FROM observed)
        GROUP BY 1 ORDER BY 1
    """
    rows = opened.rows('[data-chart="curve"] table')
    expected = snapshot.execute(query, {"days": list(CURVE_DAYS)}).fetchall()
    assert len(expected) > 10
    assert len({at_risk for _, _, at_risk in expected}) == 1
    for row, (day, canceled, at_risk) in zip(rows, expected, strict=False):
        assert row[:2] == [f"Day {day}", f"{percent(canceled / at_risk)} of {at_risk:,}"]
    assert {row[1] for row in rows[len(expected) :]} <= {NO_FIGURE}
    assert "Months 90+ days old: canceled" in opened.text("#curve-note")


def test_a_breakdown_follows_the_chosen_rate(opened, snapshot):
    rate = METRICS.rate("connector_check_in_share")
    opened.page.select_option("#breakdown-rate", label=rate.label)
    expect(opened.page.locator("#breakdown-sentence")).to_have_text(rate.sentence)
    chart = opened.page.locator('[data-chart="by-hotel"] .drawing')
    expect(chart).to_have_attribute("aria-label", re.compile(rate.label))
    rows = opened.rows('[data-chart="by-hotel"] table')
    assert len(rows) == 9
    numerator, denominator = expected(snapshot, rate)
    whole = numerator / denominator
    shares = []
    for name, figure, basis, beyond in rows:
        numerator, denominator = expected(snapshot, rate, f"hotel = '{name}'")
        assert counted(basis) == (numerator, denominator)
        assert figure.startswith(percent(numerator / denominator))
        assert abs(int(beyond.replace("+", "")) - (numerator - denominator * whole)) <= 0.5
        shares.append((denominator, numerator / denominator))
    beyonds = [int(row[3].replace("+", "")) for row in rows]
    assert beyonds == sorted(beyonds, reverse=True)
    middle = statistics.median(share for orders, share in shares if orders >= 30)
    assert f"The median is {percent(middle)}" in chart.get_attribute("aria-label")
    opened.page.select_option("#breakdown-order", label="Most orders")
    expect(opened.page.locator('[data-chart="by-hotel"] tbody th').first).to_have_text(
        max(rows, key=lambda row: counted(row[2])[1])[0]
    )


def test_filters_work_from_the_keyboard(opened):
    page = opened.page
    before = opened.text("#selection")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    filters = ["hotel", "service", "origin", "segment", "period", "reset"]
    assert reached == ["skip", *["leads"] * 5, *filters]
    page.focus("#hotel")
    page.keyboard.type("hotel 0")
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('#selection').textContent !== before", arg=before)
    assert "Hotel 0" in opened.text("#selection")


def test_nothing_is_wider_than_a_phone(browser, report):
    context = browser.new_context(offline=True, viewport={"width": 375, "height": 700})
    opened = Report(context, report).wait()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 375
    assert max(opened.edges("svg.marks", "right")) <= 375
    # the first screen is what changed
    (first,) = opened.edges("#changes > li:first-child", "bottom")
    (filters,) = opened.edges("#filters", "top")
    assert first < 600
    assert filters > first
    context.close()


def test_paper_shows_what_is_selected_and_no_controls(opened):
    opened.select(hotel="Hotel 2")
    opened.page.emulate_media(media="print")
    expect(opened.page.locator("#filters")).to_be_hidden()
    expect(opened.page.locator("#selection")).to_be_visible()
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    widths = opened.edges("#figures svg.marks", "width")
    assert 300 < min(widths) < max(widths) <= 700
    opened.page.emulate_media(media="screen")
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert min(opened.edges('[data-chart="curve"] svg', "width")) > 800
    assert opened.page.pdf(format="A4").startswith(b"%PDF")
    # no page stays half empty: a section may break, and only what must not be cut moves on as a whole
    opened.page.emulate_media(media="print")
    breaks = opened.page.locator("section").evaluate_all(
        "all => all.map(getComputedStyle).map(style => `${style.breakBefore} ${style.breakInside}`)"
    )
    assert set(breaks) == {"auto auto"}


CHANGES = """
    SELECT enterprise_name, sentence, is_beyond_chance FROM mart.agg_changes
    JOIN mart.dim_enterprises USING (enterprise_id) WHERE rank IS NOT NULL AND {where} ORDER BY rank LIMIT 5
"""


def test_it_opens_with_what_changed_each_of_which_leads_to_its_view(opened, snapshot):
    def expected_sentences(where: str) -> list[str]:
        rows = snapshot.execute(CHANGES.format(where=where)).fetchall()
        return [f"{hotel}: {sentence.removeprefix(f'{hotel}: ')}".lower() for hotel, sentence, _ in rows]

    def shown() -> list[str]:
        items = opened.page.locator("#changes > li:visible")
        return [
            f"{item.locator('.subject').inner_text()}: {item.locator('.sentence').inner_text()}".lower()
            for item in items.all()
        ]

    assert shown() == expected_sentences("true")
    assert len(shown()) == 5
    assert opened.page.locator("#changes svg .mark-rect path").count() > 16
    opened.page.locator("#changes .leads").first.click()
    hotel = shown()[0].split(":")[0]
    expect(opened.page.locator("#selection")).to_contain_text(re.compile(hotel, re.IGNORECASE))
    opened.wait()
    assert opened.page.input_value("#period") in {"7d", "28d"}
    assert shown() == expected_sentences(f"lower(enterprise_name) = '{hotel}'")


def test_the_state_is_in_the_address_and_comes_back(browser, opened, report):
    opened.select(hotel="Hotel 3", service="hotel 3 bar", origin="Front desk", period="Last 13 weeks")
    opened.select(segment="Customer")
    opened.page.select_option("#breakdown-rate", value="check_in_rate")
    opened.wait()
    state = "() => [...document.querySelectorAll('form input, form select, .choice select')].map(each => each.value)"
    before, text = opened.page.evaluate(state), opened.text("#selection")
    assert before[0] == "Hotel 3"
    assert opened.text("#segment option:checked") == "Customer"
    assert "hotel 3 bar, Front desk, Customer" in text
    context = browser.new_context(offline=True)
    again = Report(context, report).wait()
    again.go(opened.page.url.split("#")[1])
    assert again.page.evaluate(state) == before
    assert again.text("#selection") == text
    again.go("hotel=unknown&service=none&period=2021-99..x&rate=odd")
    assert again.text("#selection").startswith("Showing")
    assert again.complaints == []
    context.close()
    opened.page.go_back()
    expect(opened.page.locator("#breakdown-rate")).to_have_value("cancellation_rate_30d")


def test_services_follow_the_hotel_and_a_part_of_a_name_is_enough(opened):
    services = opened.page.locator("#service option")
    opened.select(hotel="Hotel 3", service="hotel 3 bar")
    assert services.all_inner_texts() == ["All services", "hotel 3 bar", "hotel 3 spa"]
    opened.page.fill("#hotel", "TEL 5")
    opened.page.press("#hotel", "Enter")
    expect(services).to_have_text(["All services", "hotel 5 bar", "hotel 5 spa"])
    assert opened.page.input_value("#hotel") == "Hotel 5"
    assert opened.page.input_value("#service") == ""
    opened.page.fill("#hotel", "otel")
    opened.page.press("#hotel", "Enter")
    assert opened.page.evaluate("document.querySelector('#hotel').checkValidity()") is False
    assert "Hotel 5" in opened.text("#selection")


def test_a_click_on_a_bar_and_on_a_name_in_a_table_filters(opened):
    first = opened.rows('[data-chart="by-hotel"] table')[0][0]
    opened.page.locator('[data-chart="by-hotel"] svg .mark-rect path').first.click(position={"x": 4, "y": 4})
    expect(opened.page.locator("#hotel")).to_have_value(first)
    opened.wait()
    opened.page.locator('[data-chart="by-service"] summary').click()
    name = opened.page.locator('[data-chart="by-service"] tbody a').first
    text = name.inner_text()
    name.click()
    expect(opened.page.locator("#service option:checked")).to_have_text(text)


def test_a_csv_file_is_the_table_and_a_head_sorts_it(opened):
    def saved() -> list[list[str]]:
        with opened.page.expect_download() as download:
            opened.page.locator("#unresolved-place .csv").click()
        return list(csv.reader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))

    heads = opened.page.locator("#unresolved thead th")
    shown = [row[:4] for row in opened.rows("#unresolved")]
    found = saved()
    assert found[0] == heads.all_inner_texts()
    assert [row[:4] for row in found[1 : len(shown) + 1]] == [[c.replace(",", "") for c in row] for row in shown]
    assert len(found) - 1 > len(shown) > 10
    heads.nth(3).locator("button").click()
    orders = [int(row[3].replace(",", "")) for row in opened.rows("#unresolved")]
    assert orders == sorted(orders, reverse=True)
    assert heads.nth(3).get_attribute("aria-sort") == "descending"
    assert opened.page.locator("main table").count() == opened.page.locator("button.csv").count()


def test_no_window_leaves_the_cards_empty(opened):
    for period in ("7d", "28d", "2024-07..2024-07"):
        for number in (0, 5, 8):
            opened.go(f"period={period}&hotel=hotel {number}")
            values = opened.page.locator("#glance .card:visible .value").all_inner_texts()
            assert len(values) >= 5, (period, number)
            assert NO_FIGURE not in values, (period, number)


def test_a_headline_is_compared_at_equal_age(opened, snapshot):
    query = """
        SELECT sum(canceled_within_30d)::INT, sum(mature_firm_orders_30d)::INT
        FROM mart.agg_orders_daily JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE enterprise_name = 'Hotel 1' AND as_of_date - date BETWEEN $first AND $first + 91 - 1
    """
    opened.go("period=13w&hotel=hotel 1")
    card = opened.page.locator('[data-rate="cancellation_rate_30d"]')
    now, before, year = (snapshot.execute(query, {"first": first}).fetchone() for first in (35, 35 + 91, 35 + 364))
    assert counted(card.locator(".basis").inner_text()) == now
    lines = card.locator(".deltas li").all_inner_texts()
    for line, than, words in zip(lines, (before, year), ("the 13 weeks before", "last year"), strict=False):
        difference = 100 * (now[0] / now[1] - than[0] / than[1])
        sign = "▲" if difference > 0 else "▼"
        assert line == f"{sign} {abs(difference):.1f} points against {words} ({percent(than[0] / than[1])})"
    assert "against the median hotel" in lines[2]


def test_the_definition_is_behind_its_sign(opened):
    rate = METRICS.rate("cancellation_rate_30d")
    info = opened.page.locator(f'[data-rate="{rate.name}"] .info')
    expect(info.locator("p")).to_be_hidden()
    info.locator("summary").click()
    expect(info.locator("p")).to_have_text(rate.sentence)


def shown_rows(opened, table):
    return [
        [cell.split("\n") for cell in row.locator("th, td").all_inner_texts()]
        for row in opened.page.locator(f"#{table} tbody tr").all()
    ]


def test_the_value_lost_is_shown_for_each_currency_alone(opened, snapshot):
    opened.select(hotel="Hotel 1")
    exact = snapshot.execute("""
        SELECT currency, sum(ordered_gross_value), sum(canceled_gross_value), sum(fee_gross_value)
        FROM mart.agg_item_revenue_daily JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE enterprise_name = 'Hotel 1' AND date < DATE '2024-08-01' GROUP BY currency ORDER BY currency
    """).fetchall()
    assert len(exact) == 3
    found = shown_rows(opened, "value-currencies")
    for (currency, *amounts), row in zip(exact, found, strict=True):
        decimals = 0 if currency == "JPY" else 2
        ordered, canceled, fee = (f"{float(amount):,.{decimals}f}" for amount in amounts)
        share = f"{amounts[1] / amounts[0]:.1%}"
        assert [cell[0] for cell in row[:5]] == [currency, ordered, canceled, share, fee]
    assert {row[1][0] for row in shown_rows(opened, "value-service")} == {"EUR", "GBP", "JPY"}


def test_the_days_ahead_are_shown_with_what_is_expected(opened, snapshot):
    opened.select(hotel="Hotel 2")
    query = """
        SELECT sum(booked_quantity) FROM mart.agg_consumption_ahead JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE enterprise_name = 'Hotel 2' AND days_ahead <= 7
    """
    cells = [cell for row in shown_rows(opened, "ahead-days") for cell in row[1:]]
    ((booked,),) = snapshot.execute(query).fetchall()
    assert sum(int(cell[0]) for cell in cells if cell[0] != "·") == booked > 10
    assert all(float(cell[1]) <= int(cell[0]) for cell in cells if len(cell) > 1 and cell[1] != NO_FIGURE)
    assert any(len(cell) > 1 and cell[1] != NO_FIGURE for cell in cells)


def test_without_items_the_page_says_so_and_shows_neither(browser, tmp_path):
    world = generate(seed=2, orders=60)
    world.order_items, world.products = [], []
    world.sync_state = [each for each in world.sync_state if each.get("endpoint") != "order_items"]
    context = browser.new_context(offline=True)
    opened = Report(context, write_report(publish_world(world, tmp_path))).wait()
    assert opened.page.locator("#value, #ahead").count() == 0
    expect(opened.page.locator("#about-title ~ ul")).to_contain_text("No items of orders were read")
    assert opened.complaints == []
    context.close()


def test_without_any_order_the_page_says_so(browser, tmp_path):
    bi_dir = publish_world(World(enterprises=[{"id": "h", "name": "Empty", "is_in_scope": True}]), tmp_path)
    context = browser.new_context(offline=True)
    opened = Report(context, write_report(bi_dir))
    expect(opened.page.locator("#no-orders")).to_contain_text("no orders yet")
    expect(opened.page.locator("#filters")).to_be_hidden()
    assert opened.complaints == []
    context.close()


def test_without_javascript_the_headline_is_there(browser, report, snapshot):
    context = browser.new_context(offline=True, java_script_enabled=False)
    opened = Report(context, report)
    rate = METRICS.rate("check_in_rate_resolved")
    numerator, denominator = expected(snapshot, rate)
    line = f"{numerator / denominator:.1%} ({numerator:,} of {denominator:,} orders)"
    expect(opened.page.locator("noscript dl")).to_contain_text(line)
    context.close()


def test_a_page_that_cannot_be_drawn_says_so(browser, report, tmp_path):
    broken = tmp_path / "broken.html"
    page = report.read_text(encoding="utf-8")
    broken.write_text(re.sub(r'(id="data">)[^<]*', r"\1bm8gZ3ppcA==", page), encoding="utf-8")
    context = browser.new_context(offline=True)
    opened = Report(context, broken)
    expect(opened.page.locator("#trouble")).to_contain_text("could not be drawn")
    context.close()
