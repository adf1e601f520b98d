"""Tests that the examples run on a published snapshot and say what is in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QUERIES = re.findall(r"```sql\n(.*?);\n```", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:30])
def test_a_query_of_the_page_runs(query, snapshot, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = snapshot.execute(query.replace("data/sandbox/bi", str(published))).fetchall()
    assert answer
    assert all(value is not None for value in answer[0])


def test_the_analysis_with_pandas_counts_what_the_metrics_count(snapshot, published):
    command = [sys.executable, EXAMPLES / "cancellations.py", published]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counted = snapshot.execute(
        """
        SELECT service_name, count(*), avg(coalesce(hours_to_cancel <= 720, FALSE)::INT)
        FROM mart.rpt_orders JOIN mart.dim_enterprises USING (enterprise_id)
        WHERE is_firm AND created_at <= as_of_utc - INTERVAL 30 DAY AND service_name IS NOT NULL
        GROUP BY ALL
        """
    ).fetchall()
    assert counted
    for service, orders, canceled in counted:
        assert re.search(rf"^{re.escape(service)} +{orders} +{canceled:.1%}$", printed, re.MULTILINE), service
