"""`pso sandbox`: the embedded API alone; its options stand with the sandbox itself."""

from pso_pipeline.sandbox.command import sandbox as command

__all__ = ["command"]
