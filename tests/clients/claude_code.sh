#!/usr/bin/env bash
# The real Claude Code client through the built router to providers of several kinds on this machine.
#
# It runs with an empty environment and a fresh home, in a network namespace that has nothing but loopback.
# Usage: claude_code.sh ROUTER_BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
router=$(realpath "$1")
client=$here/../../target/claude-code
version=2.1.197

if ! unshare --net --map-root-user true 2>/dev/null && ! unshare --net true 2>/dev/null; then
    echo "skipped: this machine makes no network namespaces, and Claude Code is run in one only"
    exit 0
fi
if [ ! -e "$client/node_modules/@anthropic-ai/claude-code/package.json" ]; then
    mkdir -p "$client"
    (cd "$client" && npm init --yes >/dev/null && npm install --silent --no-fund --no-audit "@anthropic-ai/claude-code@$version" >/dev/null)
fi
program=$(ls "$client"/node_modules/@anthropic-ai/claude-code-*/claude 2>/dev/null | head -n 1)
[ -n "$program" ] || program=$client/node_modules/.bin/claude

# With the SDKs of providers, what they are sent is read with their own types.
python=$here/../../target/sdks/bin/python
[ -x "$python" ] || python=python3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/home" "$scratch/work"
cat > "$scratch/inside.sh" <<INSIDE
set -euo pipefail
ip link set lo up 2>/dev/null || python3 -c '
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))'
cd "$scratch"
"$python" "$here/provider.py" > provider.port &
trap 'kill \$(jobs -p) 2>/dev/null || true' EXIT
while [ ! -s provider.port ]; do sleep 0.1; done
printf 'rule agents { when agent in [main, sub] route "mine/my-model" tag "agents" }\ndefault { reject 403 "not an agent" }\n' > my.route
ask() {
    (cd work && env -i PATH="$PATH" HOME="$scratch/home" ANTHROPIC_BASE_URL="\$url" ANTHROPIC_API_KEY=dummy DISABLE_TELEMETRY=1 \
        DISABLE_AUTOUPDATER=1 DISABLE_ERROR_REPORTING=1 DISABLE_BUG_COMMAND=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
        timeout 120 "$program" "\$@" < /dev/null)
}
through() {
    cat > router.json <<JSON
{
  // One provider, of one kind after another.
  "providers": {"mine": {"kind": "\$1", "baseUrl": "http://127.0.0.1:\$(cat provider.port)\$2", "apiKey": "k", "models": {
    "my-model": {"contextWindow": 200000, "maxOutputTokens": 32000, "supports": ["tools", "images", "thinking", "documents"]},
  }}},
}
JSON
    : > router.out
    env -i HOME="$scratch/home" "$router" start --port 0 --rules my.route > router.out 2> router.log &
    serving=\$!
    while [ ! -s router.out ]; do sleep 0.1; done
    url=\$(head -n 1 router.out | sed 's/.* //')
    first=\$(ask -p "say hi")
    second=\$(ask -p "use the tool" --allowedTools Bash)
    kill \$serving
    wait \$serving || true
    case "\$first" in *"say hi"*) ;; *) echo "\$1 said: \$first"; cat router.log; exit 1 ;; esac
    case "\$second" in *"result it-works"*) ;; *) echo "\$1 said with the tool: \$second"; cat router.log; exit 1 ;; esac
    echo "ok: Claude Code $version through \$1, with a tool"
}
through openai-compatible /v1
through openai-responses /v1
through gemini /v1beta
through ollama ""
INSIDE
namespace="unshare --net"
unshare --net true 2>/dev/null || namespace="unshare --net --map-root-user"
$namespace bash "$scratch/inside.sh"
