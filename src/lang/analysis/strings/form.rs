//! What the texts of a field can look like at all, whatever a request says: a prompt is trimmed, a path has no `\`.

use crate::lang::analysis::strings::alphabet::{Kind, Letter};
use crate::lang::input::Feature;

/// A form of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::lang::analysis) enum Form {
    /// Any text.
    Any,
    /// Any text but the empty one.
    Filled,
    /// No white space at its ends.
    Trimmed,
    /// A path: not empty, `/` between components, no `./` at its beginning.
    Path,
    /// A client's name: the first word of a user agent, in lower case.
    Client,
}

/// The places of a path's beginning.
pub(super) const BEGINNING: u64 = 0;
const AFTER_DOT: u64 = 1;
const FURTHER: u64 = 2;

impl Form {
    /// The form of a feature's texts, or of its set's members.
    pub(in crate::lang::analysis) fn of(feature: Feature) -> Self {
        match feature {
            Feature::Prompt => Self::Trimmed,
            Feature::Files | Feature::FilesAll => Self::Path,
            Feature::Client => Self::Client,
            Feature::Tools => Self::Filled,
            Feature::Api
            | Feature::Model
            | Feature::Stream
            | Feature::MaxTokens
            | Feature::Temperature
            | Feature::Effort
            | Feature::Tokens
            | Feature::PromptTokens
            | Feature::SystemTokens
            | Feature::ToolsTokens
            | Feature::HistoryTokens
            | Feature::System
            | Feature::Conversation
            | Feature::Messages
            | Feature::Turns
            | Feature::Images
            | Feature::Documents
            | Feature::Thinking
            | Feature::ThinkingBudget
            | Feature::WebSearch
            | Feature::Agent
            | Feature::AgentType
            | Feature::Compacted
            | Feature::Project
            | Feature::Session
            | Feature::User
            | Feature::Key
            | Feature::Header
            | Feature::Metadata => Self::Any,
        }
    }

    /// What such texts are, for people.
    pub(in crate::lang::analysis) fn words(self) -> Option<&'static str> {
        match self {
            Self::Any | Self::Filled => None,
            Self::Trimmed => Some("its text has no blanks at its ends"),
            Self::Path => Some("paths are written with `/`, and without `./` in front"),
            Self::Client => Some("it is one word in lower case"),
        }
    }

    /// The characters that it tells apart.
    pub(super) fn chars(self) -> &'static [char] {
        match self {
            Self::Path => &['.', '/', 'a'],
            Self::Any | Self::Filled | Self::Trimmed | Self::Client => &[],
        }
    }

    /// Whether a character can stand in such a text.
    pub(super) fn has(self, letter: Letter) -> bool {
        match self {
            Self::Any | Self::Filled | Self::Trimmed => true,
            Self::Path => letter.raw != '\\',
            Self::Client => {
                letter.kind != Kind::Blank && !matches!(letter.raw, '/' | '(') && !letter.raw.is_uppercase()
            }
        }
    }

    /// The place behind a character; none when it cannot stand there.
    pub(super) fn step(self, place: u64, before: Kind, letter: Letter) -> Option<u64> {
        match self {
            Self::Any | Self::Filled | Self::Client => Some(0),
            Self::Trimmed => (before != Kind::Start || letter.kind != Kind::Blank).then_some(0),
            Self::Path => match (place, letter.raw) {
                (BEGINNING, '.') => Some(AFTER_DOT),
                (AFTER_DOT, '/') => None,
                _ => Some(FURTHER),
            },
        }
    }

    /// Whether the text may end there.
    pub(super) fn may_end(self, _place: u64, last: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Trimmed => last != Kind::Blank,
            Self::Filled | Self::Path | Self::Client => last != Kind::Start,
        }
    }

    /// Whether a text has this form.
    pub(in crate::lang::analysis) fn takes(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Filled => !text.is_empty(),
            Self::Trimmed => text.trim() == text,
            Self::Path => !text.is_empty() && !text.contains('\\') && !text.starts_with("./"),
            Self::Client => {
                !text.is_empty()
                    && !text.contains(|c: char| c.is_whitespace() || c == '/' || c == '(' || c.is_uppercase())
            }
        }
    }
}
