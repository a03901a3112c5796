"""A scenario inside a Locust cluster, for fleets of generators that are there already.

    # locustfile.py
    from headgate_host.load.locust import scenario
    User, Shape = scenario("day.toml")

Same phases, mix, messages and judgement. What Locust is stays: its users send one request after the other, each at
`per_user` requests a second, so it times from the send and a stall delays what would have been due. Hence budgets of
latency from the due instant cannot be judged here (`service.p99` and `errors` can). Operations of MQTT, HTTP/2 and
gRPC are left out.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, constant_throughput, events

from headgate_host.load import exits
from headgate_host.load import scenario as scenarios
from headgate_host.load.budgets import ERRORS, judge
from headgate_host.load.devices import Tokens, mint_all
from headgate_host.load.distribution import MS, Distribution, index_of
from headgate_host.load.operation import HTTP, Request
from headgate_host.load.result import KEPT, OK, Audit, Measured, Result, Run, combined
from headgate_host.load.scenario import Scenario
from headgate_host.load.scenario_run import tokens_of

log = logging.getLogger("headgate.load")
PER_USER = 1.0  # requests per second and user


def scenario(path: str | Path, *, per_user: float = PER_USER) -> tuple[type[FastHttpUser], type[LoadTestShape]]:
    """The two classes a locustfile needs. Raises CommandError for a scenario that is not valid."""
    found = _only_http(scenarios.load(Path(path)))
    source = _Source(found)
    schedule = found.schedule

    class ScenarioUser(FastHttpUser):
        """Sends the next request of the scenario, of whatever device it is."""

        host = found.target or None
        wait_time = constant_throughput(per_user)
        connection_timeout = network_timeout = found.timeout_s

        def on_start(self) -> None:
            source.open(_worker(self.environment))

        def step(self) -> None:
            _send(self.client, next(source.requests), source.tokens)

        tasks = [step]  # noqa: RUF012 - Locust wants a list

    class ScenarioShape(LoadTestShape):
        """As many users as the rate of the moment needs."""

        def __init__(self) -> None:
            super().__init__()
            self._warm = schedule.measured_from > 0

        def tick(self) -> tuple[int, float] | None:
            now = self.get_run_time()
            if now >= schedule.seconds:
                return None
            if self._warm and now >= schedule.measured_from and self.runner is not None:
                self._warm = False
                self.runner.stats.reset_all()
            users = math.ceil(schedule.rate_at(now) / per_user)
            return users, max(users, 1)

    events.quitting.add_listener(lambda environment, **_: _conclude(environment, found))
    return ScenarioUser, ScenarioShape


def _only_http(found: Scenario) -> Scenario:
    lines = tuple(line for line in found.lines if line.protocol == HTTP)
    if len(lines) < len(found.lines):
        log.warning("operations of MQTT, HTTP/2 and gRPC are left out: use `headgate load run` for them")
    if not lines:
        raise exits.LoadError(exits.SCENARIO_INVALID, "no operation is HTTP/1.1", "Use `headgate load run`")
    return replace(found, lines=lines)


def _worker(environment: Any) -> int:
    """The number of this process in the cluster; 0 where it is alone."""
    return max(0, int(getattr(environment.runner, "worker_index", 0)))


class _Source:
    """The requests of this process. Workers have seeds of their own, so that they do not all send the same."""

    def __init__(self, found: Scenario) -> None:
        self._found = found
        self._opened = False
        self.requests: Iterator[Request] = iter(())
        self.tokens: Tokens | None = None

    def open(self, worker: int) -> None:
        if not self._opened:
            self._opened = True
            self.tokens = tokens_of(self._found)
            if self.tokens is not None:
                mint_all(self.tokens, self._found.devices.count)
            self.requests = replace(self._found, seed=self._found.seed + worker).requests()


def _send(client: Any, request: Request, tokens: Tokens | None) -> None:
    operation = request.operation
    headers = dict(operation.headers)
    if operation.authorize and tokens is not None:
        headers["Authorization"] = f"Bearer {tokens(request.device)}"
    with client.request(
        operation.method, request.target, name=operation.name, data=request.body or None, headers=headers,
        catch_response=True, allow_redirects=False,
    ) as answer:  # fmt: skip
        wrong = request.expect.wrong(answer.status_code, answer.content or b"")
        if not answer.status_code:
            answer.failure(answer.error or "no answer")
        elif wrong:
            answer.failure(wrong)
        else:
            answer.success()


def _conclude(environment: Any, found: Scenario) -> None:
    """Budgets decide the exit code, where Locust's own figures can answer them; workers only send."""
    if type(environment.runner).__name__ == "WorkerRunner":
        return
    result = result_of(environment.stats, found)
    result.budgets = [judge(budget, result) for budget in found.budgets]
    for one in result.budgets:
        measured = "not measured" if one.measured is None else f"{one.measured:.4g} {one.unit}".rstrip()
        (log.info if one.outcome == KEPT else log.error)("budget %s: %s (%s)", one.outcome, one.text, measured)
    errors_have_budget = any(budget.figure == ERRORS for budget in found.budgets)
    environment.process_exit_code = exits.code_of(result, errors_have_budget=errors_have_budget)


def result_of(stats: Any, found: Scenario) -> Result:
    """What Locust has counted. It times from the send: there is no latency from the due instant."""
    operations = {name: _measured(entry) for (name, _), entry in stats.entries.items()}
    run = Run.begin(["locust"])
    run.seconds = max(0.0, (stats.total.last_request_timestamp or 0) - (stats.total.start_time or 0))
    return Result(
        run,
        {"url": found.target},
        dict(found.document),
        audit=Audit(),
        total=combined(operations.values()),
        operations=operations,
    )


def _measured(entry: Any) -> Measured:
    """Locust rounds what it has timed to milliseconds and more; what it could not send it does not count."""
    counts: Counter[int] = Counter()
    for ms, count in entry.response_times.items():
        counts[index_of(int(ms) * MS)] += count
    times = [int(ms) * MS for ms in entry.response_times] or [0]
    service = Distribution(counts, min(times), max(times), int(entry.total_response_time * MS))
    right = entry.num_requests - entry.num_failures
    outcomes = {OK: right} | ({"failed": entry.num_failures} if entry.num_failures else {})
    return Measured(entry.num_requests, entry.num_requests, outcomes, service=service)
