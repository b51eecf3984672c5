//! Words that look like keys and tokens, by the marks that their makers give them. Messages never show them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// What stands in the place of a secret.
const HIDDEN: char = '•';
/// What stands in the place of a value that is hidden whole.
pub const HIDDEN_VALUE: &str = "(hidden)";

/// The marks of keys: Anthropic, OpenAI, OpenRouter, Groq, Google, GitHub, GitLab, AWS, Slack, Hugging Face, Stripe, xAI,
/// JSON web tokens, private keys, and what is sent behind `Bearer`.
const MARKS: &str = r"(?x)
    \b sk-(?:ant-|proj-|or-v1-|svcacct-|admin-)? [A-Za-z0-9_-]{20,}
  | \b gsk_ [A-Za-z0-9]{20,}
  | \b AIza [A-Za-z0-9_-]{30,}
  | \b (?:ghp|gho|ghu|ghs|ghr)_ [A-Za-z0-9]{30,}
  | \b github_pat_ [A-Za-z0-9_]{30,}
  | \b glpat- [A-Za-z0-9_-]{18,}
  | \b (?:AKIA|ASIA) [A-Z0-9]{16} \b
  | \b xox[abprs]- [A-Za-z0-9-]{20,}
  | \b hf_ [A-Za-z0-9]{30,}
  | \b [rs]k_(?:live|test)_ [A-Za-z0-9]{20,}
  | \b xai- [A-Za-z0-9]{30,}
  | \b eyJ [A-Za-z0-9_-]{16,} \. eyJ [A-Za-z0-9_-]{16,} \. [A-Za-z0-9_-]{10,}
  | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----
  | (?i: \b bearer \ + [A-Za-z0-9._~+/-]{24,} )
";

fn marks() -> &'static regex::Regex {
    static FOUND: OnceLock<regex::Regex> = OnceLock::new();
    FOUND.get_or_init(|| regex::Regex::new(MARKS).expect("the marks above are written rightly"))
}

/// The places of a text that look like secrets, as bytes.
pub fn find(text: &str) -> Vec<Range<usize>> {
    // Most texts have none of the words that a mark begins with, and the expression need not be built for them.
    const STARTS: &[&str] = &[
        "sk-", "gsk_", "AIza", "gh", "glpat-", "AKIA", "ASIA", "xox", "hf_", "k_", "xai-", "eyJ", "-----", "earer",
        "EARER",
    ];
    if !STARTS.iter().any(|start| memchr::memmem::find(text.as_bytes(), start.as_bytes()).is_some()) {
        return Vec::new();
    }
    marks().find_iter(text).map(|found| found.range()).collect()
}

/// A text in which no secret can be read; as many characters as before.
pub fn hide(text: &str) -> Cow<'_, str> {
    let found = find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        hidden.push_str(text.get(from..range.start).unwrap_or_default());
        let length = text.get(range.clone()).map_or(0, |secret| secret.chars().count());
        hidden.extend(std::iter::repeat_n(HIDDEN, length));
        from = range.end;
    }
    hidden.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(hidden)
}
