"""micro/turns.py on the real MicroPython, with gateways of a few lines: who has the turn, and for how long.

Server and clients are one process, and what the clients send is there before the server begins: time plays no part.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import real
from appliance import FIRMWARE, free_port

COMMON = """
import asyncio, gc, socket, sys
from headgate.micro import turns

ADDRESS = socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1]

class Gateway:
    class plan: connections, idle_ms, cache_value, streams = 16, 60000, 12000, {}
    class counters: opened = refused = 0
    def now_ms(self): return 0

def client(data):
    made = socket.socket()
    made.connect(ADDRESS)
    made.write(data)
    return made

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(ADDRESS)
listener.listen(16)
"""


def run(tmp_path: Path, script: str) -> list[str]:
    """The words that `script` prints, behind COMMON."""
    path = tmp_path / "script.py"
    path.write_text(COMMON + script)
    command = [*real.micropython(real.NATIVE), "-X", "heapsize=1M", str(path), str(free_port())]
    environment = {"MICROPYPATH": f"{FIRMWARE}:.frozen", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.split()


BODIES = """
SIZE = 12000

class Bodies(Gateway):
    begun = most = 0
    def accept(self, reader, writer):
        self.begun += 1
        self.most = max(self.most, self.begun)
        left = SIZE
        while left:
            left -= len((yield from reader.read(min(512, left))))
        self.begun -= 1
        yield from writer.wait_closed()

async def main():
    gateway = Bodies()
    clients = [client(bytes(SIZE)) for _ in range(8)]
    task = asyncio.create_task(turns.Turns(gateway).listen(listener, None))
    for one in clients:
        while one.setblocking(False) or one.read(1) is None:
            await asyncio.sleep_ms(1)
    print(gateway.most)

asyncio.run(main())
"""


LARGE = """
class Endless(Gateway):
    large = 0
    def accept(self, reader, writer):
        size = 0
        while (data := (yield from reader.read(512))) and data[0]:  # those of the other begin with another byte
            size += len(data)
            self.large = max(self.large, size)
        print("other" if data else "end", self.large < 100000)
        yield from writer.wait_closed()

async def main():
    gateway = Endless()
    one = socket.socket()
    one.connect(ADDRESS)
    one.setblocking(False)
    while one.write(b"\\xff" * 4096):
        pass
    other = client(b"\\0")
    task = asyncio.create_task(turns.Turns(gateway).listen(listener, None))
    while other.setblocking(False) or other.read(1) is None:
        await asyncio.sleep_ms(1)

asyncio.run(main())
"""


def test_a_body_without_end_does_not_keep_the_turn(tmp_path: Path) -> None:
    """At full speed: all that the kernel holds of it is there before the other client's first byte is looked at."""
    assert run(tmp_path, LARGE)[:2] == ["other", "True"]


def test_bodies_at_full_speed_are_not_in_memory_together(tmp_path: Path) -> None:
    """Eight bodies of more than any turn's number of short reads: one after the other."""
    assert run(tmp_path, BODIES) == ["1"]


REQUESTS = """
class Requests(Gateway):
    answers = []
    def accept(self, reader, writer):
        while data := (yield from reader.read(512)):
            writer.write(data[:1])
            self.answers.append(chr(data[0]))
        yield from writer.wait_closed()

async def main():
    gateway = Requests()
    clients = [client(letter * 20480) for letter in (b"a", b"b")]
    task = asyncio.create_task(turns.Turns(gateway).listen(listener, None))
    while len(gateway.answers) < 80:
        await asyncio.sleep_ms(1)
    print("".join(gateway.answers).index("b"))

asyncio.run(main())
"""


def test_requests_without_end_leave_the_others_their_turn(tmp_path: Path) -> None:
    """They are in the midst of one after every read, so the connection is never parked."""
    assert 0 < int(run(tmp_path, REQUESTS)[0]) < 20


NO_MEMORY = """
kept = None

def take_all(s=None):
    global kept
    asyncio.StreamReader = Stream
    while True:
        kept = (kept,)

def free():
    global kept
    kept = None
    gc.collect()

async def answer(one):
    one.setblocking(False)
    for _ in range(1000):  # in the server's own process: no measure of time
        try:
            data = one.read(10)
        except OSError:  # closed with the request unread
            return "closed"
        if data is not None:
            return data.decode() or "closed"
        await asyncio.sleep_ms(1)
    return "silence"

class Served(Gateway):
    def accept(self, reader, writer):
        yield from reader.read(10)
        writer.write(b"served")
        yield from writer.wait_closed()

async def main():
    served = turns.Turns(Served())
    task = asyncio.create_task(served.listen(listener, None))
    one = client(b"x")
    for _ in range(1000):
        if kept is None:
            await asyncio.sleep_ms(1)
    free()
    print(await answer(one))

    one = client(b"")
    while not served.idle:
        await asyncio.sleep_ms(1)
    try:
        take_all()
    except MemoryError:
        one.write(b"x")
    for _ in range(1000):
        if served.count:
            await asyncio.sleep_ms(1)
    free()
    print(await answer(one))

    print(await answer(client(b"x")))

Stream = asyncio.StreamReader
asyncio.StreamReader = take_all
asyncio.run(main())
"""


def test_no_memory_to_accept_or_to_serve_ends_one_connection(tmp_path: Path) -> None:
    """What handles that needs none: it is had again only after the handlers."""
    assert run(tmp_path, NO_MEMORY) == ["closed", "closed", "served"]


HALF_WAY = """
queue = asyncio.core._io_queue

class Poller:
    register_left = 1000
    def __init__(self, poller):
        self.unregister, self.modify, self.ipoll = poller.unregister, poller.modify, poller.ipoll
        self.real = poller.register
    def register(self, s, events):
        if s is not listener:
            self.register_left -= 1
            if self.register_left == 0:
                raise MemoryError
        self.real(s, events)

class Served(Gateway):
    def accept(self, reader, writer):
        try:
            yield from reader.read(10)
            yield from reader.read(10)
        except MemoryError:  # as tasks/connection.py
            yield from reader.read(10)
        writer.stream.out_buf = b"served"
        yield from writer.drain()
        yield from writer.wait_closed()

async def main():
    turns.TURN_STEPS = 0
    queue.poller = Poller(queue.poller)
    asyncio.create_task(turns.Turns(Served()).listen(listener, None))
    for queue.poller.register_left, before_the_rest in ((1, 0), (2, 0), (3, 1)):
        one = client(b"x")
        while queue.poller.register_left > before_the_rest:
            await asyncio.sleep_ms(1)
        try:
            one.write(b"y")
            one.setblocking(False)
            while (data := one.read(10)) is None:
                await asyncio.sleep_ms(1)
        except OSError:
            data = b""
        one.close()
        print(data.decode() or "closed", len(queue.map))

asyncio.run(main())
"""


def test_no_memory_to_wait_leaves_nothing_waiting(tmp_path: Path) -> None:
    """For a request, for more of it, and for the client to take the answer; what goes on waiting is the listener."""
    assert run(tmp_path, HALF_WAY) == ["closed", "1", "served", "1", "closed", "1"]


REFUSED = """
import os, struct

turns.TURN_STEPS = 1 << 30  # until the client has had enough
Gateway.plan.connections = 0

async def main():
    refusing = turns.Turns(Gateway())
    task = asyncio.create_task(refusing.listen(listener, None))
    one = client(b"POST ")
    one.setblocking(False)
    data = None
    while data is None:
        await asyncio.sleep_ms(1)
        data = one.read(12)
    one.write(b"/ HTTP/1.1\\r\\n")
    await asyncio.sleep_ms(1)
    one.write(b"\\r\\n")
    one.close()
    print(data[9:].decode())
    while refusing._refusing:
        await asyncio.sleep_ms(1)

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(8):
        one = client(b"")
        one.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: closed with a reset
        one.close()
    while Gateway.counters.refused < 9:
        await asyncio.sleep_ms(1)
    for _ in range(1000):
        if len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep_ms(1)
    print(len(os.listdir("/proc/self/fd")) - before)

asyncio.run(main())
"""


def test_a_refused_client_has_its_answer_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """It may be in the midst of sending, or gone."""
    assert run(tmp_path, REFUSED) == ["503", "0"]


REFUSED_WITHOUT_MEMORY = """
import os

Gateway.plan.connections = 0
kept = None

class Exhausting:
    count = 0

    @property
    def refused(self):
        return self.count

    @refused.setter
    def refused(self, count):
        global kept
        self.count = count
        try:
            while True:
                kept = (kept,)
        except MemoryError:
            pass

async def main():
    global kept
    counters = Gateway.counters = Exhausting()
    task = asyncio.create_task(turns.Turns(Gateway()).listen(listener, None))
    before = len(os.listdir("/proc/self/fd"))
    one = client(b"GET")
    while not counters.count:
        await asyncio.sleep_ms(1)
    kept = None
    gc.collect()
    one.close()
    for _ in range(1000):
        if len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep_ms(1)
    print(len(os.listdir("/proc/self/fd")) - before)

asyncio.run(main())
"""


def test_no_memory_to_refuse_leaves_no_socket_behind(tmp_path: Path) -> None:
    assert run(tmp_path, REFUSED_WITHOUT_MEMORY) == ["0"]
