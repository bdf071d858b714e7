"""Puts a binary into a zip as Lambda wants it: `zip.py BINARY ZIP [LEVEL]`.

One file, `bootstrap`, that may be run. The same binary makes the same zip.
"""

import pathlib
import sys
import zipfile


def pack(binary, archive, level=9):
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    # A file of a Unix, which everybody may read and run.
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr(entry, binary.read_bytes(), compresslevel=level)


if __name__ == "__main__":
    pack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:4]))
