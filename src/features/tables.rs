//! The closed tables that features are read by. They are part of the language: a change is a change of its version.

/// Elements that agents put into a person's message, and that no person wrote.
pub const INJECTED: &[&str] = &[
    "system-reminder", "local-command-caveat", "local-command-stdout", "local-command-stderr", "command-name",
    "command-message", "bash-stdout", "bash-stderr", "task-notification", "user-prompt-submit-hook",
    "post-tool-use-hook", "ide_opened_file", "ide_selection", "ide_diagnostics", "environment_details",
    "environment_context", "user_instructions",
];

/// Members of tools' inputs that hold paths.
pub const PATH_INPUTS: &[&str] = &[
    "file_path", "path", "notebook_path", "paths", "files", "file", "filename", "target_file", "relative_path",
    "absolute_path", "relative_workspace_path", "old_path", "new_path",
];

/// Endings of files that a bare word is taken for one by. Sorted.
pub const EXTENSIONS: &[&str] = &[
    "asm", "astro", "bash", "bat", "bib", "c", "cc", "cfg", "clj", "cljs", "cmake", "conf", "cpp", "cs", "css", "csv",
    "cu", "cxx", "dart", "diff", "dockerfile", "edn", "ejs", "el", "elm", "env", "erl", "ex", "exs", "f90", "fish",
    "fs", "gitignore", "gleam", "go", "gql", "gradle", "graphql", "groovy", "h", "haml", "hbs", "hcl", "hh", "hpp",
    "hrl", "hs", "htm", "html", "hxx", "ini", "ipynb", "java", "jinja", "jl", "js", "json", "json5", "jsonc", "jsonl",
    "jsx", "kt", "kts", "less", "lisp", "lock", "log", "lua", "m", "md", "mdx", "mjs", "ml", "mli", "mm", "mts",
    "nim", "nix", "pdf", "php", "pl", "pm", "png", "proto", "ps1", "py", "pyi", "pyx", "r", "rake", "rb", "rkt",
    "route", "rs", "rst", "s", "sass", "sbt", "scala", "scm", "scss", "sh", "sol", "sql", "styl", "sv", "svelte",
    "svg", "swift", "tcl", "tex", "tf", "tfvars", "toml", "ts", "tsv", "tsx", "txt", "v", "vb", "vhd", "vhdl", "vim",
    "vue", "wasm", "wat", "wgsl", "xml", "yaml", "yml", "zig", "zsh",
];

/// Files that are known by their whole name.
pub const FILE_NAMES: &[&str] = &[
    "dockerfile", "makefile", "rakefile", "gemfile", "procfile", "justfile", "cmakelists.txt", "jenkinsfile", "vagrantfile",
    ".gitignore", ".env", ".dockerignore", ".editorconfig",
];

/// Words that look like files and are none.
pub const NOT_FILES: &[&str] = &[
    "node.js", "next.js", "vue.js", "react.js", "express.js", "three.js", "d3.js", "nuxt.js", "nest.js", "ember.js",
    "backbone.js", "angular.js", "alpine.js", "chart.js", "moment.js", "asp.net", "socket.io", "and/or", "either/or",
    "he/she", "she/he", "his/her", "him/her", "client/server", "input/output", "i/o", "tcp/ip", "udp/ip", "ci/cd", "n/a",
    "w/o", "w/", "km/h", "m/s", "read/write", "yes/no", "true/false", "on/off", "24/7", "pass/fail", "if/else", "try/catch",
    "a/b", "ui/ux", "key/value", "start/stop", "get/set", "and/", "or/", "linux/mac", "mac/linux", "windows/linux", "e.g",
    "i.e", "etc", "b/c", "c/c++", "html/css", "js/ts", "ts/js", "pros/cons", "before/after", "left/right", "up/down", "/",
];

/// How user agents begin, and the client that each is.
pub const CLIENTS: &[(&str, &str)] = &[
    ("claude-cli/", "claude-code"), ("claude-code/", "claude-code"), ("anthropic/python", "anthropic-python"),
    ("asyncanthropic/python", "anthropic-python"), ("anthropic/js", "anthropic-typescript"), ("anthropic/go", "anthropic-go"),
    ("openai/python", "openai-python"), ("asyncopenai/python", "openai-python"), ("openai/js", "openai-typescript"),
    ("openai/go", "openai-go"), ("codex_cli_rs/", "codex"), ("codex", "codex"), ("curl/", "curl"), ("python-requests/", "python-requests"),
    ("python-httpx/", "python-httpx"), ("aider/", "aider"), ("cline/", "cline"), ("opencode/", "opencode"), ("zed/", "zed"),
];

/// What stands before the working directory that a coding agent names.
pub const PROJECT_MARKS: &[&str] = &["Primary working directory: ", "Working directory: ", "Current Working Directory: ", "<cwd>"];

/// How the system prompt of a sub-agent of Claude Code begins.
pub const SUB_AGENT_PROMPTS: &[&str] = &["You are an agent for Claude Code", "You are a file search specialist for Claude Code", "You are a software architect and planning specialist for Claude Code"];

/// The tools that only the main agent of Claude Code is offered.
pub const MAIN_AGENT_TOOLS: &[&str] = &["Task", "Agent"];

/// How the first message of a compacted conversation begins.
pub const COMPACTED_MARKS: &[&str] = &["This session is being continued from a previous conversation"];
