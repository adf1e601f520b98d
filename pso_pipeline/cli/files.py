"""The files that `pso init` writes: what each has in this version, and how an existing one differs.

Values of an existing file are never shown, because they may be secrets.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import yaml

from pso_pipeline.settings import Settings, Timetable

INSTANCE_FILE = "dagster.yaml"
WORKSPACE_FILE = "workspace.yaml"
EXAMPLE = "env.example"

_SETTING = re.compile(r"^\s*(?:export\s+)?((?:MEWS|PSO)_[A-Z_]+)\s*=", re.MULTILINE)


def packaged(name: str) -> str:
    """Return the text of a file as this version has it."""
    return files("pso_pipeline.cli").joinpath(name).read_text(encoding="utf-8")


def write_new(path: Path, text: str) -> bool:
    """Write a file that only its owner can read, if there is none; return whether it was written.

    It is there in one step, because other processes may read it at the same time.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return False
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.", encoding="utf-8") as new:
        new.write(text)
        new.flush()
        try:
            os.link(new.name, path)
        except FileExistsError:
            return False
    return True


def differences_of_yaml(path: Path, name: str) -> list[str]:
    """Describe how a YAML file differs from the packaged one, one line for each value, without its own values."""
    try:
        own = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return [f"cannot be read: {type(error).__name__}"]
    ours = yaml.safe_load(packaged(name))
    return list(_compare(own if own is not None else {}, ours, ""))


def unknown_settings(path: Path) -> list[str]:
    """Describe the settings in a `.env` that this version does not know, one line for each."""
    known = {name.upper() for name in (*Settings.model_fields, *Timetable.model_fields)}
    try:
        names = dict.fromkeys(_SETTING.findall(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        return [f"cannot be read: {type(error).__name__}"]
    return [f"{name} is not a setting of this version" for name in names if name not in known]


def _compare(own: object, ours: object, path: str) -> Iterator[str]:
    if isinstance(own, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys((*ours, *own)):
            place = f"{path}.{key}" if path else str(key)
            if key not in own:
                yield f"{place} is missing; this version has {_shown(ours[key])}"
            elif key not in ours:
                yield f"{place} is not in this version's file"
            else:
                yield from _compare(own[key], ours[key], place)
    elif own != ours:
        yield f"{path or 'the file'} differs; this version has {_shown(ours)}"


def _shown(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False).strip().removesuffix("...").strip()
