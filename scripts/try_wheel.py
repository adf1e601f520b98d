"""Try the built wheel where no checkout is: `python scripts/try_wheel.py DIST FOLDER`.

FOLDER is an environment that holds the locked packages and nothing of this project. The wheel is installed into it, and
its commands run in an empty folder elsewhere.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

NEEDED = (
    "pso_pipeline/py.typed",
    "pso_pipeline/cli/env.example",
    "pso_pipeline/cli/workspace.yaml",
    "pso_pipeline/cli/dagster.yaml",
    "pso_pipeline/docs/configuration.md",
    "pso_pipeline/docs/runbook.md",
)
COMMANDS = (
    ("pso", "--version"),
    ("dagster", "definitions", "validate", "-m", "pso_pipeline.definitions"),
    ("pso", "demo", "--once", "--enterprises", "2"),
    ("pso", "init"),
)
SETTINGS = ("MEWS_PLATFORM_ADDRESS", "MEWS_CLIENT_TOKEN", "MEWS_ACCESS_TOKENS")
LOCAL_LINK = re.compile(r"\]\((?!https?://|#)[^)]*\)")


def main() -> None:
    """Look into the wheel, install it, and run its commands."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dist", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    wheels = sorted(options.dist.glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"{options.dist} holds {len(wheels)} wheels: remove it and build again")
    look_into(wheels[0])
    install(wheels[0], options.folder)
    with tempfile.TemporaryDirectory() as elsewhere:
        for program, *arguments in COMMANDS:
            run(options.folder.absolute() / "bin" / program, *arguments, folder=Path(elsewhere))
        connect(options.folder.absolute() / "bin/pso", Path(elsewhere))
    print(f"{wheels[0].name}: passed")


def connect(pso: Path, folder: Path) -> None:
    """Follow a new user from `pso init` to `pso check`, first without tokens and then with those of a sandbox."""
    run(pso, "init", folder=folder)
    missing = run(pso, "check", folder=folder, status=2)
    if not all(Path(page).is_file() for page in re.findall(r"see (\S+\.md)", missing)):
        sys.exit(f"the page that a message names is not there: {missing}")
    arguments = [pso, "sandbox", "--port", "0", "--enterprises", "1", "--orders", "100"]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            settings = []
            for line in sandbox.stdout or ():
                settings += re.findall(r"^MEWS_\w+=\S+$", line.strip())
                if len(settings) == len(SETTINGS):
                    break
            (folder / ".env").write_text("\n".join(settings), encoding="utf-8")
            run(pso, "check", folder=folder)
        finally:
            sandbox.terminate()


def look_into(wheel: Path) -> None:
    """Stop unless the wheel has the files that it needs, and a description that an index can show."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        if absent := [name for name in NEEDED if name not in names]:
            sys.exit(f"{wheel.name} lacks {', '.join(absent)}")
        if strange := [name for name in names if not name.startswith(("pso_pipeline/", "pso_pipeline-"))]:
            sys.exit(f"{wheel.name} holds {strange[0]}, which is not of the package")
        metadata = next(name for name in names if name.endswith("/METADATA"))
        if link := LOCAL_LINK.search(archive.read(metadata).decode()):
            sys.exit(f"{wheel.name}: the description has a link that leads nowhere on an index: {link.group()}")


def install(wheel: Path, folder: Path) -> None:
    """Install the wheel without its dependencies, which the environment holds already."""
    python = str(folder / "bin/python")
    uv = shutil.which(os.environ.get("UV") or "uv")
    command = [uv, "pip", "install", "--python", python, "--quiet", "--reinstall"]
    if uv is None:
        command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--force-reinstall"]
    subprocess.run([*command, "--no-deps", str(wheel)], check=True)


def run(program: Path, *arguments: str, folder: Path, status: int = 0) -> str:
    """Run a command of the environment, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PSO_", "MEWS_"))}
    environment["DAGSTER_HOME"] = str(folder / "dagster")
    (folder / "dagster").mkdir(exist_ok=True)
    began = time.monotonic()
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != status:
        sys.exit(f"{program.name} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    print(f"{program.name} {' '.join(arguments)}: {time.monotonic() - began:.0f} s")
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
