#!/usr/bin/env bash
# Test and measure on a machine with a CUDA device:
#
#     benchmarks/on_gpu.sh [PART…]
#
# The parts, all of them if none is named, in about 30 minutes, those of most worth first:
#
#     tests     what only a device can show                                          4 minutes
#     rates     what estimates of engines are computed from, kept in the cache of kernels  1
#     narrow    generated code and its forms, loop, cuDNN and FlashRNN in bfloat16,
#               over heads, rows and steps                                           4
#     lengths   steps in turn and all steps together, 2^2 … 2^16 steps, 256 … 2048 units   3
#     flashrnn  `ostinato reproduce flashrnn`, its speed, at the paper's sizes       2
#     pararnn   the same of pararnn                                                  2
#     updates   chunks for one to four updates of a matrix at every step, bfloat16   2
#     heads     narrow in float32                                                    2
#     surface   Newton's method, its diagonal and its damping over units, steps and rows   1½
#     loops     the plain loop, compiled step by step, and as a CUDA graph, bfloat16 1½
#     lssl      a linear state space by Fourier transforms and in turn               1½
#     plstm     grids cell after cell and as one masked attention, in both dtypes    1½
#     matrices  generated code, chunks and flash-linear-attention for matrix states  1
#     cells     generated code and scans against the loop and torch's modules        1
#     memory    of a training pass                                                   1
#     roofline  rates beside those of a copy and of a product                        1
#
# and, by name only,
#
#     newton    what pararnn measures, as a table                                    3
#     code      registers and memory of generated kernels, which takes no device
#
# No table is whole after that: within it, too, what is of most worth is asked first, and the part
# goes on when it is named again.
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
        --limit 2 --dtype "${3:-float32}" ${QUICK:-}
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

# reproduce SLUG SECONDS: how fast it is, without what is trained for it.
reproduce() {
    local scale=paper
    [ "$device" = cpu ] && scale=small
    OSTINATO_PERSISTENT=0 within "$2" "$python" -m ostinato reproduce "$1" --part speed \
        --scale "$scale" --seeds 1 --out "$out/$1-speed"
}

part() {
    case $1 in
    tests) (tests) ;;
    rates | newton | code) "$1" ;;
    narrow) table heads 220 bfloat16 ;;
    lengths) table lengths 180 ;;
    flashrnn | pararnn) reproduce "$1" 150 ;;
    updates) table updates 110 bfloat16 ;;
    heads) table heads 120 ;;
    surface) table surface 80 ;;
    loops) table loops 80 bfloat16 ;;
    lssl) table lssl 80 ;;
    plstm) table plstm 45 && table plstm 45 bfloat16 ;;
    matrices) table matrices 60 ;;
    cells | memory | roofline) table "$1" 50 ;;
    *)
        echo "No part is called '$1'; see the head of $0." >&2
        return 2
        ;;
    esac
}

if [ $# = 0 ]; then
    set -- tests rates narrow lengths flashrnn pararnn updates heads surface loops lssl plstm \
        matrices cells memory roofline
fi
failed=0
for name in "$@"; do
    begin=$SECONDS
    # One part that fails leaves the others their turn.
    part "$name" || { echo "part $name: exit status $?" >&2; failed=1; }
    echo "part $name: $((SECONDS - begin)) s"
done
exit $failed
