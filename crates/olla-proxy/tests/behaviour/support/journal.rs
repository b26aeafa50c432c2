//! Receives the records of finished requests.

use std::sync::Mutex;

use http::StatusCode;
use olla_core::{Affinity, Failure, Formats, Outcome, Recorder, RequestRecord};
use tokio::sync::{
    Mutex as AsyncMutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::soon;

/// Keeps what each record says.
pub(crate) struct Journal {
    sender: Mutex<UnboundedSender<Note>>,
    notes: AsyncMutex<UnboundedReceiver<Note>>,
}

/// What a record says.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) model: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) error: Option<&'static str>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) formats: Option<Formats>,
    /// Endpoint and failure of each attempt.
    pub(crate) attempts: Vec<(String, Option<Failure>)>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) has_first_byte: bool,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new() -> Self {
        let (sender, notes) = unbounded_channel();
        Self { sender: Mutex::new(sender), notes: AsyncMutex::new(notes) }
    }

    /// Returns the next note, and fails if there is another one already.
    pub(crate) async fn only(&self) -> Note {
        let note = self.next().await;
        let another = self.notes.lock().await.try_recv();
        assert!(another.is_err(), "a second record: {another:?}");
        note
    }

    /// Waits for the next note.
    pub(crate) async fn next(&self) -> Note {
        let mut notes = self.notes.lock().await;
        soon(notes.recv()).await.unwrap()
    }

    /// Whether nothing has been recorded since the last note.
    pub(crate) async fn is_empty(&self) -> bool {
        self.notes.lock().await.try_recv().is_err()
    }
}

impl Recorder for Journal {
    fn record(&self, record: &RequestRecord) {
        let attempts = record.attempts.iter().map(|a| (a.endpoint.spec.name.to_string(), a.failure));
        let note = Note {
            id: record.id.to_string(),
            target: record.uri.to_string(),
            model: record.model.as_deref().map(str::to_owned),
            outcome: record.outcome,
            status: record.status,
            error: record.error,
            affinity: record.affinity,
            formats: record.formats,
            attempts: attempts.collect(),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            has_first_byte: record.first_byte.is_some_and(|first| first <= record.duration),
        };
        self.sender.lock().unwrap().send(note).unwrap();
    }
}
