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

_PROT_READ = 1
_MAP_PRIVATE = 2
_O_RDONLY = 0


def mount(path: str, where: str) -> None:
    """Map the image file `path` and mount it at `where`. Raises OSError."""
    libc = ffi.open("libc.so.6")
    size = os.stat(path)[6]  # noqa: PTH116 - no pathlib here
    descriptor = libc.func("i", "open", "si")(path, _O_RDONLY)
    if descriptor < 0:
        raise OSError(2, path)
    # off_t is a long on every Linux that the unix port runs on, as long as the offset is 0.
    address = libc.func("P", "mmap", "PLiiil")(0, size, _PROT_READ, _MAP_PRIVATE, descriptor, 0)
    libc.func("i", "close", "i")(descriptor)
    address &= 2 * sys.maxsize + 1  # ffi gives pointers as signed numbers
    if address == 2 * sys.maxsize + 1:  # MAP_FAILED
        raise OSError(12, path)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), where)


def main(arguments: "list[str]") -> int:
    if len(arguments) < 2:
        print("usage: rom_start.py IMAGE headgate.json")
        return 2
    mount(arguments[0], "/rom")
    sys.path[:] = ["/rom", ".frozen"]
    from headgate.micro import main as appliance  # noqa: PLC0415 - it is in the image mounted above

    return appliance.main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
