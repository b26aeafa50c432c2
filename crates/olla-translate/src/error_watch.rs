//! Looks for an error that a backend tells of within a stream, after its opening.
//!
//! Nearly every piece of a stream is some whole events and has no error: it is searched for one word and not
//! looked at again. Only an event that a piece has cut is kept, until its end has come.

use memchr::{memchr, memmem, memrchr};

use crate::{Dialect, opening::tells_error};

/// Watches one stream, cut into pieces anywhere.
#[derive(Debug)]
pub struct ErrorWatch {
    dialect: Dialect,
    /// The beginning of an event whose end has not come yet.
    begun: Vec<u8>,
}

/// An event that is longer than this tells of no error; it is kept no longer.
const LONGEST: usize = 64 * 1024;

// === impl ErrorWatch ===

impl ErrorWatch {
    /// Begins with a stream in a dialect, between two events.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, begun: vec![] }
    }

    /// Reads the next piece and returns whether an event that it completes tells of an error.
    pub fn feed(&mut self, piece: &[u8]) -> bool {
        if self.begun.is_empty() {
            let (whole, begun) = piece.split_at(end_of_last_event(self.dialect, piece));
            self.keep(begun);
            return tells_error(self.dialect, whole);
        }
        // Where the end of the event may lie across the cut, both parts are needed to see it.
        self.keep(piece);
        let end = end_of_last_event(self.dialect, &self.begun);
        let rest = self.begun.split_off(end);
        let whole = std::mem::replace(&mut self.begun, rest);
        tells_error(self.dialect, &whole)
    }

    fn keep(&mut self, piece: &[u8]) {
        // alloc: only for events that were cut.
        self.begun.extend_from_slice(piece);
        if self.begun.len() > LONGEST && end_of_last_event(self.dialect, &self.begun) == 0 {
            // Its end must still be found.
            self.begun.drain(..self.begun.len() - 4);
        }
    }
}

/// Returns where the last complete event ends; 0 where none does.
fn end_of_last_event(dialect: Dialect, bytes: &[u8]) -> usize {
    match dialect {
        Dialect::Ollama => memrchr(b'\n', bytes).map_or(0, |at| at + 1),
        // As nearly every piece does.
        _ if bytes.ends_with(b"\n\n") || bytes.ends_with(b"\r\n\r\n") => bytes.len(),
        Dialect::OpenAi | Dialect::Anthropic => {
            // The same number of ends of line mean the same, however they are written.
            let ends =
                [&b"\n\n"[..], b"\r\n\r\n"].map(|end| memmem::rfind(bytes, end).map(|at| at + end.len()));
            let old = memchr(b'\r', bytes).and_then(|_| memmem::rfind(bytes, b"\r\r")).map(|at| at + 2);
            ends.into_iter().chain([old]).flatten().max().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"the \\\"error\\\" was mine\"}}]}\n\n";

    fn finds(dialect: Dialect, pieces: &[&[u8]]) -> bool {
        let mut watch = ErrorWatch::new(dialect);
        pieces.iter().filter(|piece| watch.feed(piece)).count() > 0
    }

    #[test]
    fn an_error_is_found_wherever_it_is_cut_and_in_every_dialect() {
        for (dialect, stream) in [
            (Dialect::OpenAi, [WORD, ERROR, "data: [DONE]\n\n"].concat()),
            (Dialect::OpenAi, [WORD, ERROR].concat().replace('\n', "\r\n")),
            (
                Dialect::Anthropic,
                format!("event: ping\ndata: {{\"type\":\"ping\"}}\n\nevent: error\n{ERROR}"),
            ),
            (Dialect::Ollama, "{\"response\":\"x\",\"done\":false}\n{\"error\":\"it stopped\"}\n".to_owned()),
        ] {
            for at in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                assert!(finds(dialect, &[head, tail]), "{stream:?} at {at}");
            }
        }
    }

    #[test]
    fn an_event_that_is_never_complete_tells_of_nothing() {
        assert!(!finds(Dialect::OpenAi, &[ERROR.trim_end().as_bytes()]));
        assert!(!finds(Dialect::Ollama, &[b"{\"error\":\"x\"}"]));
    }

    #[test]
    fn an_endless_event_takes_bounded_memory_and_its_end_is_found() {
        let mut watch = ErrorWatch::new(Dialect::OpenAi);
        for _ in 0..100 {
            assert!(!watch.feed(&[b'x'; 16 * 1024]));
        }
        assert!(watch.begun.len() <= LONGEST + 16 * 1024);

        assert!(!watch.feed(b"\n"));
        assert!(watch.feed([b"\n", ERROR.as_bytes()].concat().as_slice()));
    }

    proptest! {
        #[test]
        fn pieces_tell_what_the_whole_tells(
            events in prop::collection::vec(prop_oneof![Just(WORD), Just(": note\n\n"), Just(ERROR)], 0..6),
            cuts in prop::collection::vec(0_usize..400, 0..6),
        ) {
            let stream = events.concat();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();

            prop_assert_eq!(finds(Dialect::OpenAi, &pieces), events.contains(&ERROR));
        }
    }
}
