//! The retry loop against a reference: whatever the candidates do, who is asked in which order, what is noted of
//! each attempt and what the client sees is what a few plain lines say.

use std::num::{NonZeroU32, NonZeroUsize};

use http::StatusCode;
use olla_core::{Failure, Outcome, PathRules};
use proptest::prelude::*;

use crate::support::{Backend, Note, Plan, Told, answer, chat, ok, post};

const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n";

/// What a candidate does with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Answers,
    Streams,
    Refuses(u16),
    /// Nobody listens there.
    IsGone,
    ResetsBeforeTheHead,
    TalksNonsense,
    /// Its head is all that arrives.
    BreaksOffAtOnce,
    /// Its stream breaks off before the first output.
    BreaksOffItsStream,
    /// Its stream tells of an error before the first output.
    TellsOfAnError,
    /// It has as many requests as it may have.
    IsFull,
    IsDrained,
}

#[derive(Debug, Clone)]
struct Script {
    acts: Vec<Act>,
    max_attempts: Option<usize>,
    on_failure: bool,
    /// Whether the backend may see the request twice.
    repeatable: bool,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    /// For each attempt, the candidate and the failure that is noted; the one whose answer was used is the last.
    attempts: Vec<(String, Option<Failure>)>,
    status: StatusCode,
    /// Who answered the client; `None` is Olla itself.
    by: Option<usize>,
    is_whole: bool,
    outcome: Outcome,
}

fn name(candidate: usize) -> String {
    ["a", "b", "c", "d"][candidate].to_owned()
}

// === impl Act ===

impl Act {
    fn failure(self) -> Option<Failure> {
        match self {
            Self::IsGone => Some(Failure::Refused),
            Self::ResetsBeforeTheHead => Some(Failure::ResetBeforeHead),
            Self::TalksNonsense => Some(Failure::MalformedHead),
            Self::BreaksOffAtOnce | Self::BreaksOffItsStream => Some(Failure::Truncated),
            Self::TellsOfAnError => Some(Failure::ErrorEvent),
            Self::Answers | Self::Streams | Self::Refuses(_) | Self::IsFull | Self::IsDrained => None,
        }
    }

    async fn backend(self) -> Backend {
        let stream = |pieces: &str, is_whole: bool| {
            let end = if is_whole { "0\r\n\r\n" } else { "" };
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            format!("{head}{:x}\r\n{pieces}\r\n{end}", pieces.len())
        };
        match self {
            Self::Answers | Self::IsFull | Self::IsDrained => Backend::answering(ok("{}")).await,
            Self::Streams => Backend::answering_once(stream(&[ROLE, WORD].concat(), true)).await,
            Self::Refuses(status) => Backend::answering(answer(&format!("{status} x"), "", "no")).await,
            Self::IsGone => Backend::refusing(),
            Self::ResetsBeforeTheHead => {
                Backend::scripted(|mut conn| async move {
                    conn.request().await;
                    conn.reset();
                })
                .await
            }
            Self::TalksNonsense => Backend::answering_once("HTTP/9 what\r\n\r\n").await,
            Self::BreaksOffAtOnce => {
                Backend::answering_once("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await
            }
            Self::BreaksOffItsStream => Backend::answering_once(stream(ROLE, false)).await,
            Self::TellsOfAnError => Backend::answering_once(stream(&[ROLE, ERROR].concat(), true)).await,
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Answers),
        1 => Just(Act::Streams),
        4 => prop::sample::select(vec![400, 404, 408, 429, 500, 502, 503, 504]).prop_map(Act::Refuses),
        5 => prop::sample::select(vec![
            Act::IsGone,
            Act::ResetsBeforeTheHead,
            Act::TalksNonsense,
            Act::BreaksOffAtOnce,
            Act::BreaksOffItsStream,
            Act::TellsOfAnError,
        ]),
        2 => prop::sample::select(vec![Act::IsFull, Act::IsDrained]),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let acts = prop::collection::vec(act(), 1..=4);
    let most = prop_oneof![2 => Just(None), 1 => (1_usize..4).prop_map(Some)];
    (acts, most, prop::bool::weighted(0.85), prop::bool::weighted(0.8)).prop_map(
        |(acts, max_attempts, on_failure, repeatable)| Script { acts, max_attempts, on_failure, repeatable },
    )
}

// === impl Script ===

impl Script {
    /// The reference.
    fn course(&self) -> Course {
        let mut attempts = vec![];
        let mut poor: Vec<(usize, usize, Failure)> = vec![];
        for (candidate, act) in self.acts.iter().copied().enumerate() {
            if matches!(act, Act::IsFull | Act::IsDrained) {
                continue;
            }
            if self.max_attempts.is_some_and(|most| attempts.len() >= most) {
                break;
            }
            let is_held = self.repeatable && self.acts.len() > 1;
            match act {
                Act::Refuses(status @ (429 | 502 | 503 | 504)) if self.repeatable => {
                    attempts.push((name(candidate), Some(Failure::Status(status))));
                    poor.push((candidate, attempts.len() - 1, Failure::Status(status)));
                }
                Act::TellsOfAnError if is_held => {
                    attempts.push((name(candidate), Some(Failure::ErrorEvent)));
                    poor.push((candidate, attempts.len() - 1, Failure::ErrorEvent));
                }
                Act::BreaksOffItsStream | Act::TellsOfAnError if !is_held => {
                    // It is on its way to the client before anything goes wrong.
                    attempts.push((name(candidate), act.failure()));
                    return Course {
                        attempts,
                        status: StatusCode::OK,
                        by: Some(candidate),
                        is_whole: act == Act::TellsOfAnError,
                        outcome: Outcome::Failure,
                    };
                }
                _ => match act.failure() {
                    None => return self.served(attempts, candidate, act),
                    Some(failure) => {
                        attempts.push((name(candidate), Some(failure)));
                        let moves = self.on_failure && (self.repeatable || failure == Failure::Refused);
                        if !moves {
                            break;
                        }
                    }
                },
            }
        }
        self.unserved(attempts, &poor)
    }

    fn served(&self, mut attempts: Vec<(String, Option<Failure>)>, candidate: usize, act: Act) -> Course {
        attempts.push((name(candidate), None));
        let status = match act {
            Act::Refuses(status) => StatusCode::from_u16(status).unwrap(),
            _ => StatusCode::OK,
        };
        Course { attempts, status, by: Some(candidate), is_whole: true, outcome: Outcome::of_status(status) }
    }

    /// The best of the poor answers, or an error of our own.
    fn unserved(
        &self,
        mut attempts: Vec<(String, Option<Failure>)>,
        poor: &[(usize, usize, Failure)],
    ) -> Course {
        let order = [Failure::Status(429), Failure::Status(503)];
        let worth = |failure: &Failure| match failure {
            Failure::ErrorEvent => 0,
            other => 1 + order.iter().rev().position(|f| f == other).map_or(0, |at| at + 1),
        };
        let best = poor.iter().enumerate().max_by_key(|(n, (_, _, failure))| (worth(failure), *n));
        if let Some((_, (candidate, attempt, failure))) = best {
            let used = attempts.remove(*attempt);
            attempts.push(used);
            let status = match failure {
                Failure::Status(status) => StatusCode::from_u16(*status).unwrap(),
                _ => StatusCode::OK,
            };
            let (by, outcome) = (Some(*candidate), Outcome::Failure);
            return Course { attempts, status, by, is_whole: true, outcome };
        }
        let status =
            if attempts.is_empty() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
        Course { attempts, status, by: None, is_whole: true, outcome: Outcome::Failure }
    }

    /// What really happens.
    async fn run(&self) -> Course {
        let mut backends = vec![];
        for act in &self.acts {
            backends.push(act.backend().await);
        }
        let mut plan = Plan::over(&backends.iter().collect::<Vec<_>>());
        plan.settings.retry.max_attempts = self.max_attempts.and_then(NonZeroUsize::new);
        plan.settings.retry.on_failure = self.on_failure;
        plan.settings.queue.max_waiting = 0;
        for spec in &mut plan.specs {
            spec.max_concurrent = NonZeroU32::new(1);
            spec.allow_paths = PathRules::parse(["/admin"]).unwrap().into();
        }
        let stage = plan.start();
        let mut taken = vec![];
        for (position, act) in self.acts.iter().enumerate() {
            match act {
                Act::IsFull => taken.push(stage.endpoint(position).live.enter()),
                Act::IsDrained => _ = stage.endpoint(position).live.drain(),
                _ => {}
            }
        }
        let request = if self.repeatable { chat() } else { post("/olla/proxy/admin", r#"{"model":"m"}"#) };

        let told = stage.ask(request).await;

        let note = stage.journal.only().await;
        drop(taken);
        assert_eq!(stage.in_flight(), 0);
        for (backend, act) in backends.iter().zip(&self.acts) {
            assert!(backend.connections() <= 1, "{act:?} was asked more than once");
        }
        seen(&told, note)
    }
}

fn seen(told: &Told, note: Note) -> Course {
    let by = told.header("x-olla-endpoint").map(|name| "abcd".find(name).unwrap());
    Course {
        attempts: note.attempts,
        status: told.status,
        by,
        is_whole: told.body.is_ok(),
        outcome: note.outcome,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_course_is_that_of_the_reference(script in script()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

        let found = runtime.block_on(script.run());

        prop_assert_eq!(found, script.course());
    }
}
