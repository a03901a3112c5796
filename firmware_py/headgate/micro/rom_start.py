"""Starts the appliance from a ROMFS image on MicroPython's unix port:

    micropython headgate/micro/rom_start.py headgate.romfs headgate.json

The image is mapped with mmap, outside the collected heap, so bytecode runs in place as it does from a board's flash.
On a board none of this is needed: `mpremote romfs deploy` puts the image into flash and MicroPython mounts it.
"""

import os
import sys

import ffi
import uctypes
import vfs


def mount(path, where):  # type: ignore[no-untyped-def]  # no annotations: this file is not packed, they would take memory
    """Map the image file `path` and mount it at `where`. Raises OSError."""
    c = ffi.open("libc.so.6")
    n = os.stat(path)[6]  # noqa: PTH116 - no pathlib here
    fd = c.func("i", "open", "si")(path, 0)  # O_RDONLY
    if fd < 0:
        raise OSError(2, path)
    # PROT_READ, MAP_PRIVATE; off_t is a long on every Linux that the unix port runs on, as long as the offset is 0.
    p = c.func("P", "mmap", "PLiiil")(0, n, 1, 2, fd, 0)
    c.func("i", "close", "i")(fd)
    p &= 2 * sys.maxsize + 1  # ffi gives pointers as signed numbers
    if p == 2 * sys.maxsize + 1:  # MAP_FAILED
        raise OSError(12, path)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(p, n)), where)


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - itself and its two arguments
        print("usage: rom_start.py IMAGE headgate.json")
        sys.exit(2)
    mount(sys.argv[1], "/rom")
    sys.path[:] = ["/rom", ".frozen"]
    from headgate.micro import main  # it is in the image mounted above

    sys.exit(main.main(sys.argv[2:]))
