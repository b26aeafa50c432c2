//! Finds the model in a `multipart/form-data` body (RFC 2046 §5.1, RFC 7578).
//!
//! Of the parts only header lines are kept, each up to a limit. Every byte is looked at a fixed number of
//! times, whatever the body holds: the delimiter begins with a CR and has no other, so that a match that
//! fails cannot hide the beginning of another one.

use std::{mem, ops::Range};

use memchr::{memchr, memmem::Finder, memrchr};

use super::parameters;

const KEY: &[u8] = b"model";
/// How much of a header line is looked at, in bytes.
const MAX_LINE: usize = 1024;
/// What ends the line before a boundary. At the start of the body and of each part's content it may be
/// missing, or rather have been read.
const NEW_LINE: &[u8] = b"\r\n";

/// Reads a form chunk by chunk.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// Where in the body the next byte stands.
    position: u64,
    /// New line, two dashes, boundary.
    delimiter: Finder<'static>,
    /// How much of a delimiter has been read at the end of the last chunk.
    matched: usize,
    line: Vec<u8>,
    /// Whether the last byte of the line was a CR; the line may be longer than what is kept.
    line_at_cr: bool,
    part: Part,
    found: Option<Range<u64>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// In a part's content, or before the first part.
    Content { start: u64 },
    /// After what looks like a delimiter.
    Delimited { content: Content, tail: Tail },
    /// In a part's header lines.
    Header,
    /// After the last part.
    Done,
}

/// A part's content, if what follows it is a delimiter.
#[derive(Debug, Clone, Copy)]
struct Content {
    start: u64,
    end: u64,
}

/// What has been read after a delimiter's boundary.
#[derive(Debug, Clone, Copy)]
enum Tail {
    Nothing,
    Dash,
    Padding,
    Cr,
}

/// What a part's headers say it is.
#[derive(Debug, Default, Clone, Copy)]
enum Part {
    Model,
    /// A file in the model's place: as a model it is none, and it hides an earlier one.
    File,
    #[default]
    Other,
}

// === impl Scanner ===

impl Scanner {
    /// Creates a scanner for a body with this boundary. A header value cannot hold a CR, nor can the boundary.
    pub(crate) fn new(boundary: &[u8]) -> Self {
        let delimiter = [NEW_LINE, b"--", boundary].concat();
        Self {
            state: State::Content { start: 0 },
            position: 0,
            delimiter: Finder::new(&delimiter).into_owned(),
            matched: NEW_LINE.len(),
            line: Vec::new(),
            line_at_cr: false,
            part: Part::default(),
            found: None,
        }
    }

    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = match self.state {
                State::Content { start } => self.content(rest, start),
                State::Delimited { content, tail } => self.delimited(rest, content, tail),
                State::Header => self.header(rest),
                State::Done => return,
            };
            self.position += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Returns where the content of the last part for the model stands.
    pub(crate) fn finish(self) -> Option<Range<u64>> {
        self.found
    }

    fn content(&mut self, rest: &[u8], start: u64) -> usize {
        let delimiter = self.delimiter.needle();
        let missing = delimiter.get(self.matched..).unwrap_or_default();
        let end = if self.matched > 0 && rest.starts_with(missing) {
            Some(missing.len())
        } else if self.matched > 0 && missing.starts_with(rest) {
            self.matched += rest.len();
            return rest.len();
        } else {
            self.delimiter.find(rest).map(|at| at + delimiter.len())
        };
        let Some(used) = end else {
            self.matched = begun(delimiter, rest);
            return rest.len();
        };
        self.matched = 0;
        let end = (self.position + used as u64).saturating_sub(delimiter.len() as u64).max(start);
        self.state = State::Delimited { content: Content { start, end }, tail: Tail::Nothing };
        used
    }

    /// Tells a delimiter from content that only begins like one.
    fn delimited(&mut self, rest: &[u8], content: Content, tail: Tail) -> usize {
        let tail = match (tail, rest.first()) {
            (Tail::Nothing, Some(b'-')) => Tail::Dash,
            (Tail::Dash, Some(b'-')) => {
                self.end_part(content);
                self.state = State::Done;
                return 1;
            }
            (Tail::Nothing | Tail::Padding, Some(b' ' | b'\t')) => Tail::Padding,
            (Tail::Nothing | Tail::Padding, Some(b'\r')) => Tail::Cr,
            (Tail::Cr, Some(b'\n')) => {
                self.end_part(content);
                self.state = State::Header;
                return 1;
            }
            _ => {
                self.state = State::Content { start: content.start };
                return 0;
            }
        };
        self.state = State::Delimited { content, tail };
        1
    }

    fn end_part(&mut self, content: Content) {
        match mem::take(&mut self.part) {
            Part::Model => self.found = Some(content.start..content.end),
            Part::File => self.found = None,
            Part::Other => {}
        }
    }

    fn header(&mut self, rest: &[u8]) -> usize {
        let line_feed = memchr(b'\n', rest);
        let text = rest.get(..line_feed.unwrap_or(rest.len())).unwrap_or_default();
        self.keep(text);
        self.line_at_cr = text.last().map_or(self.line_at_cr, |last| *last == b'\r');
        if line_feed.is_none() {
            return text.len();
        }
        if mem::take(&mut self.line_at_cr) {
            self.end_line(self.position + text.len() as u64 + 1);
        } else {
            // A line feed alone ends nothing.
            self.keep(b"\n");
        }
        text.len() + 1
    }

    fn keep(&mut self, text: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    fn end_line(&mut self, end: u64) {
        if self.line == b"\r" {
            (self.state, self.matched) = (State::Content { start: end }, NEW_LINE.len());
        } else if let Some(part) = Part::read(&self.line) {
            self.part = part;
        }
        self.line.clear();
    }
}

// === impl Part ===

impl Part {
    /// Reads a header line that says what the part is. As at most backends, it need not say `form-data`,
    /// and the last of several counts.
    fn read(line: &[u8]) -> Option<Self> {
        let (name, value) = line.split_at(memchr(b':', line)?);
        if !name.eq_ignore_ascii_case(b"content-disposition") {
            return None;
        }
        let (_, parameters) = parameters::split(value);
        if parameters::last(parameters, b"name").as_deref() != Some(KEY) {
            return Some(Self::Other);
        }
        let is_file = parameters::last(parameters, b"filename").is_some();
        Some(if is_file { Self::File } else { Self::Model })
    }
}

/// Returns how much of a delimiter stands at the end of a text in which there is no whole one.
fn begun(delimiter: &[u8], text: &[u8]) -> usize {
    let last = text.get(text.len().saturating_sub(delimiter.len())..).unwrap_or_default();
    let candidate = memrchr(b'\r', last).and_then(|at| last.get(at..)).unwrap_or_default();
    if delimiter.starts_with(candidate) { candidate.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODEL: &str = "Content-Disposition: form-data; name=\"model\"\r\n";

    fn scan(boundary: &str, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Option<Range<u64>> {
        let mut scanner = Scanner::new(boundary.as_bytes());
        chunks.into_iter().for_each(|chunk| scanner.feed(chunk.as_ref()));
        scanner.finish()
    }

    /// Returns the model in a body with the boundary `b`, cut into chunks of every size.
    fn model(body: &str) -> Option<&str> {
        let whole = scan("b", [body]);
        for size in 1..body.len().max(2) {
            assert_eq!(scan("b", body.as_bytes().chunks(size)), whole, "in chunks of {size}: {body:?}");
        }
        whole.map(|span| &body[span.start as usize..span.end as usize])
    }

    /// Returns a part with these header lines.
    fn part(headers: &str, content: &str) -> String {
        format!("--b\r\n{headers}\r\n{content}\r\n")
    }

    #[test]
    fn finds_the_part_wherever_it_stands() {
        let file = part(
            "Content-Disposition: form-data; name=\"file\"; filename=\"a; name=model\"\r\nContent-Type: audio/wav\r\n",
            "RIFF\r\n\r\nname=\"model\"\r\n--",
        );
        let (named, other) =
            (part(MODEL, "whisper-1"), part("Content-Disposition: form-data; name=n\r\n", ""));

        for parts in [[&file, &named, &other], [&named, &file, &other], [&other, &file, &named]] {
            assert_eq!(model(&format!("{}{}{}--b--\r\n", parts[0], parts[1], parts[2])), Some("whisper-1"));
        }
        assert_eq!(model(&format!("{file}{other}--b--\r\n")), None);
    }

    #[test]
    fn headers_may_be_spelt_in_many_ways() {
        for headers in [
            "Content-Disposition: form-data; name=model\r\n",
            "content-disposition:form-data;name=\"model\"\r\n",
            "Content-Type: text/plain\r\nCONTENT-DISPOSITION: Form-Data; x=1; Name=\"model\"\r\nX-Y: z\r\n",
            "Content-Disposition: form-data; name=n\r\nContent-Disposition: form-data; name=model\r\n",
        ] {
            assert_eq!(model(&(part(headers, "m") + "--b--")), Some("m"), "{headers}");
        }
        let long = format!("X-Long: {}\r\n{MODEL}", "x".repeat(3 * MAX_LINE));
        assert_eq!(scan("b", [part(&long, "m") + "--b--"]).map(|span| span.end - span.start), Some(1));
    }

    #[test]
    fn other_parts_are_not_the_model() {
        for headers in [
            "",
            "Content-Type: text/plain; name=model\r\n",
            "Content-Disposition: form-data; name=\"models\"\r\n",
            "Content-Disposition: form-data; name=\"Model\"\r\n",
            "Content-Disposition: form-data; name*=UTF-8''model\r\n",
            "Content-Disposition: form-data; name=model; filename=\"\"\r\n",
            "Content-Disposition: form-data; name=model\r\nContent-Disposition: form-data; name=n\r\n",
            "Content-Disposition: form-data; name=\"x\n\r\n",
        ] {
            assert_eq!(model(&(part(headers, "m") + "--b--")), None, "{headers}");
        }
    }

    #[test]
    fn the_last_of_several_wins() {
        let (one, two) = (part(MODEL, "one"), part(MODEL, "two"));
        let file = part("Content-Disposition: form-data; name=model; filename=x\r\n", "three");

        assert_eq!(model(&format!("{one}{two}--b--")), Some("two"));
        assert_eq!(model(&format!("{one}{file}--b--")), None, "a file is no name");
        assert_eq!(model(&format!("{file}{two}--b--")), Some("two"));
    }

    #[test]
    fn what_only_looks_like_a_boundary_is_content() {
        for content in
            ["\r\n--bb", "\r\n--b-\r\n", "\r\n--b \tx", "\r\n--b\r", "\r\n-", "\r", "--b--", "\n--b--\n", ""]
        {
            let content = format!("m{content}");
            assert_eq!(model(&(part(MODEL, &content) + "--b--")), Some(&*content));
        }
    }

    #[test]
    fn only_what_stands_between_the_first_boundary_and_the_last_counts() {
        let named = part(MODEL, "m");

        assert_eq!(
            model(&format!("{MODEL}\r\nno\r\n{named}--b--\r\n--b\r\n{MODEL}\r\nno\r\n--b--")),
            Some("m")
        );
        assert_eq!(model(&format!("\r\n{named}--b--")), Some("m"));
        assert_eq!(
            model(&named.replace("--b\r", "--b \t\r").replace("m\r\n", "m\r\n--b \r\n")),
            Some("m"),
            "padding"
        );
        assert_eq!(model("--b\r\n\r\n--b--\r\n"), None);
    }

    #[test]
    fn content_without_a_byte_needs_no_second_new_line() {
        assert_eq!(model(&format!("--b\r\n{MODEL}\r\n--b--")), Some(""));
    }

    #[test]
    fn a_broken_body_keeps_what_came_before() {
        let named = part(MODEL, "m");

        assert_eq!(model(&format!("{named}--b\r\n{MODEL}\r\nhalf")), Some("m"));
        assert_eq!(model(&named), None, "its end is not known");
        assert_eq!(model(&named.replace("\r\n", "\n")), None, "lines end with CR and LF");
    }

    #[test]
    fn megabytes_of_near_boundaries_are_read_once() {
        // Were each of them compared anew from every byte on, this would take 16 thousand million steps.
        let boundary = "-".repeat(4_000);
        let near = format!("\r\n--{}x", &boundary[1..]);
        let body = format!("--{boundary}\r\n{MODEL}\r\n{}\r\n--{boundary}--", near.repeat(1_000));
        let start = body.find(&near).unwrap() as u64;

        for size in [1, 4_001, 65_536] {
            let found = scan(&boundary, body.as_bytes().chunks(size));

            assert_eq!(found, Some(start..start + 1_000 * near.len() as u64));
        }
    }

    #[test]
    fn keeps_little_of_endless_headers() {
        let mut scanner = Scanner::new(b"b");
        scanner.feed(b"--b\r\n");
        for _ in 0..1_000 {
            scanner.feed(&[b'x'; 1_000]);
            scanner.feed(&[b'\n'; 1_000]);
        }

        assert_eq!(scanner.line.len(), MAX_LINE);
    }

    /// Reads the whole body at once: slow and plain.
    fn read_whole(body: &str) -> Option<&str> {
        let text = &format!("\r\n{body}");
        let (mut found, mut after) = (None, delimiter(text, 0));
        while let Some((_, Some(line_end))) = after {
            let Some(len) = text[line_end..].find("\r\n\r\n") else { break };
            let (headers, content) = (&text[line_end..line_end + len], line_end + len + 4);
            after = delimiter(text, content - 2);
            let Some((end, _)) = after else { break };
            match headers.split("\r\n").filter(|line| line.starts_with("Content-Disposition:")).last() {
                Some(line) if line.contains("filename=f") => found = None,
                Some(line) if line.contains("name=model") => {
                    found = Some(&body[content - 2..end.max(content) - 2]);
                }
                Some(_) | None => {}
            }
        }
        found
    }

    /// Returns where the next delimiter begins and, unless it is the last, where its line ends.
    fn delimiter(text: &str, from: usize) -> Option<(usize, Option<usize>)> {
        text[from..].match_indices("\r\n--b").find_map(|(at, delimiter)| {
            let after = &text[from + at + delimiter.len()..];
            let padded = after.trim_start_matches([' ', '\t']);
            let line_end = padded.starts_with("\r\n").then_some(text.len() - padded.len());
            (line_end.is_some() || after.starts_with("--")).then_some((from + at, line_end))
        })
    }

    fn body() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            4 => Just("\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\n"),
            2 => Just("\r\n--b\r\n"),
            2 => Just("\r\n--b"),
            2 => Just("Content-Disposition: form-data; name=model\r\n"),
            1 => Just("Content-Disposition: form-data; name=model; filename=f\r\n"),
            1 => Just("Content-Disposition: form-data; name=n\r\n"),
            2 => Just("\r\n\r\n"),
            2 => Just("\r\n"),
            1 => Just("\r\n--b--"),
            1 => Just("--b"),
            1 => Just("--"),
            1 => Just("\r"),
            1 => Just("\n"),
            1 => Just(" "),
            1 => Just("b"),
            1 => Just("x"),
        ];
        proptest::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn agrees_with_reading_the_whole_body_at_any_chunking(
            body in body(),
            sizes in proptest::collection::vec(1usize..12, 1..8),
        ) {
            let mut rest = body.as_bytes();
            let mut sizes = sizes.iter().cycle();
            let chunks = std::iter::from_fn(|| {
                let (chunk, after) = rest.split_at((*sizes.next()?).min(rest.len()));
                rest = after;
                (!chunk.is_empty()).then_some(chunk)
            });

            let found = scan("b", chunks);

            let text = found.map(|span| &body[span.start as usize..span.end as usize]);
            prop_assert_eq!(text, read_whole(&body), "{:?}", body);
        }

        #[test]
        fn finds_the_model_among_binary_parts(
            before in proptest::collection::vec(any::<u8>(), 0..200),
            after in proptest::collection::vec(any::<u8>(), 0..200),
            name in "\\PC{1,20}",
            chunk in 1usize..300,
        ) {
            let file: &[u8] = b"--Xq7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
            let model = format!("\r\n--Xq7\r\n{MODEL}\r\n");
            let body = [file, &before, model.as_bytes(), name.as_bytes(), b"\r\n", file, &after, b"\r\n--Xq7--\r\n"].concat();

            let found = scan("Xq7", body.chunks(chunk));

            let start = (file.len() + before.len() + model.len()) as u64;
            prop_assert_eq!(found, Some(start..start + name.len() as u64));
        }
    }
}
