#!/usr/bin/env bash
# Learns numbers from photographs with captions, from both and from each alone.
#   bash examples/image-captions/run.sh [FOLDER]     FOLDER/data (of runs/image-captions) and the runs beside it are made anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/image-captions}
rm -rf "$folder/data" "$folder/all" "$folder/photo" "$folder/caption"

run() { printf '\n$ %s\n' "$*"; "$@"; }
score() { # NAME [OPTION...]: learn, and score on the test rows
  run sensorium fit "$folder/data/train.csv" --valid "$folder/data/valid.csv" --target number --config "$here/config.yaml" \
    --out "$folder/$1" "${@:2}"
  run sensorium evaluate "$folder/$1" "$folder/data/test.csv" --by covered
}
run sensorium example image-captions --out "$folder/data"
score all
score photo --no-probes --set 'inputs={photo: {modality: image, size: 40}}'
score caption --no-probes --set 'inputs={caption: {modality: text, max_tokens: 40}}'
