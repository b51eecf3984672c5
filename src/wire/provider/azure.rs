//! Azure OpenAI: OpenAI's API at addresses of one's own, with a key in another header.
//!
//! Source: "Azure OpenAI REST API reference"; the paths with `deployments` are those of before `/openai/v1`.

/// The header of its key.
pub const KEY_HEADER: &str = "api-key";
/// The version of the older paths, where a configuration says none.
pub const VERSION: &str = "2024-10-21";

/// The address of a call: below `/openai/v1` as at OpenAI, else by the name of a deployment.
pub fn url(base: &str, path: &str, deployment: &str, version: Option<&str>) -> String {
    if base.ends_with("/v1") {
        return match version {
            Some(version) => format!("{base}{path}?api-version={version}"),
            None => format!("{base}{path}"),
        };
    }
    let base = base.strip_suffix("/openai").unwrap_or(base);
    format!("{base}/openai/deployments/{deployment}{path}?api-version={}", version.unwrap_or(VERSION))
}
