"""Child processes for tests, forked from one that has imported the package, since the import takes seconds."""

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pso_pipeline_tests.reliability.refreshing", "pso_pipeline.cli.instance"])


def finish(process):
    """Wait for a process, which must succeed."""
    process.join()
    assert process.exitcode == 0
