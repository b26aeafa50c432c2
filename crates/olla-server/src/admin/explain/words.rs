//! Puts an explanation into words: one sentence, and a text for a terminal.

use olla_proxy::{Considered, Error, Explanation, Question, Verdict};

/// What is told of an endpoint first, best first.
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::FirstChoice, "first choice"),
    (Verdict::Later, "later"),
    (Verdict::Waits, "waits"),
    (Verdict::NotNow, "not now"),
    (Verdict::Never, "no"),
];
/// As many endpoints are named in a sentence.
const MOST_NAMED: usize = 4;

/// Says in one sentence what becomes of a request.
pub(super) fn sentence(question: &Question, explanation: &Explanation, balancer: &str) -> String {
    let asked = request(question, explanation);
    let first = match explanation.asks_anew {
        true => "; before that, the backends are asked for their models anew, and one of them may have it",
        false => "",
    };
    match &explanation.error {
        Some(error) => format!("{asked} is refused with {} {}: {error}{first}.", code(error), error.code()),
        None if explanation.decision == "fallback" => {
            format!(
                "{asked}, which no available endpoint has, goes to {}.",
                course(question, explanation, balancer)
            )
        }
        None => format!("{asked} goes to {}.", course(question, explanation, balancer)),
    }
}

/// Writes the sentence, then a line for each endpoint, grouped by what becomes of it.
pub(super) fn text(summary: &str, considered: &[Considered]) -> String {
    let rows = VERDICTS.iter().flat_map(|(verdict, label)| {
        let rows = considered.iter().filter(|one| one.verdict == *verdict);
        rows.map(|one| {
            let model = one.model.as_deref().unwrap_or_default();
            [(*label).to_owned(), printable(&one.endpoint), printable(model), printable(&one.why)]
        })
    });
    let rows: Vec<_> = rows.collect();
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max();
    let widths = [0, 1, 2].map(|n| width(n).unwrap_or(0));
    let mut text = format!("{}\n", printable(summary));
    for (n, [label, endpoint, model, why]) in rows.iter().enumerate() {
        let [labels, endpoints, models] = widths;
        let gap = if models > 0 { "  " } else { "" };
        let before = if n == 0 { "\n" } else { "" };
        text.push_str(before);
        text.push_str(&format!("{label:labels$}  {endpoint:endpoints$}  {model:models$}{gap}{why}\n"));
    }
    text
}

/// Escapes what would do something to a terminal, or change the order of what it shows.
pub(crate) fn printable(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn request(question: &Question, explanation: &Explanation) -> String {
    let mut text = format!("{} {}", question.method, question.target);
    if let Some(model) = &question.model {
        text.push_str(&format!(" for {model:?}"));
    }
    if !explanation.alias_of.is_empty() {
        let names = explanation.alias_of.iter().map(|name| format!("{name:?}"));
        text.push_str(&format!(" (an alias of {})", list(names, "and")));
    }
    let needs = [(question.needs.images, "images"), (question.needs.tools, "tools")];
    let needs: Vec<_> = needs.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect();
    if !needs.is_empty() {
        text.push_str(&format!(" with {}", list(needs, "and")));
    }
    text
}

/// Says where the request goes, and where next.
fn course(question: &Question, explanation: &Explanation, balancer: &str) -> String {
    let of = |verdict| {
        let rows = explanation.considered.iter().filter(move |one| one.verdict == verdict);
        rows.map(|one| match &one.model {
            Some(model) if question.model.as_ref() != Some(model) => {
                format!("{} (as {model:?})", one.endpoint)
            }
            _ => one.endpoint.to_string(),
        })
        .collect::<Vec<_>>()
    };
    let (first, later, full) = (of(Verdict::FirstChoice), of(Verdict::Later), of(Verdict::Waits));
    let choice = match (first.len(), explanation.sticky) {
        (..=1, _) => String::new(),
        (_, false) => format!(", as {balancer} decides"),
        (_, true) => format!(", as {balancer} decides unless a session is at home with one of them"),
    };
    if first.is_empty() && !full.is_empty() {
        return format!("{}, as soon as there is room", list(full, "or"));
    }
    match (first.is_empty(), later.is_empty()) {
        (false, true) => format!("{}{choice}", list(first, "or")),
        (false, false) => {
            format!("{}{choice}, and if that fails to {}", list(first, "or"), list(later, "or"))
        }
        (true, _) => format!("{} as a last resort", list(later, "or")),
    }
}

fn list(names: impl IntoIterator<Item = String>, last: &str) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    if names.len() > MOST_NAMED {
        let others = names.split_off(MOST_NAMED - 1).len();
        names.push(format!("{others} others"));
    }
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn code(error: &Error) -> u16 {
    error.status().as_u16()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences_and_do_not_grow_forever() {
        let names = |count: usize| (1..=count).map(|n| n.to_string());

        assert_eq!(list(names(0), "or"), "");
        assert_eq!(list(names(1), "or"), "1");
        assert_eq!(list(names(4), "and"), "1, 2, 3 and 4");
        assert_eq!(list(names(9), "or"), "1, 2, 3 or 6 others");
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}ü"), "a\\u{1b}[2J\\nb\\u{202e}ü");
    }
}
