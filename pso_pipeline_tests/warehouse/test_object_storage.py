"""A lake whose files are in an object storage: its settings, and what is said where they are wrong."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse.errors import WarehouseUnusable
from pso_pipeline.warehouse.lake import Lake
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.cli.conftest import pso
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = [needs_ducklake, pytest.mark.stores("s3")]

SECRET, SESSION = "the-secret/key+of-tests", "the-session-token-of-tests"


@pytest.fixture
def keys(monkeypatch):
    """Keys that occur nowhere else."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)


@pytest.fixture(params=["wrong key", "no such bucket", "unreachable"])
def broken(request, store, keys, object_storage, monkeypatch):
    """Something that is wrong with the storage; returns the place of a lake, and a part of what has to be said."""
    place = f"{object_storage.new_bucket()}/lake"
    with contextlib.ExitStack() as resources:
        if request.param == "wrong key":
            resources.enter_context(object_storage.closed_to_strangers())
            yield place, "403"
        elif request.param == "no such bucket":
            yield "s3://no-such-bucket/lake", "404"
        else:
            monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            yield place, "Could not connect"


def test_a_storage_that_cannot_be_written_is_one_line_without_a_secret(broken, postgres):
    place, said = broken
    lake = Warehouse(f"ducklake:postgres:{postgres.keywords(postgres.new_database())}", data_path=place)
    with pytest.raises(WarehouseUnusable, match=said) as caught:
        lake.make()
    line = str(caught.value)
    assert "\n" not in line
    assert "AWS_ACCESS_KEY_ID" in line
    assert SECRET not in line
    assert SESSION not in line


@pytest.fixture
def world():
    world = ScriptedWorld()
    service = world.add_service(world.add_enterprise())
    for _ in range(30):  # more than stay in the catalog
        world.add_order(service, State="Confirmed")
    return world


@pytest.mark.usefixtures("keys", "any_server_time")
def test_a_refresh_that_cannot_write_says_so_everywhere_without_a_secret(store, warehouse, sandbox, object_storage):
    settings = {"PSO_WAREHOUSE": warehouse.location, "PSO_WAREHOUSE_DATA": store.data_path}
    with object_storage.closed_to_strangers():
        result = pso("refresh", **settings)
    assert result.status == 1
    assert "403" in result.out + result.err
    assert "Traceback" not in result.out + result.err
    written = [path.read_bytes() for path in Path("data").rglob("*") if path.is_file()]
    assert any(b"403" in content for content in written), "the run has recorded the reason"
    for content in (*written, result.out.encode(), result.err.encode()):
        assert SECRET.encode() not in content
        assert SESSION.encode() not in content
    assert pso("refresh", **settings).status == 0


def test_the_variables_of_aws_are_sent(keys, monkeypatch):
    received = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.headers)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  # the name that the library calls

        def log_message(self, *arguments):
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server, duckdb.connect() as connection:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key-id")
        monkeypatch.setenv("AWS_REGION", "ap-southeast-2")
        Lake("ducklake:", "s3://bucket/lake").load(connection)
        with pytest.raises(duckdb.Error, match="404"):
            connection.execute("FROM read_parquet('s3://bucket/lake/one.parquet')")
        server.shutdown()
    assert received[0]["x-amz-security-token"] == SESSION
    assert "the-key-id" in received[0]["authorization"]
    assert "ap-southeast-2" in received[0]["authorization"]
