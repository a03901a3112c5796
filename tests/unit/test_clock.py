"""core/clock.py: unset -> estimated -> trusted, and a floor that only rises."""

import unittest

from headgate import limits
from headgate.core.clock import Clock

FLOOR = 1800000000
EPOCH_OF_SOME_BOARDS = 946684800  # 2000-01-01


class TestClock(unittest.TestCase):
    def test_starts_unset_at_the_floor(self):
        clock = Clock(FLOOR)
        self.assertEqual(clock.state, "unset")
        self.assertEqual(clock.now_s(EPOCH_OF_SOME_BOARDS), FLOOR)

    def test_a_clock_behind_the_floor_stays_unset(self):
        clock = Clock(FLOOR)
        for wall in (0, EPOCH_OF_SOME_BOARDS, FLOOR - 1):
            self.assertFalse(clock.observe(wall, False))
            self.assertEqual(clock.state, "unset")
            self.assertEqual(clock.now_s(wall), FLOOR)

    def test_a_possible_time_is_an_estimate(self):
        clock = Clock(FLOOR)
        self.assertTrue(clock.observe(FLOOR, False))
        self.assertEqual(clock.state, "estimated")
        self.assertFalse(clock.observe(FLOOR + 10, False))
        self.assertEqual(clock.now_s(FLOOR + 10), FLOOR + 10)
        self.assertEqual(clock.floor_s, FLOOR)  # nobody vouched for it

    def test_synchronised_is_trusted_and_raises_the_floor(self):
        clock = Clock(FLOOR)
        self.assertTrue(clock.observe(FLOOR + 100, True))
        self.assertEqual(clock.state, "trusted")
        self.assertEqual(clock.floor_s, FLOOR + 100)
        self.assertFalse(clock.observe(FLOOR + 200, True))
        self.assertEqual(clock.floor_s, FLOOR + 200)

    def test_trust_survives_the_loss_of_the_source(self):
        clock = Clock(FLOOR)
        clock.observe(FLOOR + 100, True)
        self.assertFalse(clock.observe(FLOOR + 90000, False))
        self.assertEqual(clock.state, "trusted")
        self.assertEqual(clock.floor_s, FLOOR + 100)

    def test_a_step_back_ends_trust(self):
        clock = Clock(FLOOR)
        clock.observe(FLOOR + 1000, True)
        self.assertTrue(clock.observe(FLOOR + 1000 - limits.CLOCK_SLACK_S - 1, False))
        self.assertEqual(clock.state, "unset")
        self.assertEqual(clock.now_s(FLOOR), FLOOR + 1000)

    def test_a_small_step_back_does_not(self):
        clock = Clock(FLOOR)
        clock.observe(FLOOR + 1000, True)
        self.assertFalse(clock.observe(FLOOR + 1000 - limits.CLOCK_SLACK_S, True))
        self.assertEqual(clock.state, "trusted")
        self.assertEqual(clock.floor_s, FLOOR + 1000)
        self.assertEqual(clock.now_s(FLOOR + 900), FLOOR + 1000)

    def test_a_forged_source_cannot_turn_time_back(self):
        clock = Clock(FLOOR)
        self.assertFalse(clock.observe(FLOOR - 86400, True))
        self.assertEqual(clock.state, "unset")
        self.assertEqual(clock.floor_s, FLOOR)
        self.assertTrue(clock.observe(FLOOR + 5, True))
        self.assertEqual(clock.state, "trusted")

    def test_estimate_falls_back_to_unset(self):
        clock = Clock(FLOOR)
        clock.observe(FLOOR + 5, False)
        self.assertTrue(clock.observe(FLOOR - 5, False))
        self.assertEqual(clock.state, "unset")

    def test_the_built_in_floor_is_a_possible_time(self):
        self.assertGreater(limits.CLOCK_FLOOR_S, 1760000000)
        self.assertLess(limits.CLOCK_FLOOR_S, 4102444800)
