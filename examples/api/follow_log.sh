#!/usr/bin/env bash
# Read the public log of a service with nothing but curl: no key is needed.
#
#   IREU_URL=https://ireu.example.org examples/api/follow_log.sh
set -euo pipefail
url=${IREU_URL:-http://127.0.0.1:8350}

echo "# the signed head of the log"
curl -fsS "$url/checkpoint"

echo "# the newest entry"
curl -fsS "$url/v1/ledger/entries?order=newest&limit=1"
echo

echo "# a proof that entry 0 is in the log (C2SP tlog-proof; to verify it: ireu ledger audit, or another tool)"
curl -fsS -H 'Accept: text/plain' "$url/v1/ledger/proofs/inclusion?seq=0"
