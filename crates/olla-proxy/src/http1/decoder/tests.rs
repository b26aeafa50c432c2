use olla_fuzz::fuzz;
use proptest::prelude::*;

use super::*;

/// What came of a body: its data, its trailers and whether it ended, broke or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: Option<Result<(), Malformed>>,
    left: Vec<u8>,
}

/// Decodes pieces as they come.
fn read<'p>(length: Length, pieces: impl IntoIterator<Item = &'p [u8]>) -> Read {
    let (mut decoder, mut received) = (Decoder::new(length), BytesMut::new());
    let mut read = Read { data: vec![], trailers: None, end: None, left: vec![] };
    for piece in pieces {
        received.extend_from_slice(piece);
        while read.end.is_none() {
            match decoder.decode(&mut received) {
                Ok(Decoded::Data(data)) => read.data.extend_from_slice(&data),
                Ok(Decoded::Trailers(trailers)) => read.trailers = Some(trailers),
                Ok(Decoded::Nothing) => break,
                Ok(Decoded::End) => read.end = Some(Ok(())),
                Err(malformed) => read.end = Some(Err(malformed)),
            }
        }
    }
    assert!(decoder.is_done() == (read.end == Some(Ok(()))));
    // What follows a body that broke is nobody's.
    if read.end != Some(Err(Malformed)) {
        read.left = received.to_vec();
    }
    read
}

fn chunked(text: &str) -> Read {
    read(Length::Chunked, [text.as_bytes()])
}

#[test]
fn chunks_that_come_together_are_joined() {
    let mut received = BytesMut::from("5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\n\r\nnext");
    let mut decoder = Decoder::new(Length::Chunked);

    assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data("hello world".into())));
    assert!(decoder.is_done());
    assert_eq!(received, "next");
}

#[test]
fn a_long_chunk_is_not_copied_behind_another() {
    let long = "x".repeat(LONGEST_JOINED + 1);
    let mut received = BytesMut::from(&*format!("1\r\na\r\n{:x}\r\n{long}\r\n", long.len()));
    let mut decoder = Decoder::new(Length::Chunked);

    assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data("a".into())));
    assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data(long.into())));
    assert_eq!(decoder.decode(&mut received), Ok(Decoded::Nothing));
}

#[test]
fn trailers_that_will_be_none_are_refused_before_they_end() {
    assert_eq!(chunked("0\r\nno field\r\n").end, Some(Err(Malformed)));
    assert_eq!(chunked("0\r\na: field\r\n").end, None);
}

#[test]
fn trailers_come_after_the_data() {
    let read = chunked("2\r\nhi\r\n0\r\nx-sum: 7\r\nx-b: c\r\n\r\nnext");

    assert_eq!((&*read.data, read.end), (&b"hi"[..], Some(Ok(()))));
    assert_eq!(read.trailers.unwrap().get("x-sum").unwrap(), "7");
    assert_eq!(read.left, b"next");
}

#[test]
fn what_is_no_chunk_breaks_the_body_after_what_was_good_of_it() {
    for rest in [
        "x\r\n",
        "-1\r\na",
        "\r\n",
        "5\nhello",
        "1 2\r\n",
        "11111111111111111\r\n",
        "5;a\rb\r\nhello\r\n",
        "0\r\nno field\r\n\r\n",
        "0\r\na: b\nc: d\r\n\r\n",
    ] {
        let read = chunked(&format!("2\r\nhi\r\n{rest}"));

        assert_eq!((&*read.data, read.end), (&b"hi"[..], Some(Err(Malformed))), "{rest:?}");
    }
    assert_eq!(chunked("2\r\nhi?\r\n0\r\n\r\n").end, Some(Err(Malformed)));
}

#[test]
fn what_never_ends_is_given_up() {
    assert_eq!(chunked(&"0".repeat(LONGEST_LINE)).end, Some(Err(Malformed)));
    assert_eq!(chunked(&format!("1;{}", "x".repeat(LONGEST_LINE))).end, Some(Err(Malformed)));
    let extended = format!("1;{}\r\nx\r\n", "x".repeat(LONGEST_EXTENSIONS / 8 - 1));
    assert_eq!(chunked(&extended.repeat(8)).end, None);
    assert_eq!(chunked(&extended.repeat(9)).end, Some(Err(Malformed)));
    let long = format!("0\r\na: {}", "x".repeat(LONGEST_TRAILERS));
    assert_eq!(chunked(&long).end, Some(Err(Malformed)));
    assert_eq!(chunked(&format!("{long}\r\n\r\n")).end, Some(Err(Malformed)));
}

#[test]
fn a_length_is_kept_to() {
    let read = read(Length::Exact(7), [&b"hel"[..], b"lo world"]);

    assert_eq!((&*read.data, read.end, &*read.left), (&b"hello w"[..], Some(Ok(())), &b"orld"[..]));
}

proptest! {
    #[test]
    fn a_body_is_the_same_however_it_was_cut_and_arrives(
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        cuts in prop::collection::vec(1usize..30, 0..40),
    ) {
        let mut sent = vec![];
        for chunk in &data {
            sent.extend_from_slice(format!("{:X};e\r\n", chunk.len()).as_bytes());
            sent.extend_from_slice(chunk);
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(b"0\r\nx-t: 1\r\n\r\nrest");

        let read = read(Length::Chunked, pieces(&sent, cuts));

        prop_assert_eq!(read.data, data.concat());
        prop_assert_eq!((read.trailers.unwrap().len(), read.end), (1, Some(Ok(()))));
        prop_assert_eq!(read.left, b"rest".to_vec());
    }
}

/// Cuts bytes into pieces of these sizes, and what is left into one.
fn pieces(mut bytes: &[u8], sizes: Vec<usize>) -> Vec<&[u8]> {
    let mut pieces = vec![];
    for size in sizes {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

#[test]
fn fuzz_chunks() {
    let words =
        ["5\r\n", "hello", "\r\n", "0\r\n\r\n", ";x=y", "ffffffffffffffff", "a: b\r\n", "\n", "1\r\nx\r\n"];
    fuzz("chunks", &words, |input| {
        let (size, bytes) = input.split_first().unwrap_or((&1, &[]));
        let size = usize::from(*size).max(1);

        let (whole, cut) = (read(Length::Chunked, [bytes]), read(Length::Chunked, bytes.chunks(size)));

        assert_eq!(whole.data, cut.data);
        assert_eq!(whole.end, cut.end);
        whole.end.map(|end| end.is_ok())
    });
}
