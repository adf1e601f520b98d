"""`pso sandbox` serves the sandbox API only; its options are in `sandbox/command.py`."""

from pso_pipeline.sandbox.command import sandbox as command

__all__ = ["command"]
