#!/usr/bin/env bash
# Test and measure on a machine with a CUDA device and torch installed:
#
#     benchmarks/on_gpu.sh [PART…]
#
# The parts, all of them if none is named; each takes less than ten minutes:
#
#     tests     what only a device can show
#     code      registers and memory of generated kernels
#     ratios    the fused engine, which needs Triton there, against nn.LSTM, nn.GRU, nn.RNN and
#               Python loops; scans and Newton's method against the loops
#     heads     generated code, loop, cuDNN and FlashRNN over heads, rows and steps
#     lengths   steps in turn and all steps together, for 2^8 … 2^20 steps
#     matrices  generated code, chunks and flash-linear-attention for matrix states
#     memory    of a training pass
#     roofline  rates beside those of a copy and of a product
#
# JSON, Markdown and pictures go into $OUT/<device>, benchmarks/results by default. What an earlier
# run left there is kept, so a part that ran out of time is taken up by naming it again. A peer that
# is not installed is a note in the tables. DEVICE=cpu with QUICK=--quick shows that the tables work
# where there is no device.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-benchmarks/results}
device=${DEVICE:-cuda}
# Kernels whose programs wait for one another are tried here before anybody gets them unasked.
export OSTINATO_PERSISTENT=1
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out"

part() {
    case $1 in
    tests) python -m pytest tests/gpu -m gpu ;;
    code)
        python -m ostinato.bench.device_code LSTM GRU LayerNormLSTM ParaGRU --hidden 64,128
        python -m ostinato.bench.chunk_code 64 128
        ;;
    ratios)
        # A contest that is under way at the end is measured again by the next run.
        timeout 540 python -m ostinato bench \
            'lstm,gru,elman,layer-norm-lstm,peephole-lstm,leaky,heads,parallel-*,linear-*,chunk-*' \
            --device "$device" --threads 1 --repeats 5 --json "$out/on-gpu.json" --resume \
            --out "$out" ${QUICK:-}
        ;;
    heads | lengths | matrices | memory | roofline)
        timeout 580 python -m ostinato.bench.sweep "$1" --device "$device" --out "$out" \
            --budget 400 ${QUICK:-}
        ;;
    *)
        echo "No part is called '$1'; see the head of $0." >&2
        return 2
        ;;
    esac
}

if [ $# = 0 ]; then
    set -- tests code ratios heads lengths matrices memory roofline
fi
failed=0
for name in "$@"; do
    # One part that fails leaves the others their turn.
    part "$name" || { echo "part $name: exit status $?" >&2; failed=1; }
done
exit $failed
