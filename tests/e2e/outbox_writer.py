"""A process that stores messages and prints every acknowledgement; made to be killed.

Usage: outbox_writer.py STATE [PORT]. Prints "ack ID BODY" after each receipt; with PORT it forwards to a broker there.
"""

import asyncio
import sys
from pathlib import Path

from headgate.core.problem import Problem
from headgate.linux.mqtt import Broker
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.linux.uplink import Uplink, UplinkConfig
from headgate.tasks.sink import Record

CLIENTS = 20


async def client(outbox: Outbox, name: str) -> None:
    number = 0
    while True:
        number += 1
        body = f'{{"client":"{name}","n":{number}}}'.encode()
        try:
            receipt = await outbox.submit(Record("weather", name, body, "application/json", None), True).wait()
        except Problem:
            continue
        print(f"ack {outbox.appliance}/{receipt.seq} {body.decode()}", flush=True)


async def main() -> None:
    outbox = await Outbox.open(Path(sys.argv[1]), OutboxConfig(), appliance="mill-7")
    tasks = [asyncio.create_task(client(outbox, f"c{n}")) for n in range(CLIENTS)]
    if len(sys.argv) > 2:
        broker = Broker(host="127.0.0.1", port=int(sys.argv[2]))
        config = UplinkConfig(broker=broker, client_id="mill-7", backoff_ms=50, backoff_max_ms=200)
        tasks.append(asyncio.create_task(Uplink(outbox, config).run()))
    await asyncio.gather(*tasks)


asyncio.run(main())
