"""Computes the logits of a llama model from its GGUF file, independently of Logitscope, and compares.

    python real_model_reference.py MODEL.gguf LOGITS.safetensors IDS

IDS are the prompt's token ids, with commas; LOGITS.safetensors is what `logitscope logits` wrote for them. The weights
are dequantised by gguf-py, and everything after that is float64 in numpy, written for this script from the papers:
RMS norm (Zhang and Sennrich 2019), rotary positions (Su et al. 2021) with the neighbouring pairs of GGUF's llama,
grouped queries (Ainslie et al. 2023) and SwiGLU (Shazeer 2020). Prints one line; exits with 1 where a logit is farther
off than TOLERANCE.
"""

import json
import struct
import sys

import numpy
from gguf import GGUFReader
from gguf.quants import dequantize

TOLERANCE = 1e-3


class Model:
    """A llama model's numbers and tensors."""

    def __init__(self, path):
        reader = GGUFReader(path)
        self.fields = reader.fields
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        architecture = self.value("general.architecture")
        if architecture != "llama":
            raise SystemExit(f"{path} is of the family {architecture}, but this script computes llama alone")

    def value(self, key, default=None):
        field = self.fields.get(key)
        return default if field is None else field.contents()

    def weight(self, name):
        tensor = self.tensors[name]
        return dequantize(tensor.data, tensor.tensor_type).astype(numpy.float64)

    def head(self):
        return self.weight("output.weight" if "output.weight" in self.tensors else "token_embd.weight")


def rms_norm(x, weight, epsilon):
    return x / numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weight


def rotate(x, angles):
    """x: positions × heads × width; the pairs are neighbours."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cosine, sine = numpy.cos(angles)[:, None, :], numpy.sin(angles)[:, None, :]
    turned = numpy.empty_like(x)
    turned[..., 0::2] = even * cosine - odd * sine
    turned[..., 1::2] = even * sine + odd * cosine
    return turned


def attend(queries, keys, values):
    """positions × heads × width each, keys and values with fewer heads."""
    count, heads, width = queries.shape
    group = heads // keys.shape[1]
    future = numpy.triu(numpy.ones((count, count), bool), 1)
    out = numpy.empty_like(queries)
    for head in range(heads):
        scores = queries[:, head] @ keys[:, head // group].T / numpy.sqrt(width)
        scores[future] = -numpy.inf
        weights = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        out[:, head] = weights @ values[:, head // group]
    return out.reshape(count, heads * width)


def logits(model, ids):
    key = lambda name, default=None: model.value(f"llama.{name}", default)
    heads = key("attention.head_count")
    shared = key("attention.head_count_kv", heads)
    epsilon = key("attention.layer_norm_rms_epsilon")
    x = model.weight("token_embd.weight")[ids]
    width = x.shape[1] // heads
    turning = numpy.arange(0, width, 2) / width
    angles = numpy.arange(len(ids))[:, None] * float(key("rope.freq_base", 10000.0)) ** -turning
    for layer in range(key("block_count")):
        weight = lambda name: model.weight(f"blk.{layer}.{name}.weight")
        normal = rms_norm(x, weight("attn_norm"), epsilon)
        split = lambda name, count: (normal @ weight(name).T).reshape(len(ids), count, width)
        queries, keys = rotate(split("attn_q", heads), angles), rotate(split("attn_k", shared), angles)
        x = x + attend(queries, keys, split("attn_v", shared)) @ weight("attn_output").T
        normal = rms_norm(x, weight("ffn_norm"), epsilon)
        gate = normal @ weight("ffn_gate").T
        x = x + (gate / (1 + numpy.exp(-gate)) * (normal @ weight("ffn_up").T)) @ weight("ffn_down").T
    return rms_norm(x, model.weight("output_norm.weight"), epsilon) @ model.head().T


def written(path):
    """The tensor `logits` of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        shape = json.loads(file.read(length))["logits"]["shape"]
        return numpy.frombuffer(file.read(), "<f4").reshape(shape)


def main():
    path, ours, ids = sys.argv[1], written(sys.argv[2]), [int(id) for id in sys.argv[3].split(",")]
    exact = logits(Model(path), ids)
    if ours.shape != exact.shape:
        raise SystemExit(f"{sys.argv[2]} has the shape {ours.shape}, but {exact.shape} is expected")
    off = numpy.abs(ours - exact).max()
    same = (ours.argmax(axis=1) == exact.argmax(axis=1)).sum()
    print(
        f"at most {off:.2g} off over {exact.shape[0]} x {exact.shape[1]} logits from {exact.min():.1f} to "
        f"{exact.max():.1f}; the same highest at {same} of {len(ids)} positions"
    )
    # So that NaN fails as well.
    sys.exit(0 if off <= TOLERANCE and same == len(ids) else 1)


main()
