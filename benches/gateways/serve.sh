#!/usr/bin/env bash
# Serves one of the gateways that install.sh installed, before a provider on this machine.
# Usage: serve.sh FOLDER NAME UPSTREAM_HOST:PORT PORT
set -euo pipefail
folder=$1 name=$2 upstream=$3 port=$4
own=$(mktemp -d)
export HOME=$own DO_NOT_TRACK=1
case $name in
litellm)
    export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true
    cat > "$own/config.yaml" <<YAML
model_list:
  - model_name: own
    litellm_params: {model: openai/own, api_base: "http://$upstream/v1", api_key: provider-secret}
  - model_name: claude-sonnet-4-6
    litellm_params: {model: anthropic/claude-sonnet-4-6, api_base: "http://$upstream", api_key: provider-secret}
litellm_settings: {telemetry: false, drop_params: true, num_retries: 0, use_chat_completions_url_for_anthropic_messages: true}
router_settings: {disable_cooldowns: true, num_retries: 0}
YAML
    exec "$folder/litellm/bin/litellm" --config "$own/config.yaml" --host 127.0.0.1 --port "$port" --telemetry False
    ;;
ccr)
    mkdir -p "$own/.claude-code-router"
    cat > "$own/.claude-code-router/config.json" <<JSON
{"LOG": false, "HOST": "127.0.0.1", "PORT": $port, "NON_INTERACTIVE_MODE": true,
 "Providers": [{"name": "chat", "api_base_url": "http://$upstream/v1/chat/completions", "api_key": "provider-secret", "models": ["own"]}],
 "Router": {"default": "chat,own"}}
JSON
    exec "$folder/ccr/node_modules/.bin/ccr" start
    ;;
portkey)
    exec node "$folder/portkey/node_modules/@portkey-ai/gateway/build/start-server.js" "--port=$port" --headless
    ;;
anyllm)
    cat > "$own/config.yaml" <<YAML
model_list:
  - model_name: own
    litellm_params: {model: openai/own, api_base: "http://$upstream", api_key: provider-secret}
YAML
    # Its cache would answer instead of the provider.
    export CACHE_TTL_SECS=0 CACHE_MAX_ENTRIES=0
    export PROXY_CONFIG="$own/config.yaml" LISTEN_PORT=$port PROXY_OPEN_RELAY=true RUST_LOG=off
    exec "$folder/anyllm/bin/anyllm-proxy"
    ;;
esac
