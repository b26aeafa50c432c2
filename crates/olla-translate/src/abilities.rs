//! What a backend understands of the format it is spoken to in.

mod by_model;

/// What a backend understands of its format, beyond what all servers of that format do.
///
/// The default fits the usual local server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// Chat: takes `stream_options.include_usage`. Default: yes.
    pub stream_usage: bool,
    /// Chat: takes `top_k`. Default: yes.
    pub top_k: bool,
    /// Chat: takes `parallel_tool_calls`. Default: yes.
    pub parallel_switch: bool,
    /// The model sees images; otherwise they are refused. Default: yes.
    pub images: bool,
    /// The model thinks where it is asked to; otherwise that is left out. Default: yes.
    pub thinks: bool,
    /// Chat: takes PDF documents as `file` parts; otherwise they are refused. Default: no.
    pub files: bool,
    /// Chat: takes `reasoning_effort`. Default: yes.
    pub reasoning_effort: bool,
    /// Chat: `reasoning_effort: none` turns thinking off. Default: no.
    pub effort_none: bool,
    /// Chat: takes `reasoning_effort: minimal`; otherwise it is `low`. Default: yes.
    pub effort_minimal: bool,
    /// Chat: `chat_template_kwargs.enable_thinking` turns thinking on and off. Default: no.
    pub enable_thinking: bool,
    /// Chat: the field of a message in which earlier thoughts are sent back. Default:
    /// `reasoning_content`.
    pub thoughts: ThoughtField,
    /// Chat: takes `max_completion_tokens` and not `max_tokens`. Default: as the model's name tells, because
    /// OpenAI's models that think do.
    pub max_completion_tokens: Option<bool>,
    /// Chat: takes `system` messages anywhere, not only at the beginning. Default: no, they are sent as the
    /// user's.
    pub late_system: bool,
    /// Chat: `continue_final_message` goes on with a last message of the assistant. Default: no.
    pub continues: bool,
    /// Chat: the longest name of a tool, in bytes; longer ones are shortened on the way there and restored
    /// on the way back. Default: 64.
    pub tool_name_limit: usize,
    /// The most stop sequences; further ones are dropped. Default: no limit.
    pub stop_limit: Option<usize>,
    /// Messages: takes `thinking: {type: adaptive}` with `output_config.effort`, in place of a budget.
    /// Default: no.
    pub adaptive_thinking: bool,
    /// Messages: takes `thinking: {type: enabled}` with a budget of tokens. Default: yes.
    pub thinking_budget: bool,
    /// Messages: takes `thinking: {type: disabled}`. Default: yes.
    pub thinking_off: bool,
    /// Messages: the model thinks where a request says nothing of it. Default: no.
    pub thinks_unasked: bool,
    /// Messages: takes the effort `xhigh`, besides those below and `max`. Default: yes.
    pub effort_xhigh: bool,
    /// Messages: takes `temperature`, `top_p` and `top_k`. Default: yes.
    pub sampling: bool,
    /// Messages: takes `top_p` beside `temperature`. Default: yes.
    pub top_p_with_temperature: bool,
    /// Messages: takes a `tool_choice` that forces the model to call a tool. Default: yes.
    pub forced_tools: bool,
    /// Messages: the `max_tokens` of a request that names none, in tokens. Default: 8192.
    pub default_max_tokens: u64,
}

/// Where a message of the assistant carries what the model thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThoughtField {
    /// `reasoning_content`.
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
    /// `thinking_blocks`, with signatures, besides `reasoning_content`.
    ThinkingBlocks,
    /// As the model's name tells: `reasoning_content` where its maker refuses requests without, else nowhere.
    ByModel,
    /// Nowhere: thoughts are dropped.
    Nowhere,
}

// === impl Abilities ===

impl Default for Abilities {
    fn default() -> Self {
        Self {
            stream_usage: true,
            top_k: true,
            parallel_switch: true,
            images: true,
            thinks: true,
            files: false,
            reasoning_effort: true,
            effort_none: false,
            effort_minimal: true,
            enable_thinking: false,
            thoughts: ThoughtField::ReasoningContent,
            max_completion_tokens: None,
            late_system: false,
            continues: false,
            tool_name_limit: 64,
            stop_limit: None,
            adaptive_thinking: false,
            thinking_budget: true,
            thinking_off: true,
            thinks_unasked: false,
            effort_xhigh: true,
            sampling: true,
            top_p_with_temperature: true,
            forced_tools: true,
            default_max_tokens: 8192,
        }
    }
}
