#!/usr/bin/env bash
# Measures this project's router, the bare forwarder and the gateways that install.sh installed, and prints tables.
# All of it runs in a network namespace of its own, so that nothing leaves this machine.
# Usage: run.sh ROUTER_BINARY FOLDER [NAME...]        names: forward router router-translated anyllm portkey ccr litellm
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cargo build --release --quiet --manifest-path "$here/Cargo.toml"
binary=${CARGO_TARGET_DIR:-$here/target}/release/gateways
exec unshare --map-root-user --net sh -c 'ip link set lo up && ip address add 20.0.0.1/32 dev lo && exec "$@"' sh "$binary" run "$@"
