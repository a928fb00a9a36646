#!/usr/bin/env bash
# Makes a small table with every modality, looks at it, learns from it, scores it and answers it.
#   bash examples/demo/run.sh [FOLDER]     FOLDER/data, FOLDER/run and FOLDER/predictions.csv are made anew
set -euo pipefail
folder=${1:-demo}
rm -rf "$folder/data" "$folder/run" "$folder/predictions.csv"

run() { printf '\n$ %s\n' "$*"; "$@"; }
run sensorium example demo --out "$folder/data"
run sensorium inspect "$folder/data/train.csv" --target counter --valid "$folder/data/valid.csv"
run sensorium fit "$folder/data/train.csv" --valid "$folder/data/valid.csv" --target counter --config "$(dirname "$0")/config.yaml" --out "$folder/run"
run sensorium evaluate "$folder/run" "$folder/data/test.csv"
run sensorium predict "$folder/run" "$folder/data/test.csv" -o "$folder/predictions.csv"
printf '\nThe table and its media: %s\nThe run, with weights, metrics and problems: %s\nThe answers: %s\n' \
  "$folder/data" "$folder/run" "$folder/predictions.csv"
