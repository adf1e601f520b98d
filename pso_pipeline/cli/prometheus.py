"""The metrics that `pso status --prometheus` prints, in the text format of Prometheus.

A cron job writes them to a file that node_exporter's textfile collector reads. Add a metric here and in
`docs/monitoring.md`.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pso_pipeline.cli.pipeline import PipelineState, storage_places
from pso_pipeline.settings import LocalSettings
from pso_pipeline.warehouse.reading import EnterpriseStatus

Sample = tuple[Mapping[str, str], float]
"""Labels and a value."""

METRICS = {
    "pso_hotel_lag_seconds": "Time since the changes of the hotel were last read.",
    "pso_hotel_orders": "Orders of the hotel in the warehouse.",
    "pso_hotel_rejected_records": "Records of the hotel that could not be read.",
    "pso_hotel_failing": "1 if the last read of the hotel failed.",
    "pso_hotels": "Hotels by their state.",
    "pso_requests_for_orders": "Requests of the last refresh that published new data.",
    "pso_last_publication_timestamp_seconds": "When the snapshot was last published, in seconds since 1970.",
    "pso_snapshot_age_seconds": "Time since the newest change that the snapshot has.",
    "pso_problems": "Problems of the pipeline that `pso status` prints.",
    "pso_daemon_alive": "1 if Dagster's daemon is alive.",
    "pso_disk_free_bytes": "Free bytes on the disk of a folder.",
}
"""What each metric is, by its name."""


def exposition(
    settings: LocalSettings,
    hotels: Sequence[EnterpriseStatus],
    states: Mapping[str, str],
    pipeline: PipelineState,
    now: datetime,
) -> str:
    """Return all metrics as text; `states` has the state of each hotel by its id."""
    samples = _samples(settings, hotels, states, pipeline, now)
    lines: list[str] = []
    for name, values in samples.items():
        found = list(values)
        if found:
            lines += [f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_labels(labels)} {value:.15g}" for labels, value in found]
    return "\n".join(lines) + "\n"


def _samples(
    settings: LocalSettings,
    hotels: Sequence[EnterpriseStatus],
    states: Mapping[str, str],
    pipeline: PipelineState,
    now: datetime,
) -> dict[str, Iterable[Sample]]:
    in_scope = [({"hotel": each.partition_key}, each) for each in hotels if each.is_in_scope]
    found: dict[str, Iterable[Sample]] = {
        "pso_hotel_lag_seconds": [
            (labels, (now - each.watermark_utc).total_seconds())
            for labels, each in in_scope
            if each.watermark_utc is not None
        ],
        "pso_hotel_orders": [(labels, each.orders) for labels, each in in_scope],
        "pso_hotel_rejected_records": [(labels, each.rejected) for labels, each in in_scope],
        "pso_hotel_failing": [(labels, states[each.enterprise_id] == "failing") for labels, each in in_scope],
        "pso_hotels": [
            ({"state": state}, sum(each == state for each in states.values()))
            for state in ("failing", "never read", "stale", "no services listed", "fresh", "out of scope")
        ],
        "pso_problems": [({}, len(pipeline.problems))],
        "pso_daemon_alive": [({}, pipeline.daemon == "alive")],
        "pso_disk_free_bytes": _free_bytes(settings),
    }
    if pipeline.requests is not None:
        found["pso_requests_for_orders"] = [({}, pipeline.requests)]
    if pipeline.published_utc is not None:
        found["pso_last_publication_timestamp_seconds"] = [({}, pipeline.published_utc.timestamp())]
    if pipeline.as_of_utc is not None:
        found["pso_snapshot_age_seconds"] = [({}, (now - pipeline.as_of_utc).total_seconds())]
    return found


def _free_bytes(settings: LocalSettings) -> Iterator[Sample]:
    for name, path in storage_places(settings).items():
        if path.is_dir():
            yield {"folder": name}, shutil.disk_usage(path).free


def _labels(labels: Mapping[str, str]) -> str:
    escaped = (
        '{}="{}"'.format(name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n"))
        for name, value in labels.items()
    )
    return f"{{{','.join(escaped)}}}" if labels else ""
