//! From the drafts of all files to the kinds in use: who replaces whom, what a replacement keeps, and which
//! listing shape a kind refers to.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use olla_core::{KindId, PathRules, lasting};

use crate::{
    Detection, ListShape, Names, OpenAiShape, Profile, ProfileProblem, Spoken, WireFormat,
    answers::Answer,
    listing::Shape,
    locate::Step,
    profiles::fold,
    reader::{closest, problem_at},
    schema::{Draft, Listing},
};

/// The rank of a kind that sets none.
const DEFAULT_RANK: u32 = 10;

/// The listing shapes of the shipped kinds, which files may refer to.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    by_word: HashMap<String, Arc<Shape>>,
    /// That of the kind whose prefixes span the others: the shape of a file that declares none.
    usual: Option<Arc<Shape>>,
}

// === impl Shapes ===

impl Shapes {
    /// Collects the shapes that the shipped profiles declare.
    pub(crate) fn of_shipped(shipped: &[Draft<'_>]) -> Self {
        let mut shapes = Self::default();
        for draft in shipped {
            let Listing::Own(shape) = &draft.listing else { continue };
            if draft.spans_openai_compatible == Some(true) {
                shapes.usual = Some(Arc::clone(shape));
            }
            for word in draft.words() {
                shapes.by_word.insert(fold(word), Arc::clone(shape));
            }
        }
        shapes
    }

    fn of(&self, draft: &Draft<'_>) -> Result<Arc<Shape>, ProfileProblem> {
        let (path, message, suggestion) = match &draft.listing {
            Listing::Own(shape) => return Ok(Arc::clone(shape)),
            Listing::Like(kind, path) => {
                if let Some(shape) = self.by_word.get(&fold(kind)) {
                    return Ok(Arc::clone(shape));
                }
                let known: Vec<_> = self.by_word.keys().map(String::as_str).collect();
                let message = format!("there is no shipped kind {kind:?} whose listing shape could be used");
                (&**path, message, closest(kind, &known))
            }
            Listing::Unsaid => match &self.usual {
                Some(shape) => return Ok(Arc::clone(shape)),
                None => (&[][..], "needs `listing`".into(), None),
            },
        };
        Err(problem_at(draft.file, draft.text, path, message, suggestion))
    }
}

/// Puts files in the place of shipped drafts of the same name and sorts all by name.
pub(crate) fn merge<'a>(
    shipped: Vec<Draft<'a>>,
    files: Vec<Draft<'a>>,
    problems: &mut Vec<ProfileProblem>,
) -> Vec<Draft<'a>> {
    let mut kinds: BTreeMap<String, Draft<'a>> = BTreeMap::new();
    for draft in shipped {
        kinds.insert(draft.name.clone(), draft);
    }
    let mut written: HashMap<String, &str> = HashMap::new();
    for mut draft in files {
        if let Some(first) = written.insert(draft.name.clone(), draft.file) {
            let message = format!("{:?} is already defined by {first}", draft.name);
            problems.push(problem_at(draft.file, draft.text, &[Step::Key("name".into())], message, None));
            continue;
        }
        if let Some(replaced) = kinds.remove(&draft.name) {
            keep_what_older_files_cannot_say(&mut draft, replaced);
        }
        kinds.insert(draft.name.clone(), draft);
    }
    kinds.into_values().collect()
}

/// A file replaces a shipped profile whole. Only these blocks did not exist in the older schema, so
/// that a file without them means "as shipped" rather than "none".
fn keep_what_older_files_cannot_say(draft: &mut Draft<'_>, replaced: Draft<'_>) {
    draft.spans_openai_compatible = draft.spans_openai_compatible.or(replaced.spans_openai_compatible);
    draft.costly_health = draft.costly_health.take().or(replaced.costly_health);
    draft.rank = draft.rank.or(replaced.rank);
    draft.signatures = draft.signatures.take().or(replaced.signatures);
    draft.details = draft.details.take().or(replaced.details);
    draft.residency = draft.residency.take().or(replaced.residency);
    draft.answers = draft.answers.take().or(replaced.answers);
    draft.refuses = draft.refuses.take().or(replaced.refuses);
    draft.formats = draft.formats.take().or(replaced.formats);
    draft.headers = draft.headers.take().or(replaced.headers);
    draft.version = draft.version.take().or(replaced.version);
}

/// Notes words that would lead to two kinds.
pub(crate) fn find_clashes(kinds: &[Draft<'_>], problems: &mut Vec<ProfileProblem>) {
    let mut owners: HashMap<String, &Draft<'_>> = HashMap::new();
    let mut told = HashSet::new();
    for kind in kinds {
        for word in kind.words().map(fold) {
            let owner = *owners.entry(word.clone()).or_insert(kind);
            if owner.name == kind.name || !told.insert(word.clone()) {
                continue;
            }
            // Of a shipped and an own file the own one is to be changed.
            let (own, other) = if kind.is_shipped() { (owner, kind) } else { (kind, owner) };
            let keys: &[&str] = if fold(&own.name) == word { &["name"] } else { &["routing", "prefixes"] };
            let path: Vec<_> = keys.iter().map(|key| Step::Key((*key).into())).collect();
            let message = format!("{word:?} already leads to {:?} of {}", other.name, other.file);
            problems.push(problem_at(own.file, own.text, &path, message, None));
        }
    }
}

/// Compiles one draft; `Err` when it refers to a listing shape that does not exist.
pub(crate) fn compile(
    id: KindId,
    draft: Draft<'_>,
    shapes: &Shapes,
    names: &Arc<Names>,
) -> Result<Profile, ProfileProblem> {
    let listing = shapes.of(&draft)?;
    let (formats, older) = (draft.formats, draft.older_messages);
    let mut profile = Profile {
        id,
        shown: lasting(&draft.name),
        name: draft.name.into(),
        display_name: draft.display_name,
        prefixes: draft.prefixes,
        openai_compatible: draft.openai_compatible,
        spans_openai_compatible: draft.spans_openai_compatible.unwrap_or(false),
        paths: draft.paths,
        formats: vec![],
        version: draft.version,
        headers: draft.headers.unwrap_or_default(),
        openai_base: draft.openai_base,
        listing_path: draft.listing_path,
        health_path: draft.health_path,
        default_ports: draft.default_ports,
        first_byte_timeout: draft.first_byte_timeout,
        unknown_path_body: draft.unknown_path_body.map(String::into_bytes),
        costly_health: draft.costly_health.unwrap_or_default(),
        detection: Detection {
            rank: draft.rank.unwrap_or(DEFAULT_RANK),
            signatures: draft.signatures.unwrap_or_default(),
        },
        listing,
        details: draft.details.unwrap_or_default(),
        residency: draft.residency,
        answers: draft.answers.unwrap_or_else(|| usual_answers(draft.openai_compatible)),
        refuses: draft.refuses.unwrap_or_default(),
        hints: draft.hints,
        names: Arc::clone(names),
    };
    profile.formats = formats.unwrap_or_else(|| usual_formats(&profile));
    if let Some(older) = older {
        older.correct(&mut profile.formats);
    }
    Ok(profile)
}

/// The formats of a kind whose file does not name them: those whose usual path is forwarded.
fn usual_formats(profile: &Profile) -> Vec<Spoken> {
    let usual = WireFormat::ALL.into_iter().filter(|format| profile.allows(format.usual_path()));
    usual.map(Spoken::usual).collect()
}

/// What Olla answers for a kind whose file does not say it.
fn usual_answers(openai_compatible: bool) -> Vec<Answer> {
    let path = PathRules::parse(["/v1/models"]).ok();
    let answer = path.map(|path| Answer { path, shape: ListShape::OpenAi(OpenAiShape::default()) });
    answer.into_iter().filter(|_| openai_compatible).collect()
}
