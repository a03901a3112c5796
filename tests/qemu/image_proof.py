"""From nothing to a board that survives: ./dev test --image [--board BOARD] [--quick] [--cuts N] …

Builds an image, flashes it to a file with provisioning, starts it in qemu-system, posts real messages by a token whose
issuer was provisioned, receives them from a broker on this machine, logs in by SSH, stops process 1 until the watchdog
starts it all again, pulls the plug at random under load and looks for what was acknowledged, checks the file system,
updates to slot b, and has a broken update roll itself back. Prints a transcript; sizes, seconds and memory go to
.cache/image/BOARD/figures.json.

--quick: one power cut, no stopped process 1, no second build (the update is the same image again) and a broken update
whose kernel is none, which is quicker than one that starts and does not work.
--starts N: nothing but N starts, of an emulator that waits for nothing else on this machine: how long they take.
--twice: two builds from nothing, compared, and none of the above.

A board that no emulator has (rpi-4): its image is built, flashed to a file, and looked at (image_check.py), no more.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_check
import image_twice
from guest import TREE, Guest, check_real_time
from image_access import FEED_S, HANG, Access
from time_server import TimeServer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import Receiver  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402

from headgate import errors  # noqa: E402
from headgate.errors import CommandError  # noqa: E402
from headgate_host.flash import boards  # noqa: E402
from headgate_host.flash.image_open import Image, trusted_keys  # noqa: E402

CACHE = ROOT / ".cache/image"
BOOT_S = 420.0  # of a busy machine that emulates: 10 times what a quiet one takes
EPOCH = 1790000000  # SOURCE_DATE_EPOCH of the first image: the same bytes from day to day
TRIAL_S = 60  # a new slot has in this proof, once its appliance was started
MESSAGES = 20
STEADY, SETTLE_S = 5, 120.0  # memory in use: so many looks, a second apart, that differ by half a MiB at most
MIB = 1 << 20
# What goes wrong in a proof: a command that takes too long, a file or an entry that is not in the image.
UNFORESEEN = (subprocess.SubprocessError, OSError, LookupError, struct.error, AssertionError)
WATCHDOGS = "for dog in /sys/class/watchdog/*; do [ ! -e $dog/state ] || cat $dog/identity $dog/state; done"
_AFTER_A_CUT = re.compile(r"recovering journal|orphan|CLEARED|: \d+/\d+ files")
GUEST_SEES_US_AS = "10.0.2.2"  # qemu's user network
CONFIG = '[listen]\nhttp = "0.0.0.0:8080"\n[streams.events]\nrate = "100000/s"\n'
HOST_CONFIG = """\
[[issuer]]
name = "fleet"
audience = "headgate"
public_keys = ["keys/device-eddsa.pub"]
[streams.events]
"""
FLEET = """\
config_file = "board.toml"
ssh_keys = ["{ssh_key}"]
ntp = ["{us}"]
[issuer]
name = "fleet"
audience = "headgate"
public_key_file = "keys/device-eddsa.pub"
[uplink]
url = "mqtt://{us}:{port}"
mode = "sealed"
seal_to_file = "keys/seal.pub"
"""


class Failed(Exception):
    """What had to be so is not."""


class Proof:
    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options, self.board = folder, options, options.board
        self.figures: dict[str, Any] = {"board": options.board, "quick": options.quick}
        self.began = time.monotonic()
        self.access = Access(folder)
        self.created = EPOCH  # of the first image; what follows must be younger

    # --- words

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}", flush=True)

    def headgate(self, *words: str, expect: int = 0, show: bool = True, **variables: str) -> str:
        """One verb to its end, in the transcript; -> what it printed."""
        shown = (word.replace(f"{self.folder}/", "").replace(f"{ROOT}/", "") for word in words)
        self.say("$ headgate " + shlex.join(shown))
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *words],
            cwd=self.folder,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if show or done.returncode != expect:
            for line in done.stdout.splitlines():
                if " %  " not in line:
                    print(f"          {line.replace(f'{ROOT}/', '')}", flush=True)
        self.must(done.returncode == expect, f"exit code {expect}, not {done.returncode}")
        return done.stdout

    def must(self, so: bool, what: str) -> None:
        if not so:
            raise Failed(what)

    # --- images

    def make_keys(self) -> None:
        if self.options.image:
            (self.folder / "keys").mkdir()
            shutil.copyfile(self.options.key, self.folder / "keys/image.key")
            (self.folder / "keys/image.key").chmod(0o600)
        self.headgate("keys", "init", "--image", "--eddsa", "--seal", "--dir", "keys", show=False)
        (self.folder / "host.toml").write_text(HOST_CONFIG)

    def build(self, name: str, version: str, epoch: int) -> Path:
        target = self.folder / f"{name}.img.zst"
        if self.options.image and name == "one":
            shutil.copyfile(self.options.image, target)
            for beside in self.beside(self.options.image):
                shutil.copyfile(beside, self.folder / f"one{beside.suffixes[-2]}{beside.suffix}")
            return target
        self.headgate(
            *("image", "build", self.board, "--sign", "keys/image.key", "--version", version, "--out", target.name),
            *("--set", f"extra_cmdline=headgate.trial={TRIAL_S}", "--cache", str(CACHE / "build"), "--level", "9"),
            *(word for change in self.options.set for word in ("--set", change)),
            *(("--wheel", str(self.options.wheel.resolve())) if self.options.wheel else ()),
            SOURCE_DATE_EPOCH=str(epoch),
        )
        return target

    def beside(self, image: Path) -> list[Path]:
        """U-Boot and device tree, as an emulator takes them."""
        stem = image.name.removesuffix(".img.zst")
        return sorted(path for end in ("u-boot.bin", "*.dtb") for path in image.parent.glob(f"{stem}.{end}"))

    def measure(self, image: Path) -> None:
        with Image(image, trusted_keys([self.folder / "keys/image.pub"])) as opened:
            manifest = opened.manifest
        self.figures["image_bytes"] = image.stat().st_size
        self.figures["disk_bytes"] = manifest.size
        self.created = manifest.created

    def changed(self, image: Path, name: str, version: str, epoch: int, change: str) -> Path:
        """`image` with another boot partition: `change` is "" (none), "kernel" (it is none), "service" (masked)."""
        raw = self.folder / f"{name}.raw"
        with raw.open("wb") as file:
            subprocess.run(["zstd", "-dcq", str(image)], stdout=file, check=True)
        with Image(image, trusted_keys([self.folder / "keys/image.pub"])) as opened:
            boot = next(part for part in opened.manifest.partitions if part.name == "boot_a")
            root = next(part for part in opened.manifest.partitions if part.name == "root_a")
        where = f"{raw}@@{boot.start}"
        if change == "kernel":
            (self.folder / "vmlinuz").write_bytes(b"no kernel\n" * 4096)
            subprocess.run(["mcopy", "-o", "-i", where, "vmlinuz", "::vmlinuz"], cwd=self.folder, check=True)
        elif change == "service":
            text = subprocess.run(
                ["mtype", "-i", where, "::boot.txt"], stdout=subprocess.PIPE, check=True
            ).stdout.decode()
            text = re.sub(r"(?m)^(hg_cmdline=.*)$", r"\1 systemd.mask=headgate.service", text)
            (self.folder / "boot.txt").write_text(text)
            subprocess.run(["mcopy", "-o", "-i", where, "boot.txt", "::boot.txt"], cwd=self.folder, check=True)
        target = self.folder / f"{name}.img.zst"
        self.headgate(
            *(
                "image",
                "pack",
                raw.name,
                "--board",
                self.board,
                "--version",
                version,
                "--sign",
                "keys/image.key",
                "--level",
                "1",
            ),
            *("-o", target.name),
            show=False,
            SOURCE_DATE_EPOCH=str(epoch),
        )
        raw.unlink()
        self.figures.setdefault("root_partition_bytes", root.size)
        return target

    # --- the board

    def flash(self, image: Path, broker: int) -> None:
        (self.folder / "board.toml").write_text(CONFIG)
        (self.folder / "fleet.toml").write_text(self.fleet(broker))
        self.headgate(
            *("flash", self.board, "--image", image.name, "--trust", "keys/image.pub", "--out", "disk.img"),
            *("--provision", "fleet.toml", "--hostname", "gate-1", "--birth", "birth"),
        )

    def look(self, image: Path) -> None:
        found = image_check.check(self.folder / "disk.img", self.board, image)
        self.figures |= found
        self.say("the disk is what the board needs: " + ", ".join(f"{key} {value}" for key, value in found.items()))

    def guest(self, image: Path) -> Guest:
        """The machine with the disk in it."""
        with (self.folder / "disk.img").open("r+b") as file:
            # A card is larger than the image, and a power of two: a model of a controller takes no other.
            file.truncate(2 * file.seek(0, os.SEEK_END))
        for beside in self.beside(image):
            shutil.copyfile(beside, self.folder / ("u-boot.bin" if beside.suffix == ".bin" else TREE))
        return Guest.make(self.folder, self.board, CACHE / "build/rootfs", real_time=bool(self.options.starts))

    def fleet(self, broker: int) -> str:
        return FLEET.format(us=GUEST_SEES_US_AS, port=broker, ssh_key=self.access.public)

    def boot(self, guest: Guest, what: str) -> None:
        self.say(f"switched on: {what}")
        began = time.monotonic()
        guest.on()
        self.until_ready(guest)
        self.say(f"answers after {time.monotonic() - began:.0f} s of an emulator")

    def until_ready(self, guest: Guest) -> None:
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(guest, "GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.2)
        raise Failed(f"not ready after {BOOT_S:g} s:\n{guest.log()[-6000:]}")

    def ask(
        self, guest: Guest, method: str, path: str, body: bytes | None = None, token: str = ""
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", guest.port, timeout=10 if body is None else 60)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body, {**headers, "Content-Type": "application/json"} if body else headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def token(self, name: str, *scopes: str) -> str:
        words = [word for scope in scopes for word in ("--scope", scope)]
        issued = ["--config", "host.toml", "--state", ".", "--key", "keys/device-eddsa.key"]
        text = self.headgate("token", *issued, "--sub", name, *words, show=False)
        (self.folder / f"{name}.token").write_text(text)
        return text.strip()

    def post(self, guest: Guest, receiver: Receiver, first: int) -> None:
        token = self.token("sensor-1", "publish:events")
        sent = {}
        for number in range(first, first + MESSAGES):
            body = json.dumps({"station": "sensor-1", "reading": number}).encode()
            status, answer = self.post_one(guest, body, token)
            self.must(status == 202, f"message {number}: {status} {answer!r}")
            sent[json.loads(answer)["seq"]] = body
        self.say(f"{MESSAGES} messages posted: 202, the last one {answer.decode()}")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            # docs/wire.md, message ids: the appliance, "/", and what the 202 said.
            found = {identity.partition("/")[2]: body for identity, _, body in receiver.rows()}
            if sent.items() <= found.items():
                self.say(f"all {MESSAGES} received from the broker by 'headgate receive', byte for byte")
                return
            time.sleep(0.5)
        raise Failed(f"of {sorted(sent)} only {sorted(found)[-2 * MESSAGES :]} were received")

    def post_one(self, guest: Guest, body: bytes, token: str) -> tuple[int, bytes]:
        """A board without a clock judges no token before a time server has told it the time."""
        deadline = time.monotonic() + BOOT_S
        while True:
            status, answer = self.ask(guest, "POST", "/v1/streams/events", body, token)
            if b'"clock_untrusted"' not in answer:
                return status, answer
            if time.monotonic() > deadline:
                raise Failed("the board was never told the time (is port 123 of this machine taken?)")
            time.sleep(0.5)

    def refuse_strangers(self, guest: Guest) -> None:
        status, _ = self.ask(guest, "POST", "/v1/streams/events", b"{}")
        self.must(status == 401, f"without a token: {status}")
        self.say("a message without a token: 401")

    def log_in(self, guest: Guest, times: TimeServer | None) -> None:
        said = self.access.log_in(guest, "id -u; cat /data/config/hostname").split()
        self.must(said == ["0", "gate-1"], f"root on gate-1, not {said}")
        refused = self.access.strangers(guest)
        self.must(all(refused.values()), f"who is refused by SSH: {refused}")
        self.say(f"SSH with the provisioned key: uid {' on '.join(said)}; refused: {', '.join(refused)}")
        if times is None:
            self.say("port 123 of this machine is taken: no time server to ask")
            return
        self.access.log_in(guest, "until [ -e /run/systemd/timesync/synchronized ]; do sleep 0.2; done")
        self.say(f"the clock is set by the provisioned time server, asked {times.asked} times")

    def hang(self, guest: Guest) -> None:
        """Process 1 stands still; nobody is there to press a button."""
        dogs = self.access.log_in(guest, WATCHDOGS)
        if not dogs:
            self.say("this machine has no watchdog")
            return
        if dogs.splitlines()[1] != "active":
            self.say(f"nobody feeds this machine's watchdog: {dogs.splitlines()[0]}")
            return
        after, began = guest.said(), time.monotonic()
        self.access.run(guest, HANG)
        guest.wait_for("headgate: starting slot a", BOOT_S, after)
        self.say(
            f"{dogs.splitlines()[0]}, due after {FEED_S} s: process 1 was stopped, and U-Boot ran again after "
            f"{time.monotonic() - began:.0f} s"
        )
        self.until_ready(guest)

    def memory(self, guest: Guest) -> None:
        """When it no longer changes: programs of the start end after the appliance is ready."""
        seen: list[int] = []
        deadline = time.monotonic() + SETTLE_S
        while len(seen) < STEADY or (max(seen) - min(seen) > MIB // 2 and time.monotonic() < deadline):
            time.sleep(1)
            found = self.metrics(guest)
            seen = [*seen, found["board_memory_available_bytes"]][-STEADY:]
        total, available = found["board_memory_bytes"], found["board_memory_available_bytes"]
        self.figures["memory_total_mib"] = round(total / MIB, 1)
        self.figures["memory_used_mib"] = round((total - available) / MIB, 1)
        self.figures["appliance_pss_mib"] = round(found["process_proportional_bytes"] / MIB, 1)
        machine = boards.load(self.board).facts["emulator"]["ram_mib"] * MIB
        self.figures["memory_with_kernel_mb"] = round((machine - available) / 10**6, 1)
        self.say(
            f"memory: {self.figures['memory_used_mib']} of {self.figures['memory_total_mib']} MiB used by all, "
            f"{self.figures['appliance_pss_mib']} MiB of it the appliance's (PSS); "
            f"{self.figures['memory_with_kernel_mb']} MB with what the kernel keeps for itself"
        )

    def metrics(self, guest: Guest) -> dict[str, int]:
        text = self.ask(guest, "GET", "/metrics")[1].decode()
        return {name: int(value) for name, value in re.findall(r"(?m)^headgate_(\w+) (\d+)$", text)}

    def status(self, guest: Guest) -> dict[str, Any]:
        """When this start is confirmed."""
        token = self.token("admin", "update:*")
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status = json.loads(self.ask(guest, "GET", "/v1/update", token=token)[1])
                if status.get("confirmed") and status["ready_ms"] is not None:
                    self.say(f"slot {status['slot']}, version {status['version']}, confirmed")
                    return dict(status)
            time.sleep(0.5)
        raise Failed(f"not confirmed after {BOOT_S:g} s:\n{guest.log()[-6000:]}")

    def cut(self, guest: Guest, receiver: Receiver, cuts: int) -> None:
        switch = f"{sys.executable} {ROOT / 'tests/qemu/guest.py'}"
        text = self.headgate(
            *("load", "powercut", "--url", guest.url, "--stream", "events", "--config", "host.toml", "--state", "."),
            *("--cut", f"{switch} off {self.folder}", "--restore", f"{switch} on {self.folder}"),
            *(
                "--received",
                str(receiver.database),
                "--cuts",
                str(cuts),
                "--most",
                "4",
                "--back",
                str(BOOT_S),
                "--json",
            ),
            show=False,
        )
        report = json.loads(text.splitlines()[-1])
        self.figures["power_cuts"] = {key: report[key] for key in ("cuts", "acknowledged", "found", "lost", "twice")}
        self.say(
            f"{report['cuts']} power cuts under load: {report['acknowledged']} messages acknowledged, "
            f"{len(report['lost'])} lost, {len(report['twice'])} twice"
        )

    def check_file_system(self, guest: Guest) -> None:
        """As it is after the plug was pulled: the journal is replayed on a copy, then nothing may be wrong."""
        guest.off()
        start, size = self.data_partition()
        copy = self.folder / "data.img"
        with (self.folder / "disk.img").open("rb") as disk, copy.open("wb") as file:
            disk.seek(start)
            while size and (piece := disk.read(min(size, MIB))):
                file.write(piece)
                size -= len(piece)
        words = {"cwd": self.folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        replay = subprocess.run(["e2fsck", "-fp", copy.name], **words, check=False)
        done = subprocess.run(["e2fsck", "-fn", copy.name], **words, check=False)
        self.say(f"$ e2fsck -fp data; e2fsck -fn data   ({replay.returncode}, {done.returncode})")
        # What each mount does as well: the journal is replayed, files that were open and had no name are let go.
        damage = [line for line in replay.stdout.splitlines() if line and not _AFTER_A_CUT.search(line)]
        print("          " + done.stdout.strip().splitlines()[-1], flush=True)
        self.must(not damage and done.returncode == 0, "\n".join([*damage, done.stdout]))
        copy.unlink()

    def data_partition(self) -> tuple[int, int]:
        """-> (start, size) in bytes; it has grown to the end of the disk."""
        listed = json.loads(
            subprocess.run(
                ["sfdisk", "--json", "disk.img"],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            ).stdout
        )["partitiontable"]
        part = next(part for part in listed["partitions"] if part["name"] == "data")
        start, size = part["start"] * 512, part["size"] * 512
        end = (self.folder / "disk.img").stat().st_size
        self.must(end - start - size <= 2 * MIB, "the data partition has grown to the end of the disk")
        self.figures["data_bytes"] = size
        return start, size

    def update(self, guest: Guest, image: Path, expect: int = 0) -> None:
        self.headgate(
            *("update", f"127.0.0.1:{guest.port}", image.name, "--trust", "keys/image.pub", "--token", "admin.token"),
            expect=expect,
        )

    def refused(self, guest: Guest, image: Path) -> None:
        """Older than what runs: by the host, and with --downgrade by the board, whose token does not allow it."""
        self.update(guest, image, expect=errors.REFUSED)
        self.token("installer", "update:read", "update:install")
        self.headgate(
            *(
                "update",
                f"127.0.0.1:{guest.port}",
                image.name,
                "--trust",
                "keys/image.pub",
                "--token",
                "installer.token",
            ),
            "--downgrade",
            expect=errors.REFUSED,
        )


@contextlib.contextmanager
def switched_off(guest: Guest) -> Iterator[None]:
    try:
        yield
    finally:
        guest.off()


def run(proof: Proof) -> None:
    proof.make_keys()
    one = proof.build("one", "1.0.0", EPOCH)
    proof.measure(one)
    with Mosquitto(proof.folder / "broker") as broker, contextlib.ExitStack() as stack:
        try:
            times = stack.enter_context(TimeServer())
        except OSError:
            times = None
        proof.flash(one, broker.port)
        proof.look(one)
        if "emulator" not in boards.load(proof.board).facts:
            proof.say("nothing here can start it")
            return
        guest = proof.guest(one)
        receiver = Receiver(proof.folder, broker.port, "--seal-key", str(proof.folder / "keys/seal.key"))
        try:
            with switched_off(guest):
                starts(proof, guest, receiver) if proof.options.starts else life(proof, guest, receiver, one, times)
        finally:
            receiver.stop()


def twice(proof: Proof) -> None:
    proof.make_keys()
    words = ["image", "build", proof.board, "--sign", "keys/image.key", "--version", "1.0.0"]
    words += ["--wheel", str(proof.options.wheel.resolve())] if proof.options.wheel else []
    words += [word for change in proof.options.set for word in ("--set", change)]

    def build(cache: Path, image: Path) -> None:
        proof.headgate(*words, "--cache", str(cache), "--out", str(image), SOURCE_DATE_EPOCH=str(EPOCH))

    differences = image_twice.compare(proof.folder, CACHE / "build/rootfs", build, proof.say)
    proof.must(not differences, "; ".join(differences))


def starts(proof: Proof, guest: Guest, receiver: Receiver) -> None:
    """How long it takes to start, each time after the plug was pulled."""
    proof.figures["starts_ready_s"] = []
    for number in range(proof.options.starts):
        guest.off()
        proof.boot(guest, f"start {number + 1}")
        proof.figures["starts_ready_s"].append(proof.status(guest)["ready_ms"] / 1000)
        proof.post(guest, receiver, 1 + 1000 * number)
        proof.say(f"from the kernel's start to ready: {proof.figures['starts_ready_s'][-1]:.1f} s of the guest's time")
        proof.memory(guest)


def life(proof: Proof, guest: Guest, receiver: Receiver, one: Path, times: TimeServer | None) -> None:
    proof.boot(guest, "the first boot")
    proof.refuse_strangers(guest)
    proof.post(guest, receiver, 1)
    first = proof.status(guest)
    proof.must(first["slot"] == "a", "slot a")
    proof.figures["first_boot_ready_s"] = first["ready_ms"] / 1000
    proof.log_in(guest, times)
    proof.memory(guest)
    if not proof.options.quick:
        proof.hang(guest)
    proof.cut(guest, receiver, 1 if proof.options.quick else proof.options.cuts)
    later = proof.status(guest)
    proof.figures["boot_ready_s"] = later["ready_ms"] / 1000
    proof.say(f"from the kernel's start to ready: {later['ready_ms'] / 1000:.1f} s of the guest's time")
    if proof.options.quick:
        two = proof.changed(one, "two", "1.0.1", proof.created + 1, "")
    else:
        two = proof.build("two", "2.0.0", proof.created + 1)
    proof.update(guest, two)
    proof.must(proof.status(guest)["slot"] == "b", "slot b")
    proof.post(guest, receiver, 1001)
    if not proof.options.quick:
        proof.refused(guest, one)
    change = "kernel" if proof.options.quick else "service"
    broken = proof.changed(two, "broken", "3.0.0", proof.created + 2, change)
    proof.update(guest, broken, expect=errors.FINDING)
    after = proof.status(guest)
    proof.must(after["slot"] == "b", "slot b again")
    proof.must(bool(after["last_rollback"]), "the reason is kept")
    proof.headgate("update-status", f"127.0.0.1:{guest.port}", "--token", "admin.token", expect=errors.FINDING)
    proof.post(guest, receiver, 2001)
    proof.figures["rollback_reason"] = after["last_rollback"]["reason"]
    proof.check_file_system(guest)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./dev test --image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    having = [board.name for board in boards.every() if "image" in board.facts]
    parser.add_argument("--board", choices=having, default="qemu-virt-arm64", help="(default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="what fits into CI")
    parser.add_argument("--starts", type=int, default=0, metavar="N", help="only N starts, at real-time priority")
    parser.add_argument("--twice", action="store_true", help="two builds from nothing: the same bytes?")
    parser.add_argument("--cuts", type=int, default=10, metavar="N", help="power cuts (default: 10)")
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="this one instead of a new one; u-boot.bin beside it"
    )
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="of Headgate for the board, instead of a new one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of headgate image build")
    parser.add_argument("--key", type=Path, metavar="FILE", help="what it was signed with")
    options = parser.parse_args(words)
    folder = CACHE / ("twice" if options.twice else options.board)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    proof = Proof(folder, options)
    try:
        if options.starts:
            check_real_time()
        twice(proof) if options.twice else run(proof)
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code
    except (Failed, image_check.Wrong, *UNFORESEEN) as error:
        print(f"dev: the proof FAILED: {type(error).__name__}: {error}", file=sys.stderr)
        return errors.BUG
    if not options.twice:
        proof.figures["seconds"] = round(time.monotonic() - proof.began)
        text = json.dumps(proof.figures, indent=2)
        (folder / "figures.json").write_text(text + "\n")
        print(text)
    proof.say("all of it is so")
    return errors.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
