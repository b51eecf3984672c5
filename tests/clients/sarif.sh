#!/usr/bin/env bash
# What `router lint --format sarif` writes is valid by the published schema and by the rules of Microsoft's validator.
set -euo pipefail
router=$PWD/$1
folder=target/sarif
mkdir -p "$folder"
validator=$folder/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
if [ ! -x "$validator" ]; then
    npm install --silent --no-audit --no-fund --prefix "$folder" @microsoft/sarif-multitool-linux@5.7.0
fi
# Every lint at once: the wrong examples of the reference, and a name that a URI has to escape.
cp tests/cases/fix/everything.route "$folder/all of it.route"
cp docs/reference/lints.md "$folder/"
(cd "$folder" && python3 - <<'PYTHON'
import pathlib, re
for page in ["lints.md"]:
    for at, block in enumerate(re.findall(r"```text\n(.*?)```", pathlib.Path(page).read_text(), re.S)):
        if "default {" in block and "-->" not in block:
            pathlib.Path(f"wrong{at}.route").write_text(block)
PYTHON
"$router" lint --format sarif . > all.sarif || true)
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
said=$("$validator" validate "$folder/all.sarif" 2>&1) || true
echo "$said" | tail -3
if ! grep -q "Analysis completed successfully" <<<"$said" || grep -E ": error [A-Z]" <<<"$said"; then
    echo "the SARIF is not valid"
    exit 1
fi
python3 - "$folder/all.sarif" <<'PYTHON'
import json, sys
results = json.load(open(sys.argv[1]))["runs"][0]["results"]
kinds = {result["ruleId"] for result in results}
assert len(kinds) >= 35 and any("fixes" in result for result in results), kinds
PYTHON
