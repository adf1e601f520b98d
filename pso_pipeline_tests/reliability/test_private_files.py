"""Tests that only the owner can read the files of the pipeline."""

import os
import stat
import tempfile
from pathlib import Path

import pytest
from pyrate_limiter import Rate

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.environment import is_readable_by_others
from pso_pipeline.ingestion.api import limiter_folder
from pso_pipeline.mews.limiter.files import FileStore
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.settings import Settings, SettingsError
from pso_pipeline.warehouse.rewriting import rewrite


def rights(path):
    return stat.S_IMODE(Path(path).lstat().st_mode)


@pytest.fixture(autouse=True)
def shared_machine(monkeypatch, tmp_path):
    """Let new files be readable for everybody by default."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    mask = os.umask(0o000)
    yield
    os.umask(mask)


def open_counter():
    return FileStore(limiter_folder()).open("fingerprint", Rate(1, 1))


def test_the_limiter_has_a_private_folder():
    open_counter().close()
    assert rights(limiter_folder()) == 0o700
    limiter_folder().chmod(0o755)
    open_counter().close()
    assert rights(limiter_folder()) == 0o700


@pytest.mark.parametrize("kind", ["link", "file", "stranger"])
def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch, kind):
    folder = limiter_folder()
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        folder.touch()
    else:
        folder.mkdir()
        stranger = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(LimiterUnusable, match="it is not a folder of this user; remove it"):
        open_counter()
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())


def test_warehouse_marts_and_what_they_spill_are_private(warehouse):
    with warehouse.open() as connection:
        connection.execute("SET memory_limit = '30MB'; SET threads = 1")
        connection.execute("CREATE TABLE mews.many AS SELECT i, md5(i::VARCHAR) AS text FROM range(400_000) AS t(i)")
        connection.execute("CREATE TEMP TABLE sorted AS FROM mews.many ORDER BY text")
        files = [path for path in Path(warehouse.location).parent.rglob("warehouse*") if ".lock" not in path.name]
        spilled = list(warehouse.marts_path.with_name(warehouse.marts_path.name + ".spill").rglob("*"))
        assert any(path.name.endswith(".wal") for path in files)
        assert spilled
        assert all(rights(path) & 0o077 == 0 for path in [*files, *spilled])
    assert rights(warehouse.location) == rights(warehouse.marts_path) == 0o600
    with warehouse.hold():
        rewrite(warehouse)
    assert rights(warehouse.location) == 0o600
    assert os.umask(0o000) == 0o000


def test_the_home_of_dagster_is_private(tmp_path):
    assert rights(prepare_dagster_home(tmp_path / "data" / "dagster")) == 0o700


def test_an_env_file_that_others_can_read_is_detected(tmp_path):
    assert not is_readable_by_others()
    (tmp_path / ".env").touch(mode=0o600)
    assert not is_readable_by_others()
    (tmp_path / ".env").chmod(0o640)
    assert is_readable_by_others()


ADDRESSES = [name.upper() for name, field in Settings.model_fields.items() if "AnyHttpUrl" in str(field.annotation)]


@pytest.mark.parametrize("name", ADDRESSES)
def test_plain_http_to_another_machine_must_be_allowed(monkeypatch, name):
    assert {"MEWS_PLATFORM_ADDRESS", "PSO_ALERT_WEBHOOK"} <= set(ADDRESSES)
    monkeypatch.setenv("MEWS_PLATFORM_ADDRESS", "https://api.example")
    monkeypatch.setenv("MEWS_CLIENT_TOKEN", "client")
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "access")
    for address in ("http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/", "https://chat.example/"):
        monkeypatch.setenv(name, address)
        Settings.load()
    for address in ("http://chat.example/", "http://127.evil.example/", "http://localhost.evil.example/"):
        monkeypatch.setenv(name, address)
        with pytest.raises(SettingsError) as refused:
            Settings.load()
        assert str(refused.value).startswith(f"{name} is http:// to another machine")
        assert "evil" not in str(refused.value)
    monkeypatch.setenv("PSO_ALLOW_HTTP", "1")
    Settings.load()
