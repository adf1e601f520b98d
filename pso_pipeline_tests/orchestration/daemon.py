"""What Dagster's daemon does, one step at a time: evaluates a sensor with its cursor, and runs what it asked for."""

from dagster import build_schedule_context, build_sensor_context

from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.steps import enterprise_ids_of, list_enterprises, list_services, sync


class SmallDaemon:
    """Keeps the cursors of the sensors on one instance."""

    def __init__(self, instance):
        self.instance = instance
        self.cursors = {}

    def tick(self, name):
        """Evaluate a sensor and keep its cursor; what it requested is in the outcome."""
        sensor = defs.resolve_sensor_def(name)
        with build_sensor_context(
            self.instance, self.cursors.get(name), sensor_name=name, resources={"pipeline": PIPELINE}
        ) as context:
            outcome = sensor.evaluate_tick(context)
        if outcome.cursor is not None:
            self.cursors[name] = outcome.cursor
        for event in outcome.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in outcome.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(ENTERPRISE_PARTITIONS.name, request.partition_keys)
        return outcome

    def run(self, outcome):
        """Run what a tick requested, and return whether it all succeeded."""
        return all(
            defs.get_job_def(request.job_name)
            .execute_in_process(
                instance=self.instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
            )
            .success
            for request in outcome.run_requests
        )

    def read(self, keys=None):
        """Do what a refresh of these hotels does, up to the landing, without the seconds that a run takes."""
        list_enterprises(PIPELINE, self.instance)
        list_services(PIPELINE)
        report, _ = sync(PIPELINE, keys and enterprise_ids_of(PIPELINE, keys))
        return report

    def clock(self, name):
        """Evaluate a schedule."""
        schedule = defs.resolve_schedule_def(name)
        with build_schedule_context(self.instance) as context:
            return schedule.evaluate_tick(context)


def keys_of(outcome):
    """The partition keys of the one refresh that a tick requested, None for all of them."""
    (request,) = outcome.run_requests
    config = request.run_config.get("ops", {}).get("sync_orders", {}).get("config", {})
    return config.get("enterprises")
