"""A request that outlives its token, or what its certificate may do."""

import asyncio
import unittest

from gateway_scene import NOW_S, KnowingGateway, bearer, document, play

from headgate.tasks.plan import build
from headgate.tasks.sink import Receipt

HEAD = (
    b"POST /v1/streams/s HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class Updates:
    def __init__(self):
        self.taken = b""
        self.began = asyncio.Event()

    async def install(self, body, length, downgrade):
        while len(self.taken) < length:
            self.taken += await body()
            self.began.set()
        return {}


class TokenEndTest(unittest.TestCase):
    def test_a_batch_ends_with_its_token(self):
        head = (
            b"POST /v1/streams/s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

        def expires(scene):
            scene.clock = (NOW_S + 3600, "trusted")

        def is_not_known(scene):
            plan = document()
            plan["issuers"][0]["name"] = "you"
            scene.gateway.plan = build(plan, None, True)

        async def until_the(end, scene):
            peer = await scene.connect()
            await peer.send(head % bearer() + b"2\r\n1\n\r\n")
            await scene.sink.some(1)
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            await peer.until(b"\r\n\r\n")
            self.assertIn(b'"status":202', await peer.until(b"\n\r\n"))
            end(scene)
            await peer.send(b"2\r\n2\n\r\n")
            last = await peer.until(b"0\r\n\r\n")
            self.assertIn(b'"index":1', last)
            self.assertIn(b'"code":"invalid_token"', last)
            self.assertEqual(len(scene.sink.records), 1)

        play(lambda scene: until_the(expires, scene))
        play(lambda scene: until_the(is_not_known, scene))

    def test_a_batch_ends_with_what_its_certificate_may_do(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(HEAD + b"2\r\n1\n\r\n")
            await scene.sink.some(1)
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            await peer.until(b"\n\r\n")
            plan = document()
            plan["certificate_scopes"] = ["read:s"]
            scene.gateway.plan = build(plan, None, True)
            await peer.send(b"2\r\n2\n\r\n")
            self.assertIn(b'"code":"insufficient_scope"', await peer.until(b"0\r\n\r\n"))
            self.assertEqual(len(scene.sink.records), 1)

        plan = document()
        plan["certificate_scopes"] = ["publish:*"]
        play(story, plan=plan, kind=KnowingGateway)

    def test_an_update_ends_with_its_token(self):
        head = (
            b"PUT /v1/update HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/zstd\r\nContent-Length: 4\r\n\r\n"
        )

        async def story(scene):
            scene.gateway.updates = updates = Updates()
            peer = await scene.connect()
            await peer.send(head % bearer("update:install") + b"ab")
            await updates.began.wait()
            scene.clock = (NOW_S + 3600, "trusted")
            await peer.send(b"cd")
            status, _, body = await peer.answer()
            self.assertEqual((status, b"invalid_token" in body, updates.taken), (401, True, b"ab"))

        play(story)
