"""The raw REPL of a MicroPython board, in MicroPython itself: the unix port has none, and mpremote speaks nothing else.

What it is sent is compiled and executed by the real interpreter, on real files in the working directory; only this loop
is ours (MicroPython's documentation, "The MicroPython interactive interpreter mode": raw mode and raw-paste mode).
"""

import io
import sys

RAW, FRIENDLY, INTERRUPT, END, PASTE = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
WINDOW = 128  # bytes that the other side may send before it is told to go on

source = sys.stdin.buffer
target = sys.stdout.buffer


def pasted():
    """Raw-paste mode: a command with flow control."""
    source.read(2)  # A, ctrl-A
    target.write(b"R\x01" + WINDOW.to_bytes(2, "little") + RAW)
    data = bytearray()
    while True:
        byte = source.read(1)
        if byte == END:
            target.write(END)
            return bytes(data)
        data += byte
        if len(data) % WINDOW == 0:
            target.write(RAW)


def execute(code, names):
    """Runs it; its output, ctrl-D, its traceback, ctrl-D, the prompt."""
    trouble = b""
    try:
        exec(compile(code, "<stdin>", "exec"), names)  # noqa: S102 - what a REPL is for
    except BaseException as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        trouble = text.getvalue().encode()
    target.write(END + trouble + END + b">")


def fresh():
    return {"__name__": "__main__"}


def serve():
    names, line, raw = fresh(), bytearray(), False
    while True:
        byte = source.read(1)
        if not byte:
            return
        if byte == RAW:
            raw, line = True, bytearray()
            target.write(BANNER)
        elif byte == FRIENDLY:
            raw = False
            target.write(b"\r\n>>> ")
        elif byte == INTERRUPT:
            line = bytearray()
        elif not raw:
            pass  # nobody types here
        elif byte == PASTE and not line:
            execute(pasted(), names)
        elif byte == END and not line:  # soft reset
            names = fresh()
            target.write(b"OK\r\nMPY: soft reboot\r\n" + BANNER)
        elif byte == END:
            target.write(b"OK")
            execute(bytes(line), names)
            line = bytearray()
        else:
            line += byte


serve()
