"""`pso report` writes the published snapshot as one HTML file; its content belongs to `bi/report/`."""

from pathlib import Path

import click

from pso_pipeline.bi.errors import NothingPublished, SnapshotError
from pso_pipeline.bi.folder import REPORT
from pso_pipeline.bi.report.page import report_page, write_report
from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_local_settings, stop

STANDARD_OUTPUT = Path("-")


@click.command("report")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE.html",
    help=f"The file to write; - is standard output.  [default: {REPORT} next to the snapshot]",
)
def command(output: Path | None) -> None:
    """Write the HTML report from the published snapshot; the status is 2 if nothing is published yet."""
    bi_dir = load_local_settings().pso_bi_dir
    try:
        click.echo(report_page(bi_dir) if output == STANDARD_OUTPUT else write_report(bi_dir, output))
    except NothingPublished as error:
        stop(str(error), MISCONFIGURED)
    except SnapshotError as error:
        stop(str(error), FAILED)
