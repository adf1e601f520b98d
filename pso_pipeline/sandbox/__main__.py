"""`python -m pso_pipeline.sandbox` serves the sandbox as a process of its own."""

from pso_pipeline.sandbox.command import sandbox

if __name__ == "__main__":
    sandbox(prog_name="python -m pso_pipeline.sandbox")
