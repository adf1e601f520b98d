"""The code location that `workspace.yaml` loads; its content is in `orchestration.definitions`."""

from pso_pipeline.orchestration.definitions import defs

__all__ = ["defs"]
