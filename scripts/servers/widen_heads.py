"""Makes a Llama folder with narrow heads one with heads of 32 or more that computes the same function.

    python widen_heads.py FOLDER NEW_FOLDER

vLLM's CPU build has no attention for heads narrower than 32. Rows of zeros fill the heads up. RoPE turns the pair
(i, i + d/2) of a head of d dimensions by theta^(-2i/d); in a head k times as wide that is the pair (k·i, k·d/2 + k·i), so
the rows go there. Queries grow by sqrt(k), since attention divides by the root of the width: for k = 4, by 2 exactly.
A folder whose heads are wide enough is linked to as it is.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
config = json.loads((source / "config.json").read_text())
heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
width = config.get("head_dim") or config["hidden_size"] // heads
shutil.rmtree(target, ignore_errors=True)
target.mkdir(parents=True)

if width >= 32:
    for file in source.iterdir():
        (target / file.name).symlink_to(file)
    sys.exit()
if config["model_type"] != "llama" or 32 % width or not (source / "model.safetensors").exists():
    sys.exit(f"widen_heads: heads of {width} in {source}: only a Llama of one file, with a width that divides 32, can be widened")

factor = 32 // width
places = [factor * i for i in range(width // 2)] + [16 + factor * i for i in range(width // 2)]


def spread(rows, count, scale=1.0):
    """[count * width, n] to [count * 32, n], each head's rows at their places."""
    wide = torch.zeros(count, 32, rows.shape[1])
    wide[:, places] = rows.view(count, width, -1) * scale
    return wide.reshape(count * 32, -1)


tensors = {}
for name, tensor in load_file(source / "model.safetensors").items():
    tensor = tensor.float()
    if name.endswith("q_proj.weight"):
        tensor = spread(tensor, heads, factor**0.5)
    elif name.endswith(("k_proj.weight", "v_proj.weight")):
        tensor = spread(tensor, kv_heads)
    elif name.endswith("o_proj.weight"):
        tensor = spread(tensor.T.contiguous(), heads).T
    tensors[name] = tensor.contiguous()
save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
config["head_dim"] = 32
(target / "config.json").write_text(json.dumps(config, indent=2))
for file in source.glob("*.json"):
    if file.name not in ("config.json", "reference.json"):
        shutil.copy(file, target / file.name)
