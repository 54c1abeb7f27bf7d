"""The shapes of `logitscope bench --shape` in PyTorch: a line of JSON for each result, for the GPU report.

    python gpu_report_torch.py SHAPE [--quick] [--device cpu]

Random weights in f16, a static KV cache, attention by PyTorch's own `scaled_dot_product_attention`; decoding eagerly,
as a CUDA graph, and compiled where that works. Each line has `what`, and `tokens_per_s` or `told`.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

# layers, width, heads, key and value heads, head width, feed-forward, vocabulary, norms of heads
SHAPES = {
    "qwen3-0.6b": (28, 1024, 16, 8, 128, 3072, 151936, True),
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256, False),
    "llama-3.1-8b": (32, 4096, 32, 8, 128, 14336, 128256, False),
}
EPSILON = 1e-5


def tell(what, **figures):
    print(json.dumps({"what": what, **figures}), flush=True)


def norm(x, weight):
    return F.rms_norm(x, weight.shape, weight, EPSILON)


class Decoder(torch.nn.Module):
    """A decoder with queries, keys and values in one map, gate and up in one, as Logitscope runs it."""

    def __init__(self, shape, layers, context, device, dtype):
        super().__init__()
        all_layers, width, heads, kv_heads, head_width, feed_forward, vocabulary, head_norms = shape
        self.heads, self.kv_heads, self.head_width, self.head_norms = heads, kv_heads, head_width, head_norms
        made = lambda *size: torch.empty(*size, device=device, dtype=dtype).uniform_(-0.06, 0.06)
        self.layers = [
            {
                "attention_norm": made(width),
                "qkv": made((heads + 2 * kv_heads) * head_width, width),
                "query_norm": made(head_width),
                "key_norm": made(head_width),
                "output": made(width, heads * head_width),
                "feed_forward_norm": made(width),
                "gate_up": made(2 * feed_forward, width),
                "down": made(width, feed_forward),
                "keys": torch.zeros(1, kv_heads, context, head_width, device=device, dtype=dtype),
                "values": torch.zeros(1, kv_heads, context, head_width, device=device, dtype=dtype),
            }
            for _ in range(min(layers, all_layers))
        ]
        self.embedding = made(vocabulary, width)
        self.head = made(vocabulary, width) if width == 4096 else self.embedding
        self.final_norm = made(width)
        angles = torch.outer(
            torch.arange(context, device=device, dtype=torch.float32),
            1e6 ** (-torch.arange(0, head_width, 2, device=device, dtype=torch.float32) / head_width),
        )
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)
        self.columns = torch.arange(context, device=device)
        self.seen = context  # positions of the static cache that steps attend over, by a mask

    def turn(self, x, positions):
        cos, sin = self.cos[positions], self.sin[positions]
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def forward(self, tokens, positions):
        """The token after the last of `tokens`: a whole prompt, or one token behind what is cached."""
        x = self.embedding[tokens]
        rows = tokens.shape[0]
        mask = self.columns[None, : self.seen] <= positions[:, None]
        for layer in self.layers:
            qkv = F.linear(norm(x, layer["attention_norm"]), layer["qkv"])
            qkv = qkv.view(rows, self.heads + 2 * self.kv_heads, self.head_width).transpose(0, 1)
            query, key, value = qkv.split((self.heads, self.kv_heads, self.kv_heads))
            if self.head_norms:
                query, key = norm(query, layer["query_norm"]), norm(key, layer["key_norm"])
            query, key = self.turn(query, positions), self.turn(key, positions)
            layer["keys"].index_copy_(2, positions, key[None])
            layer["values"].index_copy_(2, positions, value[None])
            if rows > 1:
                attended = F.scaled_dot_product_attention(
                    query[None], key[None], value[None], is_causal=True, enable_gqa=True
                )
            else:
                keys, values = (layer[it][:, :, : self.seen] for it in ("keys", "values"))
                attended = F.scaled_dot_product_attention(
                    query[None], keys, values, attn_mask=mask, enable_gqa=True
                )
            x = x + F.linear(attended[0].transpose(0, 1).reshape(rows, -1), layer["output"])
            gate, up = F.linear(norm(x, layer["feed_forward_norm"]), layer["gate_up"]).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer["down"])
        return F.linear(norm(x[-1:], self.final_norm), self.head).argmax(dim=-1)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def fastest(device, work, repeat=3):
    best = float("inf")
    for _ in range(repeat):
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        best = min(best, time.perf_counter() - begun)
    return best


def copy_bandwidth(device):
    source = torch.empty(256 << 20 if device == "cuda" else 32 << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = 10

    def copy():
        for _ in range(times):
            target.copy_(source)

    copy()
    return 2 * times * source.numel() / fastest(device, copy)


def steps_per_s(device, step, depth, steps):
    """Steps a second from `depth` positions on; `step` takes and returns a tensor of one token."""
    place = torch.tensor([depth], device=device)
    token = torch.zeros(1, dtype=torch.long, device=device)

    def decode():
        place.fill_(depth)
        for _ in range(steps):
            token.copy_(step(token, place))
            place.add_(1)

    decode()
    return steps / fastest(device, decode)


def graph_of(model, device):
    """One step as a CUDA graph over tensors that stay."""
    token = torch.zeros(1, dtype=torch.long, device=device)
    place = torch.zeros(1, dtype=torch.long, device=device)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            model(token, place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = model(token, place)

    def step(next_token, next_place):
        token.copy_(next_token)
        place.copy_(next_place)
        graph.replay()
        return result

    return step


@torch.inference_mode()
def main():
    name, quick = sys.argv[1], "--quick" in sys.argv
    device = "cpu" if "cpu" in sys.argv else "cuda"
    # Processors compute f16 so slowly that nothing would be learnt.
    dtype = torch.float16 if device == "cuda" else torch.float32
    layers = 1 if quick else 10**6
    prompts, depths, steps = ((32, 64), (16,), 4) if quick else ((128, 512, 2048), (64, 2048), 64)
    where = torch.cuda.get_device_name() if device == "cuda" else "the processor"
    tell("PyTorch", told=f"{torch.__version__} on {where}")
    tell("copy bandwidth", told=f"{copy_bandwidth(device) / 1e9:.1f} GB/s", bytes_per_s=copy_bandwidth(device))
    model = Decoder(SHAPES[name], layers, max(prompts) + max(depths) + steps + 1, device, dtype)

    def each_depth(what, make_step):
        for depth in depths:
            model.seen = depth + steps + 1
            speed = steps_per_s(device, make_step(), depth, steps)
            tell(f"{what}, steps after {depth} positions", tokens_per_s=speed, depth=depth)

    ways = [("eager", lambda: model)]
    if device == "cuda":
        ways.append(("CUDA graph", lambda: graph_of(model, device)))
    for what, way in ways:
        each_depth(what, way)
    for rows in prompts:
        tokens = torch.arange(rows, device=device) % 1000
        places = torch.arange(rows, device=device)
        model(tokens, places)
        seconds = fastest(device, lambda: model(tokens, places))
        tell(f"prompt of {rows}", tokens_per_s=rows / seconds, tokens=rows)
    if device == "cuda":
        try:
            each_depth("compiled", lambda: torch.compile(model, mode="reduce-overhead", fullgraph=True))
        except Exception as error:
            tell("compiled", told=f"did not work: {type(error).__name__}: {str(error).splitlines()[0][:200]}")


if __name__ == "__main__":
    main()
