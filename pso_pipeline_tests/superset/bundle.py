"""The import bundle as its files say it, and what each chart asks of its data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "dashboards" / "superset"


@dataclass(frozen=True)
class Query:
    """One question of a chart: columns to group by, saved metrics, simple conditions, and one on the groups."""

    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    conditions: tuple[Mapping[str, Any], ...]
    having: str | None


@dataclass(frozen=True)
class Bundle:
    """Every file of the bundle, by its path in it."""

    files: Mapping[str, dict[str, Any]]

    @cached_property
    def database(self) -> dict[str, Any]:
        (database,) = self._of("databases/")
        return database

    @cached_property
    def dashboard(self) -> dict[str, Any]:
        (dashboard,) = self._of("dashboards/")
        return dashboard

    @cached_property
    def data_sets(self) -> dict[str, dict[str, Any]]:
        """The data sets by their UUID."""
        return {data_set["uuid"]: data_set for data_set in self._of("datasets/")}

    @cached_property
    def charts(self) -> dict[str, dict[str, Any]]:
        """The charts by their UUID."""
        return {chart["uuid"]: chart for chart in self._of("charts/")}

    @cached_property
    def placed(self) -> list[dict[str, Any]]:
        """What the layout says of each chart: its UUID, its number, its name."""
        return [item["meta"] for item in self.layout.values() if item["type"] == "CHART"]

    @cached_property
    def layout(self) -> dict[str, dict[str, Any]]:
        return {key: item for key, item in self.dashboard["position"].items() if isinstance(item, dict)}

    @cached_property
    def filters(self) -> list[dict[str, Any]]:
        filters: list[dict[str, Any]] = self.dashboard["metadata"]["native_filter_configuration"]
        return filters

    def data_set_of(self, chart: Mapping[str, Any]) -> dict[str, Any]:
        return self.data_sets[chart["dataset_uuid"]]

    def _of(self, prefix: str) -> list[dict[str, Any]]:
        return [content for path, content in self.files.items() if path.startswith(prefix)]


def load_bundle() -> Bundle:
    bundle = FOLDER / "bundle"
    return Bundle(
        {
            str(path.relative_to(bundle)): yaml.safe_load(path.read_text(encoding="utf-8"))
            for path in sorted(bundle.rglob("*.yaml"))
        }
    )


def column_names(data_set: Mapping[str, Any]) -> set[str]:
    return {column["column_name"] for column in data_set["columns"]}


def metric_expressions(data_set: Mapping[str, Any]) -> dict[str, str]:
    return {metric["metric_name"]: metric["expression"] for metric in data_set["metrics"]}


def queries(chart: Mapping[str, Any]) -> Iterator[Query]:
    """Return the queries of a chart: a mixed chart has two, and a big number one for its line and one for itself."""
    params = chart["params"]
    for suffix in ("", "_b") if chart["viz_type"] == "mixed_timeseries" else ("",):
        groups = params.get(f"groupby{suffix}", [])
        columns = ([params["x_axis"]] if "x_axis" in params else []) + ([groups] if isinstance(groups, str) else groups)
        metrics = [*params.get(f"metrics{suffix}", []), *([params["metric"]] if "metric" in params else [])]
        conditions = params.get(f"adhoc_filters{suffix}", [])
        (having,) = [each["sqlExpression"] for each in conditions if each["clause"] == "HAVING"] or [None]
        query = Query(
            columns=tuple(columns),
            metrics=tuple(metrics),
            conditions=tuple(each for each in conditions if each["clause"] == "WHERE"),
            having=having,
        )
        yield query
        if chart["viz_type"] == "big_number":
            yield replace(query, columns=())


def sort_metric(chart: Mapping[str, Any]) -> set[str]:
    """Name the metric by which a chart chooses or orders its groups, where it does."""
    metric = chart["params"].get("timeseries_limit_metric")
    return {metric} if metric else set()
