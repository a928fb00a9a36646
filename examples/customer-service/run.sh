#!/usr/bin/env bash
# Learns what a customer wants from a call and a chat message, from both and from each alone.
#   bash examples/customer-service/run.sh [FOLDER]     FOLDER/data (of runs/customer-service) and the runs beside it are made anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/customer-service}
rm -rf "$folder/data" "$folder/all" "$folder/call" "$folder/chat"

run() { printf '\n$ %s\n' "$*"; "$@"; }
score() { # NAME [OPTION...]: learn, and score on the test rows
  run sensorium fit "$folder/data/train.csv" --valid "$folder/data/valid.csv" --target wish --config "$here/config.yaml" \
    --out "$folder/$1" "${@:2}"
  run sensorium evaluate "$folder/$1" "$folder/data/test.csv" --by line
}
run sensorium example customer-service --out "$folder/data"
score all
run sensorium evaluate "$folder/all" "$folder/data/test.csv" --by typing
score call --no-probes --set 'inputs={call: {modality: audio, sample_rate: 8000}}'
score chat --no-probes --set 'inputs={chat: {modality: text, max_tokens: 48, encoder: {type: bag}}}'
