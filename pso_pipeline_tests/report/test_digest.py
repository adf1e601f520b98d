"""`pso digest`: the sentences of `mart.agg_changes` in three forms, and what it says where there are none."""

import json

import duckdb
import msgspec
import pytest
from click.testing import CliRunner

from pso_pipeline.bi.digest import read_digest
from pso_pipeline.bi.folder import snapshot_path
from pso_pipeline.cli import main
from pso_pipeline_tests.marts.world import World
from pso_pipeline_tests.report.conftest import publish_world

HOSTILE = "[Spa](https://example.invalid) \x1b[31m<b>"


def digest(bi_dir, *arguments):
    return CliRunner(env={"PSO_BI_DIR": str(bi_dir)}).invoke(main, ["digest", *arguments])


def test_it_names_the_changes_in_their_order(published):
    with duckdb.connect(str(snapshot_path(published)), read_only=True) as snapshot:
        ranked = snapshot.execute("SELECT sentence FROM mart.agg_changes WHERE rank <= 3 ORDER BY rank").fetchall()
    sentences = [sentence for (sentence,) in ranked]
    assert len(sentences) == 3
    result = digest(published, "--most", "3")
    assert result.exit_code == 0
    headline, *lines, as_of = result.output.splitlines()
    assert headline.startswith(("What changed", "Nothing changed beyond chance"))
    assert lines == [f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1)]
    assert as_of == read_digest(published).as_of

    whole = json.loads(digest(published, "--most", "3", "--format", "json").output)
    assert [change["sentence"] for change in whole["changes"]] == sentences
    assert {"kind", "excess_low", "excess_high", "partition_key"} <= whole["changes"][0].keys()


def test_names_do_no_harm(published):
    found = read_digest(published, 1)
    hostile = msgspec.structs.replace(found.changes[0], sentence=HOSTILE)
    harmful = msgspec.structs.replace(found, changes=(hostile,))
    assert "\x1b" not in harmful.as_text()
    assert "](" not in harmful.as_markdown()
    assert "<b>" not in harmful.as_markdown()


def test_little_history_and_no_snapshot(tmp_path):
    world = World(enterprises=[{"id": "h", "name": "Hotel", "is_in_scope": True}])
    result = digest(publish_world(world, tmp_path))
    assert result.exit_code == 0
    assert result.output.startswith("There is too little history to say what changed")
    missing = digest(tmp_path / "nowhere")
    assert missing.exit_code == 2
    assert "Traceback" not in missing.output


@pytest.mark.parametrize("arguments", [["--format", "xml"], ["--most", "0"]])
def test_a_wrong_argument_is_named(published, arguments):
    assert digest(published, *arguments).exit_code == 2
