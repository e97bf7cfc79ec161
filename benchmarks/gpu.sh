#!/usr/bin/env bash
# All that needs a GPU, in one go and one table: bash benchmarks/gpu.sh --output table.md
#
# Four minutes on one fast card. Whoever has a card for once runs it and puts the table into
# docs/performance.md. Without one: --device cpu --tiny shows that everything starts. PYTHON names
# another interpreter than python3.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" "$root/benchmarks/gpu.py" "$@"
