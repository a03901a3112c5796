"""How far the wall clock can be believed. Small boards have no real-time clock: after a power cut it shows nonsense.

    unset      the clock shows a time that has passed for certain (it is behind the floor): useless
    estimated  it shows a possible time, but nobody vouches for it (restored from disk, or set by hand)
    trusted    it has been synchronised since the start

The floor is a moment known to have passed: the later of the build date and the last trusted time that was kept.
While the clock is trusted the floor follows it. It is never lowered: whoever can forge time answers must not be able
to revive expired tokens, so a "synchronised" clock clearly behind the floor is not believed. (If the floor itself came
from a wrong clock, the operator removes the file it is kept in.)
"""

from headgate import limits

UNSET = "unset"
ESTIMATED = "estimated"
TRUSTED = "trusted"


class Clock:
    """`floor_s`: Unix seconds that have passed for certain, such as limits.CLOCK_FLOOR_S or the time kept on disk."""

    __slots__ = ("floor_s", "state")

    def __init__(self, floor_s: int) -> None:
        self.floor_s = floor_s
        self.state = UNSET

    def observe(self, wall_s: int, synchronised: bool) -> bool:
        """Take note of what the wall clock shows (Unix seconds) and whether a time source has set it; True if that
        changed the state. Once trusted, the clock stays so without its source (crystals drift by seconds a day)
        until it steps back behind the floor."""
        if wall_s + limits.CLOCK_SLACK_S < self.floor_s:
            state = UNSET
        elif synchronised or self.state == TRUSTED:
            state = TRUSTED
            if synchronised and wall_s > self.floor_s:
                self.floor_s = wall_s
        elif wall_s < self.floor_s:
            state = UNSET
        else:
            state = ESTIMATED
        changed = state != self.state
        self.state = state
        return changed

    def now_s(self, wall_s: int) -> int:
        """The best guess at the time, Unix seconds: the wall clock's, but never before the floor."""
        return wall_s if wall_s > self.floor_s else self.floor_s
