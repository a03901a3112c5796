"""The second level of the key-value cache: a Valkey or Redis server that a fleet shares. docs/cache-fleet.md says what
a fleet can rely on, docs/adr/0011-second-level.md why.

The store is the first level, and always answers. A key that is not there is asked for (`fetch`), for SHARED_WAIT_MS at
most, and what is found is put there. A change is made there first; then its key waits in a queue (`changed`) until the
task has told the server what the store has under it by then: SET, or DEL when it has nothing. So the queue holds no
values, several changes of a key become one, and none is told out of order.

The server tells of changes that others make (client-side caching in broadcast mode): the key is dropped from the store.
All goes over one connection, because the server's word on a change then comes after the older answer it makes wrong,
and because it does not tell us of our own changes (NOLOOP). While there is no connection nothing is told: the store
goes on answering, and once there is one again, all it has from before is dropped, after what waited was told.

    key       is                                          a change by somebody else
    waiting   changed here, not told yet                  is overwritten by ours: ignored
    telling   told, not answered yet                      may be the newer one: dropped with the answer
    reading   asked for, not answered yet                 the answer, if older, came before: dropped as any other
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from headgate import limits
from headgate.linux import dial, second_entry
from headgate.linux.breaker import CLOSED, NUMBERS, Breaker
from headgate.linux.missing_keys import MissingKeys
from headgate.linux.resp import Failure, Push, Reply
from headgate.linux.resp_link import LOST, Link, LinkError, Lost, Place
from headgate.tasks.cache import PREFIX

if TYPE_CHECKING:
    from headgate.linux.config_rules import Config

log = logging.getLogger("headgate.cache")

_GONE = -2  # PTTL's answer when there is no such key
_REASONS = 4  # different ones logged while it is away
_T = TypeVar("_T")


class Store(Protocol):
    """Of core/store.py."""

    def put(self, key: bytes, value: bytes, meta: bytes, ttl_ms: int, now_ms: int) -> int: ...
    def peek(self, key: bytes, now_ms: int) -> tuple[bytes, bytes, int, int] | None: ...
    def delete(self, key: bytes, now_ms: int) -> bool: ...
    def drop(self, prefix: bytes, version: int) -> int: ...
    def stats(self) -> dict[str, int]: ...


class _Telling:
    """Changes on their way. `overtaken`: keys that somebody else has changed meanwhile."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.overtaken: set[bytes] = set()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class SecondLevel:
    """`await run()` until cancelled; `fetch` and `changed` are the gateway's (tasks/cache.py). Keys are the store's."""

    def __init__(  # noqa: PLR0913 - what it works with, and its two settings
        self,
        place: Place,
        store: Store,
        *,
        value_max: int,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        wait_ms: int = limits.SHARED_WAIT_MS,
        missing_ms: int = limits.SHARED_MISSING_MS,
    ) -> None:
        self.gather: Callable[[], None] = lambda: None  # brings the changes that were made and not told to us yet
        self._place = place
        self._store = store
        self._value_max = value_max
        self._now_ms = now_ms
        self._wait_s = wait_ms / 1000
        self._breaker = Breaker(limits.SHARED_FAILURES, limits.SHARED_PAUSE_MS, limits.SHARED_PAUSE_MAX_MS, jitter)
        self._missing = MissingKeys(limits.SHARED_MISSING, missing_ms)
        self._link: Link | None = None
        self._wake = asyncio.Event()  # the task has something to do
        self._quiet = asyncio.Event()  # nothing waits to be told
        self._quiet.set()
        self._waiting: dict[bytes, None] = {}  # in the order of their changes
        self._telling: dict[bytes, _Telling] = {}
        self._reading: dict[bytes, asyncio.Future[None]] = {}
        self._suspect = False  # the server does not know what we have: all of it may be old
        self._reasons: set[str] = set()  # why it is away, as the log knows it
        self._refused_told = False
        names = ("hits", "misses", "known_missing", "skipped", "timeouts", "errors", "malformed", "invalidated")
        self._counts = dict.fromkeys((*names, "written", "refused", "dropped", "connections"), 0)

    # -- for the gateway

    async def fetch(self, keys: Iterable[bytes]) -> None:
        """Returns when the store has what there is of these keys, or nothing more can be waited for."""
        self.gather()  # what was deleted a moment ago must not be asked for
        waits = [reading for key in keys if (reading := self._ask_for(key)) is not None]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=self._wait_s)
        self._counts["timeouts"] += bool(late)
        link = self._link
        if link is None or link.lost.done() or self._breaker.state != CLOSED:
            return  # lost meanwhile: whether it can be used is the next connection's to find out
        if not late:
            self._breaker.success()
        elif self._breaker.failure():
            self._wake.set()

    def changed(self, key: bytes) -> None:
        self._missing.forget(key)
        if key not in self._waiting:
            if len(self._waiting) >= limits.SHARED_QUEUE:
                self._never_told(next(iter(self._waiting)))
            self._waiting[key] = None
        self._quiet.clear()
        self._wake.set()

    def _never_told(self, key: bytes) -> None:
        """There is no room for it. The server has what it had, which all the others go on with: so must we, at once or,
        when it is away, as everything goes that is here when it is back."""
        del self._waiting[key]
        self._counts["dropped"] += 1
        if self._link is not None:
            self._store.delete(key, self._now_ms())

    def stats(self) -> dict[str, int]:
        """For /metrics; docs/cache-fleet.md explains them."""
        return {
            "connected": int(self._link is not None),
            "told_of_changes": int(self._link is not None and self._link.tracking),
            "breaker": NUMBERS[self._breaker.state],
            "opened": self._breaker.opened,
            "queued": len(self._waiting),
            "in_flight": len(self._reading) + len(self._telling),
            "missing_keys": len(self._missing),
            **self._counts,
        }

    async def close(self) -> None:
        """At the end: what waits is told, if that does not take long. `run` goes on until it is cancelled."""
        try:
            if self._link is not None:
                async with asyncio.timeout(limits.SHARED_PATIENCE_MS / 1000):
                    await self._quiet.wait()
        except TimeoutError:
            pass
        left = len(self._waiting) + len(self._telling)
        if left:
            log.warning("%d changes of the cache were not told to the second level", left)

    # -- reading through

    def _ask_for(self, key: bytes) -> "asyncio.Future[None] | None":
        """What to wait for; None: nothing to ask, or nobody."""
        now_ms = self._now_ms()
        if self._store.peek(key, now_ms) is not None or key in self._waiting or key in self._telling:
            return None
        if self._missing.holds(key, now_ms):
            self._counts["known_missing"] += 1
            return None
        reading = self._reading.get(key)
        if reading is not None:
            return reading
        link = self._link
        if link is None or self._breaker.state != CLOSED or len(self._reading) >= limits.SHARED_IN_FLIGHT:
            self._counts["skipped"] += 1
            return None
        return self._read(link, key)

    def _read(self, link: Link, key: bytes) -> "asyncio.Future[None]":
        """One question for everybody who wants this key. The time to live comes first: were it second, another value
        could come between, whose change is told before the older value is stored."""
        reading = self._reading[key] = asyncio.get_running_loop().create_future()
        name = self._name(key)
        left: list[Reply | Lost] = []

        def found(reply: "Reply | Lost") -> None:
            if self._reading.get(key) is reading:
                del self._reading[key]
            self._keep(key, left[0], reply)
            reading.set_result(None)

        link.send(left.append, b"PTTL", name)
        # Not GET: what others put there may be of any size, and one byte too many tells that as well.
        link.send(found, b"GETRANGE", name, b"0", b"%d" % (second_entry.HEAD_MAX + self._value_max))
        return reading

    def _keep(self, key: bytes, left_ms: "Reply | Lost", reply: "Reply | Lost") -> None:
        """An answer has come, perhaps later than anybody waits for it."""
        if not isinstance(reply, bytes) or not isinstance(left_ms, int):
            self._counts["errors"] += reply is not LOST
            return
        self.gather()
        now_ms = self._now_ms()
        if self._store.peek(key, now_ms) is not None or key in self._waiting or key in self._telling:
            return  # changed here meanwhile
        if not reply or left_ms in (0, _GONE):
            self._counts["misses"] += 1
            if not reply:  # else it came between the two questions, and its change was told before this answer
                self._missing.add(key, now_ms)
            return
        entry = second_entry.unpack(reply, self._value_max)
        if entry is None:
            self._counts["malformed"] += 1
            self._missing.add(key, now_ms)
            return
        value, max_age, media_type = entry
        ttl_ms = second_entry.time_to_live(max_age, left_ms)
        age_ms = max(0, max_age * 1000 - ttl_ms) if max_age else 0
        self._store.put(key, value, b"%d %d %b" % (max_age, now_ms - age_ms, media_type), ttl_ms, now_ms)
        self._counts["hits"] += 1

    def _name(self, key: bytes) -> bytes:
        return self._place.prefix + key[len(PREFIX) :]

    # -- what the server tells

    def _on_push(self, push: Push) -> None:
        self.gather()
        match push:
            case [b"invalidate", None]:  # everything: FLUSHALL
                self._missing.clear()
                self._suspect = True
                self._wake.set()
            case [b"invalidate", list(names)]:
                for name in names:
                    if isinstance(name, bytes) and name.startswith(self._place.prefix):
                        self._changed_elsewhere(PREFIX + name[len(self._place.prefix) :])
            case _:
                pass

    def _changed_elsewhere(self, key: bytes) -> None:
        self._missing.forget(key)
        if key in self._waiting:
            return
        telling = self._telling.get(key)
        if telling is not None:
            telling.overtaken.add(key)
        elif self._store.delete(key, self._now_ms()):
            self._counts["invalidated"] += 1

    # -- the task

    async def run(self) -> None:
        """Keep a connection, as long as there is anybody to connect to, and tell what has changed."""
        while True:
            self._breaker.due()
            reason = ""
            try:
                await self._connection()
            except LinkError as error:
                reason = str(error)
            self._away(reason)
            await asyncio.sleep(self._breaker.pause_ms() / 1000)

    def _away(self, reason: str) -> None:
        self._breaker.lost()
        if reason not in self._reasons and len(self._reasons) < _REASONS:
            self._reasons.add(reason)
            log.warning("the second level of the cache is away: %s; answering without it", reason)

    async def _connection(self) -> None:
        """From one connection's beginning to its end. Raises LinkError."""
        link = await Link.open(self._place, self._on_push)
        link.lost.add_done_callback(lambda _: self._wake.set())
        try:
            await self._ping(link, self._wait_s)  # as fast as a request needs it
            self._link = link
            self._breaker.success()
            self._counts["connections"] += 1
            self._reasons.clear()
            log.info("the second level of the cache is there%s", self._of_tracking(link))
            self._suspect = True
            await self._serve(link)
        finally:
            self._link = None
            self._missing.clear()  # nobody tells any more when one of them comes
            link.close()

    @staticmethod
    def _of_tracking(link: Link) -> str:
        if link.tracking:
            return ""
        seconds = limits.SHARED_STALE_MS // 1000
        return f", but does not tell of changes ({link.untold}): what is here is dropped every {seconds} s"

    async def _serve(self, link: Link) -> None:
        """Raises LinkError when the connection is of no more use."""
        every_s = (limits.SHARED_PING_MS if link.tracking else limits.SHARED_STALE_MS) / 1000
        loop = asyncio.get_running_loop()
        due = loop.time() + every_s
        while True:
            self._wake.clear()
            if link.lost.done():
                raise LinkError(link.lost.result())
            if self._breaker.state != CLOSED:
                raise LinkError(f"{limits.SHARED_FAILURES} requests in a row waited in vain")
            if self._suspect:
                self._suspect = False
                await self._renew(link)
            elif self._waiting:
                await self._tell(link)
            else:
                self._quiet.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):  # wait_for of 3.11 can swallow a cancellation
                        await self._wake.wait()
            if loop.time() >= due:
                due = loop.time() + every_s
                self._suspect = self._suspect or not link.tracking
                await self._ping(link, limits.SHARED_PATIENCE_MS / 1000)
                self._breaker.of_use()

    async def _renew(self, link: Link) -> None:
        """Nothing that was known here before stays, but for what the server has not been told yet."""
        self.gather()
        version = self._store.stats()["writes"]
        left = len(self._waiting)  # later ones come behind these
        while left > 0 and self._waiting:
            left -= await self._tell(link)
        self._store.drop(PREFIX, version)
        self._missing.clear()

    async def _tell(self, link: Link) -> int:
        """Some of the changes -> how many, when the server has answered all of them. Raises LinkError."""
        keys: list[bytes] = []
        words: list[tuple[bytes, ...]] = []
        size = 0
        while self._waiting and len(keys) < limits.SHARED_BATCH and size < limits.SHARED_BATCH_BYTES:
            key = next(iter(self._waiting))
            del self._waiting[key]
            keys.append(key)
            words.append(self._command(key))
            size += sum(map(len, words[-1]))
        telling = _Telling(len(keys))
        for key in keys:
            self._telling[key] = telling
        for key, command in zip(keys, words, strict=True):
            link.send(self._told(link, telling, key), *command)
        await self._until_told(link, telling)
        if link.lost.done():
            raise LinkError(link.lost.result())
        return len(keys)

    async def _until_told(self, link: Link, telling: _Telling) -> None:
        """Raises LinkError when no answer has come for too long: all of them may take longer, on a slow line."""
        left = 0
        while telling.left and telling.left != left:
            left = telling.left
            await asyncio.wait((telling.done,), timeout=limits.SHARED_PATIENCE_MS / 1000)
        if telling.left:
            self._no_answer(link, limits.SHARED_PATIENCE_MS / 1000)

    def _command(self, key: bytes) -> tuple[bytes, ...]:
        """What the store has now. Nothing, also when it was evicted: then better none there than an old one."""
        found = self._store.peek(key, self._now_ms())
        name = self._name(key)
        if found is None:
            return b"DEL", name
        value, meta, _, ttl_ms = found
        max_age, _, media_type = meta.split(b" ", 2)
        entry = second_entry.pack(value, int(max_age), media_type)
        return (b"SET", name, entry, b"PX", b"%d" % ttl_ms) if ttl_ms else (b"SET", name, entry)

    def _told(self, link: Link, telling: _Telling, key: bytes) -> "Callable[[Reply | Lost], None]":
        def answer(reply: "Reply | Lost") -> None:
            if isinstance(reply, Lost):
                self._waiting.setdefault(key, None)
            elif isinstance(reply, Failure):
                self._refused(link, key, reply)
            else:
                self._counts["written"] += 1
                self._breaker.of_use()
            del self._telling[key]
            self.gather()
            if key in telling.overtaken and key not in self._waiting:
                self._store.delete(key, self._now_ms())
                self._counts["invalidated"] += 1
            telling.one()

        return answer

    def _refused(self, link: Link, key: bytes, reply: Failure) -> None:
        """Out of memory, read only, no permission: what others read there would be old, so it has to go."""
        self._counts["refused"] += 1
        if not self._refused_told:
            self._refused_told = True
            log.warning("the second level of the cache refuses a change: %s (told once)", reply.text)
        link.send(lambda _: None, b"DEL", self._name(key))

    async def _ping(self, link: Link, seconds: float) -> None:
        """Raises LinkError when it does not answer, or not as it should (it is loading, we may not)."""
        answer = await self._patiently(link, link.ask(b"PING"), seconds)
        if isinstance(answer, Failure):
            raise LinkError(answer.text)

    @staticmethod
    async def _patiently(link: Link, what: Awaitable[_T], seconds: float) -> _T:
        """What it gives. Raises LinkError after so long, or when the connection ends."""
        try:
            async with asyncio.timeout(seconds):
                return await what
        except TimeoutError:
            SecondLevel._no_answer(link, seconds)

    @staticmethod
    def _no_answer(link: Link, seconds: float) -> NoReturn:
        reason = f"no answer within {round(seconds * 1000)} ms"
        link.close(reason)
        raise LinkError(reason) from None


def place_of(config: "Config") -> Place:
    """Of a whole configuration; `redis.url` must be set."""
    redis = config.redis
    if redis.url is None:
        raise ValueError("no second level is configured")
    return Place(
        host=redis.url.host,
        port=redis.url.port,
        prefix=f"headgate:{redis.namespace}:".encode(),
        tls=redis.url.tls,
        username=redis.username,
        password_file=redis.password_file,
        ca_file=redis.ca_file,
        cert_file=redis.cert_file,
        key_file=redis.key_file,
        name=f"headgate-{config.appliance_id}",
    )


def open_second_level(config: "Config", store: Store, *, value_max: int, now_ms: Callable[[], int]) -> SecondLevel:
    """As configured. Connects when it is run."""
    return SecondLevel(
        place_of(config),
        store,
        value_max=value_max,
        now_ms=now_ms,
        jitter=dial.jitter,
        wait_ms=config.redis.wait_ms,
        missing_ms=config.redis.missing_ms,
    )
