#!/usr/bin/env bash
# Learns what is meant from text and speech, from both and from each alone.
#   bash examples/sentiment/run.sh [FOLDER]     FOLDER/data (of runs/sentiment) and the runs beside it are made anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/sentiment}
rm -rf "$folder/data" "$folder/all" "$folder/text" "$folder/speech"

run() { printf '\n$ %s\n' "$*"; "$@"; }
score() { # NAME [OPTION...]: learn, and score on the test rows
  run sensorium fit "$folder/data/train.csv" --valid "$folder/data/valid.csv" --target sentiment --config "$here/config.yaml" \
    --out "$folder/$1" "${@:2}"
  run sensorium evaluate "$folder/$1" "$folder/data/test.csv" --by words
}
run sensorium example sentiment --out "$folder/data"
score all
score text --no-probes --set 'inputs={text: {modality: text, max_tokens: 24, encoder: {type: bag}}}'
score speech --no-probes --set 'inputs={speech: {modality: audio, sample_rate: 8000}}'
