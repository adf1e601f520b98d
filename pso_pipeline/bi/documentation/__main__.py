"""`python -m pso_pipeline.bi.documentation FOLDER`: write the generated pages into a folder."""

from pathlib import Path

import click

from pso_pipeline.bi.documentation.pages import write_pages


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write the generated pages of the documentation into FOLDER."""
    for path in write_pages(folder):
        click.echo(path)


if __name__ == "__main__":
    main()
