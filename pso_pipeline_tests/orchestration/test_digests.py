"""The digest by the webhook: when it is requested, what is posted, and what the run says where it cannot be."""

from dagster import build_schedule_context

from pso_pipeline.bi.digest import read_digest
from pso_pipeline.definitions import defs
from pso_pipeline.orchestration.schedules import build_schedules
from pso_pipeline.orchestration.timetable import read_times
from pso_pipeline.settings import LocalSettings
from pso_pipeline_tests.orchestration.test_jobs import failure_of, refresh

JOB = defs.get_job_def("send_digest")


def test_it_says_what_the_command_says(instance, sandbox, webhook):
    refresh(instance)
    assert JOB.execute_in_process(instance=instance).success
    (posted,) = webhook.messages
    said = read_digest(LocalSettings.load().pso_bi_dir)
    assert posted["event"] == "digest"
    assert posted["text"].startswith(said.headline)
    assert said.as_of in posted["text"]


def test_it_fails_in_one_line_without_a_snapshot_a_webhook_or_an_answer(instance, sandbox, webhook, monkeypatch):
    result = JOB.execute_in_process(instance=instance, raise_on_error=False)
    assert "no snapshot has been published" in failure_of(result, "post_digest")
    refresh(instance)
    webhook.answers = [500, 500]
    result = JOB.execute_in_process(instance=instance, raise_on_error=False)
    assert "PSO_ALERT_WEBHOOK answered with status 500" in failure_of(result, "post_digest")
    assert webhook.address not in failure_of(result, "post_digest")
    monkeypatch.delenv("PSO_ALERT_WEBHOOK")
    result = JOB.execute_in_process(instance=instance, raise_on_error=False)
    assert "PSO_ALERT_WEBHOOK is not set" in failure_of(result, "post_digest")


def test_its_schedule_requests_one_run_and_none_without_a_webhook(daemon, sandbox, webhook, monkeypatch):
    monkeypatch.setenv("PSO_DIGEST_CRON", "0 7 * * 1")
    schedules = {schedule.name: schedule for schedule in build_schedules(read_times())}

    def tick():
        with build_schedule_context(daemon.instance) as context:
            return schedules["weekly_digest"].evaluate_tick(context)

    (request,) = tick().run_requests
    assert request.job_name == "send_digest"
    monkeypatch.delenv("PSO_ALERT_WEBHOOK")
    assert tick().skip_message.startswith("PSO_ALERT_WEBHOOK is not set")
