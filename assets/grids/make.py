"""Makes grids.bin beside this script: the grids of ggml's IQ formats, from gguf-py (gguf 0.19.0).

A grid is a table of points, each of four or eight numbers. The file has 16 bits for each point, little-endian: the index of
each of its numbers among the few that the grid's points have, the first lowest, in four bits or (of eight) in two.
"""

import pathlib

import numpy as np
from gguf import quants

data = b""
for format in ["IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_S"]:
    kind = getattr(quants, format)
    kind.init_grid()
    points = kind.grid.reshape(kind.grid_shape)
    numbers = sorted(set(points.flatten().tolist()))
    assert numbers == sorted(kind.grid_map)
    indices = np.searchsorted(numbers, points).astype(np.uint16)
    bits = 16 // points.shape[1]
    packed = (indices << (bits * np.arange(points.shape[1], dtype=np.uint16))).sum(axis=1)
    print(format, points.shape, f"from byte {len(data)}", numbers)
    data += packed.astype("<u2").tobytes()
pathlib.Path(__file__).with_name("grids.bin").write_bytes(data)
