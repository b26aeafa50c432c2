//! What a request says, whatever the format it says it in.

use proptest::prelude::*;
use serde_json::{Number, Value};

use crate::{
    Format,
    canonical::{
        Block, Content, MediaSource, OutputFormat, Request, Role, Thinking, Tool, ToolChoice, ToolSort,
    },
};

/// What a request says. Numbers of sampling are in tenths.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Talk {
    pub(super) system: Option<String>,
    /// The user speaks first, and then both in turn.
    pub(super) turns: Vec<Vec<Piece>>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<u8>,
    pub(super) top_p: Option<u8>,
    pub(super) top_k: Option<u8>,
    pub(super) seed: Option<u8>,
    pub(super) penalty: Option<u8>,
    pub(super) stop: Vec<String>,
    pub(super) tools: Vec<Offer>,
    pub(super) choice: Option<Choice>,
    pub(super) parallel: Option<bool>,
    pub(super) user: Option<String>,
    pub(super) form: Option<Form>,
    pub(super) thinking: Option<Wish>,
    pub(super) stream: bool,
}

/// A piece of what is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// A PNG in base64, or an address.
    Image(Result<String, String>),
    Thought {
        text: String,
        signature: String,
    },
    Call {
        id: String,
        name: String,
        input: Value,
    },
    Answer {
        id: String,
        text: String,
    },
}

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) schema: Value,
    pub(super) strict: Option<bool>,
}

/// Which tool has to be called.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    Auto,
    Any,
    None,
    Tool(String),
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Json,
    Schema(Value),
}

/// Whether to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Off,
    Effort(&'static str),
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é€😀 \\n\"\\\\{}]{0,12}[a-z.]"
}

fn schema() -> impl Strategy<Value = Value> {
    "[a-z]{1,4}".prop_map(|key| {
        let properties = serde_json::json!({ key: { "type": "string" } });
        serde_json::json!({ "type": "object", "properties": properties, "additionalProperties": false })
    })
}

fn input() -> impl Strategy<Value = Value> {
    let value = prop_oneof![text().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    prop::collection::vec(("[a-z]{1,4}", value), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// What the user shows and asks, and what the model thinks, says and calls, with the results.
type Step =
    (Vec<Result<String, String>>, String, Option<String>, Option<String>, Vec<(String, Value, String)>);

fn step() -> impl Strategy<Value = Step> {
    let image = prop_oneof![
        Just(Ok("iVBORw0KGgo=".to_owned())),
        "[a-z]{1,5}".prop_map(|name| Err(format!("https://example.com/{name}.png"))),
    ];
    let calls = prop::collection::vec(("[a-z_]{1,9}", input(), text()), 0..3);
    (prop::collection::vec(image, 0..3), text(), prop::option::of(text()), prop::option::of(text()), calls)
}

/// Puts the steps in order. A model that says nothing ends the conversation.
fn turns(steps: Vec<Step>) -> Vec<Vec<Piece>> {
    let (mut turns, mut answers) = (vec![], vec![]);
    for (at, (shown, asked, thought, said, calls)) in steps.into_iter().enumerate() {
        let mut turn = std::mem::take(&mut answers);
        turn.extend(shown.into_iter().map(Piece::Image));
        turn.push(Piece::Text(asked));
        turns.push(turn);
        if said.is_none() && calls.is_empty() {
            break;
        }
        let mut turn = vec![];
        turn.extend(thought.map(|text| Piece::Thought { text, signature: format!("proof{at}") }));
        turn.extend(said.map(Piece::Text));
        for (number, (name, input, text)) in calls.into_iter().enumerate() {
            let id = format!("call_{at}_{number}");
            answers.push(Piece::Answer { id: id.clone(), text });
            turn.push(Piece::Call { id, name, input });
        }
        turns.push(turn);
    }
    if !answers.is_empty() {
        turns.push(answers);
    }
    turns
}

prop_compose! {
    fn wishes()(
        max_tokens in prop::option::of(1..9999_u64), temperature in prop::option::of(0..=10_u8),
        top_p in prop::option::of(1..=10_u8), top_k in prop::option::of(1..99_u8), seed in prop::option::of(any::<u8>()),
        penalty in prop::option::of(1..=20_u8), stop in prop::collection::vec(text(), 0..3), stream in any::<bool>(),
        user in prop::option::of("[a-z]{1,9}"),
        form in prop::option::of(prop_oneof![Just(Form::Json), schema().prop_map(Form::Schema)]),
        thinking in prop::option::of(prop::sample::select(vec![
            Wish::Off, Wish::Effort("low"), Wish::Effort("medium"), Wish::Effort("high"),
        ])),
    ) -> Talk {
        Talk {
            system: None, turns: vec![], max_tokens, temperature, top_p, top_k, seed, penalty, stop, tools: vec![],
            choice: None, parallel: None, user, form, thinking, stream,
        }
    }
}

prop_compose! {
    /// Everything that some format can say.
    pub(super) fn talk()(
        wishes in wishes(), system in prop::option::of(text()), steps in prop::collection::vec(step(), 1..4),
        offers in prop::collection::vec((prop::option::of(text()), schema(), prop::option::of(any::<bool>())), 0..3),
        choice in prop::option::of(0..4_u8), parallel in prop::option::of(any::<bool>()),
    ) -> Talk {
        let offer = |(at, (description, schema, strict))| Offer { name: format!("tool_{at}"), description, schema, strict };
        let tools: Vec<_> = offers.into_iter().enumerate().map(offer).collect();
        let choice = choice.filter(|_| !tools.is_empty()).map(|kind| match kind {
            0 => Choice::Auto,
            1 => Choice::Any,
            2 => Choice::None,
            _ => Choice::Tool("tool_0".to_owned()),
        });
        let parallel = parallel.filter(|_| choice.as_ref().is_some_and(|choice| *choice != Choice::None));
        Talk { system, turns: turns(steps), tools, choice, parallel, ..wishes }
    }
}

// === impl Talk ===

impl Talk {
    /// Takes away what one of the two cannot say; the tables of `docs/translation.md` name it.
    pub(super) fn shared_by(mut self, client: Format, backend: Format) -> Self {
        for format in [client, backend] {
            match format {
                Format::Messages => self.as_messages(),
                Format::Chat => {}
                Format::Responses => {
                    (self.top_k, self.seed, self.penalty) = (None, None, None);
                    self.stop.clear();
                }
                Format::OllamaChat | Format::OllamaGenerate => self.as_ollama(),
            }
        }
        if client == Format::OllamaGenerate {
            self.tools.clear();
            self.turns.truncate(1);
        }
        let unsigned = matches!(client, Format::OllamaChat | Format::OllamaGenerate);
        for piece in self.turns.iter_mut().flatten() {
            if let (Piece::Thought { signature, .. }, true) = (piece, unsigned) {
                signature.clear();
            }
        }
        if backend == Format::Messages {
            self.as_anthropic_thinks();
        }
        self
    }

    fn as_messages(&mut self) {
        (self.seed, self.penalty) = (None, None);
        self.max_tokens.get_or_insert(4096);
        if self.form == Some(Form::Json) {
            self.form = None;
        }
    }

    fn as_ollama(&mut self) {
        (self.choice, self.parallel, self.user) = (None, None, None);
        self.tools.iter_mut().for_each(|tool| tool.strict = None);
        for turn in &mut self.turns {
            turn.retain(|piece| !matches!(piece, Piece::Image(Err(_))));
        }
    }

    /// Anthropic takes only signed thoughts, and thinks only where nothing else is asked of the model.
    fn as_anthropic_thinks(&mut self) {
        for turn in &mut self.turns {
            turn.retain(|piece| !matches!(piece, Piece::Thought { signature, .. } if signature.is_empty()));
        }
        if !matches!(self.thinking, Some(Wish::Effort(_))) {
            return;
        }
        (self.temperature, self.top_p, self.top_k) = (None, None, None);
        if matches!(self.choice, Some(Choice::Any | Choice::Tool(_))) {
            self.choice = Some(Choice::Auto);
        }
        let last = self.turns.chunks(2).rev().find_map(|pair| pair.get(1));
        let calls = |turn: &&Vec<Piece>| turn.iter().any(|piece| matches!(piece, Piece::Call { .. }));
        let thinks = |turn: &Vec<Piece>| turn.iter().any(|piece| matches!(piece, Piece::Thought { .. }));
        if last.filter(calls).is_some_and(|turn| !thinks(turn)) {
            self.thinking = None;
        }
    }

    /// Reads what a request says.
    pub(super) fn hear(request: &Request<'_>) -> Self {
        let mut turns: Vec<(Role, Vec<Piece>)> = vec![];
        for turn in &request.turns {
            let pieces = turn.blocks.iter().map(Piece::hear);
            match turns.last_mut() {
                Some((role, last)) if *role == turn.role => last.extend(pieces),
                _ => turns.push((turn.role, pieces.collect())),
            }
        }
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        assert!(turns.iter().map(|(role, _)| *role).eq(roles.take(turns.len())), "{turns:?}");
        let sampling = &request.sampling;
        assert_eq!(sampling.frequency_penalty, sampling.presence_penalty);
        let whole =
            |number: &Option<Number>| number.as_ref().map(|n| u8::try_from(n.as_u64().unwrap()).unwrap());
        Self {
            system: joined(&request.system),
            turns: turns.into_iter().map(|(_, pieces)| pieces).collect(),
            max_tokens: request.max_tokens,
            temperature: tenths(sampling.temperature.as_ref()),
            top_p: tenths(sampling.top_p.as_ref()),
            top_k: whole(&sampling.top_k),
            seed: whole(&sampling.seed),
            penalty: tenths(sampling.frequency_penalty.as_ref()),
            stop: request.stop.iter().map(|text| text.to_string()).collect(),
            tools: request.tools.iter().map(Offer::hear).collect(),
            choice: request.tool_choice.as_ref().map(|choice| match choice {
                ToolChoice::Auto => Choice::Auto,
                ToolChoice::Any => Choice::Any,
                ToolChoice::None => Choice::None,
                ToolChoice::Tool(name) => Choice::Tool(name.to_string()),
            }),
            parallel: request.parallel_tools,
            user: request.user.as_ref().map(|user| user.to_string()),
            form: request.format.as_ref().map(|format| match format {
                OutputFormat::Json => Form::Json,
                OutputFormat::Schema { schema, .. } => Form::Schema(json(schema.get())),
            }),
            thinking: match (request.reasoning.thinking, request.reasoning.effort) {
                (Some(Thinking::Off), _) => Some(Wish::Off),
                (_, Some(effort)) => Some(Wish::Effort(effort.as_str())),
                (told, None) => {
                    assert_eq!(told, None);
                    None
                }
            },
            stream: request.stream,
        }
    }
}

fn joined(blocks: &[Block<'_>]) -> Option<String> {
    let texts: Vec<_> = blocks.iter().map(|block| block.as_text().unwrap()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[expect(clippy::cast_sign_loss, reason = "no number here is below zero")]
fn tenths(number: Option<&Number>) -> Option<u8> {
    number.map(|number| (number.as_f64().unwrap() * 10.0).round() as u8)
}

// === impl Piece ===

impl Piece {
    fn hear(block: &Block<'_>) -> Self {
        match &block.content {
            Content::Text(text) => Self::Text(text.to_string()),
            Content::Image { source: MediaSource::Base64 { media_type, data }, .. } => {
                assert_eq!(&**media_type, "image/png");
                Self::Image(Ok(data.to_string()))
            }
            Content::Image { source: MediaSource::Url(url), .. } => Self::Image(Err(url.to_string())),
            Content::Thinking { text, signature } => {
                Self::Thought { text: text.to_string(), signature: signature.to_string() }
            }
            Content::ToolUse(call) => {
                Self::Call { id: call.id.to_string(), name: call.name.to_string(), input: json(&call.input) }
            }
            Content::ToolResult(result) => {
                assert!(!result.is_error);
                Self::Answer { id: result.id.to_string(), text: joined(&result.content).unwrap() }
            }
            other => panic!("nobody has said {other:?}"),
        }
    }
}

// === impl Offer ===

impl Offer {
    fn hear(tool: &Tool<'_>) -> Self {
        let ToolSort::Function { schema, strict } = &tool.sort else { panic!("nobody offers {tool:?}") };
        Self {
            name: tool.name.to_string(),
            description: tool.description.as_ref().map(|text| text.to_string()),
            schema: json(schema.as_deref().unwrap()),
            strict: *strict,
        }
    }
}
