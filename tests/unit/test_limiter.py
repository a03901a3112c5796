"""core.limiter: the rules of the token buckets. tests/twins runs this class again on the native twin."""

import unittest

from headgate import limits
from headgate.core import limiter

SECOND = 1000  # ms
ONE_A_SECOND = 1000  # tokens per 1000 s


class TestLimiter(unittest.TestCase):
    Limiter = limiter.Limiter

    def refused(self, message, *arguments, **keywords):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 5, 0)
        with self.assertRaises(ValueError) as caught:
            table.take(*arguments, **keywords)
        self.assertEqual(str(caught.exception), message)
        self.assertEqual(len(table), 1)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 0), (0, 4))

    def test_a_new_client_has_a_full_bucket(self):
        table = self.Limiter(4)
        self.assertEqual(len(table), 0)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 3, 0), (0, 2))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 3, 0), (0, 1))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 3, 0), (0, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 3, 0), (SECOND, 0))
        self.assertEqual(len(table), 1)

    def test_the_wait_is_exact(self):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 1, 5000)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 1, 5001), (999, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 1, 5999), (1, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 1, 6000), (0, 0))

    def test_a_refusal_takes_nothing(self):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 5, 0, 4)
        for _ in range(10):
            self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 2), (SECOND, 1))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 1), (0, 0))

    def test_cost_zero_only_looks(self):
        table = self.Limiter(4)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 0), (0, 5))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 5), (0, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 0, 0), (0, 0))

    def test_no_credit_is_lost_by_asking_often(self):
        # 7 tokens in 1000 s: one takes 142857.14 ms; rounding each millisecond would lose all of it
        table = self.Limiter(4)
        table.take(b"a", 7, 1, 0)
        allowed = 0
        for now in range(100, 1000001, 100):
            if table.take(b"a", 7, 1, now)[0] == 0:
                allowed += 1
        self.assertEqual(allowed, 6)  # 142.9 s rounded up to the next look each time: six whole ones fit, not seven
        table = self.Limiter(4)
        table.take(b"b", 7, 10, 0, 10)
        for now in range(100, 1000001, 100):
            left = table.take(b"b", 7, 10, now, 0)[1]
        self.assertEqual(left, 7)

    def test_the_bucket_never_holds_more_than_the_burst(self):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 5, 0, 5)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 60 * SECOND, 0), (0, 5))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 5, 600 * SECOND, 0), (0, 5))

    def test_time_that_goes_back_adds_nothing_and_takes_nothing(self):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 2, 10000, 2)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 2, 0), (1000, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 2, 10000), (1000, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 2, 11000), (0, 0))

    def test_rate_and_burst_may_change(self):
        table = self.Limiter(4)
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 10, 0, 0), (0, 10))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 3, 0, 0), (0, 3))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 10, 0, 0), (0, 3))
        self.assertEqual(table.take(b"a", 5 * ONE_A_SECOND, 10, 1000, 0), (0, 8))

    def test_clients_do_not_share(self):
        table = self.Limiter(4)
        table.take(b"a", ONE_A_SECOND, 1, 0)
        self.assertEqual(table.take(b"b", ONE_A_SECOND, 1, 0), (0, 0))
        self.assertEqual(table.take(b"", ONE_A_SECOND, 1, 0), (0, 0))
        self.assertEqual(table.take(b"a\x00", ONE_A_SECOND, 1, 0), (0, 0))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 1, 0), (SECOND, 0))
        self.assertEqual(len(table), 4)
        self.assertEqual(table.evicted, 0)

    def test_a_full_table_forgets_the_least_recently_used(self):
        table = self.Limiter(3)
        for key in (b"a", b"b", b"c"):
            table.take(key, ONE_A_SECOND, 1, 0)
        table.take(b"a", ONE_A_SECOND, 1, 0)  # refused, and still a use
        table.take(b"d", ONE_A_SECOND, 1, 0)
        self.assertEqual((len(table), table.evicted), (3, 1))
        self.assertEqual(table.take(b"a", ONE_A_SECOND, 1, 0)[0], SECOND)
        self.assertEqual(table.take(b"c", ONE_A_SECOND, 1, 0)[0], SECOND)
        self.assertEqual(table.take(b"b", ONE_A_SECOND, 1, 0), (0, 0))  # forgotten: full again; d went for it
        self.assertEqual((len(table), table.evicted), (3, 2))
        self.assertEqual(table.take(b"d", ONE_A_SECOND, 1, 0), (0, 0))

    def test_a_table_of_one(self):
        table = self.Limiter(1)
        for i in range(50):
            self.assertEqual(table.take(b"%d" % i, ONE_A_SECOND, 1, 0), (0, 0))
            self.assertEqual(table.take(b"%d" % i, ONE_A_SECOND, 1, 0), (SECOND, 0))
        self.assertEqual((len(table), table.evicted), (1, 49))

    def test_the_largest_arguments(self):
        table = self.Limiter(4)
        rate, burst = limits.LIMITER_RATE, limits.LIMITER_BURST
        self.assertEqual(table.take(b"a", 1, burst, 0, burst), (0, 0))
        self.assertEqual(table.take(b"a", 1, burst, 0, burst), (burst * 1000000, 0))
        self.assertEqual(table.take(b"a", rate, burst, limits.TIME_MS, burst), (0, 0))
        self.assertEqual(table.take(b"a", rate, burst, limits.TIME_MS, burst), (1000, 0))
        self.assertEqual(table.take(b"k" * limits.LIMITER_KEY, rate, burst, limits.TIME_MS), (0, burst - 1))

    def test_arguments_out_of_range(self):
        rate = "rate_milli must be 1 to 1000000000"
        burst = "burst must be 1 to 1000000"
        now = "now_ms must be 0 to 9007199254740992"
        cost = "cost must be 0 to burst"
        huge = 1 << 80
        for value in (0, -1, limits.LIMITER_RATE + 1, huge, -huge):
            self.refused(rate, b"a", value, 1, 0)
        for value in (0, -1, limits.LIMITER_BURST + 1, huge, -huge):
            self.refused(burst, b"a", 1, value, 0)
        for value in (-1, limits.TIME_MS + 1, huge, -huge):
            self.refused(now, b"a", 1, 1, value)
        for value in (-1, 6, huge, -huge):
            self.refused(cost, b"a", 1, 5, 0, value)
            self.refused(cost, b"a", 1, 5, 0, cost=value)
        self.refused("key must be at most 512 bytes", b"k" * (limits.LIMITER_KEY + 1), 1, 1, 0)
        self.refused(rate, b"a", huge, huge, huge, huge)  # the first wrong one is named

    def test_a_key_is_bytes(self):
        table = self.Limiter(4)
        for key in ("a", None, 1, bytearray(b"a")):
            with self.assertRaises(TypeError) as caught:
                table.take(key, 1, 1, 0)
            self.assertEqual(str(caught.exception), "key must be bytes")

    def test_the_constructor(self):
        self.assertEqual(len(self.Limiter()), 0)
        self.assertEqual(len(self.Limiter(capacity=limits.LIMITER_CLIENTS_MAX, seed=b"0123456789abcdef")), 0)
        for value in (0, -1, limits.LIMITER_CLIENTS_MAX + 1, 1 << 80):
            with self.assertRaises(ValueError) as caught:
                self.Limiter(value)
            self.assertEqual(str(caught.exception), "capacity must be 1 to 1048576")
        for seed in (b"x", b"0123456789abcde", b"0123456789abcdefg"):
            with self.assertRaises(ValueError) as caught:
                self.Limiter(1, seed)
            self.assertEqual(str(caught.exception), "seed must be empty or 16 bytes")


if __name__ == "__main__":
    unittest.main()
