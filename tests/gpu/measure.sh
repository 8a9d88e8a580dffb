#!/usr/bin/env bash
# Measure dabench on a GPU machine, by its command line and tests/gpu/probe.py. In the root of a checkout that holds .gpu/ (see pack.py):
#
#   bash tests/gpu/measure.sh [--dry] SECONDS [STAGE ...]
#
# SECONDS: the time it may take; an unfinished sweep stops at a checkpoint then, and goes on from there at the next call.
# STAGE:   probe, quick, modern (paper-modern, FER2013), paper (250 epochs, two seeds side by side), faces (needs .gpu-faces/);
#          all of them that can be done, in this order, if none is given. What is done is not done again.
# --dry:   each stage in miniature, on a CPU, too.
# Results: $OUT (default .gpu/out): log.txt, probe.json, a pack of each sweep, the printed reports.
# Whatever is installed or prepared stays in $SCRATCH (default /tmp/dabench-gpu), so that a second call begins at once.
set -u
dry=""; [ "${1:-}" = --dry ] && { dry=1; shift; }
begin=$(date +%s) budget=${1:?give the seconds that it may take}; shift
[ $# -gt 0 ] || set -- probe quick modern paper faces
scratch=${SCRATCH:-/tmp/dabench-gpu} OUT=${OUT:-$PWD/.gpu/out}
site=$scratch/site work=$scratch/runs texts=$scratch/texts python=${PYTHON:-python3}
mkdir -p "$OUT" "$work" "$texts" "$scratch/raw/fer2013"
# PYTHONSAFEPATH: the dabench of the wheel, not the folder of that name in the checkout, which lacks its adapters and sweeps.
export DABENCH_CACHE=$scratch/cache DABENCH_DATA=$scratch/raw PYTHONUNBUFFERED=1 PYTHONPATH=$site PYTHONSAFEPATH=1

log() { printf '[%4d s] %s\n' $(($(date +%s) - begin)) "$*" | tee -a "$OUT/log.txt"; }
left() { echo $((budget - ($(date +%s) - begin))); }

if [ ! -e "$scratch/ready" ]; then
  if [ -z "$dry" ]; then
    $python -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" .gpu/*.whl || exit 1
    tar -xJf .gpu/fer2013.tar.xz -C "$DABENCH_DATA/fer2013" || exit 1
  fi
  # Everything that is needed later is imported once, so that a missing package is known in the first seconds.
  (cd "$scratch" && $python -W ignore -c 'import dabench.adapters, dabench.sweeps, pytorch_adapt.layers, scipy, sklearn, PIL, pandas') || exit 1
  touch "$scratch/ready"
fi
log "$($python -c 'import platform, torch; c = torch.cuda; print("Python", platform.python_version(), "torch", torch.__version__, "on", c.get_device_name(0) if c.is_available() else "no GPU")')"

sweep() { # NAME SECONDS SWEEP ARGUMENT...: a sweep into its folder; it is told to stop when its time is over
  local name=$1 limit=$2 start code; shift 2; start=$(date +%s)
  timeout -s INT -k 45 "$limit" $python -m dabench sweep "$@" --engine inline --out "$work/$name" >"$texts/$name.txt" 2>&1; code=$?
  log "$name: exit $code, $(($(date +%s) - start)) s"
  [ $code -eq 0 ] || tail -n 4 "$texts/$name.txt"
  return $code
}
report() { # NAME: its tables by three rules, its pack, its seconds
  for rule in last source-accuracy oracle; do $python -m dabench report "$work/$1" --select $rule; done >>"$texts/$1.txt" 2>&1
  rm -f "$OUT/$1.zip"
  $python -m dabench export "$work/$1" --to "$OUT/$1.zip" >>"$texts/$1.txt" 2>&1
  $python - "$work/$1" <<'P' | tee -a "$OUT/log.txt"
import json, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("runs/*/run.json")):
    run = json.loads(path.read_text())
    print("  ", run["name"], run["steps"], "steps;", run["seconds"], {k: run["environment"][k] for k in ("device", "precision")})
P
}
table() { # one table of all that is done so far
  $python - "$OUT/probe.json" "$work" <<'P' | tee "$OUT/table.txt"
import json, sys
from pathlib import Path
probe, work = map(Path, sys.argv[1:])
rows = []
for stage, found in (json.loads(probe.read_text()) if probe.is_file() else {}).items():
    rows += [(f"{stage}: {what}", value) for what, value in found.items()] if isinstance(found, dict) else [(stage, found)]
for path in sorted(work.glob("*/report/results.json")):
    name, of = path.parent.parent.name, json.loads(path.read_text())
    for cell in of["cells"]:
        pair = f"{'+'.join(cell['sources'])} on {cell['test']}" + (f", adapted to {cell['target']}" if cell.get("target") else "")
        rows.append((f"{name}: {cell['adapter']}, {pair}", f"{cell['mean']:.2f} ({cell['seeds']} seeds)"))
    runs = [json.loads(run.read_text())["seconds"] for run in sorted((work / name / "runs").glob("*/run.json"))]
    rows.append((f"{name}: seconds of training, of all", f"{sum(r['train'] for r in runs):.1f}, {sum(r['total'] for r in runs):.1f}"))
for what, value in rows:
    print(f"{what:80} {value if isinstance(value, str) else json.dumps(value)}")
P
}
fer='datasets=["fer2013"]' alone='adapters=["none"]'
for stage in "$@"; do case $stage in
  probe) timeout "$(left)" $python tests/gpu/probe.py "$OUT/probe.json" ${dry:+--tiny} 2>&1 | tee "$texts/probe.txt" ;;
  quick) sweep quick "$(left)" quick --set seeds=1 ${dry:+--set train.steps=5} && report quick ;;
  modern)
    if [ -n "$dry" ]; then set -- --set 'datasets=["font-digits"]' --set backbone=conv4 --set size=16 --set augment.crop=16 --set train.steps=3 --set seeds=2
    else set -- --set "$fer" --set seeds=5; fi
    sweep modern "$(left)" paper-modern "$@" --set "$alone" --set train.checkpoints=3 && report modern ;;
  paper) # a GPU is half idle with one of these, so two seeds go side by side, and their runs are put into one folder
    if [ -n "$dry" ]; then set -- --set 'datasets=["font-digits"]' --set backbone=conv4 --set size=16 --set augment.crop=16 --set train.steps=3
    else set -- --set "$fer"; fi
    set -- "$@" --set train.checkpoints=25 --set "$alone"
    for seed in 0 1; do sweep paper-$seed $(($(left) - 60)) paper "$@" --set "seeds=[$seed]" & done; wait
    if [ -e "$work/paper-0/report/results.json" ] && [ -e "$work/paper-1/report/results.json" ]; then
      mkdir -p "$work/paper" && cp -rp "$work/paper-0/." "$work/paper/"
      cp -rp "$work/paper-1/runs/." "$work/paper/runs/"
      sweep paper 60 paper "$@" --set seeds=2 && report paper
    fi ;;
  faces) # the images came in a second call, when those of the first are prepared already
    if [ -e .gpu-faces/muxspace.tar.xz ] && [ ! -e "$DABENCH_DATA/muxspace" ]; then
      mkdir "$DABENCH_DATA/muxspace" && tar -xJf .gpu-faces/muxspace.tar.xz -C "$DABENCH_DATA/muxspace" || exit 1
    fi
    if [ -n "$dry" ]; then
      sweep faces "$(left)" faces --set 'datasets=["font-digits", "uci-digits"]' --set backbone=conv4 --set size=16 \
        --set augment.crop=16 --set train.steps=3 --set 'adapters=["none", "dann"]' && report faces
    elif [ -e "$DABENCH_DATA/muxspace" ]; then sweep faces "$(left)" faces && report faces
    else log "faces: left out, .gpu-faces/ is not there"; fi ;;
  *) log "there is no stage $stage: probe, quick, modern, paper, faces"; exit 2 ;;
esac; done
table
tar -czf "$OUT/texts.tgz" -C "$texts" .
log "done: $OUT"
