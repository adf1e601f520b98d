"""The files of the semantic models, as they are committed in `models/` and published with each snapshot.

    python -m pso_pipeline.bi.semantic.files

writes them again after a change of `metrics.yml` or of the contract. Publications copy the committed files, so that a
refresh does not make them.
"""

from pathlib import Path

import click

from pso_pipeline.bi.semantic.committed import FOLDER
from pso_pipeline.bi.semantic.data_contract import data_contract
from pso_pipeline.bi.semantic.metricflow import metricflow_project
from pso_pipeline.bi.semantic.ossie import ossie_model
from pso_pipeline.bi.yaml_files import write_yaml

OSSIE = "ossie.yaml"
DATA_CONTRACT = "datacontract.odcs.yaml"
DBT = "dbt"
"""The folder of the dbt project."""

_ORIGIN = "# Generated from metrics.yml and the tables of the contract: `make generated`.\n"


def make_models() -> dict[str, str]:
    """Make every file, by its path."""
    project = {f"{DBT}/{path}": text for path, text in metricflow_project().items()}
    return {OSSIE: _ORIGIN + write_yaml(ossie_model()), DATA_CONTRACT: _ORIGIN + write_yaml(data_contract())} | project


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=str(FOLDER))
def main(folder: Path) -> None:
    """Write every file into FOLDER, by default into this package, and remove what is not one of them."""
    made = make_models()
    for old in sorted(folder.rglob("*")):
        if old.is_file() and str(old.relative_to(folder)) not in made:
            old.unlink()
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        click.echo(folder / path)


if __name__ == "__main__":
    main()
