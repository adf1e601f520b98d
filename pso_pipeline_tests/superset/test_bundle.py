"""The bundle is whole: valid files, fixed identifiers, references that lead somewhere, and in step with its sources."""

import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections import Counter

import pytest
import yaml

from pso_pipeline.bi.palette import LIGHT
from pso_pipeline.bi.rates import load_metrics, measure_sql, rate_sql
from pso_pipeline.bi.superset import DATA_SETS, bring_into_step, data_set_path, make_data_set
from pso_pipeline_tests.superset.bundle import (
    FOLDER,
    column_names,
    load_bundle,
    metric_expressions,
    queries,
    sort_metric,
)

CHARTS = sorted(load_bundle().charts.values(), key=lambda chart: str(chart["slice_name"]))

FIXED = {
    "PSO snapshot": "465a3d21-5696-41d3-b4f9-a53772cd954d",
    "Orders by day": "35119e04-c07a-49ca-908e-5f837d46aaba",
    "Orders": "5d6c720d-fda5-40bc-bcd8-86d2a3c3f4f7",
    "Cancellation by age": "6c37dc61-d276-4e54-9217-59aa1f397a7d",
    "Hotels": "0b0d7c5e-5c7a-4f0f-8a41-1f5a3f2b7e90",
    "Value by day": "3f2b1c7e-8a54-4d0b-9c61-7e0a5b1d4f20",
    "Changes": "9a4f6b1e-2c3d-4e8a-b7f5-61c0d2e9a8b3",
    "Days ahead": "b6d0a9c3-51e7-4f7a-8d2c-0c94e8f3a715",
    "Check-in and cancellation": "d767e8b0-0d4e-4bd6-a853-58989cbd515b",
}
"""With another identifier the next import would leave the old one behind and add a second."""


def each_chart(test):
    return pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart["slice_name"])(test)


def test_every_file_is_of_the_version_that_superset_imports(bundle):
    assert all(content["version"] == "1.0.0" for content in bundle.files.values())
    assert "metadata.yaml" in bundle.files
    # with a type, either Superset's import page or its assets interface would refuse the bundle
    assert "type" not in bundle.files["metadata.yaml"]


def test_identifiers_are_unique_and_fixed(bundle):
    found = Counter(content["uuid"] for path, content in bundle.files.items() if path != "metadata.yaml")
    assert max(found.values()) == 1
    assert all(str(uuid.UUID(each)) == each for each in found)
    assert {
        bundle.database["database_name"]: bundle.database["uuid"],
        **{data_set["table_name"]: data_set["uuid"] for data_set in bundle.data_sets.values()},
        bundle.dashboard["dashboard_title"]: bundle.dashboard["uuid"],
    } == FIXED


def test_data_sets_and_charts_refer_to_what_is_there(bundle):
    assert {data_set["database_uuid"] for data_set in bundle.data_sets.values()} == {bundle.database["uuid"]}
    assert {chart["dataset_uuid"] for chart in bundle.charts.values()} == set(bundle.data_sets)


def test_the_layout_shows_every_chart_once(bundle):
    assert Counter(meta["uuid"] for meta in bundle.placed) == Counter(list(bundle.charts))
    assert len({meta["chartId"] for meta in bundle.placed}) == len(bundle.charts)
    for meta in bundle.placed:
        assert meta["sliceName"] == bundle.charts[meta["uuid"]]["slice_name"]


def test_the_layout_is_a_tree_of_full_rows(bundle):
    children = Counter(child for item in bundle.layout.values() for child in item.get("children", []))
    assert set(children) == set(bundle.layout) - {"ROOT_ID", "HEADER_ID"}
    assert max(children.values()) == 1
    rows = [item for item in bundle.layout.values() if item["type"] == "ROW"]
    assert {sum(bundle.layout[child]["meta"]["width"] for child in row["children"]) for row in rows} == {12}


def test_filters_offer_columns_that_their_charts_have(bundle):
    numbers = {meta["chartId"]: bundle.charts[meta["uuid"]] for meta in bundle.placed}
    names = {each["id"] for each in bundle.filters}
    for each in bundle.filters:
        excluded = set(each["scope"]["excluded"])
        assert excluded <= set(numbers)
        assert set(each["cascadeParentIds"]) <= names
        (target,) = each["targets"]
        if each["filterType"] == "filter_select":
            column = target["column"]["name"]
            assert column in column_names(bundle.data_sets[target["datasetUuid"]])
            lacking = {
                number for number, chart in numbers.items() if column not in column_names(bundle.data_set_of(chart))
            }
            assert lacking == excluded
    assert {"Hotel", "Service", "Date"} <= {each["name"] for each in bundle.filters}


def test_colours_are_of_metrics_that_exist_and_of_the_palette_of_the_report(bundle):
    names = {name for data_set in bundle.data_sets.values() for name in metric_expressions(data_set)}
    colours = bundle.dashboard["metadata"]["label_colors"]
    assert set(colours) <= names
    assert set(colours.values()) <= set(LIGHT.values())
    canceled = [colours[name] for name in ("sum_canceled_orders", "cancellation_rate_30d_complete")]
    assert set(canceled) == {LIGHT["canceled"]}
    greys = {each["colorScheme"] for chart in CHARTS for each in chart["params"].get("conditional_formatting", [])}
    assert greys == {LIGHT["muted"]}
    for chart in CHARTS:
        if colour := chart["params"].get("color_picker"):
            shown = f"#{colour['r']:02x}{colour['g']:02x}{colour['b']:02x}"
            is_canceled = re.search("cancel", chart["params"]["metric"])
            expected = {LIGHT["canceled"]} if is_canceled else {LIGHT["accent"], LIGHT["greyed"]}
            assert shown in expected, chart["slice_name"]


def test_every_big_number_but_the_time_has_a_line(bundle):
    plain = {chart["slice_name"] for chart in CHARTS if chart["viz_type"] == "big_number_total"}
    lines = [chart["params"] for chart in CHARTS if chart["viz_type"] == "big_number"]
    assert plain == {"Data as of"}
    assert len(lines) > 10
    # the number is that of all chosen days, not of the last month
    assert {(each["aggregation"], each["show_trend_line"]) for each in lines} == {("raw", True)}


def test_ages_are_the_first_60_days_and_colours_follow_the_figures():
    charts = {chart["slice_name"]: chart["params"] for chart in CHARTS}
    ages = charts["Canceled by age of the order, by hotel"]["adhoc_filters"]
    assert ("days_since_creation", "<=", "60") in [
        (e.get("subject"), e.get("operator"), e.get("comparator")) for e in ages
    ]
    cohorts = charts["Canceled by age of the order in days, by month of creation"]
    assert cohorts["value_bounds"] == [None, None]
    (whole,) = [each["sqlExpression"] for each in cohorts["adhoc_filters"] if each["clause"] == "HAVING"]
    assert "SUM(orders_at_risk) = SUM(firm_orders)" in whole


def test_tables_of_many_columns_have_the_whole_width(bundle):
    widths = {meta["uuid"]: meta["width"] for meta in bundle.placed}
    for chart in CHARTS:
        if chart["viz_type"] == "table":
            shown = [name for name, said in chart["params"]["column_config"].items() if said.get("visible", True)]
            assert len(shown) <= 4 or widths[chart["uuid"]] == 12, chart["slice_name"]


@each_chart
def test_a_chart_uses_only_saved_metrics_and_columns_of_its_data_set(bundle, chart):
    data_set = bundle.data_set_of(chart)
    columns, metrics = column_names(data_set), set(metric_expressions(data_set))
    assert chart["viz_type"] == chart["params"]["viz_type"]
    asked = list(queries(chart))
    shown = {name for query in asked for name in query.metrics}
    assert shown
    assert shown | sort_metric(chart) <= metrics
    grouped = {name for query in asked for name in query.columns}
    assert grouped | {each["subject"] for query in asked for each in query.conditions} <= columns
    assert set(chart["params"].get("column_config", {})) <= shown | grouped
    for each in chart["params"].get("conditional_formatting", []):
        assert {each["column"], each["columnFormatting"]} <= shown


@each_chart
def test_a_chart_follows_the_date_filter_by_the_date_of_its_metrics(bundle, chart):
    """Superset applies a date filter only where the chart says by which column."""
    metrics = load_metrics()
    dates = {each.name: each.date for each in metrics.rates} | {each.name: each.date for each in metrics.measures}
    for query in queries(chart):
        (by,) = [each["subject"] for each in query.conditions if each["operator"] == "TEMPORAL_RANGE"]
        assert by == bundle.data_set_of(chart)["main_dttm_col"]
        assert {dates[name] for name in query.metrics if name in dates} <= {by}


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_data_sets_are_in_step_with_their_sources(name):
    text = data_set_path(FOLDER, name).read_text(encoding="utf-8")
    assert text == make_data_set(FOLDER, name), "run: python -m pso_pipeline.bi.superset dashboards/superset"


def test_every_rate_and_measure_is_a_metric_of_one_data_set(bundle):
    defined = {
        rate.name: rate_sql(rate)
        if rate.name != "cancellation_curve"
        else f"CASE WHEN SUM(orders_at_risk) = SUM(firm_orders) THEN {rate_sql(rate)} END"
        for rate in load_metrics().rates
    }
    defined |= {measure.name: measure_sql(measure) for measure in load_metrics().measures}
    offered = [metric for data_set in bundle.data_sets.values() for metric in metric_expressions(data_set).items()]
    assert {name: sql for name, sql in offered if name in defined} == defined
    assert max(Counter(name for name, _ in offered if name in defined).values()) == 1


def test_the_headline_rates_stand_at_the_top(bundle):
    headline = {rate.name for rate in load_metrics().rates if rate.is_headline}
    rows = [item for item in bundle.layout.values() if item["type"] == "ROW"]
    first = [bundle.layout[child]["meta"].get("uuid") for row in rows[:2] for child in row["children"]]
    shown = {bundle.charts[each]["params"]["metric"] for each in first if each}
    assert headline <= shown


def test_each_big_share_stands_in_a_table_too_with_its_interval_and_grey_where_few(bundle):
    """A big number cannot be greyed by another: Superset colours it by itself alone."""
    shares = {rate.name for rate in load_metrics().rates if rate.is_share}
    big = {chart["params"]["metric"] for chart in CHARTS if chart["viz_type"] == "big_number"} & shares
    assert len(big) > 5
    sure = [chart["params"] for chart in CHARTS if chart["slice_name"].startswith("How sure")]
    greyed = {each["columnFormatting"] for params in sure for each in params["conditional_formatting"]}
    assert greyed == big | {f"{name}_interval" for name in big}
    assert all(greyed & set(params["metrics"]) for params in sure)
    limits = {
        (each["operator"], each["targetValue"], each["objectFormatting"])
        for chart in CHARTS
        for each in chart["params"].get("conditional_formatting", [])
    }
    assert limits == {("<", 30, "TEXT_COLOR")}


def test_a_table_greys_a_share_by_the_count_that_it_is_a_share_of(bundle):
    rates = {rate.name: rate for rate in load_metrics().rates}
    for chart in CHARTS:
        counts = metric_expressions(bundle.data_set_of(chart))
        for each in chart["params"].get("conditional_formatting", []):
            rate = rates[each["columnFormatting"].removesuffix("_interval")]
            assert counts[each["column"]] == rate.denominator, (chart["slice_name"], rate.name)


def test_what_was_changed_by_hand_is_brought_back_into_step(tmp_path):
    folder = tmp_path / "superset"
    shutil.copytree(FOLDER, folder)
    path = data_set_path(folder, "orders_by_day")
    before = path.read_text(encoding="utf-8")
    changed = yaml.safe_load(before)
    changed["description"] = "Chosen words."
    changed["metrics"][0]["expression"] = "SUM(made_up)"
    changed["columns"] = changed["columns"][:-1]
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert bring_into_step(folder) == [path]
    after = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert after == yaml.safe_load(before) | {"description": "Chosen words."}
    assert bring_into_step(folder) == []


def test_the_connection_is_read_only_and_keeps_to_the_snapshot(bundle):
    arguments = bundle.database["extra"]["engine_params"]["connect_args"]
    assert arguments["read_only"] is True
    assert arguments["config"]["enable_external_access"] is False
    assert not any(bundle.database[right] for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_csv_upload"))


def test_the_readme_tells_of_every_chart():
    words = (FOLDER / "README.md").read_text(encoding="utf-8")
    explained = [line.split(" | ")[0].removeprefix("| ") for line in words.splitlines() if line.startswith("| ")]
    names = [str(chart["slice_name"]) for chart in CHARTS]
    rest = "; ".join(explained)
    for name in sorted(names, key=len, reverse=True):
        assert name in rest, f"README.md does not describe {name}"
        rest = rest.replace(name, "", 1)


def test_the_lock_has_the_known_pins_and_no_address():
    lock = (FOLDER / "requirements.lock").read_text(encoding="utf-8")
    for pin in ("apache-superset==6.1.0", "duckdb==1.5.5", "duckdb-engine==0.17.0", "flask-caching==2.4.1"):
        assert re.search(rf"^{re.escape(pin)} ", lock, re.MULTILINE)
    assert "duckdb-sqlalchemy" not in lock
    assert "://" not in lock


def test_starting_without_a_snapshot_says_what_to_do(tmp_path):
    command = [sys.executable, str(FOLDER / "start.py"), "--bi-dir", str(tmp_path / "bi")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"nothing is published in {tmp_path / 'bi'}: run `make demo ARGS=--once` first, or name another --bi-dir"
    ]


def test_a_check_before_starting_needs_no_superset_and_leaves_nothing(tmp_path, snapshot):
    command = [sys.executable, str(FOLDER / "start.py"), "--bi-dir", str(snapshot.parents[2]), "--port", "0", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_starting_in_a_home_that_is_no_folder_says_so(tmp_path, snapshot):
    (tmp_path / "home").write_text("taken", encoding="utf-8")
    command = [sys.executable, str(FOLDER / "start.py"), "--bi-dir", str(snapshot.parents[2]), "--port", "0"]
    ended = subprocess.run([*command, "--home", "home"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["home cannot be used (File exists): choose another folder with --home"]


def test_starting_on_a_port_in_use_says_so(tmp_path, snapshot):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        folder = snapshot.parents[2]
        command = [sys.executable, str(FOLDER / "start.py"), "--bi-dir", str(folder), "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"127.0.0.1:{port} cannot be used")
    assert list(tmp_path.iterdir()) == []
