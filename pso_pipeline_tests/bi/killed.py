"""A program that publishes in a child process and kills it; it does so for each line of its standard input.

    MARTS BI_DIR step N     SIGKILL just before the N-th call that concerns a name anywhere in the folder
    MARTS BI_DIR name N     the same of the calls that concern the public names
    MARTS BI_DIR after S    SIGKILL after S seconds

It answers `killed`, or `finished` where the child was through before.
"""

import os
import signal
import sys
from pathlib import Path

import pandas as pd  # noqa: F401 DuckDB imports it at the first bound value, in every child again if it is not there

from pso_pipeline.bi.snapshot import publish


def kill_before(kind: str, bi_dir: Path, number: int) -> None:
    """Watch the calls that this process makes of the operating system, and end it before one of them."""
    calls = 0

    def concerns(argument: object) -> bool:
        path = Path(str(argument))
        return bi_dir == path.parent if kind == "name" else bi_dir in (path, *path.parents)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal calls
        if event.startswith(("open", "os.", "shutil.")) and any(map(concerns, arguments)):
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def publish_and_kill(marts: str, bi_dir: str, kind: str, value: str) -> str:
    # the signal of the child before may still be pending, and would be taken for this one's
    while signal.sigtimedwait({signal.SIGCHLD}, 0):
        pass
    child = os.fork()
    if child == 0:
        if kind != "after":
            kill_before(kind, Path(bi_dir), int(value))
        publish(Path(marts), Path(bi_dir))
        os._exit(0)
    if kind == "after" and signal.sigtimedwait({signal.SIGCHLD}, float(value)) is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return "finished" if status == 0 else f"failed with status {status}"


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        sys.stdout.write(publish_and_kill(*line.split()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
