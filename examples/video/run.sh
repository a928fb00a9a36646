#!/usr/bin/env bash
# Learns what happens in clips, from pictures, motion and sound together and from each alone.
#   bash examples/video/run.sh [FOLDER]     FOLDER/data (of runs/video) and the runs beside it are made anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/video}
rm -rf "$folder/data" "$folder/all" "$folder/pictures" "$folder/motion" "$folder/sound"

run() { printf '\n$ %s\n' "$*"; "$@"; }
score() { # NAME [OPTION...]: learn, and score on the test rows
  run sensorium fit "$folder/data/train.csv" --valid "$folder/data/valid.csv" --target event --config "$here/config.yaml" \
    --out "$folder/$1" "${@:2}"
  run sensorium evaluate "$folder/$1" "$folder/data/test.csv" --by track
}
run sensorium example video --out "$folder/data"
score all
score pictures --no-probes --set 'inputs={pictures: {column: clip, modality: video, frames: 6, size: 32, encoder: {type: cnn3d}}}'
score motion --no-probes --set 'inputs={motion: {column: clip, modality: video, frames: 6, encoder: {type: motion, pictures: 0}}}'
score sound --no-probes --set 'inputs={sound: {column: clip, modality: audio, sample_rate: 8000}}'
