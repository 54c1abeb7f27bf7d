"""Train the demonstration model that is built into the program, and the draft model beside it.

    c="--tales fairy_tales.jsonl --stories stories.jsonl.xz"
    python train.py $c --start EARLIER --out assets/demo-model
    python train.py $c --preset draft --teacher assets/demo-model --out assets/draft-model --work train-draft

The card says which steps the models in the repository were trained with.

Both corpora are one JSON object a line (`book`, `title`, `text`). The output is a folder as
Hugging Face transformers reads it: config.json, generation_config.json, tokenizer.json,
tokenizer_config.json, model.safetensors. Needs torch, tokenizers, safetensors and numpy; runs
on a CUDA device where there is one, else on the CPU. The README beside this file is the model card.

Which tales are held out, the initial weights and the windows of every step depend on the seed
(and the step's number) alone, so a resumed run is the uninterrupted one, up to rounding.
"""

import argparse
import json
import lzma
import math
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn

END = "<|end|>"  # ends every tale and precedes the first, so it is EOS and BOS in one (as GPT-2's)
END_ID = 0

# The books of the story corpus that are learnt from. Every author and translator known to have
# died before 1956, so that the text is free where copyright lasts 70 years after death; of those
# the books with at most 22.5 (tales) or 17.5 (chapters) words a sentence.
TALES = """
American Fairy Tales
Belgian Fairy Tales
Canadian Fairy Tales
Cossack Fairy Tales and Folk Tales
Czechoslovak Fairy Tales
Dutch Fairy Tales for Young Folks
East of the Sun and West of the Moon
English Fairy Tales
Europa's Fairy Book
Fairy Tales from Many Lands
Fairy Tales of Hans Christian Andersen
Fifty Famous Stories Retold
Folk-Tales of Bengal
Friendly Fairies
Granny's Wonderful Chair
Hero-Tales of Ireland
Hollow Tree Nights and Days
Indian Why Stories
Irish Fairy Tales
Just So Stories
Korean Fairy Tales
Laboulaye's Fairy Book
Little Mr. Thimblefinger and His Queer Country
Manx Fairy Tales
Mighty Mikko
More Celtic Fairy Tales
Mother Goose in Prose
Mr. Rabbit at Home
Myths and Folk Tales of Ireland
Myths and Folk-tales of the Russians, Western Slavs, and Magyars
Popular Tales from the Norse
Raggedy Andy Stories
Raggedy Ann Stories
Roumanian Fairy Tales
Swiss Fairy Tales
Tales from the Fjeld
Tales of the Punjab
The Bee-Man of Orn and Other Fanciful Tales
The Book of Dragons
The Book of Fables and Folk Stories
The Chinese Fairy Book
The Fir-Tree Fairy Book
The Happy Prince, and Other Tales
The Hollow Tree Snowed-in Book
The Indian Fairy Book
The Jungle Book
The Laughing Prince
The Life and Adventures of Santa Claus
The Light Princess and Other Fairy Stories
The Princess and Curdie
The Princess and the Goblin
The Russian Grandmother's Wonder Tales
The Second Jungle Book
The Shoemaker's Apron
The Surprising Adventures of the Magical Monarch of Mo and His People
The Wonder Clock
Twilight Land
Welsh Fairy Tales
Wigwam Evenings
""".strip().splitlines()

CHAPTERS = """
A Little Princess
Alice's Adventures in Wonderland
Beautiful Joe
Doctor Dolittle's Post Office
Dorothy and the Wizard in Oz
Dot and Tot of Merryland
Five Children and It
Five Little Peppers Abroad
Five Little Peppers Midway
Five Little Peppers and How They Grew
Five Little Peppers and their Friends
Five Little Peppers at School
Harding's luck
John Dough and the Cherub
Little Lord Fauntleroy
New Treasure Seekers
Ozma of Oz
Queen Zixi of Ix
Sky Island
The Cave Twins
The Cuckoo Clock
The Dutch Twins
The Emerald City of Oz
The Enchanted Castle
The Eskimo Twins
The House Of Arden
The Irish Twins
The Lost Princess of Oz
The Magic City
The Magic World
The Magic of Oz
The Marvelous Land of Oz
The Patchwork Girl of Oz
The Phoenix and the Carpet
The Railway Children
The Road to Oz
The Scarecrow of Oz
The Sea Fairies
The Secret Garden
The Stories Polly Pepper Told
The Story of Doctor Dolittle
The Story of the Amulet
The Story of the Treasure Seekers
The Tale of Cuffy Bear
The Tale of Fatty Coon
The Tale of Henrietta Hen
The Tale of Jimmy Rabbit
The Tale of Major Monkey
The Tin Woodman of Oz
The Voyages of Doctor Dolittle
The Wonderful Adventures of Nils
The Wonderful Garden
The Wouldbegoods
Tik-Tok of Oz
Wet Magic
What Katy Did
""".strip().splitlines()


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
    "demo": Config(width=256, layers=9, heads=8, kv_heads=4, ffn=688),
    # The same tokenizer, a ninth of the size: proposes tokens for speculative decoding.
    "draft": Config(width=128, layers=2, heads=4, kv_heads=2, ffn=344),
}


# ---------------------------------------------------------------- corpus and tokenizer


def read_entries(corpus: Path) -> list[dict]:
    opener = lzma.open if corpus.suffix == ".xz" else open
    with opener(corpus, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def split_tales(corpus: Path, seed: int) -> tuple[list[str], list[str]]:
    """(training tales, held-out tales): whole tales, 2 % of them held out."""
    tales = [entry["text"].strip() for entry in read_entries(corpus)]
    order = np.random.default_rng(seed).permutation(len(tales))
    held_out = set(order[: round(0.02 * len(tales))].tolist())
    return (
        [tale for i, tale in enumerate(tales) if i not in held_out],
        [tale for i, tale in enumerate(tales) if i in held_out],
    )


def shingles(text: str, words: int = 8) -> set[tuple[str, ...]]:
    spoken = re.findall(r"[a-z]+", text.lower())
    return {tuple(spoken[i : i + words]) for i in range(len(spoken) - words + 1)}


def read_stories(corpus: Path, held_out: list[str]) -> tuple[list[str], list[str]]:
    """(tales, chapters) of the books above, without retellings of held-out tales: an entry goes
    that shares a thousandth of its runs of 8 words with one."""
    forbidden = set().union(*map(shingles, held_out))
    groups, dropped = ([], []), []
    for entry in read_entries(corpus):
        if entry["book"] not in TALES and entry["book"] not in CHAPTERS:
            continue
        own = shingles(entry["text"])
        if len(own & forbidden) >= max(1, len(own)) / 1000:
            dropped.append(entry["title"])
        else:
            groups[entry["book"] in CHAPTERS].append(entry["text"].strip())
    print(f"{len(dropped)} entries like a held-out tale left out: {', '.join(dropped)}", flush=True)
    return groups


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


class Stream:
    """Tales laid end to end."""

    def __init__(self, tales: list[np.ndarray], context: int, seed: int):
        order = np.random.default_rng(seed).permutation(len(tales))
        tales = [tales[i] for i in order]
        self.tokens = np.concatenate([*tales, [END_ID]])
        starts = np.cumsum([0] + [len(tale) for tale in tales[:-1]])
        self.last_start = len(self.tokens) - context - 1
        self.openings = starts[starts <= self.last_start]


class Windows:
    """Training windows of context + 1 tokens: each row from one of the streams, drawn by its share."""

    def __init__(self, streams: list[Stream], shares, opening_shares, context: int, seed: int):
        self.streams, self.context, self.seed = streams, context, seed
        self.shares = [np.array(s) / sum(s) for s in (shares, opening_shares)]

    def batch(self, step: int, rows: int) -> torch.Tensor:
        rng = np.random.default_rng([self.seed, step])
        return torch.from_numpy(np.stack([self.window(rng) for _ in range(rows)]))

    def window(self, rng) -> np.ndarray:
        # Generation always begins at END in position 0, which random windows almost never do.
        at_opening = rng.random() < 1 / 6
        stream = self.streams[rng.choice(len(self.streams), p=self.shares[at_opening])]
        start = rng.choice(stream.openings) if at_opening else rng.integers(0, stream.last_start + 1)
        return stream.tokens[start : start + self.context + 1]


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
        self.config = c
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


def start_from(model: Llama, folder: Path) -> None:
    """Takes an earlier model's weights. Where this one is deeper, the layers it has more lie spread
    among the earlier ones: copies of the layer before, which add nothing at first."""
    earlier = {name: w.float() for name, w in load_file(folder / "model.safetensors").items()}
    old_layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    layers = len(model.model.layers)
    state, previous = {n: w for n, w in earlier.items() if ".layers." not in n}, -1
    for layer in range(layers):
        source = (layer + 1) * old_layers // layers - 1 if layers > old_layers else layer
        source = max(source, 0)
        for name, w in earlier.items():
            prefix = f"model.layers.{source}."
            if name.startswith(prefix):
                silent = source == previous and name.endswith(("o_proj.weight", "down_proj.weight"))
                own = f"model.layers.{layer}.{name.removeprefix(prefix)}"
                state[own] = torch.zeros_like(w) if silent else w.clone()
        previous = source
    model.load_state_dict(state)


def load_model(folder: Path) -> Llama:
    said = json.loads((folder / "config.json").read_text())
    config = Config(
        width=said["hidden_size"],
        layers=said["num_hidden_layers"],
        heads=said["num_attention_heads"],
        kv_heads=said["num_key_value_heads"],
        ffn=said["intermediate_size"],
    )
    model = Llama(config)
    start_from(model, folder)
    return model.requires_grad_(False).eval()


def narrow_embedding(model: Llama, teacher: Llama) -> None:
    """A narrower model's embedding: the directions in which the teacher's tokens differ the most."""
    wide = teacher.model.embed_tokens.weight
    directions = torch.linalg.svd(wide, full_matrices=False).Vh[: model.model.embed_tokens.embedding_dim]
    with torch.no_grad():
        narrow = wide @ directions.T
        model.model.embed_tokens.weight.copy_(narrow * (0.05 / narrow.std()))


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


def schedule(step: int, steps: int, decay_steps: int, warmup: int = 50) -> float:
    """Warm-up, stable, then linearly to zero: the stable part does not depend on `steps`, so a
    resumed run may still be given another length."""
    return min(1.0, (step + 1) / warmup, (steps - step) / decay_steps)


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


# ---------------------------------------------------------------- against repeating (unlikelihood training)


@torch.no_grad()
def greedy_rows(model: Llama, ids: torch.Tensor, tokens: int) -> torch.Tensor:
    """ids (B, P) and their `tokens` greedy successors (B, P + tokens), with a KV cache."""
    c, batch = model.config, ids.shape[0]
    group, total = c.heads // c.kv_heads, ids.shape[1] + tokens
    caches = [torch.zeros(2, batch, c.kv_heads, total, c.head_width, device=ids.device) for _ in model.model.layers]
    new, begin = ids, 0
    while True:
        end = begin + new.shape[1]
        x = model.model.embed_tokens(new)
        cos, sin = model.cos[begin:end], model.sin[begin:end]
        mask = torch.ones(end - begin, end, dtype=torch.bool, device=ids.device).tril(begin)
        for layer, (keys, values) in zip(model.model.layers, caches):
            h, a = layer.input_layernorm(x), layer.self_attn
            q, k, v = (
                proj(h).view(batch, end - begin, -1, c.head_width).transpose(1, 2)
                for proj in (a.q_proj, a.k_proj, a.v_proj)
            )
            keys[:, :, begin:end], values[:, :, begin:end] = rotate(k, cos, sin), v
            q = rotate(q, cos, sin).reshape(batch, c.kv_heads, group, end - begin, c.head_width)
            scores = q @ keys[:, :, None, :end].transpose(-1, -2) * c.head_width**-0.5
            y = scores.masked_fill(~mask, float("-inf")).softmax(-1) @ values[:, :, None, :end]
            x = x + a.o_proj(y.reshape(batch, c.heads, end - begin, -1).transpose(1, 2).reshape(batch, end - begin, -1))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        logits = F.linear(model.model.norm(x[:, -1]), model.model.embed_tokens.weight)
        new, begin = logits.argmax(-1, keepdim=True), end
        ids = torch.cat((ids, new), dim=1)
        if ids.shape[1] == total:
            return ids


def word_starts(tokenizer: Tokenizer) -> torch.Tensor:
    """(V,): whether a token begins a word or is punctuation. Others must follow as the word is spelt."""
    pieces = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    return torch.tensor([not piece[0].isascii() or not piece[0].isalpha() for piece in pieces])


def repeats(ids: torch.Tensor, words: int) -> torch.Tensor:
    """(B, T): whether a token ends a run of `words` tokens that the row has had before (none after END counts)."""
    marks = torch.zeros(ids.shape, dtype=torch.bool)
    for row, line in enumerate(ids.tolist()):
        seen = set()
        for end in range(words, len(line) + 1):
            if line[end - 1] == END_ID:
                break
            run = tuple(line[end - words : end])
            marks[row, end - 1] = run in seen
            seen.add(run)
    return marks


def repetition_loss(model: Llama, stream: Stream, starting: torch.Tensor, step: int, args):
    """Mean of -log(1 - p) over the greedy continuations of `--unlikely-rows` openings, where a token
    that starts a word repeats a run (0 elsewhere); and the share of such tokens."""
    rng = np.random.default_rng([args.seed, step, 1])
    opening = rng.integers(2, 9)
    starts = rng.choice(stream.openings, args.unlikely_rows)
    prompts = torch.from_numpy(np.stack([stream.tokens[s : s + opening] for s in starts]))
    device = model.cos.device
    ids = greedy_rows(model, prompts.to(device), 104)
    marks = repeats(ids, args.unlikely_run)[:, 1:].to(device) & starting.to(device)[ids[:, 1:]]
    marks[:, : opening - 1] = False
    if not marks.any():
        return torch.zeros(()), 0.0
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = model(ids[:, :-1])
    chosen = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    unlikely = -torch.log1p(-chosen.exp().clamp(max=1 - 1e-4))
    return (unlikely * marks).sum() / marks.numel(), marks.float().mean().item()


# ---------------------------------------------------------------- a run


def train(args, config: Config, work: Path) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training, held_out = split_tales(args.tales, args.seed)
    tokenizer = train_tokenizer(training, config.vocab)
    groups = [training, *read_stories(args.stories, held_out)]
    streams = [Stream(encode_tales(tokenizer, group), config.context, args.seed) for group in groups]
    windows = Windows(streams, args.shares, args.opening_shares, config.context, args.seed)
    held_out_ids = encode_tales(tokenizer, held_out)
    for group, stream in zip(groups, streams):
        print(f"{len(group)} entries, {len(stream.tokens):,} tokens", flush=True)

    torch.manual_seed(args.seed)
    model = Llama(config, args.dropout).to(device)
    teacher = load_model(args.teacher).to(device) if args.teacher else None
    if args.start:
        start_from(model, args.start)
    elif teacher:
        narrow_embedding(model, teacher)
    optimisers = make_optimisers(model, args)
    print(f"{sum(w.numel() for w in model.parameters()):,} parameters on {device}", flush=True)
    checkpoint, first_step = work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"]):
            peaks = [group["peak_lr"] for group in optimiser.param_groups]
            optimiser.load_state_dict(saved)
            for group, peak in zip(optimiser.param_groups, peaks):
                group["peak_lr"] = peak
        first_step = state["step"]
        print(f"resumed at step {first_step}", flush=True)
    elif args.start:
        nats, bits = held_out_loss(model, held_out_ids, held_out, config.context, device)
        print(f"start: held out {nats:.4f} nats a token, {bits:.4f} bits a byte", flush=True)

    def loss_of(ids):
        logits = model(ids[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())

    def distance_to_teacher(ids):
        logits = model(ids[:, :-1]).float()
        with torch.no_grad():
            likely = teacher(ids[:, :-1]).float().softmax(-1)
        return -(likely * logits.log_softmax(-1)).sum(-1).mean()

    training_loss = torch.compile(loss_of) if args.compile else loss_of
    starting, stop = word_starts(tokenizer), []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    began, losses, shares = time.monotonic(), [], []
    for step in range(first_step, args.steps):
        scale = schedule(step, args.steps, args.decay_steps)
        if args.minutes:  # by the clock: the rate falls over the last 40 % of it
            left = 1 - (time.monotonic() - began) / (60 * args.minutes)
            if left <= 0:
                args.steps = step
                break
            scale = min(1.0, (step + 1) / 50, left / 0.4)
        else:
            left = 1 - step / args.steps
        by_teacher = teacher is not None and left <= args.teacher_part
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak_lr"] * scale
        torch.manual_seed(args.seed * 1_000_003 + step)  # dropout's masks
        ids = windows.batch(step, args.batch).to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = distance_to_teacher(ids) if by_teacher else training_loss(ids)
        loss.backward()
        if args.unlikely and step % 2:
            unlikely, share = repetition_loss(model, windows.streams[step // 2 % 2], starting, step, args)
            if share:
                (args.unlikely * unlikely).backward()
            shares.append(share)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())

        done = step + 1
        if done % 25 == 0:
            rate = (done - first_step) * args.batch * config.context / (time.monotonic() - began)
            print(f"step {done}/{args.steps}  loss {np.mean(losses[-25:]):.3f}  {rate:,.0f} tokens/s", flush=True)
            if shares:
                print(f"    {np.mean(shares[-25:]):.1%} of greedy tokens repeat a run", flush=True)
        if done % args.every == 0 or done == args.steps or stop:
            state = {"model": model.state_dict(), "optimisers": [o.state_dict() for o in optimisers], "step": done}
            partial = checkpoint.with_suffix(".part")
            torch.save(state, partial)
            partial.replace(checkpoint)  # a run killed while saving keeps the last whole checkpoint
            if stop:
                return print(f"stopped at step {done}", flush=True)
            nats, bits = held_out_loss(model, held_out_ids, held_out, config.context, device)
            print(f"step {done}: held out {nats:.4f} nats a token, {bits:.4f} bits a byte", flush=True)

    export(model, config, tokenizer, args.out)
    rounded = model.to(torch.float16).float()  # what the file holds is what is measured and shown
    nats, bits = held_out_loss(rounded, held_out_ids, held_out, config.context, device)
    print(f"exported after {args.steps} steps: held out {nats:.4f} nats a token, {bits:.4f} bits a byte")
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
    parser.add_argument("--tales", type=Path, required=True, help="JSON lines: book, title, text; 2 %% are held out")
    parser.add_argument("--stories", type=Path, required=True, help="the larger corpus, in the same form")
    parser.add_argument("--start", type=Path, help="folder of an earlier, shallower model to start from")
    parser.add_argument("--teacher", type=Path, help="folder of the model that a draft learns from")
    parser.add_argument("--teacher-part", type=float, default=1.0, help="part of the run, at its end, that learns from the teacher")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model's files")
    parser.add_argument("--work", type=Path, default=Path("train-work"), help="folder for the checkpoint; a run resumes from it")
    parser.add_argument("--preset", choices=PRESETS, default="demo")
    parser.add_argument("--shares", type=float, nargs=3, default=[0.33, 0.42, 0.25], help="of fairy tales, other tales, chapters")
    parser.add_argument("--opening-shares", type=float, nargs=3, default=[0.5, 0.5, 0.0], help="the same for windows that open one")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="the run's length by the clock, in place of the two below")
    parser.add_argument("--decay-steps", type=int, default=900, help="the last steps, over which the rate falls to zero")
    parser.add_argument("--batch", type=int, default=16, help="windows a step")
    parser.add_argument("--seed", type=int, default=1812, help="the year of Grimm's first volume")
    parser.add_argument("--muon-lr", type=float, default=0.005)
    parser.add_argument("--adam-lr", type=float, default=0.003)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--unlikely", type=float, default=0.0, help="weight of the loss on greedy repetition")
    parser.add_argument("--unlikely-rows", type=int, default=16, help="greedy continuations a step")
    parser.add_argument("--unlikely-run", type=int, default=6, help="tokens that make a run")
    parser.add_argument("--every", type=int, default=150, help="steps between checkpoints")
    parser.add_argument("--compile", action="store_true", help="torch.compile: faster, needs a C++ compiler")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    train(args, PRESETS[args.preset], args.work)


if __name__ == "__main__":
    main()
