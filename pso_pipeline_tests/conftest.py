"""What every test may use: an environment without a person's settings, and a warehouse of its own."""

from datetime import timedelta

import pytest

from pso_pipeline.warehouse.connection import Warehouse


@pytest.fixture(autouse=True)
def no_settings_of_a_person(monkeypatch, tmp_path):
    """Tests see neither the variables nor the `.env` of whoever runs them, and share no limit with a real token."""
    for name in (
        "MEWS_PLATFORM_ADDRESS",
        "MEWS_CLIENT_TOKEN",
        "MEWS_ACCESS_TOKENS",
        "MEWS_CLIENT",
        "MEWS_REQUESTS_PER_WINDOW",
        "MEWS_WINDOW_SECONDS",
        "PSO_WAREHOUSE",
        "PSO_BI_DIR",
        "PSO_ALERT_WEBHOOK",
        "PSO_HEARTBEAT_URL",
        "PSO_ALLOW_HTTP",
        "PSO_KEEP_PERSONAL_DATA",
        "PSO_LOOK_BACK_CRON",
        "PSO_REFRESH_CRON",
        "PSO_RESYNC_CRON",
        "PSO_TIME_ZONE",
        "PSO_UPDATES_SECONDS",
        "DAGSTER_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(str(tmp_path / "warehouse.duckdb"))


@pytest.fixture
def any_server_time(monkeypatch):
    """Let a world stand still at a date of its own, which the client would take for a wrong clock."""
    monkeypatch.setattr("pso_pipeline.mews.client._CLOCK_TOLERANCE", timedelta.max)
