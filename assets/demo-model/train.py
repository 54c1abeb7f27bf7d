"""Train the demonstration model that is built into the program, and write its files.

    python train.py --corpus fairy_tales.jsonl --out assets/demo-model

The corpus is one JSON object a line (`book`, `title`, `text`). The output is a folder as
Hugging Face transformers reads it: config.json, generation_config.json, tokenizer.json,
tokenizer_config.json, model.safetensors. Needs torch, tokenizers, safetensors and numpy; runs
on a CUDA device where there is one, else on the CPU. The README beside this file is the model card.

Which tales are held out, the initial weights and the windows of every step depend on the seed
(and the step's number) alone, so a resumed run is the uninterrupted one, up to rounding.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn

END = "<|end|>"  # ends every tale and precedes the first, so it is EOS and BOS in one (as GPT-2's)
END_ID = 0


@dataclass(frozen=True)
class Config:
    width: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int = 4096
    context: int = 512
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads


PRESETS = {
    "demo": Config(width=256, layers=6, heads=8, kv_heads=4, ffn=688),
    # The same tokenizer, an eighth of the size: proposes tokens for speculative decoding.
    "draft": Config(width=128, layers=2, heads=4, kv_heads=2, ffn=344),
}


# ---------------------------------------------------------------- corpus and tokenizer


def split_tales(corpus: Path, seed: int) -> tuple[list[str], list[str]]:
    """(training tales, held-out tales): whole tales, 2 % of them held out."""
    with corpus.open(encoding="utf-8") as lines:
        tales = [json.loads(line)["text"].strip() for line in lines]
    order = np.random.default_rng(seed).permutation(len(tales))
    held_out = set(order[: round(0.02 * len(tales))].tolist())
    return (
        [tale for i, tale in enumerate(tales) if i not in held_out],
        [tale for i, tale in enumerate(tales) if i in held_out],
    )


def train_tokenizer(tales: list[str], vocab: int) -> Tokenizer:
    """Byte-level BPE: any text has tokens, and decoding gives back the very bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        tales,
        trainers.BpeTrainer(
            vocab_size=vocab,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    # A prompt is the opening of a tale, and in training every tale opens after END.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, END_ID)]
    )
    assert tokenizer.token_to_id(END) == END_ID and tokenizer.get_vocab_size() == vocab
    return tokenizer


def encode_tales(tokenizer: Tokenizer, tales: list[str]) -> list[np.ndarray]:
    """Each tale as END, its tokens (the closing END is the next tale's first)."""
    return [np.array(encoding.ids, dtype=np.int64) for encoding in tokenizer.encode_batch(tales)]


class Windows:
    """Training windows of context + 1 tokens, drawn from the tales laid end to end."""

    def __init__(self, tales: list[np.ndarray], context: int, seed: int):
        self.stream = np.concatenate([*tales, [END_ID]])
        starts = np.cumsum([0] + [len(tale) for tale in tales[:-1]])
        self.last_start = len(self.stream) - context - 1
        self.tale_starts = starts[starts <= self.last_start]
        self.context, self.seed = context, seed

    def batch(self, step: int, rows: int) -> torch.Tensor:
        rng = np.random.default_rng([self.seed, step])
        starts = rng.integers(0, self.last_start + 1, rows)
        # Generation always begins at END in position 0, which random windows almost never do.
        at_opening = rng.random(rows) < 1 / 8
        starts[at_opening] = rng.choice(self.tale_starts, int(at_opening.sum()))
        return torch.from_numpy(np.stack([self.stream[s : s + self.context + 1] for s in starts]))


# ---------------------------------------------------------------- model (T rows, C width, H heads, G kv heads, D head width)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = c.heads, c.kv_heads, c.head_width
        self.q_proj = nn.Linear(c.width, c.heads * c.head_width, bias=False)
        self.k_proj = nn.Linear(c.width, c.kv_heads * c.head_width, bias=False)
        self.v_proj = nn.Linear(c.width, c.kv_heads * c.head_width, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_width, c.width, bias=False)

    def forward(self, x, cos, sin):
        batch, rows, _ = x.shape
        q, k, v = (
            proj(x).view(batch, rows, -1, self.head_width).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = causal_attention(q, k, v)
        return self.o_proj(y.transpose(1, 2).reshape(batch, rows, -1))


def rotate(x, cos, sin):
    """Rotary position embedding on halves (dimension i turns with i + D/2), as Hugging Face lays it out."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def causal_attention(q, k, v, block: int = 128):
    """softmax(q kT / sqrt D) v in blocks of queries, each against the keys up to its own end: on a
    CPU half the time of torch's scaled_dot_product_attention."""
    q, outputs = q * q.shape[-1] ** -0.5, []
    for start in range(0, q.shape[2], block):
        end = min(start + block, q.shape[2])
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2)
        later = torch.ones(end - start, end, dtype=torch.bool, device=q.device).triu(start + 1)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1).to(v.dtype)
        outputs.append(weights @ v[:, :, :end])
    return torch.cat(outputs, dim=2)


class Mlp(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.gate_proj = nn.Linear(c.width, c.ffn, bias=False)
        self.up_proj = nn.Linear(c.width, c.ffn, bias=False)
        self.down_proj = nn.Linear(c.ffn, c.width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c: Config, dropout: float):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(c.width, eps=c.norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = nn.RMSNorm(c.width, eps=c.norm_eps)
        self.mlp = Mlp(c)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, cos, sin):
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cos, sin))
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x)))


class Decoder(nn.Module):
    def __init__(self, c: Config, dropout: float):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab, c.width)
        self.layers = nn.ModuleList(Layer(c, dropout) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width, eps=c.norm_eps)


class Llama(nn.Module):
    """Modules are named so that the state's keys are the tensor names of LlamaForCausalLM."""

    def __init__(self, c: Config, dropout: float = 0.0):
        super().__init__()
        self.model = Decoder(c, dropout)
        frequency = c.rope_theta ** (-torch.arange(0, c.head_width, 2).float() / c.head_width)
        angle = torch.arange(c.context).float()[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            # Layers begin as the identity: what each adds is learnt.
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)

    def forward(self, ids):
        """ids (B, T) -> logits (B, T, V); the head is the embedding, transposed."""
        rows = ids.shape[1]
        x = self.model.embed_tokens(ids)
        cos, sin = self.cos[:rows].to(x.dtype), self.sin[:rows].to(x.dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)


# ---------------------------------------------------------------- training


def make_optimisers(model: Llama, args):
    """Muon for the matrices inside the layers; AdamW for the embedding and the norms."""
    matrices = [w for n, w in model.named_parameters() if w.ndim == 2 and "embed" not in n]
    embedding = [w for n, w in model.named_parameters() if "embed" in n]
    norms = [w for w in model.parameters() if w.ndim == 1]
    muon = torch.optim.Muon(
        matrices, lr=args.muon_lr, weight_decay=args.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(
        [{"params": embedding, "weight_decay": args.weight_decay}, {"params": norms, "weight_decay": 0.0}],
        lr=args.adam_lr,
        betas=(0.9, 0.98),
    )
    for optimiser in (muon, adamw):
        for group in optimiser.param_groups:
            group["peak_lr"] = group["lr"]
    return [muon, adamw]


def schedule(step: int, steps: int, warmup: int = 50, decay: float = 0.3) -> float:
    """Warm-up, stable, then linearly to zero: the stable part does not depend on `steps`, so a
    resumed run may still be given another length."""
    return min(1.0, (step + 1) / warmup, (steps - step) / (decay * steps))


@torch.no_grad()
def held_out_loss(model, tales: list[np.ndarray], texts: list[str], context: int, device: str):
    """(nats a token, bits a byte) over whole held-out tales, in windows that do not overlap."""
    model.eval()
    nats, tokens = 0.0, 0
    for tale in tales:
        ids = torch.from_numpy(np.append(tale, END_ID)).to(device)
        for start in range(0, len(ids) - 1, context):
            window = ids[start : start + context + 1]
            logits = model(window[None, :-1])[0].float()
            nats += F.cross_entropy(logits, window[1:], reduction="sum").item()
            tokens += len(window) - 1
    model.train()
    size_bytes = sum(len(text.encode()) for text in texts)
    return nats / tokens, nats / math.log(2) / size_bytes


@torch.no_grad()
def continue_text(model, tokenizer, prompt: str, tokens: int, device: str, temperature=0.0, top_k=40, seed=0) -> str:
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    ids = tokenizer.encode(prompt).ids
    for _ in range(tokens):
        logits = model(torch.tensor([ids], device=device))[0, -1].float().cpu()
        if temperature == 0.0:
            chosen = int(logits.argmax())
        else:
            best = logits.topk(top_k)
            draw = torch.multinomial((best.values / temperature).softmax(-1), 1, generator=generator)
            chosen = int(best.indices[draw])
        if chosen == END_ID:
            break
        ids.append(chosen)
    model.train()
    return tokenizer.decode(ids)


def train(args, config: Config, work: Path) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training, held_out = split_tales(args.corpus, args.seed)
    tokenizer = train_tokenizer(training, config.vocab)
    windows = Windows(encode_tales(tokenizer, training), config.context, args.seed)
    held_out_ids = encode_tales(tokenizer, held_out)
    print(f"{len(training)} tales, {len(windows.stream):,} tokens; {len(held_out)} tales held out", flush=True)

    torch.manual_seed(args.seed)
    model = Llama(config, args.dropout).to(device)
    optimisers = make_optimisers(model, args)
    print(f"{sum(w.numel() for w in model.parameters()):,} parameters on {device}", flush=True)
    checkpoint, first_step = work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        first_step = state["step"]
        print(f"resumed at step {first_step}", flush=True)

    def loss_of(ids):
        logits = model(ids[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())

    training_loss = torch.compile(loss_of) if args.compile else loss_of
    began, losses = time.monotonic(), []
    for step in range(first_step, args.steps):
        scale = schedule(step, args.steps)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak_lr"] * scale
        torch.manual_seed(args.seed * 1_000_003 + step)  # dropout's masks
        ids = windows.batch(step, args.batch).to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = training_loss(ids)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())

        done = step + 1
        if done % 25 == 0:
            rate = (done - first_step) * args.batch * config.context / (time.monotonic() - began)
            print(f"step {done}/{args.steps}  loss {np.mean(losses[-25:]):.3f}  {rate:,.0f} tokens/s", flush=True)
        if done % args.every == 0 or done == args.steps:
            nats, bits = held_out_loss(model, held_out_ids, held_out, config.context, device)
            print(f"step {done}: held out {nats:.4f} nats a token, {bits:.4f} bits a byte", flush=True)
            state = {"model": model.state_dict(), "optimisers": [o.state_dict() for o in optimisers], "step": done}
            partial = checkpoint.with_suffix(".part")
            torch.save(state, partial)
            partial.replace(checkpoint)  # a run killed while saving keeps the last whole checkpoint

    export(model, config, tokenizer, args.out)
    rounded = model.to(torch.float16).float()  # what the file holds is what is measured and shown
    nats, bits = held_out_loss(rounded, held_out_ids, held_out, config.context, device)
    tokens = args.steps * args.batch * config.context
    print(f"exported: {tokens:,} tokens seen, held out {nats:.4f} nats a token, {bits:.4f} bits a byte")
    prompt = "Once upon a time"
    print("greedy:", continue_text(rounded, tokenizer, prompt, 160, device))
    for seed in range(3):
        print(f"sampled, seed {seed}:", continue_text(rounded, tokenizer, prompt, 160, device, 0.8, 40, seed))


# ---------------------------------------------------------------- export


def export(model: Llama, config: Config, tokenizer: Tokenizer, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: w.detach().to("cpu", torch.float16).contiguous() for name, w in model.state_dict().items()}
    assert all(torch.isfinite(w).all() for w in tensors.values()), "a weight leaves the range of f16"
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(out / "tokenizer.json"))
    # The published spelling (rope_theta, torch_dtype), which every version of transformers reads.
    write_json(
        out / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": config.vocab,
            "hidden_size": config.width,
            "intermediate_size": config.ffn,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.kv_heads,
            "head_dim": config.head_width,
            "max_position_embeddings": config.context,
            "hidden_act": "silu",
            "rms_norm_eps": config.norm_eps,
            "rope_theta": config.rope_theta,
            "rope_scaling": None,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "bos_token_id": END_ID,
            "eos_token_id": END_ID,
            "torch_dtype": "float16",
        },
    )
    write_json(out / "generation_config.json", {"bos_token_id": END_ID, "eos_token_id": END_ID})
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END,
            "eos_token": END,
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": config.context,
        },
    )


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the built-in demonstration model.")
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines: book, title, text")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model's files")
    parser.add_argument("--work", type=Path, default=Path("train-work"), help="folder for the checkpoint; a run resumes from it")
    parser.add_argument("--preset", choices=PRESETS, default="demo")
    parser.add_argument("--steps", type=int, default=2150)
    parser.add_argument("--batch", type=int, default=8, help="windows a step")
    parser.add_argument("--seed", type=int, default=1812, help="the year of Grimm's first volume")
    parser.add_argument("--muon-lr", type=float, default=0.005)
    parser.add_argument("--adam-lr", type=float, default=0.003)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--compile", action="store_true", help="torch.compile: faster, needs a C++ compiler")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    train(args, PRESETS[args.preset], args.work)


if __name__ == "__main__":
    main()
