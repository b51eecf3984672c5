#!/usr/bin/env bash
# Neovim, without a screen: a file with mistakes is opened, mended by what the language server offers, and saved.
set -euo pipefail
router=$PWD/$1
script=$PWD/tests/clients/neovim.lua
plugin=$PWD/editors/neovim
if ! command -v nvim > /dev/null; then
    install=(apt-get install --yes --quiet --no-install-recommends neovim)
    [ "$(id -u)" = 0 ] || install=(sudo "${install[@]}")
    "${install[@]}" > /dev/null || { "${install[0]}" update --quiet > /dev/null && "${install[@]}" > /dev/null; }
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > work.route <<'RULES'
let unused = 5k
rule long { when tokns > 100k route "gemini-2.5-pro" }

rule late {
  when tokens > 200k
  route "gpt-5"
}

default { route "gpt-5" else "claude-sonnet-4-6" }

test "long ones" {
  given tokens 150k
  expect rule long
}
RULES
export XDG_CONFIG_HOME=$folder XDG_DATA_HOME=$folder XDG_STATE_HOME=$folder XDG_CACHE_HOME=$folder
timeout 120 nvim --headless -u NONE -i NONE \
    --cmd "set runtimepath^=$plugin" --cmd "filetype plugin on" --cmd "syntax on" \
    --cmd "let g:claude_router = {'cmd': ['$router', 'lsp']}" \
    -c "luafile $script" work.route
"$router" lint --deny warnings work.route
"$router" fmt --check work.route
"$router" test work.route
