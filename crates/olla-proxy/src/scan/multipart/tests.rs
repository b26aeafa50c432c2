//! Models are found in forms, however these are written and cut.

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
    let (named, other) = (part(MODEL, "whisper-1"), part("Content-Disposition: form-data; name=n\r\n", ""));

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

    assert_eq!(model(&format!("{MODEL}\r\nno\r\n{named}--b--\r\n--b\r\n{MODEL}\r\nno\r\n--b--")), Some("m"));
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
