"""The configuration of Celery workers; dagster-celery imports it by this name from PYTHONPATH."""

import os

broker_url = os.environ["CELERY_BROKER_URL"]
result_backend = broker_url

# the launcher asks whether a run's task has started
task_track_started = True

# a run waits for a free worker in the queue, and not in the memory of a busy one
worker_disable_prefetch = True

# what a run prints belongs to the logs of the run, not to the worker's
worker_redirect_stdouts = False
