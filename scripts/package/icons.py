"""Draws the program's icon, three bars of a distribution: PNG in all sizes, SVG, ICO for Windows, ICNS for macOS.

python3 icons.py FOLDER

The same shapes as `window_icon` in src/ui/icons.rs, on a square of 64.
"""

import struct
import sys
import zlib
from pathlib import Path

SIDE, CORNER = 64, 12
GROUND, BAR = (0x1B, 0x20, 0x38), (0x7C, 0x94, 0xFF)
# Left, top, bottom; each is 10 wide.
BARS = [(13, 34, 51), (27, 13, 51), (41, 24, 51)]
SIZES = [16, 22, 24, 32, 48, 64, 128, 256, 512, 1024]


def svg() -> str:
    bars = "".join(
        f'<rect x="{left}" y="{top}" width="10" height="{bottom - top}" fill="#{bytes(BAR).hex()}"/>'
        for left, top, bottom in BARS
    )
    ground = f'<rect width="{SIDE}" height="{SIDE}" rx="{CORNER}" fill="#{bytes(GROUND).hex()}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">{ground}{bars}</svg>\n'


def coverage(size: int, inside, samples: int = 4) -> list[list[float]]:
    """The part of each pixel that a shape covers."""
    at = [(i + 0.5) / samples * SIDE / size for i in range(size * samples)]

    def pixel(x: int, y: int) -> float:
        xs, ys = at[x * samples : (x + 1) * samples], at[y * samples : (y + 1) * samples]
        corners = {inside(px, py) for py in (ys[0], ys[-1]) for px in (xs[0], xs[-1])}
        if len(corners) == 1:
            return float(corners.pop())
        return sum(inside(px, py) for py in ys for px in xs) / samples**2

    return [[pixel(x, y) for x in range(size)] for y in range(size)]


def in_ground(x: float, y: float) -> bool:
    beyond = [max(0.0, CORNER - min(v, SIDE - v)) for v in (x, y)]
    return beyond[0] ** 2 + beyond[1] ** 2 <= CORNER**2


def in_bar(x: float, y: float) -> bool:
    return any(left <= x < left + 10 and top <= y < bottom for left, top, bottom in BARS)


def png(size: int) -> bytes:
    ground, bar = coverage(size, in_ground), coverage(size, in_bar)
    lines = bytearray()
    for y in range(size):
        lines.append(0)
        for x in range(size):
            share = bar[y][x]
            lines += bytes(round(g + (b - g) * share) for g, b in zip(GROUND, BAR))
            lines.append(round(255 * ground[y][x]))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(lines), 9)) + chunk(b"IEND", b"")


def ico(images: dict[int, bytes]) -> bytes:
    sizes = [16, 24, 32, 48, 64, 128, 256]
    header, body = struct.pack("<HHH", 0, 1, len(sizes)), b""
    for size in sizes:
        image = images[size]
        place = 6 + 16 * len(sizes) + len(body)
        header += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), place)
        body += image
    return header + body


def icns(images: dict[int, bytes]) -> bytes:
    kinds = {b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024}
    body = b"".join(kind + struct.pack(">I", 8 + len(images[size])) + images[size] for kind, size in kinds.items())
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    images = {size: png(size) for size in SIZES}
    for size, image in images.items():
        (folder / f"{size}.png").write_bytes(image)
    (folder / "logitscope.svg").write_text(svg())
    (folder / "logitscope.ico").write_bytes(ico(images))
    (folder / "logitscope.icns").write_bytes(icns(images))


main()
