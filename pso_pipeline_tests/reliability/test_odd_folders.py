"""Tests with folder names that are special in globs, URLs, SQL or shells: all work, or one line reports why not."""

import shutil

import duckdb
import pytest
from dagster import AssetKey, DagsterInstance

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.orchestration.test_jobs import refresh

NAMES = ("a[1]", "a*b {c}", "it's; DROP", 'a"b#c', "ü 日本 $HOME", "a&b=c,d:e")
REFUSED = {"PSO_WAREHOUSE": "?", "PSO_BI_DIR": "?", "DAGSTER_HOME": "?%"}


@pytest.fixture
def world(monkeypatch):
    world = ScriptedWorld()
    service = world.add_service(world.add_enterprise(Name="Astoria"))
    for state in ("Confirmed", "Started", "Canceled"):
        world.add_order(service, State=state)
    with serve(world, requests_per_window=None) as running:
        monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", running.address)
        monkeypatch.setenv("MEWS_CLIENT_TOKEN", world.client_token)
        monkeypatch.setenv("MEWS_ACCESS_TOKENS", world.access_token)
        yield world


def settle_in(folder, monkeypatch):
    monkeypatch.setenv("PSO_WAREHOUSE", str(folder / "w" / f"{folder.name}.duckdb"))
    monkeypatch.setenv("PSO_BI_DIR", str(folder / "bi"))
    return folder / "bi"


def check_published(bi_dir, served):
    figures = "SELECT count(*), count(*) FILTER (WHERE is_checked_in) FROM"
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as snapshot:
        assert snapshot.execute(f"{figures} mart.rpt_orders").fetchone() == (3, served)
    assert (bi_dir / "report.html").is_file()
    copy = bi_dir.parent.parent / "copy"
    shutil.copytree(bi_dir / "parquet" / "rpt_orders", copy, dirs_exist_ok=True)
    files = f"{copy}/*/*.parquet"
    assert duckdb.execute(f"{figures} read_parquet($files)", {"files": files}).fetchone() == (3, served)


@pytest.mark.parametrize("name", [*NAMES, "a%20b"])
def test_warehouse_and_snapshot_work_in_any_folder(world, tmp_path, monkeypatch, name):
    bi_dir = settle_in(tmp_path / name, monkeypatch)
    with DagsterInstance.ephemeral() as instance:
        assert refresh(instance).success
        check_published(bi_dir, served=1)
        world.change(
            next(e for e in world.snapshot(world.clock.now()).orders if e["State"] == "Confirmed"), State="Processed"
        )
        assert refresh(instance).success
    check_published(bi_dir, served=2)


@pytest.mark.parametrize("name", NAMES)
def test_dagster_works_in_any_folder_that_its_storage_can_name(world, tmp_path, monkeypatch, name):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
    prepare_dagster_home(Settings.load().dagster_home)
    with DagsterInstance.get() as instance:
        assert refresh(instance).success
    with DagsterInstance.get() as instance:
        assert instance.get_latest_materialization_event(AssetKey("bi_snapshot"))
    assert (tmp_path / name / "dagster.yaml").is_file()


@pytest.mark.parametrize(("variable", "character"), [(name, each) for name in REFUSED for each in REFUSED[name]])
@pytest.mark.usefixtures("world")
def test_a_path_that_duckdb_or_dagster_misreads_is_refused_in_one_line(tmp_path, monkeypatch, variable, character):
    folder = tmp_path / f"a{character}20b"
    monkeypatch.setenv(variable, str(folder))
    expected = rf"^{variable} is not valid: it takes [^\n]*\?[^\n]*; see docs/configuration.md$"
    with pytest.raises(SettingsError, match=expected):
        Settings.load()
    monkeypatch.setenv(variable, "relative")
    Settings.load()
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(SettingsError, match=f"{variable} is not valid"):
        Settings.load()
