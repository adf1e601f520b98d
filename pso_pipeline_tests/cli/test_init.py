"""`pso init` writes what is missing, changes nothing that exists, and says how it differs without its values."""

import stat
from pathlib import Path

import yaml

from pso_pipeline.cli.files import packaged
from pso_pipeline_tests.cli.conftest import pso


def test_a_new_folder_gets_three_files_and_a_second_run_finds_them_as_they_should_be(tmp_path):
    result = pso("init", "new/place")
    assert result.status == 0
    folder = tmp_path / "new/place"
    assert (folder / ".env").read_text() == packaged("env.example")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert (folder / "workspace.yaml").read_text() == packaged("workspace.yaml")
    assert (folder / "data/dagster/dagster.yaml").read_text() == packaged("dagster.yaml")
    assert "Next: fill in new/place/.env" in result.out
    again = pso("init", "new/place")
    assert again.status == 0
    assert [line.split(": ")[1] for line in again.out.splitlines()] == ["is as in this version"] * 3


def test_an_old_instance_file_is_reported_and_left_as_it_is():
    assert pso("init").status == 0
    path = Path("data/dagster/dagster.yaml")
    content = yaml.safe_load(path.read_text())
    content["concurrency"]["runs"]["max_concurrent_runs"] = 9
    content["storage"] = {"postgres": {"postgres_url": "postgresql://me:hunter2222@host/x"}}
    del content["retention"]
    path.write_text(yaml.safe_dump(content))
    Path(".env").write_text("PSO_WAREHOSE=secret-word\nPSO_BI_DIR=x\n")
    before = path.read_text()
    result = pso("init")
    assert result.status == 1
    lines = result.out.splitlines()
    assert "  concurrency.runs.max_concurrent_runs differs; this version has 4" in lines
    assert "  storage is not in this version's file" in lines
    assert any(line.startswith("  retention is missing; this version has {") for line in lines)
    assert "  PSO_WAREHOSE is not a setting of this version" in lines
    assert "hunter2222" not in result.out + result.err
    assert "secret-word" not in result.out + result.err
    assert path.read_text() == before


def test_a_folder_that_cannot_be_written_is_status_2():
    assert pso("init", "/proc/nothing").status == 2


def test_check_says_how_the_instance_file_differs(sandbox):
    assert pso("init").status == 0
    Path(".env").unlink()
    path = Path("data/dagster/dagster.yaml")
    assert f"dagster.yaml ok: {path}" in pso("check").out.splitlines()
    path.write_text(path.read_text().replace("max_concurrent_runs: 4", "max_concurrent_runs: 5"))
    result = pso("check")
    assert result.status == 0
    assert result.out.splitlines()[-2:] == [
        f"dagster.yaml differs from that of this version: {path}",
        "  concurrency.runs.max_concurrent_runs differs; this version has 4",
    ]
