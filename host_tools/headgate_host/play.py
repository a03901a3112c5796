"""Stations at work: each posts its messages in turn over its own keep-alive connection and judges every answer."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator

from headgate_host import stations as station_data
from headgate_host.http_client import Answer, Connection
from headgate_host.stations import Message
from headgate_host.tally import STATUS_ACCEPTED, Tally

STREAM = "weather"
QUEUE = 8  # messages waiting for one station's connection; then the pace slows down instead
GRACE_S = 10.0  # for answers that are still out when the run ends
RETRY_S = 0.2  # before a message is sent again when the appliance did not say when
RETRY_MAX_S = 5.0
RETRIED = (429, 503)  # answers that mean "not now": the same message goes again under the same Idempotency-Key

Mint = Callable[[str], str]  # station -> token that allows it to publish to STREAM


async def play(  # noqa: PLR0913 - the options of one run, by keyword
    base_url: str,
    mint: Mint,
    *,
    rate: float = 150,
    count: int = 0,
    seconds: float = 0,
    spoil: float = 0.03,
    stations: int = 20,
    seed: int = 1,
    tally: Tally | None = None,
    stop: asyncio.Event | None = None,
) -> Tally:
    """Post `count` messages (0: without end) at `rate` per second (0: as fast as answers come) until done or stopped.

    Each station has one keep-alive connection and sends its messages in order, each until it gets a final answer.
    Returns the tally, also when stopped; what was not answered within GRACE_S then is counted as unanswered.
    """
    tally = Tally() if tally is None else tally
    queues: dict[str, asyncio.Queue[Message | None]] = {
        name: asyncio.Queue(QUEUE) for name in station_data.names(stations)
    }
    source = station_data.messages(count or None, stations, spoil, seed)
    dispatcher = asyncio.create_task(_dispatch(source, queues, rate))
    ended = asyncio.create_task((stop or asyncio.Event()).wait())
    run = secrets.token_hex(4)  # else a second run against the same outbox would be taken for a replay of the first
    posting = [asyncio.create_task(_station(base_url, mint(name), run, queue, tally)) for name, queue in queues.items()]
    try:
        # A station that is done first has failed: the dispatcher is what ends them.
        await asyncio.wait([dispatcher, ended, *posting], timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED)
        if dispatcher.done():
            dispatcher.result()
        dispatcher.cancel()
        for queue in queues.values():
            _end(queue)
        done, late = await asyncio.wait(posting, timeout=GRACE_S)
        tally.unanswered += len(late)
        for task in done:
            task.result()  # a station's failure is ours
    finally:
        dispatcher.cancel()
        ended.cancel()
        for task in posting:
            task.cancel()
        await asyncio.gather(dispatcher, ended, *posting, return_exceptions=True)
    return tally


async def _dispatch(source: Iterator[Message], queues: dict[str, asyncio.Queue[Message | None]], rate: float) -> None:
    """Hand out each message when it is due; a station that lags behind slows the pace, nothing piles up."""
    clock = asyncio.get_running_loop().time
    due = clock()
    for message in source:
        if rate:
            due = max(due + 1 / rate, clock() - 1)  # after a stall at most one second is caught up with
            if due > clock():
                await asyncio.sleep(due - clock())
        await queues[message.client].put(message)
    for queue in queues.values():
        await queue.join()


def _end(queue: "asyncio.Queue[Message | None]") -> None:
    """Throw away what was not sent yet and let the station finish."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


async def _station(base_url: str, token: str, run: str, queue: "asyncio.Queue[Message | None]", tally: Tally) -> None:
    connection = Connection(base_url)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        while (message := await queue.get()) is not None:
            tally.sent += 1
            answer = await _post(connection, {**headers, "Idempotency-Key": f"{run}.{message.msg_id}"}, message, tally)
            _judge(message, answer, tally)
            queue.task_done()
    finally:
        connection.close()


async def _post(connection: Connection, headers: dict[str, str], message: Message, tally: Tally) -> Answer:
    """Send one message until it is answered for good, as a careful device does."""
    while True:
        started = time.perf_counter()
        try:
            answer = await connection.request("POST", f"/v1/streams/{STREAM}", headers, message.body)
        except OSError:
            tally.retries["connection"] += 1
            await asyncio.sleep(RETRY_S)
            continue
        tally.latencies.add(time.perf_counter() - started)
        if answer.status not in RETRIED:
            return answer
        tally.retries[str(answer.status)] += 1
        await asyncio.sleep(_retry_after(answer))


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get(b"retry-after", b"")
    return min(float(text), RETRY_MAX_S) if text.isdigit() and text != b"0" else RETRY_S


def _judge(message: Message, answer: Answer, tally: Tally) -> None:
    """Count the answer, and hold it against what the appliance owes for this message."""
    if message.spoiler:
        tally.spoiled[message.spoiler] += 1
    if answer.status == STATUS_ACCEPTED:
        tally.accepted += 1
        if answer.headers.get(b"idempotent-replayed", b"").lower() == b"true":
            tally.replayed += 1
    else:
        tally.rejected[answer.status] += 1
    what = f"{message.msg_id} ({message.spoiler or 'honest'})"
    if answer.status != message.expected_status:
        tally.note_wrong(f"{what}: {answer.status}, not {message.expected_status}: {answer.body[:200]!r}")
    elif message.expected_pointer is not None and message.expected_pointer not in _pointers(answer.body):
        tally.note_wrong(f"{what}: {answer.body[:300]!r} does not point to {message.expected_pointer!r}")


def _pointers(body: bytes) -> list[str]:
    try:
        return [error["instance"] for error in json.loads(body)["errors"]]
    except (ValueError, LookupError, TypeError):
        return []
