"""The kernel's files: image, device trees, and of the modules only those that are named, with what they depend on."""

import lzma
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from headgate.errors import BUG, CommandError
from headgate_host.image.tools import Tools

MODULES = Path("usr/lib/modules")
_ALIAS = 3  # words of a line: alias, pattern, module


def version(parts: Path) -> str:
    """Of the one kernel below `parts`."""
    (folder,) = (parts / MODULES).iterdir()
    return folder.name


def trees(parts: Path, names: Iterable[str]) -> list[Path]:
    """Device trees of the kernel below `parts`."""
    return [parts / "usr/lib" / f"linux-image-{version(parts)}" / name for name in names]


def index(parts: Path, cache: Path, tools: Tools) -> Path:
    """All modules of the kernel below `parts` with depmod's files, kept in `cache`. -> the folder of this version"""
    release = version(parts)
    folder = cache / f"modules-{parts.name}"
    if not folder.is_dir():
        # Under another name until it is whole.
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{folder.name}.") as name:
            making = Path(name) / "root"
            shutil.copytree(parts / MODULES, making / MODULES, symlinks=True, copy_function=_link)
            _depmod(making, release, tools)
            if not folder.exists():  # somebody else may have been quicker
                making.rename(folder)
    return folder / MODULES / release


def install(everything: Path, names: Iterable[str], root: Path, tools: Tools) -> list[str]:
    """The modules `names` of `everything` (what `index` made), unpacked, below `root`. -> their order of loading"""
    target = root / MODULES / everything.name
    chosen = closure(everything, names)
    for relative in chosen:
        module = target / relative.removesuffix(".xz")
        module.parent.mkdir(parents=True, exist_ok=True)
        data = (everything / relative).read_bytes()
        # The file system is compressed as a whole, which is smaller, and the initrd's modprobe may know no xz.
        module.write_bytes(lzma.decompress(data) if relative.endswith(".xz") else data)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(everything / name, target / name)
    _depmod(root, everything.name, tools)
    return [Path(relative).name.split(".ko")[0] for relative in chosen]


def closure(everything: Path, names: Iterable[str]) -> list[str]:
    """Paths of the modules `names` and of those they depend on, which come first. Built-in ones are left out.

    Raises CommandError(BUG) for a name the kernel does not have: a list that names nothing would hide a mistake.
    """
    depends: dict[str, list[str]] = {}
    for line in (everything / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, needs = line.partition(":")
        depends[path] = needs.split()
    paths = {_name(path): path for path in depends}
    built_in = {_name(path) for path in (everything / "modules.builtin").read_text(encoding="ascii").split()}
    chosen: dict[str, None] = {}  # an ordered set
    for name in map(_name, names):
        if name in paths:
            # depmod lists what is needed with the nearest first
            chosen |= dict.fromkeys([*reversed(depends[paths[name]]), paths[name]])
        elif name not in built_in:
            raise CommandError(BUG, f"kernel {everything.name} has no module {name}", "Correct the list of modules")
    return list(chosen)


def drivers(everything: Path, compatible: Iterable[str]) -> set[str]:
    """The modules for a device of a device tree. None: it is built in, or there is none."""
    wanted = {f"of:N*T*C{one}{end}" for one in compatible for end in ("", "C*")}
    lines = (everything / "modules.alias").read_text(encoding="utf-8").splitlines()
    return {_name(words[2]) for words in map(str.split, lines) if len(words) == _ALIAS and words[1] in wanted}


def _name(path: str) -> str:
    """A module's name: its file's, where - and _ are the same."""
    return Path(path).name.split(".ko")[0].replace("-", "_")


def _depmod(folder: Path, release: str, tools: Tools) -> None:
    tools.run(folder, "depmod", "--basedir", "/mnt", "--moduledir", "/usr/lib/modules", release)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
