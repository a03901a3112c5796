"""core/mqtt_packets: what a client may send, whole and byte by byte; what it may not; what it is answered."""

import unittest

from headgate.core import mqtt_packets as mqtt
from headgate.core.mqtt_packets import V5, V311, MqttError, PacketReader


def packet(first, body):
    """With a length of one or two bytes."""
    size = len(body)
    return bytes((first, size)) + body if size < 128 else bytes((first, size & 0x7F | 0x80, size >> 7)) + body


def text(value):
    return bytes((len(value) >> 8, len(value) & 0xFF)) + value


def connect(version=V5, flags=2, rest=b"", protocol=b"MQTT", properties=b"\x00"):
    head = text(protocol) + bytes((version, flags)) + b"\x00\x3c" + (properties if version == V5 else b"")
    return head + text(b"dev-1") + rest


def reason(function, *arguments):
    """Of the MqttError that it must raise."""
    try:
        function(*arguments)
    except MqttError as error:
        return error.reason
    raise AssertionError("no MqttError")


class ReaderTest(unittest.TestCase):
    def packets(self, data, step, limit=1000):
        reader = PacketReader(limit)
        found = []
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while True:
                one = reader.next()
                if one is mqtt.NEED_DATA:
                    break
                found.append(one)
        self.assertTrue(reader.idle)
        return found

    def test_packets_in_pieces(self):
        wanted = [(0xC0, b""), (0x32, b"x" * 127), (0x32, b"y" * 128), (0x30, b"z" * 300), (0xE0, b"")]
        data = b""
        for first, body in wanted:
            data += packet(first, body)
        for step in (1, 2, 7, len(data)):
            self.assertEqual(self.packets(data, step), wanted)

    def test_what_is_not_complete(self):
        reader = PacketReader(1000)
        self.assertTrue(reader.idle)
        for piece in (b"\x32", b"\x81", b"\x01", b"a" * 128):
            reader.feed(piece)
            self.assertIsNone(reader.next())
            self.assertFalse(reader.idle)
        reader.feed(b"b\xc0")
        self.assertEqual(reader.next(), (0x32, b"a" * 128 + b"b"))
        self.assertIsNone(reader.next())
        self.assertFalse(reader.idle)

    def test_lengths(self):
        def fed(data, limit=1000, shortest=False, expected=0):
            reader = PacketReader(limit, expected)
            reader.shortest = shortest
            reader.feed(data)
            return reader

        self.assertEqual(reason(fed(b"\x30\xff\xff\xff\xff").next), mqtt.MALFORMED)
        self.assertEqual(reason(fed(b"\x30\xff\xff\xff\x7f").next), mqtt.TOO_LARGE)
        self.assertEqual(reason(fed(b"\x30\x09", 10).next), mqtt.TOO_LARGE)  # before a byte of it has come
        self.assertIsNone(fed(b"\x30\x08", 10).next())
        longer = fed(b"\x30\x81\x80\x80\x00x")
        self.assertEqual(longer.next(), (0x30, b"x"))
        self.assertTrue(longer.overlong)
        self.assertEqual(reason(fed(b"\x30\x81\x80\x80\x00x", 1000, True).next), mqtt.MALFORMED)
        self.assertEqual(fed(b"\x30\x00", 1000, True).next(), (0x30, b""))
        broken = fed(b"GET / HTTP/1.1\r\n", 1000, False, mqtt.CONNECT)
        self.assertEqual(reason(broken.next), mqtt.PROTOCOL_ERROR)
        self.assertEqual(reason(broken.next), mqtt.PROTOCOL_ERROR)


class ConnectTest(unittest.TestCase):
    def test_all_there_is(self):
        properties = b"\x11\x00\x00\x00\x0a" + b"\x21\x00\x05" + b"\x27\x00\x00\x10\x00" + b"\x17\x00"
        properties += b"\x26" + text(b"a") + text(b"b") + b"\x26" + text(b"a") + text(b"c")
        properties = packet(0, properties + b"\x19\x01" + b"\x22\x00\x09")[1:]
        will = packet(0, b"\x03" + text(b"a/b/c\xc3\xa9"))[1:] + text(b"topic") + text(b"gone")
        found = mqtt.parse_connect(connect(V5, 0xEC, will + text(b"user") + text(b"secret"), properties=properties))
        self.assertEqual((found.version, found.clean, found.keep_alive_s, found.client_id), (V5, False, 60, "dev-1"))
        self.assertEqual(found.password, b"secret")
        self.assertEqual(found.properties.number(mqtt.SESSION_EXPIRY, 0), 10)
        self.assertEqual(found.properties.number(mqtt.MAXIMUM_PACKET, 0), 4096)
        self.assertEqual(found.properties.number(mqtt.REQUEST_PROBLEM, 1), 0)
        self.assertEqual(found.properties.user("a"), "b, c")
        self.assertIsNone(found.properties.user("b"))
        self.assertEqual((found.will.topic, found.will.payload, found.will.qos), ("topic", b"gone", 1))
        self.assertEqual(found.will.properties.values[mqtt.CONTENT_TYPE], "a/b/c\u00e9")

    def test_3_1_1(self):
        found = mqtt.parse_connect(connect(V311, 0xC2, text(b"user") + text(b"\x00\xff")))
        self.assertEqual((found.version, found.clean, found.password), (V311, True, b"\x00\xff"))
        self.assertIsNone(found.will)
        self.assertIsNone(mqtt.parse_connect(connect(V311, 0x82, text(b"user"))).password)
        self.assertEqual(mqtt.parse_connect(connect(V5, 0x42, text(b"p"))).password, b"p")

    def test_refusals(self):
        def refused(body):
            return reason(mqtt.parse_connect, body)

        for wrong in (
            connect(protocol=b"MQTX"),
            connect(V5, 3),  # the reserved flag
            connect(V5, 0x1E, b"\x00" + text(b"t") + text(b"m")),  # a will with QoS 3
            connect(V5, 0x0A),  # QoS of a will that there is not
            connect(V5, 0x22),
            connect(V311, 0x42, text(b"password")),  # without a user name
            connect(rest=b"x"),
            connect(V5, 0x82),
            connect(V5, 0x82, b"\x00\x05user"),
            connect(properties=b"\x05\x11\x00"),
            connect(properties=b"\x02\x21\x00\x05"),  # a property longer than all of them
            connect(properties=b"\x02\x77\x00"),
            connect(properties=b"\x03\x23\x00\x01"),  # a topic alias
            connect(properties=b"\x80\x00"),  # a length with more bytes than it needs
            connect(properties=b"\xff\xff\xff\xff\x7f"),
            connect().replace(b"dev-1", b"dev\x00x"),
            connect().replace(b"dev-1", b"dev\xc0\x80"),
            connect().replace(b"dev-1", b"d\xed\xa0\x80x"),
        ):
            self.assertEqual(refused(wrong), mqtt.MALFORMED)
        for wrong in (
            connect(properties=b"\x03\x21\x00\x00"),
            connect(properties=b"\x05\x27\x00\x00\x00\x00"),
            connect(properties=b"\x02\x17\x02"),
            connect(properties=b"\x06\x21\x00\x05\x21\x00\x05"),
            connect(properties=b"\x04\x16\x00\x01x"),  # authentication data without a method
        ):
            self.assertEqual(refused(wrong), mqtt.PROTOCOL_ERROR)
        for wrong in (connect(3, protocol=b"MQIsdp"), connect(3), connect(6), connect(V5, protocol=b"MQIsdp")):
            self.assertEqual(refused(wrong), mqtt.VERSION_NOT_SUPPORTED)

    def test_every_cut(self):
        whole = connect(V5, 0xEE, b"\x00" + text(b"t") + text(b"m") + text(b"user") + text(b"password"))
        mqtt.parse_connect(whole)
        for size in range(len(whole)):
            self.assertEqual(reason(mqtt.parse_connect, whole[:size]), mqtt.MALFORMED)


class PublishTest(unittest.TestCase):
    def test_messages(self):
        found = mqtt.parse_publish(0x30, text(b"a/b") + b"hello", V311)
        self.assertEqual((found.topic, found.payload, found.qos, found.packet_id), ("a/b", b"hello", 0, 0))
        found = mqtt.parse_publish(0x3B, text(b"a/b") + b"\x12\x34", V311)  # DUP, RETAIN
        self.assertEqual((found.payload, found.qos, found.packet_id), (b"", 1, 0x1234))
        properties = b"\x03" + text(b"application/cbor") + b"\x26" + text(b"idempotency-key") + text(b"k")
        properties += b"\x01\x01\x02\x00\x00\x00\x05\x08" + text(b"r") + b"\x09" + text(b"\x00\x01")
        found = mqtt.parse_publish(0x32, text(b"t") + b"\x00\x01" + packet(0, properties)[1:] + b"\xa0", V5)
        self.assertEqual(found.properties.values[mqtt.CONTENT_TYPE], "application/cbor")
        self.assertEqual((found.properties.user("idempotency-key"), found.payload), ("k", b"\xa0"))
        self.assertEqual(found.properties.values[mqtt.CORRELATION], b"\x00\x01")

    def test_refusals(self):
        def refused(first, body, version=V5):
            return reason(mqtt.parse_publish, first, body, version)

        self.assertEqual(refused(0x36, text(b"t") + b"\x00\x01\x00"), mqtt.MALFORMED)  # QoS 3
        self.assertEqual(refused(0x38, text(b"t") + b"\x00"), mqtt.MALFORMED)  # DUP of QoS 0
        self.assertEqual(refused(0x32, text(b"t") + b"\x00\x00\x00"), mqtt.PROTOCOL_ERROR)  # identifier 0
        self.assertEqual(refused(0x32, text(b"t") + b"\x00"), mqtt.MALFORMED)
        self.assertEqual(refused(0x30, b"\x00\x05t"), mqtt.MALFORMED)
        self.assertEqual(refused(0x30, text(b"t\xff") + b"\x00"), mqtt.MALFORMED)
        self.assertEqual(refused(0x30, text(b"t")), mqtt.MALFORMED)  # no properties
        self.assertEqual(refused(0x30, text(b"t") + b"\x03\x23\x00\x01"), mqtt.ALIAS_REFUSED)
        self.assertEqual(refused(0x30, text(b"") + b"\x03\x23\x00\x01"), mqtt.ALIAS_REFUSED)
        self.assertEqual(refused(0x30, text(b"") + b"\x00"), mqtt.PROTOCOL_ERROR)
        self.assertEqual(refused(0x30, text(b""), V311), mqtt.PROTOCOL_ERROR)
        self.assertEqual(refused(0x30, text(b"t") + b"\x02\x01\x02"), mqtt.PROTOCOL_ERROR)
        self.assertEqual(refused(0x30, text(b"t") + b"\x02\x0b\x01"), mqtt.MALFORMED)  # only a server has those
        self.assertEqual(refused(0x30, text(b"t") + b"\x08\x03\x00\x01a\x03\x00\x01b"), mqtt.PROTOCOL_ERROR)
        for hostile in (b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"a\x00b", b"\xc3"):
            self.assertEqual(refused(0x30, text(hostile), V311), mqtt.MALFORMED)


class OthersTest(unittest.TestCase):
    def test_types_and_flags(self):
        for first in (0x10, 0x30, 0x3D, 0x82, 0xA2, 0xC0, 0xE0, 0xF0):
            self.assertEqual(mqtt.check_flags(first), first >> 4)
        for first in (0x11, 0x80, 0xA0, 0xC1, 0xE8, 0xF1):
            self.assertEqual(reason(mqtt.check_flags, first), mqtt.MALFORMED)
        for first in (0x00, 0x20, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0):
            self.assertEqual(reason(mqtt.check_flags, first), mqtt.PROTOCOL_ERROR)

    def test_subscribe(self):
        body = b"\x00\x07" + text(b"a/#") + b"\x01" + text(b"+") + b"\x00"
        self.assertEqual(mqtt.parse_subscribe(body, V311), (7, 2))
        self.assertEqual(mqtt.suback(V311, 7, 2), b"\x90\x04\x00\x07\x80\x80")
        five = b"\x00\x07\x02\x0b\x05" + text(b"a/#") + b"\x2d"
        self.assertEqual(mqtt.parse_subscribe(five, V5), (7, 1))
        self.assertEqual(mqtt.suback(V5, 7, 1), b"\x90\x04\x00\x07\x00\x87")
        for wrong in (b"\x00\x07", b"\x00\x00" + text(b"a") + b"\x00"):
            self.assertEqual(reason(mqtt.parse_subscribe, wrong, V311), mqtt.PROTOCOL_ERROR)
        for wrong in (b"\x00", b"\x00\x07" + text(b"a"), b"\x00\x07" + text(b"a") + b"\x03", b"\x00\x07\x00\x02a"):
            self.assertEqual(reason(mqtt.parse_subscribe, wrong, V311), mqtt.MALFORMED)
        self.assertEqual(reason(mqtt.parse_subscribe, b"\x00\x07" + text(b"a") + b"\x04", V311), mqtt.MALFORMED)

    def test_unsubscribe(self):
        body = b"\x00\x07" + text(b"a/#") + text(b"b")
        self.assertEqual(mqtt.parse_unsubscribe(body, V311), (7, 2))
        self.assertEqual(mqtt.unsuback(V311, 7, 2), b"\xb0\x02\x00\x07")
        self.assertEqual(mqtt.unsuback(V5, 7, 2), b"\xb0\x05\x00\x07\x00\x11\x11")

    def test_disconnect(self):
        self.assertEqual(mqtt.parse_disconnect(b"", V311), mqtt.SUCCESS)
        self.assertEqual(mqtt.parse_disconnect(b"\x04", V5), mqtt.WITH_WILL)
        self.assertEqual(mqtt.parse_disconnect(b"\x00\x05\x11\x00\x00\x00\x01", V5), mqtt.SUCCESS)
        self.assertEqual(reason(mqtt.parse_disconnect, b"\x00", V311), mqtt.MALFORMED)
        self.assertEqual(reason(mqtt.parse_disconnect, b"\x00\x00x", V5), mqtt.MALFORMED)

    def test_answers(self):
        self.assertEqual(mqtt.connack(V311, mqtt.NOT_AUTHORIZED, b"\x24\x01"), b"\x20\x02\x00\x05")
        self.assertEqual(mqtt.connack(V311, mqtt.BUSY), b"\x20\x02\x00\x03")
        self.assertEqual(
            mqtt.connack(V5, mqtt.SUCCESS, mqtt.encode(mqtt.MAXIMUM_QOS, 1)), b"\x20\x05\x00\x00\x02\x24\x01"
        )
        self.assertEqual(mqtt.puback(0x1234), b"\x40\x02\x12\x34")
        words = mqtt.encode(mqtt.USER, ("k", "v"))
        self.assertEqual(mqtt.puback(1, 0x99, words), b"\x40\x0b\x00\x01\x99\x07\x26\x00\x01k\x00\x01v")
        self.assertEqual(mqtt.disconnect(0x8B), b"\xe0\x01\x8b")
        long = mqtt.puback(1, 0x80, mqtt.encode(mqtt.REASON_STRING, "x" * 200))
        self.assertEqual(long[:8], b"\x40\xd0\x01\x00\x01\x80\xcb\x01")
        self.assertEqual(mqtt.encode(mqtt.REASON_STRING, "a\0b"), b"\x1f\x00\x03a b")
        with self.assertRaises(ValueError):
            mqtt.encode(mqtt.REASON_STRING, "x" * 65536)
