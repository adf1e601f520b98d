"""The one file: the template filled with the counts, the charts and everything that the browser needs.

Nothing in it is loaded from elsewhere, and its own Content-Security-Policy forbids that: no address, no script but the
ones written here. The same snapshot always gives the same file.
"""

import base64
import gzip
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import msgspec
import numpy as np

from pso_pipeline.bi import palette
from pso_pipeline.bi.changes import headline_of
from pso_pipeline.bi.errors import SnapshotNotWritten
from pso_pipeline.bi.folder import REPORT, Snapshot, current_snapshot, replace_file
from pso_pipeline.bi.palette import css_variables
from pso_pipeline.bi.rates import Rate
from pso_pipeline.bi.report.compiled import CompiledCharts, load_charts
from pso_pipeline.bi.report.data import (
    CHANGE_WEEKS,
    MAX_CHANGES,
    PRECISION,
    SETTLED_WEEKS,
    ReportData,
    read_report_data,
)

HEAD_BYTES = 1024
"""How much of the file to read to find the name of its snapshot."""

DEFAULT_RATE = "cancellation_rate_30d"
"""The rate that charts show before another is chosen."""

MAX_BYTES = 2_000_000
"""How large the page may be: a larger one is made again with less, down to `LEAST_SHARE`."""

LEAST_SHARE = 0.25

COMPRESSION = 8
"""The level of gzip: 9 takes half as much CPU again, for 1 % less."""

SCRIPTS = ("figures.js", "charts.js", "page.js")


def write_report(bi_dir: Path, output: Path | None = None) -> Path:
    """Write the report of the published snapshot, and return its path.

    `output` is `report.html` in `bi_dir` unless given; folders on the way are made, and the file is replaced in one
    rename.

    Raises:
        NothingPublished: No snapshot has been published yet.
        SnapshotUnreadable: The snapshot is not one that this version of the package reads.
        SnapshotNotWritten: The file cannot be written.
    """
    return _write(current_snapshot(bi_dir), output or bi_dir / REPORT)


def report_page(bi_dir: Path) -> str:
    """Return the report of the published snapshot as HTML; raises as `write_report` does, and writes nothing."""
    return _page_of(current_snapshot(bi_dir))


def keep_report(bi_dir: Path) -> Path:
    """Make sure that `report.html` in `bi_dir` shows the snapshot that is published now, and return its path.

    It is written unless it already shows this snapshot; raises as `write_report` does.
    """
    snapshot, path = current_snapshot(bi_dir), bi_dir / REPORT
    return path if _shows(path, snapshot) else _write(snapshot, path)


def render(data: ReportData, charts: CompiledCharts, snapshot: Snapshot) -> str:
    """Make the page as a text of HTML."""
    manifest = snapshot.manifest
    scripts = [_template(name) for name in SCRIPTS]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["age"] = lambda as_of_utc: _age(as_of_utc, manifest.published_utc)
    return environment.from_string(_template("page.html")).render(
        data=data,
        origin=_origin(snapshot),
        as_of=manifest.as_of_utc and _instant(manifest.as_of_utc),
        published=_instant(manifest.published_utc),
        number_of_hotels=_number_of_hotels(data, is_counted=True),
        number_not_counted=_number_of_hotels(data, is_counted=False),
        apart=[(status, list(hotels)) for status, hotels in itertools.groupby(data.apart, lambda hotel: hotel.status)],
        headlines=[(rate, _headline(data, rate)) for rate in data.rates if rate.is_headline],
        default_rate=DEFAULT_RATE,
        changed_headline=headline_of([change.is_beyond_chance for change in data.changes[:MAX_CHANGES]]),
        max_changes=MAX_CHANGES,
        change_weeks=CHANGE_WEEKS,
        settled_weeks=SETTLED_WEEKS,
        online_shares=[rate.name for rate in data.rates if rate.denominator == "SUM(checked_in_orders)"],
        precision=PRECISION,
        policy=_policy([charts.vega, *scripts]),
        # style sheet and scripts ship with the package and would not work escaped; the policy lets no other script run
        styles=markupsafe.Markup(_styles(charts.font)),  # noqa: S704  # our own style sheet, no text of the API
        specifications=_packed(msgspec.json.encode(charts.specifications)),
        packed=_packed(msgspec.json.encode(_shortened(data))),
        library=_packed(charts.vega.encode()),
        scripts=[markupsafe.Markup(script) for script in scripts],  # noqa: S704  # our own code, as installed
    )


def _styles(font: str) -> str:
    light, dark = css_variables(palette.LIGHT), css_variables(palette.DARK)
    return (
        f":root {{ --font: {font}; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{_template('page.css')}"
    )


def _policy(scripts: list[str]) -> str:
    """Allow the page its own scripts and styles, and nothing else at all."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _shortened(data: ReportData) -> dict[str, Any]:
    """Write columns of counts as differences: many are nearly equal, such as orders and firm orders."""
    written: dict[str, Any] = msgspec.to_builtins(data)
    for table in (*written["counts"].values(), *written["spans"].values(), written["weeks"]):
        table["values"] = _differences(table["values"])
    return written


def _differences(columns: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Give for each column its differences from the earlier one that is nearest, or from 0 where its base is None."""
    counts = [np.array(column, dtype=np.int64) for column in columns.values()]
    bases: list[int | None] = []
    differences = []
    for place, column in enumerate(counts):
        others = {None: column} | {other: column - counts[other] for other in range(place)}
        base = min(others, key=lambda other: int(np.abs(others[other]).sum()))
        bases.append(base)
        differences.append(others[base].tolist())
    return {"names": list(columns), "bases": bases, "differences": differences}


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=COMPRESSION, mtime=0)).decode()


def _template(name: str) -> str:
    return files("pso_pipeline.bi.report").joinpath("template", name).read_text(encoding="utf-8")


def _instant(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y, %H:%M} UTC"


def _age(as_of_utc: datetime | None, published_utc: datetime) -> str:
    """Write the time that figures are from, and how old they were when they were published."""
    if as_of_utc is None:
        return "not read to its end yet"
    age = published_utc - as_of_utc.replace(tzinfo=UTC)
    days, hours = age.days, age.seconds // 3600
    words = f"{days:,} day{'' if days == 1 else 's'}" if days > 0 else f"{max(hours, 0)} h"
    return f"as of {_instant(as_of_utc)}, {words} old"


def _number_of_hotels(data: ReportData, *, is_counted: bool) -> int:
    listed = sum(hotel.is_counted is is_counted for hotel in data.hotels)
    return listed + sum(others.hotels for others in data.other_hotels if others.is_counted is is_counted)


def _headline(data: ReportData, rate: Rate) -> str:
    """Write a rate of all hotels that are counted."""
    counts = data.counts[rate.table]
    is_counted = [hotel.is_counted for hotel in data.hotels] + [hotels.is_counted for hotels in data.other_hotels]
    numerator, denominator = (
        sum(orders for hotel, orders in zip(counts.hotel, counts.values[of], strict=True) if is_counted[hotel])
        for of in (rate.numerator, rate.denominator)
    )
    return f"{numerator / denominator:.1%} ({numerator:,} of {denominator:,} orders)" if denominator else "none yet"


def _origin(snapshot: Snapshot) -> markupsafe.Markup:
    """Name the snapshot in the head of the page."""
    return markupsafe.Markup('<meta name="snapshot" content="{}">').format(snapshot.directory.name)


def _shows(path: Path, snapshot: Snapshot) -> bool:
    """Whether a report lies at `path` and was made from this snapshot."""
    try:
        with path.open("rb") as page:
            return _origin(snapshot).encode() in page.read(HEAD_BYTES)
    except OSError:
        return False


def _page_of(snapshot: Snapshot) -> str:
    """Make the page; again with less where it is over `MAX_BYTES`: how well counts can be packed shows only then."""
    share, charts = 1.0, load_charts()
    page = render(read_report_data(snapshot.database), charts, snapshot)
    while len(page) > MAX_BYTES and share > LEAST_SHARE:
        # squared, since a third of such a page is not counts
        share = max(LEAST_SHARE, share * (MAX_BYTES / len(page)) ** 2)
        page = render(read_report_data(snapshot.database, share), charts, snapshot)
    return page


def _write(snapshot: Snapshot, path: Path) -> Path:
    page = _page_of(snapshot)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, page.encode())
    except OSError as error:
        raise SnapshotNotWritten(f"the report {path} cannot be written: {error.strerror or error}") from error
    return path
