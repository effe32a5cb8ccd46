#!/usr/bin/env python3
"""Karez's image codec beside zstd, JPEG-LS and JPEG XL, in one run on one core.

    python3 -m venv venv && venv/bin/pip install pydicom numpy imagecodecs zstandard
    cargo build --release -p karez-sender
    venv/bin/python benches/peers_codec.py FOLDER...

Each folder is a study. A peer packs native 8- and 16-bit pixels frame by frame; heads and all other
bytes go by zstd-19, a head with the one before it as its dictionary. What a peer cannot take it
leaves to zstd-19. Ratios are bytes per packed byte (ours sealed); speeds are millions of the files'
bytes per second of processor time, packing / unpacking. Every peer's pixels are unpacked and
compared.
"""
import json
import os
import subprocess
import sys
import time
import warnings

import imagecodecs
import numpy as np
import pydicom
import zstandard

KAREZ = os.environ.get("KAREZ_SENDER", "target/release/karez-sender")
PEERS = {
    "zstd-19": None,
    "JPEG-LS": (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    "JPEG XL e3": (
        lambda a: imagecodecs.jpegxl_encode(a, lossless=True, effort=3, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
    "JPEG XL e7": (
        lambda a: imagecodecs.jpegxl_encode(a, lossless=True, effort=7, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
}


class Sum:
    """Bytes and seconds of one packer over one folder."""

    def __init__(self):
        self.packed, self.pack_s, self.unpack_s = 0, 0.0, 0.0

    def add(self, packed, pack_s, unpack_s):
        self.packed += packed
        self.pack_s += pack_s
        self.unpack_s += unpack_s

    def cell(self, raw):
        speed = lambda s: f"{raw / 1e6 / max(s, 1e-6):.3g}"
        return f"{raw / max(self.packed, 1):.3f} ({speed(self.pack_s)} / {speed(self.unpack_s)})"


def timed(work):
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def zstd(data, before=b""):
    """Length and seconds of one zstd-19 frame, with the bytes before as its dictionary."""
    known = zstandard.ZstdCompressionDict(before, zstandard.DICT_TYPE_RAWCONTENT) if before else None
    packed, pack_s = timed(lambda: zstandard.ZstdCompressor(level=19, dict_data=known).compress(data))
    back, unpack_s = timed(lambda: zstandard.ZstdDecompressor(dict_data=known).decompress(packed))
    assert back == data
    return len(packed), pack_s, unpack_s


def frames(raw):
    """The head's bytes and the frames as arrays; nothing when they are no native pixels."""
    try:
        d = pydicom.dcmread(pydicom.filebase.DicomBytesIO(raw))
        syntax, bits = d.file_meta.TransferSyntaxUID, int(d.BitsAllocated)
        if syntax.is_encapsulated or syntax.is_deflated or bits not in (8, 16):
            return None
        count, colours = int(d.get("NumberOfFrames", 1) or 1), int(d.SamplesPerPixel)
        shape = (count, int(d.Rows), int(d.Columns))
        order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
        pixels = bytes(d.PixelData)
        at = raw.rfind(pixels)
        a = np.frombuffer(pixels, order + ("u1" if bits == 8 else "u2"))
        a = a[: np.prod(shape) * colours].astype("u1" if bits == 8 else "u2")
        if d.PixelRepresentation == 1:
            a = a ^ np.array(1 << (bits - 1), a.dtype)
        a = a - a.min()
        if colours == 3 and d.get("PlanarConfiguration", 0) == 1:
            a = a.reshape(count, 3, *shape[1:]).transpose(0, 2, 3, 1)
        elif colours == 3:
            a = a.reshape(*shape, 3)
        else:
            a = a.reshape(shape)
        return raw[:at] + raw[at + len(pixels) :], [np.ascontiguousarray(f) for f in a]
    except Exception:  # pydicom raises what it likes; such a file is zstd's
        return None


def measure(folder):
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
    sums, total, head_before = {name: Sum() for name in PEERS}, 0, b""
    for path in filter(os.path.isfile, paths):
        raw = open(path, "rb").read()
        total += len(raw)
        whole, found = zstd(raw), frames(raw)
        head = zstd(found[0], head_before) if found else None
        head_before = found[0] if found else head_before
        for name, peer in PEERS.items():
            packed = pixels(peer, found[1]) if peer and found else None
            if packed:
                sums[name].add(*(a + b for a, b in zip(packed, head)))
            else:
                sums[name].add(*whole)
    return total, sums


def pixels(peer, arrays):
    encode, decode = peer
    total = (0, 0.0, 0.0)
    try:
        for array in arrays:
            packed, pack_s = timed(lambda: encode(array))
            back, unpack_s = timed(lambda: decode(packed))
            assert np.array_equal(back, array)
            total = tuple(a + b for a, b in zip(total, (len(packed), pack_s, unpack_s)))
    except Exception:  # a peer that cannot take these, or gives other pixels back
        return None
    return total


def ours(level, folder):
    command = [KAREZ, "estimate", "--json", "--level", level, folder]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    t = json.loads(line)
    return f"{t['ratio']:.3f} ({t['pack_mb_per_s']:.3g} / {t['unpack_mb_per_s']:.3g})"


def main():
    warnings.simplefilter("ignore")
    columns = ["folder"] + [f"Karez {level}" for level in ("best", "mid", "fast")] + list(PEERS)
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for folder in sys.argv[1:]:
        cells = [ours(level, folder) for level in ("best", "mid", "fast")]
        total, sums = measure(folder)
        cells += [sums[name].cell(total) for name in PEERS]
        print("| " + " | ".join([os.path.basename(folder.rstrip("/"))] + cells) + " |", flush=True)


if __name__ == "__main__":
    main()
