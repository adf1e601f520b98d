"""Writing the file: whole or not at all, always the same, safe whatever hotels are called; and the command."""

import base64
import hashlib
import re
from datetime import UTC, datetime

import duckdb
import pytest
from click.testing import CliRunner

from pso_pipeline.bi.errors import NothingPublished, SnapshotNotWritten, SnapshotUnreadable
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.rates import load_metrics
from pso_pipeline.bi.report import data as limits
from pso_pipeline.bi.report import page as pages
from pso_pipeline.bi.report.compiled import load_charts
from pso_pipeline.bi.report.data import read_report_data
from pso_pipeline.bi.report.page import keep_report, write_report
from pso_pipeline.cli import main
from pso_pipeline_tests.marts.world import World
from pso_pipeline_tests.report import embedded
from pso_pipeline_tests.report.conftest import publish_world

HOSTILE = "</script><script>alert('x')</script> & <b>Sons</b>"


@pytest.fixture
def page(report):
    return report.read_text(encoding="utf-8")


def test_it_lies_beside_the_snapshot_unless_asked_otherwise(published, report, tmp_path):
    assert report == published / "report.html"
    output = tmp_path / "new" / "folder" / "mine.html"
    assert write_report(published, output) == output
    assert output.read_bytes() == report.read_bytes()
    assert [path.name for path in output.parent.iterdir()] == ["mine.html"]


def test_publishing_again_leaves_it_alone(tmp_path):
    world = World(enterprises=[{"id": "h", "name": "Hotel", "is_in_scope": True}])
    bi_dir = publish_world(world, tmp_path)
    report = write_report(bi_dir)
    world.enterprises.append({"id": "i", "name": "Another", "is_in_scope": True})
    publish_world(World(enterprises=world.enterprises[1:]), tmp_path)
    assert report.exists()
    before = report.read_bytes()
    assert write_report(bi_dir).read_bytes() != before


def test_it_is_written_again_only_for_another_snapshot(tmp_path):
    world = World(enterprises=[{"id": "h", "name": "Hotel", "is_in_scope": True}])
    bi_dir = publish_world(world, tmp_path)
    report = keep_report(bi_dir)
    written = report.stat().st_mtime_ns
    assert report.read_bytes() == write_report(bi_dir, tmp_path / "same.html").read_bytes()
    assert keep_report(bi_dir).stat().st_mtime_ns == written
    publish_world(World(enterprises=[{"id": "i", "name": "Another", "is_in_scope": True}]), tmp_path)
    assert keep_report(bi_dir).read_bytes() == write_report(bi_dir, tmp_path / "same.html").read_bytes()
    assert "Another" in [hotel["label"] for hotel in embedded.data(report)["hotels"]]


def test_nothing_in_it_is_loaded_from_elsewhere(page):
    markup = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"""\b(?:src|href|action|data|poster|srcset)\s*=\s*["']?([^"'\s>]+)""", markup) == ["#glance"]
    assert not re.search(r"@import|url\(|<(?:img|link|iframe|object|embed|base|form [^>]*action)\b", markup)
    assert "http:" not in markup
    assert "https:" not in markup


def test_its_policy_allows_its_own_scripts_and_nothing_else(page):
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0].replace("&#39;", "'")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert "unsafe" not in directives["script-src"]
    scripts = [*re.findall(r"<script>(.*?)</script>", page, re.DOTALL), embedded.unpacked(page, "library")]
    hashes = {
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'" for script in scripts
    }
    assert set(directives["script-src"].split()) == hashes
    assert len(hashes) == 4


def test_a_hotel_may_be_called_anything(tmp_path):
    world = World(
        enterprises=[{"id": "h", "name": HOSTILE, "time_zone_identifier": "UTC", "is_in_scope": True}],
        services=[{"id": "s", "enterprise_id": "h", "name": HOSTILE}],
        sync_state=[{"service_id": "s", "enterprise_id": "h", "watermark_utc": datetime(2024, 5, 1, tzinfo=UTC)}],
        product_service_orders=[
            {
                "id": "o",
                "enterprise_id": "h",
                "service_id": "s",
                "state": "Confirmed",
                "created_utc": datetime(2024, 4, 1, tzinfo=UTC),
            }
        ],
    )
    report = write_report(publish_world(world, tmp_path))
    page = report.read_text(encoding="utf-8")
    assert "alert('x')" not in page
    assert "&lt;b&gt;Sons&lt;/b&gt;" in page
    assert embedded.data(report)["services"] == [HOSTILE]
    assert embedded.data(report)["hotels"][0]["label"] == HOSTILE


def test_hotels_of_one_name_are_told_apart(tmp_path):
    names = ["Grand", "Grand", None, "Other"]
    hotels = [
        {"id": f"h{place}", "name": name, "partition_key": f"key-{place}", "is_in_scope": place < 3}
        for place, name in enumerate(names)
    ]
    data = read_report_data(current_snapshot(publish_world(World(enterprises=hotels), tmp_path)).database)
    assert {hotel.label for hotel in data.hotels} == {"Grand (key-0)", "Grand (key-1)", "key-2", "Other"}
    assert {hotel.label for hotel in data.hotels if hotel.status == "no longer read"} == {"Other"}


def test_a_page_that_is_too_large_is_made_again_with_less(published, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CELLS", 2500)
    whole = write_report(published, tmp_path / "whole.html")
    monkeypatch.setattr(pages, "MAX_BYTES", 1)
    smaller = write_report(published, tmp_path / "smaller.html")
    before, after = embedded.data(whole), embedded.data(smaller)
    assert before["orders"] == after["orders"]
    detailed = [sum(hotel["is_detailed"] for hotel in data["hotels"]) for data in (before, after)]
    assert detailed[0] > detailed[1]


def test_before_anything_was_published(tmp_path):
    with pytest.raises(NothingPublished, match="run a refresh"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(published, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SnapshotNotWritten, match=r"file/report\.html"):
        write_report(published, tmp_path / "file" / "report.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SnapshotNotWritten, match=r"folder\.html"):
        write_report(published, tmp_path / "folder.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.html"]


def test_a_snapshot_of_another_version_is_named(tmp_path):
    bi_dir = publish_world(World(), tmp_path)
    database = current_snapshot(bi_dir).database
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE mart.agg_orders_daily")
    with pytest.raises(SnapshotUnreadable, match="publish it again"):
        write_report(bi_dir)


def test_every_place_for_a_chart_has_its_specification(page):
    places = dict(re.findall(r'<figure data-chart="([^"]+)" data-kind="([^"]+)">', page))
    assert len(places) == page.count("<figure ") == 17
    assert set(places.values()) == set(load_charts().specifications)


def test_rates_that_the_page_names_exist(page):
    scripts = "".join(re.findall(r"<script>(.*?)</script>", page, re.DOTALL))
    named = re.findall(r'rates\.get\("(\w+)"\)', scripts)
    choices = re.findall(r'id="(?:cohort|breakdown)-rate">(.*?)</select>', page, re.DOTALL)
    offered = re.findall(r'<option value="(\w+)"', "".join(choices))
    assert {*named, *offered} <= {rate.name for rate in load_metrics().rates}
    assert offered.count("cancellation_rate_30d") == 2
    assert not re.search(r"\b(?:canceled|firm|checked_in|mature)\w*_orders|\w+_within_\d+d\b", scripts)


def test_sizes(report):
    assert report.stat().st_size < 1_100_000


COLOURS = {
    "ink": 7,
    "muted": 4.5,
    "accent": 4.5,
    "canceled": 3,
    "greyed": 3,
    "series-1": 3,
    "series-2": 3,
    "series-3": 3,
    "series-4": 3,
    "series-5": 3,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast_enough(page, scheme):
    blocks = re.findall(r":root \{([^}]*--ground[^}]*)\}", page)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[["light", "dark"].index(scheme)]))
    for name, least in COLOURS.items():
        for background in ("card", "ground"):
            assert contrast(colours[name], colours[background]) >= least, (name, background)
        assert contrast(colours[name], colours["shade"]) >= min(least, 3), name


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours by WCAG 2, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")


def test_the_command_prints_where_it_wrote(settings, published, report, monkeypatch, tmp_path):
    monkeypatch.setenv("PSO_BI_DIR", str(published))
    result = CliRunner().invoke(main, ["report", "--output", str(tmp_path / "out.html")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'out.html'}\n")
    assert (tmp_path / "out.html").read_bytes() == report.read_bytes()
    assert CliRunner().invoke(main, ["report"]).output == f"{published / 'report.html'}\n"
    assert CliRunner().invoke(main, ["report", "--output", "-"]).stdout_bytes == report.read_bytes() + b"\n"


def test_the_command_before_anything_was_published(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("PSO_BI_DIR", str(tmp_path / "none"))
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "no snapshot has been published" in result.stderr


def test_the_command_where_the_file_cannot_be_written(settings, published, monkeypatch, tmp_path):
    monkeypatch.setenv("PSO_BI_DIR", str(published))
    (tmp_path / "file").write_text("in the way")
    result = CliRunner().invoke(main, ["report", "--output", str(tmp_path / "file" / "out.html")])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_the_command_needs_no_settings_of_the_api():
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 2
    assert "no snapshot has been published" in result.stderr
