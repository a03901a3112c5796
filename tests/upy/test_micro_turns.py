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
    class plan: connections, idle_ms = 16, 60000
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
    assert done.returncode == 0, done.stdout + done.stderr
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
