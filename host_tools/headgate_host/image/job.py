"""What every step of making one image works with."""

from dataclasses import dataclass
from pathlib import Path

from headgate_host.image.recipe import Recipe
from headgate_host.image.tools import Tools


@dataclass(frozen=True, slots=True)
class Job:
    recipe: Recipe
    debian: Path  # the root's packages, unpacked; shared with other images: files of it are replaced, never written
    parts: Path  # unpacked packages of which single files are taken; shared as well
    tools: Tools
    cache: Path  # kept
    work: Path  # the folder that the image is made in

    def run(self, *command: str) -> str:
        """A program of `tools`, in the folder of work."""
        return self.tools.run(self.work, *command)
