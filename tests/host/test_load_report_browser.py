"""The HTML report in a real browser: it renders, complains of nothing, and what it draws are the figures.

A copy of the page gets a script that measures what the browser has laid out and writes it into the page; the browser
then prints the page. Skipped where there is no Chromium (Debian: chromium-headless-shell).
"""

import html
import json
import re
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from load_kit import a_result

from headgate_host.load import report_html
from headgate_host.load.result import Result

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
WIDTH, HEIGHT = 1000, 640  # of the picture: as far as the first chart
BLUE, ORANGE = (0x1F, 0x6F, 0xEB), (0xD9, 0x73, 0x0D)
TIMEOUT_S = 60

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium (apt-get install chromium-headless-shell)")

PROBE = """<script>
window.onload = () => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const charts = [...document.querySelectorAll('svg.chart')].map(svg => ({
    name: svg.dataset.chart, box: box(svg),
    labels: [...svg.querySelectorAll('text.x')].map(box),
    lines: [...svg.querySelectorAll('path.line')].map(path => ({
      name: path.dataset.line, length: path.getTotalLength(), box: box(path),
      colour: getComputedStyle(path).stroke,
      points: path.getAttribute('d').match(/[ML]/g).length}))}));
  const found = {charts, wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight,
    inner: innerWidth, text: document.body.innerText,
    loaded: performance.getEntriesByType('resource').map(entry => entry.name)};
  const out = document.createElement('pre'); out.id = 'found'; out.textContent = JSON.stringify(found);
  document.body.append(out);
};
</script>"""


def browse(page: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    profile = page.parent / "profile"
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--user-data-dir={profile}", "--enable-logging=stderr", f"--window-size={WIDTH},{HEIGHT}", *options,
               page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)


def complaints(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def laid_out(folder: Path, result: Result) -> dict[str, Any]:
    page = folder / "probe.html"
    page.write_text(report_html.page(result).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    done = browse(page, "--dump-dom")
    assert complaints(done) == []
    written = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert written is not None, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(written[1]))
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return laid_out(tmp_path_factory.mktemp("page"), a_result(seconds=60))


def test_it_loads_nothing_and_fits_the_window(found: dict[str, Any]) -> None:
    assert found["loaded"] == []
    assert found["wide"] <= found["inner"]
    assert "requests answered" in found["text"]


def test_lines_are_drawn_where_the_charts_are(found: dict[str, Any]) -> None:
    lines = {(chart["name"], line["name"]): (chart, line) for chart in found["charts"] for line in chart["lines"]}
    assert {name for name, _ in lines} == {
        "percentiles",
        "rate",
        "latency",
        "errors",
        "in-flight",
        "device-rss",
        "device-cpu",
    }
    for chart, line in lines.values():
        assert line["length"] > 300  # pixels
        left, top, right, bottom = line["box"]
        assert chart["box"][0] <= left < right <= chart["box"][2]
        assert chart["box"][1] <= top <= bottom <= chart["box"][3]
    assert lines["rate", "due"][1]["points"] == lines["latency", "p99"][1]["points"] == 60
    assert lines["device-cpu", "cpu"][1]["points"] == 59
    both = [lines["percentiles", name][1]["colour"] for name in
            ("latency, from the due instant", "service time, from the send")]  # fmt: skip
    assert both[0] != both[1]


def test_labels_do_not_lie_over_each_other(found: dict[str, Any]) -> None:
    for chart in found["charts"]:
        boxes = sorted(chart["labels"])
        assert len(boxes) >= 3
        assert chart["box"][0] <= boxes[0][0] < boxes[-1][2] <= chart["box"][2]
        assert all(one[2] <= other[0] for one, other in pairwise(boxes)), chart["name"]


def test_the_stall_can_be_seen(found: dict[str, Any]) -> None:
    """The p99 of one second is hundreds of times the others': its line reaches the top of its chart."""
    chart = next(chart for chart in found["charts"] if chart["name"] == "latency")
    line = next(line for line in chart["lines"] if line["name"] == "p99")
    height = chart["box"][3] - chart["box"][1]
    assert line["box"][3] - line["box"][1] > 0.5 * height


def test_a_picture_has_both_lines_in_it(tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(report_html.page(a_result(seconds=60)), encoding="utf-8")
    assert complaints(browse(page, f"--screenshot={picture}")) == []
    width, rows = pixels(picture.read_bytes())
    assert (width, len(rows)) == (WIDTH, HEIGHT)
    colours = Counter(pixel for row in rows for pixel in zip(row[::3], row[1::3], row[2::3], strict=True))
    for line in (BLUE, ORANGE):
        like = sum(
            count
            for colour, count in colours.items()
            if all(abs(a - b) < 16 for a, b in zip(colour, line, strict=True))
        )
        assert 500 < like < WIDTH * HEIGHT / 20


def pixels(data: bytes) -> tuple[int, list[bytes]]:
    """The rows of a PNG with 8 bits for each of red, green, blue (and alpha, which goes): width, rows."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, channels = 8, b"", 0, 3
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack_from(">IIBB", chunk)
            assert (depth, colour) in {(8, 2), (8, 6)}
            channels = 4 if colour == 6 else 3
        elif kind == b"IDAT":
            packed += chunk
        at += length + 12
    raw = zlib.decompress(packed)
    stride = width * channels
    rows, before = [], bytes(stride)
    for start in range(0, len(raw), stride + 1):
        before = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, channels)
        rows.append(before if channels == 3 else bytes(b for n, b in enumerate(before) if n % 4 != 3))
    return width, rows


def unfiltered(kind: int, line: bytearray, above: bytes, channels: int) -> bytes:
    """PNG specification section 9.2."""
    predict: Callable[[int, int, int], int] = (
        lambda a, b, c: 0, lambda a, b, c: a, lambda a, b, c: b, lambda a, b, c: (a + b) // 2, paeth)[kind]  # fmt: skip
    if kind:
        for n in range(len(line)):
            a, c = (line[n - channels], above[n - channels]) if n >= channels else (0, 0)
            line[n] = (line[n] + predict(a, above[n], c)) & 0xFF
    return bytes(line)


def paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
