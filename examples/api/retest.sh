#!/usr/bin/env bash
# Have a service re-test an encoder, wait, and keep the receipt. The key stands in a file that curl reads, so that it
# is in no list of processes: a file of mode 0600 with the line  Authorization: Bearer ireu_…
#
#   IREU_URL=https://ireu.example.org IREU_KEY_HEADER=key.txt examples/api/retest.sh '{"kind":"named","name":"testbed"}' receipt.json
#   ireu receipt verify receipt.json --key keys.json
set -euo pipefail
url=${IREU_URL:-http://127.0.0.1:8350}
header=${IREU_KEY_HEADER:?a file with the line: Authorization: Bearer ireu_...}
encoder=${1:?where the encoder is, as JSON}
receipt=${2:?where to write the receipt}

member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

job=$(curl -fsS -H "@$header" -H 'Content-Type: application/json' -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    --data "{\"cases\": \"all\", \"encoder\": $encoder}" "$url/v1/verifications" | member id)
while :; do
    status=$(curl -fsS -H "@$header" "$url/v1/verifications/$job" | member status)
    echo "re-test $job: $status" >&2
    [[ $status == queued || $status == running ]] || break
    sleep 5
done
curl -fsS -H "@$header" -o "$receipt" "$url/v1/verifications/$job/receipt"
