"""Tests of `pso check`, of each setting, and of help and usage errors of all commands."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from pso_pipeline import settings as settings_module
from pso_pipeline.cli import COMMANDS, main
from pso_pipeline.mews.limiter import turns
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline_tests.cli.conftest import pso


def test_the_hotels_of_each_token_are_listed(sandbox, monkeypatch):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", f"{sandbox.world.access_token},astoria,wrong-token-here")
    result = pso("check")
    assert result.status == 1
    lines = result.out.splitlines()
    assert lines[0] == f"settings   ok: 3 access token(s) for {sandbox.address}"
    assert lines[1].startswith("limiter    200 requests in 30 s for each token, counted in files in ")
    assert lines[2].startswith("token 1    ok: can access 2 enterprise(s): ")
    assert {"Astoria", "Bristol"} == set(lines[2].partition("(s): ")[2].split(", "))
    assert lines[3] == "token 2    ok: can access 1 enterprise(s): Astoria"
    assert lines[4].startswith("token 3    failed: enterprises/getAll: the token was refused")
    assert lines[5] == "warehouse  ok: data/warehouse.duckdb"
    for secret in (sandbox.world.client_token, sandbox.world.access_token, "wrong-token-here"):
        assert secret not in result.out + result.err


def test_a_check_that_passes_creates_no_folder(sandbox, tmp_path):
    result = pso("check", PSO_BI_DIR="new/bi", DAGSTER_HOME="new/dagster")
    assert result.status == 0
    *folders, instance_file = result.out.splitlines()[-3:]
    assert folders == ["PSO_BI_DIR ok: new/bi", "DAGSTER_HOME ok: new/dagster"]
    assert instance_file.startswith("dagster.yaml is missing: new/dagster/dagster.yaml; ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["PSO_BI_DIR", "DAGSTER_HOME"])
def test_a_folder_that_cannot_be_written_is_named(sandbox, tmp_path, name):
    (tmp_path / "a-file").write_text("not a folder")
    for folder in ("a-file", "a-file/below", "/proc/nothing"):
        result = pso("check", **{name: folder})
        assert result.status == 1
        (line,) = [line for line in result.out.splitlines() if line.startswith(name)]
        assert line.startswith(f"{name} failed: {folder} cannot be written: ")


def test_the_password_of_a_catalogue_is_not_shown(sandbox):
    for address in (
        "ducklake:postgres:host=127.0.0.1 port=9 password=hunter2222",
        "ducklake:postgres:postgresql://me:hunter2222@127.0.0.1:9/x",
    ):
        result = pso("check", PSO_WAREHOUSE=address, PSO_WAREHOUSE_DATA="files")
        assert result.status == 1
        assert "warehouse  failed: ducklake:postgres:" in result.out
        assert "hunter2222" not in result.out + result.err


def test_a_lake_in_postgresql_needs_a_place_for_its_files(sandbox):
    result = pso("check", PSO_WAREHOUSE="ducklake:postgres:dbname=lake password=hunter2222")
    assert result.status == 2
    assert result.err.startswith("pso: PSO_WAREHOUSE_DATA is not set, and PSO_WAREHOUSE is a DuckLake")
    assert "hunter2222" not in result.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEWS_PLATFORM_ADDRESS", "api.mews.com"),
        ("MEWS_PLATFORM_ADDRESS", "ftp://api.mews.com"),
        ("MEWS_PLATFORM_ADDRESS", "https://me:secret-word@api.mews.com"),
        ("MEWS_PLATFORM_ADDRESS", "https://api.mews.com/?token=secret-word"),
        ("MEWS_CLIENT_TOKEN", "  "),
        ("MEWS_ACCESS_TOKENS", " , ,"),
        ("MEWS_REQUESTS_PER_WINDOW", "0"),
        ("MEWS_REQUESTS_PER_WINDOW", "secret-word"),
        ("MEWS_WINDOW_SECONDS", "inf"),
        ("PSO_LIMITER", "mysql://me:secret-word@db/limits"),
        ("PSO_LIMITER", "postgres:"),
        ("PSO_LIMITER", "postgres:host=db secret-word"),
        ("PSO_LIMITER", "redis:secret-word"),
        ("PSO_OVERLAP_MINUTES", "-1"),
        ("PSO_OVERLAP_MINUTES", "1e300"),
        ("PSO_STALE_AFTER_HOURS", "0"),
        ("PSO_RESYNC_MAX_MISSING_SHARE", "20"),
        ("PSO_BI_DIR", "s3://bucket/secret-word"),
        ("PSO_WAREHOUSE_DATA", "https://secret-word@bucket"),
    ],
)
def test_a_malformed_setting_is_named_and_its_value_never_shown(monkeypatch, name, value):
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "https://api.mews.com")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert str(raised.value).startswith(f"{name} is not valid: it takes ")
    assert "docs/configuration.md" in str(raised.value)
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize("location", ["postgres:dbname=limits", "postgresql://db/limits", "rediss://:secret@db:1/0"])
def test_a_limiter_without_its_package_is_one_line(monkeypatch, location):
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "https://api.mews.com")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    monkeypatch.setenv("PSO_LIMITER", location)
    Settings.load()
    monkeypatch.setattr(settings_module, "find_spec", {}.get)
    with pytest.raises(SettingsError, match=r"^PSO_LIMITER needs the package (psycopg|redis): pip install 'pso-pipe"):
        Settings.load()


def test_a_limiter_that_cannot_be_reached_fails_each_token_in_one_line(sandbox, monkeypatch):
    monkeypatch.setattr(turns, "FIRST_CONTACT_SECONDS", 0.0)
    result = pso("check", PSO_LIMITER="redis://:hunter2222@127.0.0.1:9/0")
    assert result.status == 1
    limiter, token = result.out.splitlines()[1:3]
    assert limiter.endswith("counted in Redis (127.0.0.1:9, db 0), for all machines that use it")
    assert token.startswith("token 1    failed: the rate limiter cannot use Redis (127.0.0.1:9, db 0): ")
    assert "hunter2222" not in result.out + result.err
    assert len(sandbox.requests) == 0


def test_tokens_are_split_stripped_and_deduplicated(monkeypatch):
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "https://api.mews.com/")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", " client ")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "token-one, token-two,token-one,,")
    settings = Settings.load()
    assert [token.get_secret_value() for token in settings.mews_access_tokens] == ["token-one", "token-two"]
    assert settings.platform_address == "https://api.mews.com"
    assert settings.mews_client_token.get_secret_value() == "client"
    assert "token-one" not in repr(settings)


def test_an_env_file_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / ".env").write_bytes(b"MEWS_CLIENT_TOKEN=\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        Settings.load()


def test_a_report_before_anything_was_published_is_status_2(sandbox):
    result = pso("report")
    assert result.status == 2
    assert "run a refresh first" in result.error_line


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_every_command_has_help(arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert done.output


def test_help_imports_no_large_package():
    """Dagster's import takes seconds, and `pso --help` must be fast."""
    script = (
        "import sys; from pso_pipeline.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "click" in modules
    assert not modules & {"dagster", "duckdb", "httpx", "numpy", "pandas", "pyarrow", "pydantic", "rich"}


@pytest.mark.parametrize("arguments", [["nothing"], ["refresh", "--nothing"], ["demo", "--enterprises", "0"]])
def test_a_usage_error_is_status_2(arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
