//! The calls of our program in a text for people, and whether the program takes them.

use clap::{CommandFactory, Parser};
use stalecard::cli::Cli;

/// What follows the name of the program, up to the end of the command as a shell would have it, or as prose goes on; and
/// whether it has to be a command: it stands where commands stand. Elsewhere the program may only be spoken of.
pub fn calls(line: &str) -> Vec<(Vec<String>, bool)> {
    const NAME: &str = "stalecard";
    let mut found = Vec::new();
    for (at, _) in line.match_indices(NAME) {
        let (before, after) = (&line[..at], &line[at + NAME.len()..]);
        if !before.is_empty() && !before.ends_with([' ', '`', '('])
            || !(after.is_empty() || after.starts_with([' ', '`']))
        {
            continue;
        }
        let ticks = before.matches('`').count();
        let is_code = ticks % 2 == 1;
        let label = before.trim_start();
        let is_labelled = label.is_empty()
            || ["Next: ", "Cure: "].contains(&label)
            || label
                .strip_suffix(". ")
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let words = words(after);
        let is_known = words.first().is_some_and(|word| Cli::command().find_subcommand(word).is_some());
        if is_code || (is_labelled && !words.is_empty()) || is_known {
            found.push((words, is_code || is_labelled));
        }
    }
    found
}

/// The words of a command, without their quotes.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '"' if word.is_none() && !quoted && characters.clone().any(|later| later == '"') => {
                let inner = characters.by_ref().take_while(|inner| *inner != '"').collect();
                word = Some(inner);
            }
            '\\' if !quoted => word.get_or_insert_default().extend(characters.next()),
            _ if quoted => word.get_or_insert_default().push(character),
            ' ' => {
                words.extend(word.take());
                // Two blanks: a column. Prose goes on in brackets, and a shell behind a bar, a mark or a comment.
                if matches!(characters.peek(), Some(' ' | '(' | '|' | '&' | '#' | '>' | '\u{2026}')) {
                    break;
                }
            }
            '`' | ';' | ',' | ')' | '"' | ':' if is_end(character, characters.peek()) => break,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    if let Some(last) = words.last_mut() {
        // The end of a sentence, or dots for more of the same.
        *last = last.trim_end_matches(['.', '\u{2026}']).to_owned();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Inside a word these are part of it.
fn is_end(character: char, next: Option<&char>) -> bool {
    matches!(character, '`' | ')' | ';') || next.is_none_or(|next| *next == ' ')
}

/// What the program says against a call; words in capitals stand for something.
pub fn objection(words: &[String]) -> Option<String> {
    let meant = |word: &String| match word.as_str() {
        "FINDING" => "stale-key-id".to_owned(),
        "SECONDS" => "30".to_owned(),
        variable if variable.starts_with('$') => "1d".to_owned(),
        _ => word.clone(),
    };
    // Dots stand for a command, and so does nothing where it is only named.
    let elided = words.last().filter(|word| *word == "--" || words == ["run"]).map(|_| "COMMAND".to_owned());
    let all = std::iter::once("stalecard".to_owned()).chain(words.iter().map(meant)).chain(elided);
    match Cli::try_parse_from(all) {
        Err(error) if error.use_stderr() => Some(error.to_string()),
        _ => None,
    }
}

#[test]
fn a_call_is_found_and_ends_where_it_ends() {
    let called =
        |line: &str| -> Vec<String> { calls(line).iter().map(|(words, _)| words.join("|")).collect() };
    assert_eq!(
        called("  1. stalecard flush --user bob  moves 2 files; undo: stalecard undo"),
        ["flush|--user|bob", "undo"]
    );
    assert_eq!(
        called("Next: stalecard flush '/a b/c, (x)'\\''y' --unsafe"),
        ["flush|/a b/c, (x)'y|--unsafe"]
    );
    assert_eq!(called("    if ! stalecard check; then"), ["check"]);
    assert_eq!(called("another stalecard is at work; stalecard flushes nothing"), [""; 0]);
    assert_eq!(called("(stalecard verify --key 1), or `stalecard flsuh`."), ["verify|--key|1", "flsuh"]);
    assert!(objection(&["flsuh".to_owned()]).is_some() && objection(&["flush".to_owned()]).is_none());
}
