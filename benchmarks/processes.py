"""Running a command and reading from the kernel what it cost.

CPU is user and system time of the process and of its ended children. On a machine with other work it says more than
the clock on the wall.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


class CommandFailed(RuntimeError):
    """A measured command ended with an error; the message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds of CPU and on the wall, resident memory at its peak in MB.

    `requests` and `received_bytes` are of the API, `orders` what it read, 0 where that is not known; `step_cpu` and
    `step_wall` are those of a part that the command measured itself, without its start.
    """

    cpu: float
    wall: float
    memory: float
    orders: int = 0
    requests: int = 0
    received_bytes: int = 0
    step_cpu: float = 0.0
    step_wall: float = 0.0

    @property
    def cpu_per_order(self) -> float:
        """Microseconds of CPU for each order."""
        return self.cpu / self.orders * 1e6 if self.orders else 0.0


def run(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], folder: Path, timeout_seconds: float = 1800
) -> Cost:
    """Run commands, each reading what the one before prints, and add their costs up.

    The last line that the last command prints may be a JSON object with `orders`, `requests`, `received_bytes`,
    `step_cpu` or `step_wall`.

    Raises:
        CommandFailed: One of them failed, or all together took longer than `timeout_seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as output, (folder / "stderr.txt").open("a+b") as errors:
        began = time.monotonic()
        started: list[subprocess.Popen[bytes]] = []
        for number, command in enumerate(commands):
            is_last = number == len(commands) - 1
            started.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, **environment},
                    cwd=folder,
                    stdin=started[-1].stdout if started else subprocess.DEVNULL,
                    stdout=output if is_last else subprocess.PIPE,
                    stderr=errors,
                )
            )
        for process in started[:-1]:
            assert process.stdout is not None
            process.stdout.close()
        cost = Cost(0.0, 0.0, 0.0)
        for process in started:
            cost = _add(cost, _waited_for(process, began + timeout_seconds, folder))
        cost = replace(cost, wall=time.monotonic() - began)
        output.seek(0)
        return _with_measured(cost, output.read().decode(errors="replace"))


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and of its children, ended or not, since it began.

    The children of a server of PostgreSQL are one for each connection, and have none of their own.
    """
    cpu, children = _times(pid), Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    running = sum(sum(_times(int(child))[:2]) for child in children if Path(f"/proc/{child}").exists())
    return (sum(cpu) + running) / os.sysconf("SC_CLK_TCK")


def _times(pid: int) -> list[int]:
    """Return user and system time of a process, and of its ended children, in ticks."""
    content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return [int(each) for each in content.rpartition(")")[2].split()[11:15]]


def median(costs: Sequence[Cost]) -> Cost:
    """The medians of repeated measurements; the highest peak of memory."""
    return replace(
        costs[0],
        cpu=statistics.median(cost.cpu for cost in costs),
        wall=statistics.median(cost.wall for cost in costs),
        memory=max(cost.memory for cost in costs),
        step_cpu=statistics.median(cost.step_cpu for cost in costs),
        step_wall=statistics.median(cost.step_wall for cost in costs),
    )


def _waited_for(process: "subprocess.Popen[bytes]", deadline: float, folder: Path) -> Cost:
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "stderr.txt").read_text(errors="replace")[-2000:]
        raise CommandFailed(f"{process.args!r} ended with status {process.returncode}: {said}")
    return Cost(usage.ru_utime + usage.ru_stime, 0.0, usage.ru_maxrss / 1000)


def _add(one: Cost, other: Cost) -> Cost:
    return replace(one, cpu=one.cpu + other.cpu, memory=one.memory + other.memory)


def _with_measured(cost: Cost, printed: str) -> Cost:
    lines = printed.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return cost
    measured = json.loads(lines[-1])
    return replace(cost, **{name: measured[name] for name in Cost.__slots__ if name in measured})
