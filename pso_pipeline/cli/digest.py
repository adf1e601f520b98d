"""`pso digest` prints what changed; the content belongs to `bi/digest.py`."""

import click

from pso_pipeline.bi.digest import Digest, read_digest
from pso_pipeline.bi.errors import NothingPublished, SnapshotError
from pso_pipeline.cli.environment import FAILED, MISCONFIGURED, load_local_settings, stop

FORMATS = {"text": Digest.as_text, "markdown": Digest.as_markdown, "json": Digest.as_json}


@click.command("digest")
@click.option("--format", "shape", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--most", type=click.IntRange(1, 100), default=5, show_default=True, help="How many changes to name.")
def command(shape: str, most: int) -> None:
    """Print the most remarkable changes of the last 7 and 28 days; the status is 2 if nothing is published yet."""
    try:
        digest = read_digest(load_local_settings().pso_bi_dir, most)
    except NothingPublished as error:
        stop(str(error), MISCONFIGURED)
    except SnapshotError as error:
        stop(str(error), FAILED)
    click.echo(FORMATS[shape](digest))
