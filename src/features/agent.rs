//! Who calls: the client by its user agent, the part of a coding agent by the marks that it leaves.
//!
//! The marks of Claude Code, from what its versions 1.0, 2.0 and 2.1 send:
//! 1. `x-claude-code-request-class` says it, where it is sent.
//! 2. A sub-agent has `x-claude-code-agent-id`, or `cc_is_subagent=true` in the attribution block, or a system prompt of
//!    its own, or tools without the one that starts agents.
//! 3. A helper call (titles, topics, paths of a command's output, a web search, a warm-up) offers no tools, or one
//!    server tool alone, or says `Warmup`.
//! 4. Everything else of Claude Code is the main agent; everything of other clients is `other`.

use crate::features::Call;
use crate::features::tables::{CLIENTS, COMPACTED_MARKS, MAIN_AGENT_TOOLS, PROJECT_MARKS, SUB_AGENT_PROMPTS};
use crate::wire::chat::{Block, Role};

/// The members of `agent`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    Main,
    Sub,
    Background,
    Other,
}

/// The most messages of a helper call.
const HELPER_MESSAGES_MAX: usize = 3;

pub(super) fn of(call: &Call<'_>) -> Agent {
    if let Some(class) = call.header("x-claude-code-request-class") {
        let class = class.to_ascii_lowercase();
        return match class.as_str() {
            class if class.contains("sub") => Agent::Sub,
            class if class.contains("main") || class.contains("foreground") || class.contains("interactive") => {
                Agent::Main
            }
            _ => Agent::Background,
        };
    }
    if !is_claude_code(call) {
        return Agent::Other;
    }
    let system = &call.chat.system;
    let attributed = system
        .iter()
        .any(|block| block.starts_with("x-anthropic-billing-header") && block.contains("cc_is_subagent=true"));
    let own_prompt =
        system.iter().any(|block| SUB_AGENT_PROMPTS.iter().any(|start| block.trim_start().starts_with(start)));
    if is_helper(call) {
        return Agent::Background;
    }
    let starts_agents = call.chat.tools.iter().any(|tool| MAIN_AGENT_TOOLS.contains(&&*tool.name));
    if call.header("x-claude-code-agent-id").is_some() || attributed || own_prompt || !starts_agents {
        return Agent::Sub;
    }
    Agent::Main
}

fn is_claude_code(call: &Call<'_>) -> bool {
    let by_name = client(call).as_deref() == Some("claude-code");
    by_name
        || call
            .chat
            .system
            .iter()
            .take(3)
            .any(|block| block.starts_with("x-anthropic-billing-header") || block.starts_with("You are Claude Code"))
}

fn is_helper(call: &Call<'_>) -> bool {
    let chat = call.chat;
    let short = chat.messages.len() <= HELPER_MESSAGES_MAX;
    let one_server_tool = matches!(chat.tools.as_slice(), [tool] if tool.server.is_some());
    let warm_up = short
        && chat.messages.iter().filter(|message| message.role == Role::User).any(|message| {
            message.blocks.iter().any(|block| matches!(block, Block::Text(text) if text.trim() == "Warmup"))
        });
    (short && chat.tools.is_empty()) || one_server_tool || warm_up
}

/// The program that called.
pub(super) fn client(call: &Call<'_>) -> Option<String> {
    let agent = call.header("user-agent")?.to_ascii_lowercase();
    let known = CLIENTS.iter().find(|(start, _)| agent.starts_with(start)).map(|(_, client)| (*client).to_owned());
    known.or_else(|| {
        let first = agent.split(['/', ' ', '(']).next().unwrap_or_default().trim();
        (!first.is_empty()).then(|| first.to_owned())
    })
}

/// Whether the context was just compacted.
pub(super) fn compacted(call: &Call<'_>) -> bool {
    let said = call.header("x-claude-code-context-compacted").is_some_and(|value| !matches!(value, "false" | "0"));
    let first = call.chat.messages.iter().find(|message| message.role == Role::User);
    let marked = first.is_some_and(|message| {
        message.blocks.iter().any(|block| matches!(block, Block::Text(text) if COMPACTED_MARKS.iter().any(|mark| text.trim_start().starts_with(mark))))
    });
    said || marked
}

/// The working directory that a coding agent names.
pub(super) fn project(call: &Call<'_>) -> Option<String> {
    let in_messages =
        call.chat.messages.iter().take(2).flat_map(|message| &message.blocks).filter_map(|block| match block {
            Block::Text(text) => Some(&**text),
            Block::Image(_)
            | Block::Document { .. }
            | Block::ToolUse { .. }
            | Block::ToolResult { .. }
            | Block::Thinking { .. }
            | Block::Other { .. } => None,
        });
    call.chat.system.iter().map(|text| &**text).chain(in_messages).find_map(|text| {
        let (mark, at) = PROJECT_MARKS.iter().find_map(|mark| text.find(mark).map(|at| (mark, at)))?;
        let tail = text.get(at + mark.len()..)?;
        let end = tail.find(['\n', '<', '\r']).unwrap_or(tail.len());
        let path = tail.get(..end)?.trim();
        (!path.is_empty() && path.len() <= 1_024).then(|| path.to_owned())
    })
}
