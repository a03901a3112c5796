"""core.store: time to live, budget and eviction order. tests/twins runs this class again on the native twin."""

import unittest

from headgate import limits
from headgate.core import store

OVERHEAD = limits.ENTRY_OVERHEAD


class TestStore(unittest.TestCase):
    Store = store.Store

    def small(self, entries):
        """A store with room for so many entries of a one-byte key and a one-byte value."""
        return self.Store(entries * (OVERHEAD + 2))

    def kept(self, table, keys, now=0):
        """The keys (one letter each) that are there; asking marks them as used."""
        return "".join(key for key in keys if table.get(key.encode(), now) is not None)

    def check(self, table, **expected):
        stats = table.stats()
        for name, value in expected.items():
            self.assertEqual((name, stats[name]), (name, value))

    def test_put_get_delete(self):
        table = self.Store(10000)
        self.assertIsNone(table.get(b"k", 0))
        self.assertEqual(table.put(b"k", b"value", b"text/plain", 0, 0), 1)
        self.assertEqual(table.get(b"k", 0), (b"value", b"text/plain", 1, 0))
        self.check(table, entries=1, bytes=1 + 5 + 10 + OVERHEAD, hits=1, misses=1)
        self.assertTrue(table.delete(b"k", 0))
        self.assertFalse(table.delete(b"k", 0))
        self.assertIsNone(table.get(b"k", 0))
        self.check(table, entries=0, bytes=0, hits=1, misses=2, evictions=0, expirations=0)

    def test_the_stats_have_exactly_these_names(self):
        names = sorted(self.Store(1).stats())
        self.assertEqual(names, ["bytes", "entries", "evictions", "expirations", "hits", "misses", "writes"])

    def test_a_budget_of_nothing_keeps_nothing(self):
        table = self.Store(0)
        self.assertEqual(table.put(b"", b"", b"", 0, 0), 0)
        self.assertIsNone(table.get(b"", 0))
        self.check(table, entries=0, bytes=0, misses=1, evictions=0)

    def test_empty_and_binary_strings(self):
        table = self.Store(10000)
        table.put(b"", b"", b"", 0, 0)
        table.put(b"\x00", b"\x00\xff", b"\x00", 0, 0)
        table.put(b"\x00\x00", b"x", b"", 0, 0)
        self.assertEqual(table.get(b"", 0), (b"", b"", 1, 0))
        self.assertEqual(table.get(b"\x00", 0), (b"\x00\xff", b"\x00", 2, 0))
        self.assertEqual(table.get(b"\x00\x00", 0), (b"x", b"", 3, 0))

    def test_replacing(self):
        table = self.Store(10000)
        table.put(b"k", b"one", b"m", 50, 0)
        self.assertEqual(table.put(b"k", b"two", b"m", 0, 0), 2)  # as long
        self.assertEqual(table.get(b"k", 1000), (b"two", b"m", 2, 0))
        self.assertEqual(table.put(b"k", b"longer", b"meta", 7, 0), 3)
        self.assertEqual(table.get(b"k", 0), (b"longer", b"meta", 3, 7))
        self.assertEqual(table.put(b"k", b"", b"", 0, 0), 4)
        self.assertEqual(table.get(b"k", 0), (b"", b"", 4, 0))
        self.check(table, entries=1, bytes=1 + OVERHEAD, evictions=0)
        self.assertEqual(table.put(b"k", b"m", b"eta", 0, 0), 5)
        self.assertEqual(table.put(b"k", b"met", b"a", 0, 0), 6)  # as long together, split elsewhere
        self.assertEqual(table.get(b"k", 0), (b"met", b"a", 6, 0))

    def test_versions_never_repeat(self):
        table = self.small(2)
        self.assertEqual(table.put(b"a", b"1", b"", 0, 0), 1)
        self.assertEqual(table.put(b"a", b"x" * 1000, b"", 0, 0), 0)
        table.delete(b"a", 0)
        self.assertEqual(table.put(b"a", b"1", b"", 0, 0), 2)
        self.assertEqual(table.put(b"b", b"1", b"", 0, 0), 3)
        self.assertEqual(table.put(b"c", b"1", b"", 0, 0), 4)

    def test_time_to_live(self):
        table = self.Store(10000)
        table.put(b"k", b"v", b"", 100, 1000)
        self.assertEqual(table.get(b"k", 1000)[3], 100)
        self.assertEqual(table.get(b"k", 1099)[3], 1)
        self.check(table, entries=1, expirations=0)
        self.assertIsNone(table.get(b"k", 1100))
        self.check(table, entries=0, bytes=0, hits=2, misses=1, expirations=1)
        self.assertIsNone(table.get(b"k", 1000))  # gone for good, even if time goes back

    def test_time_that_goes_back_only_prolongs(self):
        table = self.Store(10000)
        table.put(b"k", b"v", b"", 100, 1000)
        self.assertEqual(table.get(b"k", 0)[3], 1100)

    def test_put_and_delete_meet_an_expired_entry(self):
        table = self.Store(10000)
        table.put(b"k", b"v", b"", 10, 0)
        self.assertFalse(table.delete(b"k", 10))
        self.check(table, entries=0, expirations=1)
        table.put(b"k", b"v", b"", 10, 0)
        self.assertEqual(table.put(b"k", b"w", b"", 10, 10), 3)
        self.check(table, entries=1, expirations=2, misses=0)
        self.assertEqual(table.get(b"k", 19), (b"w", b"", 3, 1))

    def test_what_does_not_fit_changes_nothing(self):
        table = self.Store(OVERHEAD + 20, max_value=10)
        table.put(b"k", b"v", b"", 0, 0)
        for value, meta in ((b"x" * 11, b""), (b"x" * 10, b"m" * 10), (b"", b"m" * 20)):
            self.assertEqual(table.put(b"k", value, meta, 0, 0), 0)
            self.assertEqual(table.put(b"n", value, meta, 0, 0), 0)
        self.assertEqual(table.put(b"n" * 21, b"", b"", 0, 0), 0)
        self.check(table, entries=1, bytes=OVERHEAD + 2, evictions=0)
        self.assertEqual(table.get(b"k", 0), (b"v", b"", 1, 0))
        self.assertEqual(table.put(b"n" * 10, b"x" * 10, b"", 0, 0), 2)  # to the last byte
        self.check(table, entries=1, bytes=OVERHEAD + 20, evictions=1)

    def test_long_keys_and_meta(self):
        table = self.Store(1000000)
        longest = b"k" * limits.CACHE_KEY
        self.assertEqual(table.put(longest, b"v", b"m" * limits.CACHE_META, 0, 0), 1)
        self.assertEqual(len(table.get(longest, 0)[1]), limits.CACHE_META)
        self.assertEqual(table.put(longest, b"v", b"m" * (limits.CACHE_META + 1), 0, 0), 0)
        longest += b"k"
        self.assertEqual(table.put(longest, b"v", b"", 0, 0), 0)
        self.assertIsNone(table.get(longest, 0))
        self.assertFalse(table.delete(longest, 0))
        self.check(table, entries=1, misses=1)

    def test_without_uses_the_oldest_goes(self):
        table = self.small(3)
        for key in "abcde":
            table.put(key.encode(), b"v", b"", 0, 0)
        self.check(table, entries=3, evictions=2)
        self.assertEqual(self.kept(table, "abcde"), "cde")

    def test_sieve_keeps_what_was_used(self):
        # As in the paper's figure: a used entry stays where it is, and the hand goes on from where it stopped.
        table = self.small(4)
        for key in "abcd":
            table.put(key.encode(), b"v", b"", 0, 0)
        self.kept(table, "ac")  # uses
        table.put(b"e", b"v", b"", 0, 0)  # hand: a loses its mark, b goes, the hand rests at c
        table.put(b"f", b"v", b"", 0, 0)  # c loses its mark, d goes, the hand rests at e
        table.put(b"g", b"v", b"", 0, 0)  # e, unmarked, goes; the hand rests at f
        self.assertEqual(self.kept(table, "bde"), "")
        self.assertEqual(self.kept(table, "acfg"), "acfg")
        self.check(table, evictions=3)

    def test_the_hand_goes_round_when_all_are_used(self):
        table = self.small(3)
        for key in "abc":
            table.put(key.encode(), b"v", b"", 0, 0)
        self.kept(table, "abc")
        table.put(b"d", b"v", b"", 0, 0)  # all three lose their marks; then a goes
        self.assertEqual(self.kept(table, "a"), "")
        table.put(b"e", b"v", b"", 0, 0)  # b
        self.assertEqual(self.kept(table, "bcde"), "cde")

    def test_replacing_is_a_use_and_keeps_the_place(self):
        table = self.small(3)
        for key in "abc":
            table.put(key.encode(), b"v", b"", 0, 0)
        table.put(b"a", b"w", b"", 0, 0)
        table.put(b"d", b"v", b"", 0, 0)  # a loses its mark, b goes
        self.assertEqual(self.kept(table, "b"), "")
        table.put(b"e", b"v", b"", 0, 0)  # c
        table.put(b"f", b"v", b"", 0, 0)  # d
        table.put(b"g", b"v", b"", 0, 0)  # e: the hand has not come round to a yet
        self.assertEqual(self.kept(table, "abcdefg"), "afg")

    def test_a_growing_value_pushes_out_others_but_not_itself(self):
        table = self.Store(4 * (OVERHEAD + 2))
        for key in "abcd":
            table.put(key.encode(), b"v", b"", 0, 0)
        self.assertEqual(table.put(b"a", b"x" * (OVERHEAD + 3), b"", 0, 0), 5)
        self.assertEqual(self.kept(table, "abcd"), "acd")
        self.assertEqual(table.put(b"c", b"y" * (3 * OVERHEAD + 7), b"", 0, 0), 6)
        self.assertEqual(self.kept(table, "abcd"), "c")
        self.check(table, entries=1, bytes=4 * OVERHEAD + 8, evictions=3)

    def test_an_expired_entry_goes_before_its_turn_ends(self):
        table = self.small(3)
        table.put(b"a", b"v", b"", 10, 0)
        table.put(b"b", b"v", b"", 0, 0)
        table.put(b"c", b"v", b"", 0, 0)
        self.kept(table, "a")  # marked, and still: expired
        table.put(b"d", b"v", b"", 0, 10)
        self.assertEqual(self.kept(table, "abcd", 10), "bcd")
        self.check(table, evictions=0, expirations=1)

    def test_the_number_of_entries_is_bounded(self):
        table = self.Store(1000000, max_entries=2)
        for key in "abc":
            table.put(key.encode(), b"v", b"", 0, 0)
        table.put(b"c", b"value", b"", 0, 0)
        self.assertEqual(self.kept(table, "abc"), "bc")
        self.check(table, entries=2, evictions=1)

    def test_deleting_under_the_hand(self):
        table = self.small(3)
        for key in "abcd":
            table.put(key.encode(), b"v", b"", 0, 0)  # a went; the hand rests at b
        table.delete(b"b", 0)
        table.put(b"e", b"v", b"", 0, 0)
        table.put(b"f", b"v", b"", 0, 0)
        self.assertEqual(self.kept(table, "abcdef"), "def")
        for key in "def":
            table.delete(key.encode(), 0)
        for key in "wxyz":
            table.put(key.encode(), b"v", b"", 0, 0)
        self.assertEqual(self.kept(table, "wxyz"), "xyz")

    def test_many_entries(self):
        table = self.Store(1 << 20)
        for i in range(1000):
            table.put(b"key-%d" % i, b"%d" % (i * i), b"m", 0, 0)
        for i in range(1000):
            self.assertEqual(table.get(b"key-%d" % i, 0), (b"%d" % (i * i), b"m", i + 1, 0))
        for i in range(0, 1000, 2):
            self.assertTrue(table.delete(b"key-%d" % i, 0))
        self.check(table, entries=500, hits=1000, evictions=0)
        for i in range(1000):
            self.assertEqual(table.get(b"key-%d" % i, 0) is None, i % 2 == 0)

    def scanned(self, table, most, now):
        """The keys of a whole scan, in chunks."""
        chunks = []
        chunk = table.scan(True, most, now)
        while chunk:
            chunks.append(b"".join([entry[0] for entry in chunk]).decode())
            chunk = table.scan(False, most, now)
        return chunks

    def test_a_scan_is_in_the_order_of_arrival(self):
        table = self.Store(10000)
        self.assertEqual(table.scan(True, 10, 0), [])
        for name in "abcde":
            table.put(name.encode(), b"v" + name.encode(), b"m", 0, 0)
        table.put(b"b", b"new", b"", 70, 0)  # keeps its place
        table.put(b"d", b"", b"", 5, 0)
        self.assertEqual(table.scan(True, 2, 4), [(b"a", b"va", b"m", 1, 0), (b"b", b"new", b"", 6, 66)])
        self.assertEqual(self.scanned(table, 2, 4), ["ab", "cd", "e"])
        self.assertEqual(self.scanned(table, 0, 4), ["a", "b", "c", "d", "e"])
        self.assertEqual(self.scanned(table, 100, 5), ["abce"])
        self.check(table, entries=4, hits=0, misses=0, expirations=1, writes=7)

    def test_a_scan_while_things_change(self):
        table = self.Store(10000)
        for name in "abcdef":
            table.put(name.encode(), b"", b"", 0, 0)
        self.assertEqual(len(table.scan(True, 2, 0)), 2)
        table.delete(b"c", 0)
        table.delete(b"d", 0)
        table.delete(b"a", 0)
        table.put(b"g", b"", b"", 0, 0)
        table.put(b"a", b"", b"", 0, 0)
        self.assertEqual([entry[0] for entry in table.scan(False, 3, 0)], [b"e", b"f", b"g"])
        table.delete(b"a", 0)
        self.assertEqual(table.scan(False, 3, 0), [])
        table.put(b"h", b"", b"", 0, 0)
        self.assertEqual(table.scan(False, 3, 0), [])  # through is through
        self.assertEqual(self.scanned(table, 9, 0), ["befgh"])

    def test_a_scan_is_cut_by_bytes(self):
        table = self.Store(1000000)
        for name in "abc":
            table.put(name.encode(), b"v" * (limits.CACHE_SCAN_BYTES - OVERHEAD - 1), b"", 0, 0)
        self.assertEqual(self.scanned(table, 9, 0), ["a", "b", "c"])

    def test_a_scan_leaves_no_mark(self):
        table = self.small(2)
        table.put(b"a", b"1", b"", 0, 0)
        table.put(b"b", b"2", b"", 0, 0)
        self.scanned(table, 9, 0)
        table.put(b"c", b"3", b"", 0, 0)
        self.assertEqual(self.kept(table, "abc"), "bc")

    def test_a_peek_is_no_use(self):
        table = self.small(2)
        table.put(b"a", b"1", b"", 50, 0)
        table.put(b"b", b"2", b"", 0, 0)
        self.assertEqual(table.peek(b"a", 10), (b"1", b"", 1, 40))
        self.assertIsNone(table.peek(b"none", 10))
        self.check(table, hits=0, misses=0)
        table.put(b"c", b"3", b"", 0, 10)  # a has no mark
        self.assertEqual(self.kept(table, "abc"), "bc")
        table.put(b"d", b"4", b"", 5, 10)
        self.assertIsNone(table.peek(b"d", 15))
        self.check(table, expirations=1)

    def test_dropping_by_prefix_and_version(self):
        table = self.Store(10000)
        for name in (b"a/1", b"b/1", b"a/2", b"a", b"a/3"):
            table.put(name, b"v", b"", 0, 0)
        table.put(b"a/1", b"new", b"", 0, 0)
        self.assertEqual(table.scan(True, 1, 0)[0][0], b"a/1")
        self.assertEqual(table.drop(b"a/", 4), 1)  # a/2: a/1 is newer by now
        self.assertEqual(table.drop(b"a/", 0), 0)
        self.assertEqual([entry[0] for entry in table.scan(False, 9, 0)], [b"b/1", b"a", b"a/3"])
        self.assertEqual(table.drop(b"a/", 6), 2)
        self.assertEqual(self.scanned(table, 9, 0), ["b/1a"])
        self.assertEqual(table.drop(b"", 100), 2)
        self.check(table, entries=0, bytes=0, evictions=0, hits=0, misses=0)
        with self.assertRaises(TypeError):
            table.drop("a", 1)

    def test_arguments_out_of_range(self):
        table = self.Store(10000)
        now = "now_ms must be 0 to 9007199254740992"
        for value in (-1, limits.TIME_MS + 1, 1 << 80, -(1 << 80)):
            for call in (
                lambda at=value: table.put(b"k", b"v", b"", 0, at),
                lambda at=value: table.get(b"k", at),
                lambda at=value: table.peek(b"k", at),
                lambda at=value: table.delete(b"k", at),
                lambda at=value: table.scan(True, 1, at),
            ):
                with self.assertRaises(ValueError) as caught:
                    call()
                self.assertEqual(str(caught.exception), now)
        for value in (-1, limits.CACHE_TTL_MS + 1, 1 << 80):
            with self.assertRaises(ValueError) as caught:
                table.put(b"k", b"v", b"", value, 0)
            self.assertEqual(str(caught.exception), "ttl_ms must be 0 to 2147483648000")
        self.check(table, entries=0, misses=0)
        table.put(b"k", b"v", b"", limits.CACHE_TTL_MS, limits.TIME_MS)
        self.assertEqual(table.get(b"k", limits.TIME_MS)[3], limits.CACHE_TTL_MS)

    def test_keys_values_and_meta_are_bytes(self):
        table = self.Store(10000)
        for name, arguments in (
            ("key", ("k", b"v", b"")),
            ("value", (b"k", bytearray(b"v"), b"")),
            ("meta", (b"k", b"v", None)),
        ):
            with self.assertRaises(TypeError) as caught:
                table.put(*arguments, 0, 0)
            self.assertEqual(str(caught.exception), name + " must be bytes")
        for call in (lambda: table.get("k", 0), lambda: table.delete(None, 0)):
            with self.assertRaises(TypeError) as caught:
                call()
            self.assertEqual(str(caught.exception), "key must be bytes")

    def test_the_constructor(self):
        self.Store(limits.CACHE_BYTES_MAX, limits.CACHE_VALUE_MAX, limits.CACHE_ENTRIES_MAX, b"0123456789abcdef")
        for arguments, message in (
            ((-1,), "max_bytes must be 0 to 1099511627776"),
            ((limits.CACHE_BYTES_MAX + 1,), "max_bytes must be 0 to 1099511627776"),
            ((1, 0), "max_value must be 1 to 1073741824"),
            ((1, 1 << 80), "max_value must be 1 to 1073741824"),
            ((1, 1, 0), "max_entries must be 1 to 16777216"),
            ((1, 1, limits.CACHE_ENTRIES_MAX + 1), "max_entries must be 1 to 16777216"),
            ((1, 1, 1, b"short"), "seed must be empty or 16 bytes"),
        ):
            with self.assertRaises(ValueError) as caught:
                self.Store(*arguments)
            self.assertEqual(str(caught.exception), message)


if __name__ == "__main__":
    unittest.main()
