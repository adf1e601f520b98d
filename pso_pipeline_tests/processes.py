"""Processes of their own for tests: forked from one that has imported the package, which takes seconds of CPU."""

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pso_pipeline_tests.reliability.refreshing", "pso_pipeline.cli.instance"])


def finish(process):
    """Wait for a process to end well."""
    process.join()
    assert process.exitcode == 0
