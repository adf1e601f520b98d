"""Write the pages of the reference that follow from commands and from Dagster's definitions: `reference.py FOLDER`.

Tables, columns and metrics follow from the contract: `python -m pso_pipeline.bi.documentation` writes them.
"""

import argparse
import importlib
import re
from collections.abc import Iterable
from pathlib import Path

import click
from dagster import AssetsDefinition

from pso_pipeline.cli import COMMANDS
from pso_pipeline.definitions import defs
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, LANDED_RULES

COMMANDS_HEAD = """\
<!-- `make generated` writes this page from the code. -->
# Commands

`pso` is in `.venv/bin` after `make setup`. `pso COMMAND --help` prints what is here. The exit status of each command is
in the [README](../README.md#commands). For completion in the shell, add a line to its start file:

```sh
eval "$(_PSO_COMPLETE=bash_source pso)"     # ~/.bashrc
eval "$(_PSO_COMPLETE=zsh_source pso)"      # ~/.zshrc
_PSO_COMPLETE=fish_source pso | source      # ~/.config/fish/config.fish
```"""

ASSETS_HEAD = """\
<!-- `make generated` writes this page from the code. -->
# Assets and checks

What Dagster shows: assets, their checks, and what starts runs. [Automation](automation.md) explains when each of them
runs."""

CHECKS_HEAD = """\
## Checks

A check that holds a hotel back keeps its last good figures in the snapshot; the others warn. The
[runbook](runbook.md#a-check-holds-a-hotel-back) says what to do."""


def main() -> None:
    """Write the pages into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, content in pages().items():
        (folder / name).write_text(content, encoding="utf-8")
        print(folder / name)


def pages() -> dict[str, str]:
    """Return each page by its name."""
    return {"commands.md": commands_page(), "assets.md": assets_page()}


def commands_page() -> str:
    """Describe every command with its arguments and options."""
    parts = [COMMANDS_HEAD]
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"pso_pipeline.cli.{name}").command
        with click.Context(command, info_name=f"pso {name}", terminal_width=100) as context:
            usage = command.get_usage(context).removeprefix("Usage: ")
            parts += [f"## pso {name}", paragraphs(command.help or ""), f"```console\n$ {usage}\n```"]
            rows = [record for each in command.params if (record := each.get_help_record(context))]
            if rows:
                parts.append(table(("option", "meaning"), ((f"`{option}`", meaning) for option, meaning in rows)))
    return "\n\n".join(filter(None, parts)) + "\n"


def assets_page() -> str:
    """Describe every asset, check, job, schedule and sensor."""
    repository = defs.get_repository_def()
    specs = sorted(
        (spec for each in defs.assets or () if isinstance(each, AssetsDefinition) for spec in each.specs),
        key=lambda spec: spec.key,
    )
    checks = sorted(
        (spec for each in defs.asset_checks or () for spec in each.check_specs),
        key=lambda spec: (spec.asset_key, spec.name),
    )
    blocking = {rule.name for rule in (*LANDED_RULES, *DERIVED_RULES) if rule.blocks}
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    parts = [
        ASSETS_HEAD,
        "## Assets",
        table(
            ("asset", "depends on", "one partition for each hotel", "meaning"),
            (
                (
                    f"`{spec.key.to_user_string()}`",
                    ", ".join(f"`{dep.asset_key.to_user_string()}`" for dep in spec.deps),
                    "yes" if spec.partitions_def else "no",
                    first_paragraph(spec.description),
                )
                for spec in specs
            ),
        ),
        CHECKS_HEAD,
        table(
            ("check", "asset", "holds a hotel back", "meaning"),
            (
                (
                    f"`{spec.name}`",
                    f"`{spec.asset_key.to_user_string()}`",
                    "yes" if spec.name in blocking else "no",
                    first_paragraph(spec.description),
                )
                for spec in checks
            ),
        ),
        "## Jobs",
        described((job.name, job.description) for job in jobs),
        "## Schedules",
        described((each.name, each.description) for each in repository.schedule_defs),
        "## Sensors",
        described((each.name, each.description) for each in repository.sensor_defs),
    ]
    return "\n\n".join(parts) + "\n"


def described(each: Iterable[tuple[str, str | None]]) -> str:
    """Make a table of names and what they mean."""
    return table(("name", "meaning"), sorted((f"`{name}`", first_paragraph(text)) for name, text in each))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Make a table of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a description, in one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def paragraphs(text: str) -> str:
    """Return the paragraphs of a docstring, each in one line."""
    return "\n\n".join(" ".join(each.split()) for each in re.split(r"\n\s*\n", text.replace("\b", "").strip()))


if __name__ == "__main__":
    main()
