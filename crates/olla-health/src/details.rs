//! What further questions have told of one endpoint's models, kept so that nobody is asked twice.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use olla_core::{EndpointSpec, KindId, Model};
use olla_profiles::{About, Facts, Profile};
use tokio::time::timeout;
use tracing::debug;

use crate::{Fetch, ListingFailure, client::Client, listing};

/// Questions that one endpoint is asked at a time.
const AT_A_TIME: usize = 4;

/// The answers to a kind's questions about the models of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Whose questions they answer.
    kind: Option<KindId>,
    known: HashMap<Subject, Known>,
}

/// A question, by its position among those of the kind, about a model.
type Subject = (usize, Arc<str>);

#[derive(Debug)]
struct Known {
    version: Version,
    facts: Facts,
}

/// What changes when a model is replaced by another one of its name: digest and time of modification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Version(Option<Box<str>>, Option<Box<str>>);

/// Whom to ask, and how long for.
#[derive(Debug)]
pub(crate) struct Asking<'a, F> {
    pub(crate) client: &'a Client<F>,
    pub(crate) profile: &'a Profile,
    pub(crate) spec: &'a EndpointSpec,
    /// For each question, and for all.
    pub(crate) time_limit: Duration,
}

// === impl Answers ===

impl Answers {
    /// Forgets what is not about these models of this kind.
    pub(crate) fn retain(&mut self, kind: KindId, models: &[Model]) {
        if self.kind != Some(kind) {
            *self = Self { kind: Some(kind), known: HashMap::new() };
        }
        self.known.retain(|(_, name), _| models.iter().any(|model| model.name == *name));
    }

    /// Adds what is known of each model, except what was told of an earlier one of its name.
    pub(crate) fn add_to(&self, profile: &Profile, models: &mut [Model]) {
        let only = models.len() == 1;
        for model in models {
            let version = Version::of(model);
            for (position, question) in profile.details().iter().enumerate() {
                let known = self.known.get(&(position, Arc::clone(&model.name)));
                if let Some(known) = known
                    && (question.about() != About::Only || only)
                    && known.version == version
                {
                    known.facts.add_to(model);
                }
            }
        }
    }

    /// Asks what is not known yet, and returns whether anything was learnt.
    ///
    /// `models` are as they were listed. No failure is more than an answer that is missing.
    // cancel-safe: an answer is kept as soon as it is there.
    pub(crate) async fn complete<F: Fetch>(&mut self, asking: &Asking<'_, F>, models: &[Model]) -> bool {
        let questions = self.open_questions(asking, models).into_iter();
        let asked: Vec<_> = questions
            .map(|(position, about)| async move { (position, about, asking.ask(position, about).await) })
            .collect();
        let mut answers = stream::iter(asked).buffer_unordered(AT_A_TIME);
        let mut learnt = false;
        let all = async {
            while let Some((position, about, answer)) = answers.next().await {
                match answer {
                    Ok(facts) => learnt |= self.learn(position, about, facts, models),
                    Err(failure) => {
                        let model = about.map(|model| &*model.name);
                        debug!(endpoint = &*asking.spec.name, model, %failure, "details are not told");
                    }
                }
            }
        };
        if timeout(asking.time_limit, all).await.is_err() {
            debug!(endpoint = &*asking.spec.name, "details took too long; the rest is asked next time");
        }
        learnt
    }

    /// Returns the questions to be asked, each about one model or, with `None`, about all.
    fn open_questions<'m, F>(
        &self,
        asking: &Asking<'_, F>,
        models: &'m [Model],
    ) -> Vec<(usize, Option<&'m Model>)> {
        let admitted = |model: &&Model| !model.is_pattern() && asking.spec.filter.keeps(model);
        let mut open = vec![];
        for (position, question) in asking.profile.details().iter().enumerate() {
            match (question.about(), models) {
                (About::Each, models) => {
                    let news = |model: &&Model| {
                        let known = self.known.get(&(position, Arc::clone(&model.name)));
                        known.is_none_or(|known| known.version != Version::of(model))
                    };
                    let new = models.iter().filter(admitted).filter(news);
                    open.extend(new.map(|model| (position, Some(model))));
                }
                (About::Only, [model]) => open.push((position, Some(model))),
                (About::All, [_, ..]) => open.push((position, None)),
                (About::Only | About::All, _) => {}
            }
        }
        open
    }

    fn learn(&mut self, position: usize, about: Option<&Model>, told: Vec<Facts>, models: &[Model]) -> bool {
        let mut learnt = false;
        for facts in told {
            let named = || facts.name().and_then(|name| called(models, name));
            let Some(model) = about.or_else(named) else { continue };
            let subject = (position, Arc::clone(&model.name));
            let version = Version::of(model);
            let before = self.known.get(&subject);
            learnt |= before.is_none_or(|before| before.facts != facts || before.version != version);
            self.known.insert(subject, Known { version, facts });
        }
        learnt
    }
}

/// Finds a model by its name, else by another one that its server has for it.
fn called<'m>(models: &'m [Model], name: &str) -> Option<&'m Model> {
    let exact = models.iter().find(|model| *model.name == *name);
    exact.or_else(|| models.iter().find(|model| model.also.iter().any(|also| **also == *name)))
}

// === impl Version ===

impl Version {
    fn of(model: &Model) -> Self {
        Self(model.digest.clone(), model.modified.clone())
    }
}

// === impl Asking ===

impl<F: Fetch> Asking<'_, F> {
    async fn ask(&self, position: usize, about: Option<&Model>) -> Result<Vec<Facts>, ListingFailure> {
        let Some(question) = self.profile.details().get(position) else { return Ok(vec![]) };
        let target = self.spec.base.target(question.path()).map_err(ListingFailure::Path)?;
        let json = about.and_then(|model| question.body(&model.name)).map(Bytes::from);
        let answer = self.client.ask(self.spec, (target, json), self.time_limit).await;
        Ok(question.read(&listing::whole(answer)?)?)
    }
}
