"""Ask MetricFlow many questions in one process: `python ask_metricflow.py PROJECT`, in the environment of MetricFlow.

Reads a list of questions as JSON from standard input, each with `metrics`, `group_by` and `where` in MetricFlow's
words, and writes a list of answers, each a list of rows. It imports nothing of the package.
"""

import json
import sys
from pathlib import Path

from dbt_metricflow.cli.cli_configuration import CLIConfiguration
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest


def main() -> None:
    """Answer each question."""
    project = Path(sys.argv[1])
    metricflow = CLIConfiguration()
    metricflow.setup(dbt_profiles_path=project, dbt_project_path=project, configure_file_logging=False)
    answers = []
    for question in json.load(sys.stdin):
        request = MetricFlowQueryRequest.create(
            metric_names=question["metrics"],
            group_by_names=question["group_by"],
            where_constraints=question["where"],
        )
        found = metricflow.mf.query(request).result_df
        answers.append([dict(zip(found.column_names, row, strict=True)) for row in found.rows])
    json.dump(answers, sys.stdout, default=str)


if __name__ == "__main__":
    main()
