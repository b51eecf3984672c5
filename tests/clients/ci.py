"""The examples for CI, run as they stand: the steps of the GitHub workflow, the git hook and the pre-commit
configuration, in a repository with good and bad rules."""

import os
import pathlib
import subprocess
import sys
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = HERE / "examples" / "ci"

GOOD = """rule long {
  when tokens > 100k
  route "gemini-2.5-pro" else "claude-sonnet-4-6"
}

default { route "gpt-5" else "claude-sonnet-4-6" }

test "long ones" {
  given tokens 150k
  expect rule long
}

test "others" {
  given tokens 5k
  expect rule default
}
"""
CHANGED = GOOD.replace("100k", "120k")
UGLY = GOOD.replace("  when", "     when")
WRONG = GOOD.replace("tokens > 100k", "tokens > 100k and tokens > 50k")
FAILING = GOOD + """
test "not so long ones" {
  given tokens 50k
  expect rule long
}
"""


def run(arguments, folder, environment, code=0):
    ended = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
    said = ended.stdout + ended.stderr
    assert ended.returncode == code, f"{arguments} ended with {ended.returncode}, not {code}:\n{said}"
    return said


def repository(folder, environment, rules):
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "main.route").write_text(rules)
    run(["git", "init", "--quiet", "--initial-branch", "main"], folder, environment)
    run(["git", "add", "--all"], folder, environment)
    run(["git", "commit", "--quiet", "--message", "rules"], folder, environment)
    return run(["git", "rev-parse", "HEAD"], folder, environment).strip()


def workflow(folder, environment):
    """Every step of the workflow that runs something, by its name, as GitHub runs it."""
    file = yaml.safe_load((EXAMPLES / "github.yml").read_text())
    # `on` is a word for true in YAML 1.1.
    assert "**.route" in file[True]["pull_request"]["paths"]
    steps = file["jobs"]["rules"]["steps"]
    base = repository(folder, environment, GOOD)
    ended = {}
    for name, rules in {"good": GOOD, "changed": CHANGED, "ugly": UGLY, "wrong": WRONG, "failing": FAILING}.items():
        (folder / "rules" / "main.route").write_text(rules)
        for step in steps:
            if "run" not in step or step["name"] == "Install":
                continue
            temp = tempfile.mkdtemp(dir=folder.parent)
            values = {
                "${{ github.event.pull_request.base.sha }}": base,
                "${{ github.event.pull_request.number }}": "7",
                "${{ github.token }}": "none",
            }
            inside = environment | file["env"] | {"RUNNER_TEMP": temp, "GITHUB_STEP_SUMMARY": f"{temp}/summary.md"}
            inside |= {key: values[value] for key, value in step.get("env", {}).items()}
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(shell, cwd=folder, env=inside, capture_output=True, text=True)
            ended[name, step["name"]] = (done.returncode, done.stdout + done.stderr)
            if step["name"] == "What changes":
                comment = (folder / "diff.md").read_text()
                assert comment == pathlib.Path(f"{temp}/summary.md").read_text()
                assert "gh pr comment 7" in done.stdout, done
                ended[name, "comment"] = (0, comment)
    bad = {key for key, (code, _) in ended.items() if code != 0}
    assert bad == {("ugly", "Layout"), ("wrong", "Lint"), ("failing", "Test")}, (bad, ended)
    assert "::warning file=rules/main.route,line=2" in ended["wrong", "Lint"][1], ended["wrong", "Lint"]
    assert "decided as before" in ended["good", "comment"][1], ended["good", "comment"]
    assert "| long → default | `given tokens 100_001` |" in ended["changed", "comment"][1], ended["changed", "comment"]
    assert (folder / "lint.sarif").exists() and (folder / "tests.xml").read_text().startswith("<?xml")


def hook(folder, environment):
    repository(folder, environment, GOOD)
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-commit").write_bytes((EXAMPLES / "pre-commit").read_bytes())
    (hooks / "pre-commit").chmod(0o755)
    main = folder / "rules" / "main.route"
    commit = ["git", "commit", "--quiet", "--message", "change"]
    for rules, word in [(UGLY, "main.route"), (WRONG, "W435"), (FAILING, "not so long ones")]:
        main.write_text(rules)
        run(["git", "add", "--all"], folder, environment)
        assert word in run(commit, folder, environment, code=1)
        # What is staged counts, not what lies beside it.
        main.write_text(GOOD)
        assert word in run(commit, folder, environment, code=1)
    main.write_text(CHANGED)
    run(["git", "add", "--all"], folder, environment)
    main.write_text(WRONG)
    run(commit, folder, environment)
    # What has no rules is nobody's business here.
    (folder / "notes.txt").write_text("x")
    run(["git", "add", "notes.txt"], folder, environment | {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    run(commit, folder, environment)


def framework(folder, environment):
    """The entries of the pre-commit configuration, as that runs them: with the changed files behind."""
    file = yaml.safe_load((EXAMPLES / "pre-commit-config.yaml").read_text())
    repository(folder, environment, GOOD)
    hooks = file["repos"][0]["hooks"]
    assert [item["id"] for item in hooks] == ["router-lint", "router-fmt", "router-test"]
    for item in hooks:
        run([*item["entry"].split(), "rules/main.route"], folder, environment)
    (folder / "rules" / "main.route").write_text(WRONG)
    run([*hooks[0]["entry"].split(), "rules/main.route"], folder, environment, code=1)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tools = folder / "bin"
        tools.mkdir()
        (tools / "router").symlink_to(pathlib.Path(sys.argv[1]).resolve())
        # What the workflow would tell GitHub.
        (tools / "gh").write_text('#!/bin/sh\necho gh "$@"\n')
        (tools / "gh").chmod(0o755)
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
        who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null"}
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": name} | who
        workflow(folder / "workflow", environment)
        hook(folder / "hook", environment)
        framework(folder / "framework", environment)
    print("the workflow, the hook and the pre-commit configuration do what they say")


main()
