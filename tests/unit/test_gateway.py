"""tasks/gateway over real sockets in one process: what black-box tests cannot arrange (slow sinks, faults, drains)."""

import asyncio
import unittest

from gateway_scene import HEALTH, NOW_S, KnowingGateway, SecondLevel, bearer, cache, document, play, post

from headgate import limits
from headgate.core import json
from headgate.core.problem import Problem
from headgate.tasks.gateway import Gateway
from headgate.tasks.plan import build
from headgate.tasks.sink import MemorySink, Receipt, Record


class GatewayTest(unittest.TestCase):
    def test_a_cache_with_a_second_level(self):
        put = b"Content-Length: 1\r\n"
        found = []

        async def story(scene):
            scene.gateway.second = second = SecondLevel(scene.gateway)
            second.values = {b"kv/a": b"A", b"kv/b": b"B", b"kv/c": b"C", b"kv/d": b"D"}
            peer = await scene.connect()
            for request in (
                cache(b"GET", b"/a"),
                cache(b"GET", b"/none"),
                cache(b"GET", b"?key=b&key=none"),
                cache(b"PUT", b"/c", put + b"If-None-Match: *\r\n") + b"x",
                cache(b"PUT", b"/e", put) + b"x",
                cache(b"DELETE", b"/d"),
                cache(b"DELETE", b"/none"),
                b"GET /v1/streams/s/last/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n" % bearer(),
            ):
                del second.heard[:]
                await peer.send(request)
                status, _, body = await peer.answer()
                found.append((status, b" ".join(second.heard), body if status == 200 else b""))

        play(story)
        self.assertEqual(found[0], (200, b"? kv/a", b"A"))
        self.assertEqual(found[1], (404, b"? kv/none", b""))
        self.assertEqual(found[2][:2], (200, b"? kv/b ? kv/none"))
        self.assertTrue(b'"text":"B"' in found[2][2] and b'"missing":["none"]' in found[2][2])
        self.assertEqual(found[3], (412, b"? kv/c", b""))
        self.assertEqual(found[4], (201, b"! kv/e", b""))
        self.assertEqual(found[5], (204, b"? kv/d ! kv/d", b""))
        self.assertEqual(found[6], (404, b"? kv/none", b""))
        self.assertEqual(found[7], (404, b"", b""))

    def test_a_put_of_a_part(self):
        """RFC 9110 section 14.5: refused, before it is taken for all there is."""
        part = b"Content-Length: 1\r\nContent-Range: bytes 0-0/9\r\n"
        update = b"PUT /v1/update HTTP/1.1\r\nHost: h\r\nContent-Type: application/zstd\r\n"
        update += b"%sAuthorization: Bearer %s\r\n\r\n"
        found = []

        async def story(scene):
            scene.gateway.updates = object()  # nobody may ask it for anything
            peer = await scene.connect()
            for request in (
                cache(b"PUT", b"/k", part) + b"x",
                cache(b"GET", b"/k"),
                update % (part, bearer("update:install")) + b"x",
            ):
                await peer.send(request)
                status, _, body = await peer.answer()
                found.append((status, b"bad_content_range" in body))

        play(story)
        self.assertEqual(found, [(400, True), (404, False), (400, True)])

    def test_a_certificate_instead_of_a_token(self):
        last = b"GET /v1/streams/s/last/x HTTP/1.1\r\nHost: h\r\n%s\r\n"

        def statuses(kind, scopes, *fields):
            found = []

            async def story(scene):
                peer = await scene.connect()
                for field in fields:
                    await peer.send(last % field)
                    found.append((await peer.answer())[0])

            plan = document()
            plan["certificate_scopes"] = scopes
            play(story, plan=plan, kind=kind)
            return found

        token = b"Authorization: Bearer %s\r\n" % bearer()
        bad = b"Authorization: Bearer x\r\n"
        self.assertEqual(statuses(KnowingGateway, ["read:s"], b"", token, bad), [404, 404, 401])  # no last value yet
        self.assertEqual(statuses(KnowingGateway, ["read:t"], b"", token, bad), [403, 404, 401])
        self.assertEqual(statuses(KnowingGateway, [], b"", token, bad), [401, 404, 401])
        self.assertEqual(statuses(Gateway, ["read:s"], b"", token, bad), [401, 404, 401])

    def test_answer_waits_for_the_ticket(self):
        async def story(scene):
            peer = await scene.connect()
            trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            await peer.send(post(b'{"k":"x"}', extra=b"traceparent: %s\r\nIdempotency-Key: i\r\n" % trace))
            await scene.sink.some(1)
            self.assertIsNone(scene.gateway.store.get(b"last/s/x", scene.ms))
            record = scene.sink.records[0]
            self.assertEqual((record.stream, record.client, record.body), ("s", "dev", b'{"k":"x"}'))
            self.assertEqual((record.content_type, record.ts_ms), ("application/json", NOW_S * 1000))
            self.assertEqual((record.key, record.trace), ("i", trace.decode()))
            scene.ms += 7
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            status, _, body = await peer.answer()
            self.assertEqual((status, body), (202, b'{"seq":"9.1","durability":"fsync"}'))
            self.assertEqual(scene.gateway.store.get(b"last/s/x", scene.ms)[0], b'{"k":"x"}')
            self.assertEqual(scene.gateway.counters.accepted, 1)
            self.assertEqual(scene.gateway.counters.latency_ms, 7)

        play(story)

    def test_replay_is_said_and_not_cached(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(post(b'{"k":"x"}'))
            await scene.sink.some(1)
            scene.sink.tickets[0].resolve(Receipt("9.1", True, "fsync"))
            status, head, _ = await peer.answer()
            self.assertEqual(status, 202)
            self.assertIn(b"Idempotent-Replayed: true\r\n", head)
            self.assertIsNone(scene.gateway.store.get(b"last/s/x", scene.ms))
            self.assertEqual((scene.gateway.counters.accepted, scene.gateway.counters.replayed), (0, 1))

        play(story)

    def test_not_stored(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(post(b"1"))
            await scene.sink.some(1)
            scene.sink.tickets[0].fail(Problem(503, "not_stored", headers=[(b"Retry-After", b"5")]))
            status, head, _ = await peer.answer()
            self.assertEqual(status, 503)
            self.assertIn(b"Retry-After: 5\r\n", head)
            scene.sink.problem = Problem(503, "outbox_full", headers=[(b"Retry-After", b"2")])
            await peer.send(post(b"1"))
            status, _, body = await peer.answer()
            self.assertEqual((status, json.loads(body)["title"]), (503, "The outbox is full"))
            self.assertEqual(scene.gateway.counters.rejected, {"not_stored": 1, "outbox_full": 1})

        play(story)

    def test_batch_streams_in_order(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(post(b"1\n2\nx\n3\n", kind=b"application/x-ndjson"))
            await scene.sink.some(3)
            scene.sink.tickets[2].resolve(Receipt("9.3", False, "fsync"))
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            self.assertIn(b"Transfer-Encoding: chunked", await peer.until(b"\r\n\r\n"))
            self.assertIn(b'{"index":0,"status":202,"seq":"9.1"}\n', await peer.until(b"\n\r\n"))
            scene.sink.tickets[1].fail(Problem(503, "not_stored"))
            rest = await peer.until(b"0\r\n\r\n")
            self.assertIn(b'"not_stored"', rest)
            self.assertGreater(rest.find(b'"malformed_json"'), rest.find(b'"not_stored"'))
            self.assertGreater(rest.find(b'"9.3"'), rest.find(b'"malformed_json"'))

        play(story)

    def test_a_batch_whose_client_did_not_wait_for_100(self):
        """It is sending: what it was to be told has no place among the results."""
        found = []

        async def story(scene):
            peer = await scene.connect()
            body = b"x\n" * 2
            data = post(body, path=b"/v1/validate/s", kind=b"application/x-ndjson", extra=b"Expect: 100-continue\r\n")
            await peer.send(data[:-2])
            found.append(await peer.until(b"}\n\r\n"))
            await peer.send(data[-2:])
            found.append(await peer.until(b"\r\n0\r\n\r\n"))

        play(story)
        self.assertTrue(found[0].startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(found[1] is not None and b" 100 " not in found[1])

    def test_a_batch_that_stops_and_whose_results_are_not_taken(self):
        """What ends the wait for more records leaves the results their time, and that ends, too."""

        async def story(scene):
            full = asyncio.Event()

            async def drain():
                full.set()
                await asyncio.Event().wait()

            peer = await scene.connect()
            while not scene.gateway._connections:  # noqa: ASYNC110 - no event says that it is accepted
                await asyncio.sleep(0)
            scene.gateway._connections[0].writer.drain = drain
            await peer.send(post(b"x\n" * 9, kind=b"application/x-ndjson")[:-2])
            ended = asyncio.create_task(peer.until(b"never"))
            await full.wait()
            while not ended.done():
                scene.ms += 60
                await asyncio.sleep(0.06)

        play(story, plan=document(body_ms=50))

    def test_drain_finishes_what_is_under_way(self):
        async def story(scene):
            idle = await scene.connect()
            await idle.send(HEALTH)
            self.assertEqual((await idle.answer())[0], 200)
            busy = await scene.connect()
            await busy.send(post(b"1"))
            await scene.sink.some(1)
            drain = asyncio.create_task(scene.gateway.drain(10000))
            self.assertIsNone(await idle.answer())
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            status, head, _ = await busy.answer()
            self.assertEqual(status, 202)
            self.assertIn(b"Connection: close", head)
            self.assertIsNone(await busy.answer())
            await busy.close()
            await drain
            late = None
            try:
                peer = await scene.connect()
                await peer.send(HEALTH)
                late = await peer.answer()
            except OSError:  # refused; MicroPython only notices when it reads
                pass
            self.assertIsNone(late)

        play(story)

    def test_drain_answers_what_has_come(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(HEALTH)
            self.assertEqual((await peer.answer())[0], 200)
            peer.writer.write(HEALTH)  # is in the socket, and nobody has looked at it
            drain = asyncio.create_task(scene.gateway.drain(10000))
            status, head, _ = await peer.answer()
            self.assertEqual(status, 200)
            self.assertIn(b"Connection: close", head)
            await peer.close()
            await drain

        play(story)

    def test_drain_is_bounded(self):
        async def story(scene):
            busy = await scene.connect()
            await busy.send(post(b"1"))
            await scene.sink.some(1)
            await scene.gateway.drain(50)
            self.assertEqual(scene.gateway.counters.connections, 0)

        play(story)

    def test_idle_connection_is_closed(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(HEALTH)
            self.assertEqual((await peer.answer())[0], 200)
            scene.ms += 1000
            self.assertIsNone(await peer.answer())

        play(story, plan=document(idle_ms=500))

    def test_no_memory_to_look_for_idle_connections(self):
        """Somebody goes on looking."""

        async def story(scene):
            failed = []

            def exhausted():
                if not failed:
                    failed.append(True)
                    raise MemoryError
                return scene.ms

            peer = await scene.connect()
            await peer.send(HEALTH)
            self.assertEqual((await peer.answer())[0], 200)
            while not scene.gateway._connections[0].read_deadline:  # noqa: ASYNC110 - no event says that it waits
                await asyncio.sleep(0)
            scene.gateway.now_ms = exhausted
            scene.ms += 1000
            self.assertIsNone(await peer.answer())
            self.assertEqual(failed, [True])

        play(story, plan=document(idle_ms=500))

    def test_unforeseen_fault_is_a_500(self):
        async def story(scene):
            peer = await scene.connect()
            scene.sink.submit = None
            await peer.send(post(b"1"))
            status, _, body = await peer.answer()
            self.assertEqual((status, json.loads(body)["type"]), (500, "urn:headgate:problem:internal"))
            self.assertIsNone(await peer.answer())
            self.assertEqual(len(scene.errors), 1)

        play(story)

    def test_out_of_memory_is_a_503(self):
        async def story(scene):
            def exhausted(record, durable):
                raise MemoryError

            peer = await scene.connect()
            scene.sink.submit = exhausted
            await peer.send(post(b"1"))
            status, head, _ = await peer.answer()
            self.assertEqual(status, 503)
            self.assertIn(b"Retry-After", head)
            await peer.send(HEALTH)
            self.assertEqual((await peer.answer())[0], 200)
            self.assertEqual(scene.errors, [])

        play(story)

    def test_what_there_was_no_memory_to_keep_is_new_when_it_comes_again(self):
        class Exhausted:
            def put(self, *arguments):
                raise MemoryError

        async def story(scene):
            scene.gateway.sink = MemorySink(1)
            store = scene.gateway.store
            peer = await scene.connect()
            for value in (b'{"k":"x","v":1}', b'{"k":"x","v":2}'):
                scene.gateway.store = Exhausted()
                request = post(value, extra=b"Idempotency-Key: i%s\r\n" % value[-2:-1])
                await peer.send(request)
                self.assertEqual((await peer.answer())[0], 503)
                scene.gateway.store = store
                for replayed in (False, True):
                    await peer.send(request)
                    status, head, _ = await peer.answer()
                    self.assertEqual((status, b"Idempotent-Replayed" in head), (202, replayed))
                    self.assertEqual(store.get(b"last/s/x", scene.ms)[0], value)
            self.assertEqual(scene.gateway.counters.accepted, 2)

        kept = document()
        kept["streams"]["s"]["durability"] = "memory"
        play(story, plan=kept)

    def test_a_new_plan_holds_for_the_next_request(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(post(b"1"))
            await scene.sink.some(1)
            changed = document()
            changed["streams"] = {}
            scene.gateway.plan = build(changed)
            scene.sink.tickets[0].resolve(Receipt("9.1", False, "fsync"))
            self.assertEqual((await peer.answer())[0], 202)
            await peer.send(post(b"1"))
            self.assertEqual((await peer.answer())[0], 404)

        play(story)

    def test_clock(self):
        async def story(scene):
            peer = await scene.connect()
            scene.clock = (NOW_S, "unset", 0)
            await peer.send(HEALTH)
            _, head, _ = await peer.answer()
            self.assertFalse(b"Date" in head)
            await peer.send(post(b"1"))
            status, head, body = await peer.answer()
            self.assertEqual(status, 401)
            self.assertIn("time", json.loads(body)["detail"])
            scene.clock = (NOW_S, "trusted", NOW_S)
            await peer.send(HEALTH)
            _, head, _ = await peer.answer()
            self.assertIn(b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", head)

        play(story)

    def test_age_and_the_end_of_it(self):
        async def story(scene):
            peer = await scene.connect()
            await peer.send(cache(b"PUT", b"/k", b"Content-Length: 0\r\nCache-Control: max-age=2\r\n"))
            self.assertEqual((await peer.answer())[0], 201)
            scene.ms += 1999
            await peer.send(cache(b"GET", b"/k"))
            _, head, _ = await peer.answer()
            self.assertIn(b"\r\nAge: 1\r\n", head)
            await peer.send(cache(b"GET", b"?key=k"))
            _, _, body = await peer.answer()
            self.assertEqual(json.loads(body)["entries"][0]["age"], 1)
            scene.ms += 1
            for request, status in (
                (cache(b"PUT", b"/k", b"Content-Length: 0\r\nIf-Match: *\r\n"), 412),
                (cache(b"GET", b"/k", b"If-None-Match: *\r\n"), 404),
                (cache(b"DELETE", b"/k"), 404),
                (cache(b"PUT", b"/k", b"Content-Length: 0\r\nIf-None-Match: *\r\n"), 201),
            ):
                await peer.send(request)
                self.assertEqual((await peer.answer())[0], status)
            self.assertEqual(scene.gateway.store.stats()["expirations"], 1)

        play(story)

    def test_each_of_several_keys_costs_one(self):
        async def story(scene):
            peer = await scene.connect()
            for query, status in ((b"?key=a&key=b&key=a", 200), (b"?key=a&key=b&key=c&key=d&key=e&key=f", 429)):
                await peer.send(cache(b"GET", query))
                self.assertEqual((await peer.answer())[0], status)
            scene.ms += 2000
            await peer.send(cache(b"GET", b"?key=a&key=b&key=c&key=d&key=e&key=f"))
            self.assertEqual((await peer.answer())[0], 200)  # a full bucket is enough for any number
            await peer.send(cache(b"GET", b"/a"))
            self.assertEqual((await peer.answer())[0], 429)

        slow = document()
        slow["cache"] = {"rate_milli": 1000, "burst": 5}
        play(story, plan=slow)

    def test_several_keys_within_their_bytes(self):
        async def story(scene):
            for name in (b"a", b"b", b"c", b"d"):
                if name != b"c":
                    scene.gateway.store.put(b"kv/" + name, name * 600, b"0 -9000 text/\xe9", 0, scene.ms)
            peer = await scene.connect()
            await peer.send(cache(b"GET", b"?key=a&key=none&key=b&key=c&key=d"))
            _, _, body = await peer.answer()
            document = json.loads(body)
            self.assertEqual([entry["text"] for entry in document["entries"]], ["a" * 600, "b" * 600])
            self.assertEqual((document["missing"], document["left"]), (["none"], ["c", "d"]))
            self.assertEqual(document["entries"][0]["content_type"], "text/\u00e9")
            self.assertEqual(document["entries"][0]["age"], 10)

        most, chunk = limits.MANY_BYTES, limits.READ_CHUNK
        limits.MANY_BYTES, limits.READ_CHUNK = 1200, 65536
        try:
            play(story)
        finally:
            limits.MANY_BYTES, limits.READ_CHUNK = most, chunk

    def test_ready(self):
        async def story(scene):
            peer = await scene.connect()
            scene.unready = ["uplink: no broker"]
            await peer.send(HEALTH.replace(b"health", b"ready"))
            status, _, body = await peer.answer()
            self.assertEqual((status, json.loads(body)), (503, {"ready": False, "reasons": ["uplink: no broker"]}))

        play(story)

    def test_metrics_show_info(self):
        async def story(scene):
            peer = await scene.connect()
            facts = {"outbox": {"accepted": 3, "stored": 1, "state": "ok", "full": True, "none": None}}
            facts.update({"version": "x", "boot": 9, "clock": 'a"b', "uplink": None, "unready": []})
            scene.gateway._info = facts
            await peer.send(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
            _, _, body = await peer.answer()
            lines = body.decode().split("\n")
            for line in (
                "headgate_outbox_accepted_total 3",
                "headgate_outbox_stored 1",
                "headgate_outbox_full 1",
                "headgate_boot 9",
            ):
                self.assertIn(line, lines)
            about = next(line for line in lines if line.startswith("headgate_info{"))
            self.assertIn('clock="a\\"b"', about)
            self.assertFalse('version="x"' in about)
            self.assertFalse("state" in body.decode())

        play(story)

    def test_metrics_behind_a_scope(self):
        async def story(scene):
            peer = await scene.connect()
            request = b"GET /metrics HTTP/1.1\r\nHost: h\r\n"
            await peer.send(request + b"\r\n")
            self.assertEqual((await peer.answer())[0], 401)
            await peer.send(request + b"Authorization: Bearer " + bearer() + b"\r\n\r\n")
            self.assertEqual((await peer.answer())[0], 403)

        closed = document()
        closed["metrics"] = "scope"
        play(story, plan=closed)


class MemorySinkTest(unittest.TestCase):
    def test_the_last_keys_are_remembered(self):
        sink = MemorySink(7, keys=3)
        for key, seq, replayed in (
            ("a", "7.1", False),
            ("b", "7.2", False),
            ("c", "7.3", False),
            ("a", "7.1", True),
            ("d", "7.4", False),
            ("a", "7.5", False),
            ("c", "7.3", True),
            ("d", "7.4", True),
        ):
            receipt = sink.submit(Record("s", "dev", b"1", "application/json", None, key), False).receipt
            self.assertEqual((receipt.seq, receipt.replayed), (seq, replayed))
        with self.assertRaises(Problem) as caught:
            sink.submit(Record("s", "dev", b"2", "application/json", None, "d"), False)
        self.assertEqual(caught.exception.status, 422)
        self.assertFalse(sink.submit(Record("s", "other", b"2", "application/json", None, "d"), False).receipt.replayed)
        self.assertFalse(MemorySink(7, keys=0).submit(Record("s", "d", b"", "", None, "k"), False).receipt.replayed)

    def test_durable_records_are_refused(self):
        with self.assertRaises(Problem) as caught:
            MemorySink(1).submit(None, True)
        self.assertEqual(caught.exception.status, 503)


if __name__ == "__main__":
    unittest.main()
