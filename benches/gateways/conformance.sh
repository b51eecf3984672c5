#!/usr/bin/env bash
# The checklist of tests/conformance/ for this project's router and for the gateways that install.sh installed, as one table.
# Each runs in a network namespace of its own, so that nothing leaves this machine.
# Usage: conformance.sh ROUTER_BINARY FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
router=$(realpath "$1") folder=$(realpath "$2")
suite=$here/../../tests/conformance/run.py
results=$(mktemp)
rm "$results"

alone() { unshare --map-root-user --net sh -c 'ip link set lo up && ip address add 20.0.0.1/32 dev lo && exec "$@"' sh "$@"; }
gateway() {
    local title=$1 name=$2
    shift 2
    alone python3 "$suite" --gateway "$title" --serve "$here/serve.sh $folder $name {upstream} {port}" --json "$results" "$@"
}

alone python3 "$suite" --router "$router" --json "$results"
gateway LiteLLM litellm --claude claude-sonnet-4-6
gateway claude-code-router ccr --model chat,own
if [ -x "$folder/anyllm/bin/anyllm-proxy" ]; then
    # It calls no provider on this machine: in its namespace another address is this machine too.
    gateway anyllm_proxy anyllm --address 20.0.0.1
fi
echo
python3 "$suite" --json "$results" --table
