//! Cuts a text about as tokenizers do, and weighs the pieces.

/// What a character is to a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    LineEnd,
    /// A letter of the Latin alphabet.
    Letter,
    Digit,
    /// Punctuation and other signs.
    Sign,
    /// Greek, Cyrillic, Armenian, Hebrew: alphabets whose words are cut into a few pieces.
    Alphabet,
    /// Chinese characters and Japanese syllables, which rarely come in words.
    Syllable,
    Other,
}

/// A run of characters of one kind.
struct Run<'t> {
    kind: Kind,
    text: &'t str,
}

/// Weights are tenths of a token.
const TOKEN: u64 = 10;
/// Words up to so many letters are usually one token, and each so many more one more.
const WHOLE_WORD: usize = 8;
const MORE_LETTERS: u64 = 4;

/// Returns about how many tokens a text has.
pub(crate) fn estimate(text: &str) -> u64 {
    let mut tenths: u64 = 0;
    let mut before = Kind::LineEnd;
    let mut rest = text;
    while let Some(run) = next_run(rest) {
        rest = rest.get(run.text.len()..).unwrap_or_default();
        let after = rest.chars().next().map(kind);
        tenths = tenths.saturating_add(weight(&run, before, after));
        before = run.kind;
    }
    tenths.div_ceil(TOKEN)
}

fn weight(run: &Run<'_>, before: Kind, after: Option<Kind>) -> u64 {
    let length = u64::try_from(run.text.len()).unwrap_or(u64::MAX);
    match run.kind {
        // A single space belongs to the word after it, but not to a number.
        Kind::Space => TOKEN * u64::from(length > 1 || after == Some(Kind::Digit)),
        // After a sign, the end of the line belongs to the sign.
        Kind::LineEnd => TOKEN * u64::from(before != Kind::Sign),
        Kind::Digit => TOKEN * length.div_ceil(3),
        Kind::Letter => word(run.text),
        Kind::Sign => signs(run.text, after),
        Kind::Alphabet => TOKEN * (length / 2).div_ceil(6),
        Kind::Syllable => 7 * (length / 3),
        Kind::Other => 4 * u64::try_from(run.text.chars().count()).unwrap_or(u64::MAX),
    }
}

fn word(word: &str) -> u64 {
    let letters = word.chars().count();
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    if capitals > 1 {
        return TOKEN * u64::try_from(2 * letters).unwrap_or(u64::MAX).div_ceil(7);
    }
    let more = u64::try_from(letters.saturating_sub(WHOLE_WORD)).unwrap_or(u64::MAX);
    // Letters with accents cut a word.
    let accents = u64::try_from(word.chars().filter(|c| !c.is_ascii()).count()).unwrap_or(u64::MAX);
    TOKEN + TOKEN * more / MORE_LETTERS + 14 * accents
}

/// A sign before a word often belongs to it.
fn signs(signs: &str, after: Option<Kind>) -> u64 {
    let count = u64::try_from(signs.chars().count()).unwrap_or(u64::MAX);
    if count == 1 && after == Some(Kind::Letter) {
        return if ["_", ".", "/", "(", "-", "'", "@"].contains(&signs) { 3 } else { 6 };
    }
    let first = signs.chars().next();
    let alike = signs.chars().all(|sign| Some(sign) == first);
    if alike { TOKEN } else { TOKEN * count.div_ceil(3) }
}

/// Returns the run that a text begins with. Words end before a capital letter within: `camelCase` is two.
fn next_run(text: &str) -> Option<Run<'_>> {
    let mut characters = text.char_indices();
    let (_, mut last) = characters.next()?;
    let kind_of_run = kind(last);
    let end = characters.find_map(|(at, character)| {
        let hump = kind_of_run == Kind::Letter && character.is_uppercase() && last.is_lowercase();
        last = character;
        (hump || kind(character) != kind_of_run).then_some(at)
    });
    Some(Run { kind: kind_of_run, text: text.get(..end.unwrap_or(text.len())).unwrap_or(text) })
}

const fn kind(character: char) -> Kind {
    match character {
        ' ' | '\t' => Kind::Space,
        '\r' | '\n' => Kind::LineEnd,
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' => Kind::Letter,
        '0'..='9' => Kind::Digit,
        '\0'..='\u{BF}' | '\u{2000}'..='\u{2E7F}' | '\u{3000}'..='\u{303F}' | '\u{FF00}'..='\u{FF65}' => {
            Kind::Sign
        }
        '\u{370}'..='\u{5FF}' => Kind::Alphabet,
        '\u{3040}'..='\u{9FFF}' => Kind::Syllable,
        _ => Kind::Other,
    }
}
