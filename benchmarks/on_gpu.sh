#!/usr/bin/env bash
# Test and measure on a machine with a CUDA device and torch installed:
#
#     benchmarks/on_gpu.sh [FOLDER]
#
# The fused engine, which needs Triton there, against nn.LSTM, nn.GRU and nn.RNN and against Python
# loops; scans and Newton's method against the loops; and what the generated kernels need.
# JSON, Markdown and a picture go into FOLDER/<device>, benchmarks/results by default; what an
# earlier run of the same folder measured is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results}
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}

python -c 'import torch; assert torch.cuda.is_available(), "torch sees no CUDA device"'
python -m pytest tests/gpu -m gpu
mkdir -p "$out"
python -m ostinato.bench.device_code LSTM GRU LayerNormLSTM ParaGRU --hidden 64,128
python -m ostinato bench 'lstm,gru,elman,layer-norm-lstm,peephole-lstm,leaky,heads,parallel-*' \
    --device cuda --threads 1 --repeats 5 --json "$out/on-gpu.json" --resume --out "$out"
