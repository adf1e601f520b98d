"""Build the site of the documentation from the pages of the repository: `python scripts/site.py`.

The pages keep their folders, so a link works on the site, in an editor and on the page of the repository. A link that
leads nowhere fails the build.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build/pages"
SITE = ROOT / "build/site"
MODELS = "pso_pipeline/bi/semantic/models"
"""Files that pages link to."""

FOLDERS = ("docs", "examples", "deploy", "dashboards/superset", "data")


def main() -> None:
    """Copy the pages and their pictures, and build the site."""
    for folder in (PAGES, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    for page in sources():
        target = PAGES / page.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".md":
            target.write_text(indent_items(page.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copy(page, target)
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        sys.exit(said.partition("Traceback")[0] + "The site was not built.")
    print(f"{SITE.relative_to(ROOT)}/index.html: {len(list(SITE.rglob('*.html')))} pages")
    print(f"to read it: {sys.executable} -m http.server --directory {SITE.relative_to(ROOT)} 8000")


def indent_items(text: str) -> str:
    """Indent what belongs to a numbered item by one more space.

    Python-Markdown, which Zensical uses, takes four; with three, each item of a list with code would be number 1.
    """
    lines, in_item = [], False
    for line in text.splitlines(keepends=True):
        is_inner = line.startswith("   ")
        in_item = bool(re.match(r"\d+\. ", line)) or (in_item and (is_inner or not line.strip()))
        lines.append(f" {line}" if in_item and is_inner else line)
    return "".join(lines)


def sources() -> list[Path]:
    """List the pages of the site, their pictures, and the semantic models that one of them links to."""
    pages = list(ROOT.glob("*.md"))
    for folder in FOLDERS:
        pages += [each for each in (ROOT / folder).rglob("*") if is_source(each.relative_to(ROOT / folder))]
    pages += (ROOT / MODELS).rglob("*.y*ml")
    return sorted(pages)


def is_source(path: Path) -> bool:
    """Whether a file of a folder is a page or a picture, and not what a tool or the pipeline left there."""
    return path.suffix in {".md", ".png", ".svg"} and not {"sandbox", "target", "dbt_packages"} & set(path.parts)


if __name__ == "__main__":
    main()
