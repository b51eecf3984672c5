#!/usr/bin/env bash
# Installs other gateways into a scratch folder, to be measured beside this project's router. Nothing else is changed.
# Needs Python 3, Node.js and network. Usage: install.sh FOLDER
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)

echo "LiteLLM (PyPI)"
python3 -m venv "$folder/litellm"
"$folder/litellm/bin/pip" install --quiet --disable-pip-version-check 'litellm[proxy]==1.106.2'

echo "musistudio/claude-code-router (npm)"
npm install --silent --no-audit --no-fund --prefix "$folder/ccr" @musistudio/claude-code-router@2.0.0

# With the versions of its dependencies that a fresh install gets, every stream of it fails.
echo "Portkey's gateway (npm)"
mkdir -p "$folder/portkey"
cat > "$folder/portkey/package.json" <<'JSON'
{"private": true, "dependencies": {"@portkey-ai/gateway": "1.15.2"}, "overrides": {"@hono/node-server": "1.13.8", "hono": "4.9.7"}}
JSON
npm install --silent --no-audit --no-fund --prefix "$folder/portkey"

echo "anyllm_proxy (crates.io)"
cargo install --quiet --root "$folder/anyllm" anyllm_proxy@0.17.0
