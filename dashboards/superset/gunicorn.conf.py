"""How the web server runs: one process for one person, on the socket that `start.py` bound."""

import os
import sys

bind = f"fd://{os.environ['PSO_SUPERSET_SOCKET']}"
wsgi_app = "superset.app:create_app()"
# one process, so that one DuckDB serves every query
workers = 1
worker_class = "gthread"
threads = 8
timeout = 120
loglevel = "warning"


def post_worker_init(worker):
    """Say at the terminal that Superset is ready."""
    sys.stdout.write(os.environ["PSO_SUPERSET_GREETING"])
    sys.stdout.flush()
