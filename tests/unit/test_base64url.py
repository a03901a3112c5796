"""core/base64url.py: one text for one value."""

import unittest

from headgate.core import base64url

REFUSED = (
    b"A",  # impossible length
    b"AAAAA",
    b"AA==",  # padding
    b"AAA=",
    b"=",
    b"AAAA====",
    b"AB",  # unused bits set
    b"AAB",
    b"AAAAAB",
    b"AA A",  # white space
    b"AAA\n",
    b"AAAA\n",
    b" AAAA",
    b"AA\tA",
    b"AA+A",  # the other alphabet
    b"AA/A",
    b"AA.A",
    b"AA\x00A",
    b"AA\xc3\xa9",
    b"AAAA\xef\xbb\xbf",
    b"!!!!",
)


class TestBase64Url(unittest.TestCase):
    def test_rfc4648_vectors(self):
        for data, text in (
            (b"", b""),
            (b"f", b"Zg"),
            (b"fo", b"Zm8"),
            (b"foo", b"Zm9v"),
            (b"foob", b"Zm9vYg"),
            (b"fooba", b"Zm9vYmE"),
            (b"foobar", b"Zm9vYmFy"),
            (b"\xfb\xff\xfe", b"-__-"),
        ):
            self.assertEqual(base64url.encode(data), text)
            self.assertEqual(base64url.decode(text), data)

    def test_round_trip(self):
        data = bytes(range(256))
        for length in range(0, 256, 7):
            self.assertEqual(base64url.decode(base64url.encode(data[:length])), data[:length])

    def test_refused(self):
        for text in REFUSED:
            with self.assertRaises(ValueError):
                base64url.decode(text)

    def test_every_last_character_has_one_meaning(self):
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        accepted = 0
        for code in range(256):
            try:
                base64url.decode(b"A" + bytes([code]))
                accepted += 1
                self.assertIn(code, alphabet)
            except ValueError:
                pass
        self.assertEqual(accepted, 4)  # 8 of 12 bits are used: the last 4 must be zero
