//! A second name for `router start`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    arguments.insert(arguments.len().min(1), "start".into());
    claude_router::cli::run(arguments.into_iter())
}
