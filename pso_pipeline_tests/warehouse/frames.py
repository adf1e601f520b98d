"""DataFrames for landings, written as rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pso_pipeline.contract.columns import Table
from pso_pipeline.ingestion.frames import table_frame


def frame_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a DataFrame with all columns of a table; what a row does not name is null."""
    return table_frame(table, {name: [row.get(name) for row in rows] for name in table.column_names}, len(rows))
