#!/usr/bin/env bash
# Test and measure on a machine with a CUDA device:
#
#     benchmarks/on_gpu.sh [PART…]
#
# The parts, all of them if none is named, in 29 minutes at most:
#
#     tests     what only a device can show                                            4 minutes
#     rates     what estimates of engines are computed from, kept in the cache of kernels    1
#     narrow    generated code, loop, cuDNN and FlashRNN in bfloat16, over heads,
#               rows and steps                                                         5
#     heads     the same in float32                                                    5
#     lengths   steps in turn and all steps together, for 2^8 … 2^20 steps             4
#     matrices  generated code, chunks and flash-linear-attention for matrix states    3
#     cells     generated code and scans against the loop and torch's modules          3
#     memory    of a training pass                                                     2
#     roofline  rates beside those of a copy and of a product                          2
#
# and, by name only,
#
#     newton    Newton's method beside the loop and generated code, on cells made for it    3
#     code      registers and memory of generated kernels, which takes no device
#
# Needed are torch, Triton, numpy, safetensors, rich and pytest with pytest-timeout; matplotlib draws,
# pytest-xdist makes the tests short. Nothing is installed: the source is taken from this folder.
# JSON, Markdown and pictures go into $OUT/<device>, benchmarks/results by default. Every answer is
# written at once, and what is there is kept: a part that ran out of time, or was killed, is taken up by
# naming it again. A size that hangs or fails is a note in the table, and so is a peer that is not
# installed. DEVICE=cpu with QUICK=--quick shows that the tables work where there is no device.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-benchmarks/results}
device=${DEVICE:-cuda}
python=$(command -v python || command -v python3)
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUNBUFFERED=1
mkdir -p "$out"

# Two at a time would measure each other.
exec 9>"$out/.lock"
flock -n 9 || { echo "Another run writes to $out; wait for it." >&2; exit 1; }

# within SECONDS COMMAND…: a process that hangs is ended with all that it started.
within() {
    timeout -k 10 "$@" 9>&-
}

# Kernels whose programs wait for one another are tried here before anybody gets them unasked, and
# timed only where they passed their tests.
waiting=$out/.waiting

tests() {
    local options=(-m gpu --timeout 90 --timeout-method thread) failed=0
    # By estimates alone, or each test would compile four kernels for one.
    export OSTINATO_TUNE=0
    rm -f "$waiting"
    if "$python" -c 'import xdist' 2>/dev/null; then
        options+=(-n 8 --max-worker-restart 16)
    fi
    OSTINATO_PERSISTENT=0 within 170 "$python" -m pytest tests/gpu \
        --deselect tests/gpu/test_waiting.py "${options[@]}" || failed=1
    if OSTINATO_PERSISTENT=1 within 70 "$python" -m pytest tests/gpu/test_waiting.py \
        -m gpu --timeout 60 --timeout-method thread; then
        touch "$waiting"
    else
        failed=1
    fi
    return $failed
}

# table NAME SECONDS [DTYPE]: the time is for the answers; a page and a picture come behind.
table() {
    OSTINATO_PERSISTENT=$([ -e "$waiting" ] && echo 1 || echo 0) within $(($2 + 60)) \
        "$python" -m ostinato.bench.sweep "$1" --device "$device" --out "$out" --budget "$2" \
        --dtype "${3:-float32}" ${QUICK:-}
}

rates() {
    if [ "$device" = cpu ]; then
        echo "Rates are those of a CUDA device; there is none."
    else
        OSTINATO_PERSISTENT=0 within 60 "$python" -m ostinato.bench.device_rates
    fi
}

newton() {
    within 170 "$python" -m ostinato.bench.newton_speed --device "$device" ${QUICK:-}
}

code() {
    within 300 "$python" -m ostinato.bench.device_code LSTM GRU LayerNormLSTM ParaGRU \
        --hidden 64,128
    within 300 "$python" -m ostinato.bench.chunk_code 64 128
}

part() {
    case $1 in
    tests) (tests) ;;
    rates | newton | code) "$1" ;;
    narrow) table heads 240 bfloat16 ;;
    heads) table heads 240 ;;
    lengths) table lengths 220 ;;
    matrices | cells) table "$1" 140 ;;
    memory | roofline) table "$1" 100 ;;
    *)
        echo "No part is called '$1'; see the head of $0." >&2
        return 2
        ;;
    esac
}

if [ $# = 0 ]; then
    set -- tests rates narrow heads lengths matrices cells memory roofline
fi
failed=0
for name in "$@"; do
    begin=$SECONDS
    # One part that fails leaves the others their turn.
    part "$name" || { echo "part $name: exit status $?" >&2; failed=1; }
    echo "part $name: $((SECONDS - begin)) s"
done
exit $failed
