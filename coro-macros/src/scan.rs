//! Questions about a slice of tokens that need no rewriting: where a head ends, where an expression may start,
//! whether braces hold match arms.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenTree};

/// Words after which an expression, a block or a pattern is still to come.
const PREFIX_WORDS: &[&str] = &[
    "as", "async", "box", "break", "const", "continue", "dyn", "else", "for", "if", "in", "let", "loop",
    "match", "move", "mut", "ref", "return", "static", "try", "unsafe", "where", "while", "yield",
];

pub(crate) fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == character)
}

pub(crate) fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

pub(crate) fn is_any_word(token: Option<&TokenTree>, words: &[&str]) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if words.iter().any(|word| ident == word))
}

pub(crate) fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

pub(crate) fn is_brace(token: Option<&TokenTree>) -> bool {
    group(token, Delimiter::Brace).is_some()
}

/// The token before `at`, if `at` is not the first.
pub(crate) fn before(tokens: &[TokenTree], at: usize) -> Option<&TokenTree> {
    at.checked_sub(1).and_then(|i| tokens.get(i))
}

/// Whether the two tokens from `at` on are one operator of two characters.
pub(crate) fn is_operator(tokens: &[TokenTree], at: usize, operator: [char; 2]) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p))
        if p.as_char() == operator[0] && p.spacing() == proc_macro2::Spacing::Joint)
        && is_punct(tokens.get(at + 1), operator[1])
}

/// Whether the token at `at` ends a two-character operator.
fn ends_operator(tokens: &[TokenTree], at: usize, operator: [char; 2]) -> bool {
    at > 0 && is_operator(tokens, at - 1, operator)
}

/// The arguments of `name!(..)`, where `at` is the place of the name, which no path leads to.
pub(crate) fn macro_arguments(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    let led_by_path = at > 0 && ends_operator(tokens, at - 1, [':', ':']);
    if led_by_path || !is_punct(tokens.get(at + 1), '!') {
        return None;
    }
    match tokens.get(at + 2) {
        Some(TokenTree::Group(group)) if group.delimiter() != Delimiter::None => Some(group),
        _ => None,
    }
}

/// A label or lifetime at `at`: its two tokens.
#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) tokens: [TokenTree; 2],
    pub(crate) name: String,
}

impl Label {
    pub(crate) fn at(tokens: &[TokenTree], at: usize) -> Option<Self> {
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(tick @ TokenTree::Punct(p)), Some(TokenTree::Ident(name))) if p.as_char() == '\'' => {
                Some(Self { tokens: [tick.clone(), name.clone().into()], name: name.to_string() })
            }
            _ => None,
        }
    }
}

/// The end of generic arguments: `at` is the place of `<`, the answer that of the token after its `>`.
pub(crate) fn after_angles(tokens: &[TokenTree], at: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        if is_punct(Some(token), '<') {
            depth += 1;
        } else if is_punct(Some(token), '>') && !ends_operator(tokens, i, ['-', '>']) {
            depth -= 1;
            if depth == 0 {
                return i + 1;
            }
        } else if is_punct(Some(token), ';') {
            break;
        }
    }
    at + 1
}

/// Whether the token at `at` ends an operand, so that a brace after it opens a body.
fn ends_operand(tokens: &[TokenTree], at: usize) -> bool {
    match &tokens[at] {
        TokenTree::Ident(ident) => !PREFIX_WORDS.iter().any(|word| ident == word),
        TokenTree::Literal(_) | TokenTree::Group(_) => true,
        TokenTree::Punct(p) => match p.as_char() {
            '?' | '.' => true,
            '>' => !ends_operator(tokens, at, ['-', '>']) && !ends_operator(tokens, at, ['=', '>']),
            _ => false,
        },
    }
}

/// One step of a walk through a head: what the token at `at` is to it.
pub(crate) enum Head {
    /// The block that the head leads to.
    Block,
    /// Part of the head, which goes on at this place.
    Next(usize),
    /// No head at all.
    Stop,
}

/// Classifies the token at `at` of a head (such as that of `for`, `while`, `match`) whose first token is at `start`.
pub(crate) fn head_step(tokens: &[TokenTree], start: usize, at: usize) -> Head {
    match tokens.get(at) {
        None => Head::Stop,
        Some(TokenTree::Punct(p)) if p.as_char() == ';' => Head::Stop,
        Some(TokenTree::Group(g))
            if g.delimiter() == Delimiter::Brace && at > start && ends_operand(tokens, at - 1) =>
        {
            Head::Block
        }
        Some(TokenTree::Ident(word)) if word == "let" => Head::Next(after_let_pattern(tokens, at + 1)),
        Some(TokenTree::Ident(word)) if word == "if" || word == "match" || word == "while" => {
            head_block(tokens, at + 1).map_or(Head::Stop, |block| Head::Next(block + 1))
        }
        Some(TokenTree::Ident(word)) if word == "for" => match for_in(tokens, at + 1) {
            Some(within) => head_block(tokens, within + 1).map_or(Head::Stop, |block| Head::Next(block + 1)),
            None => Head::Next(at + 1),
        },
        Some(_) => Head::Next(at + 1),
    }
}

/// The place of the block that ends the head which starts at `start`.
pub(crate) fn head_block(tokens: &[TokenTree], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match head_step(tokens, start, at) {
            Head::Block => return Some(at),
            Head::Next(next) => at = next,
            Head::Stop => return None,
        }
    }
}

/// The place of the `in` of `for PATTERN in`, if it is a loop (and not `impl A for B`, `for<'a>`).
pub(crate) fn for_in(tokens: &[TokenTree], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if is_word(Some(token), "in") {
            return (at > start).then_some(at);
        }
        if is_punct(Some(token), ';') || is_punct(Some(token), '<') && at == start {
            return None;
        }
        at += 1;
    }
    None
}

/// The place after the `=` of `let PATTERN =`.
fn after_let_pattern(tokens: &[TokenTree], start: usize) -> usize {
    let compound = |i: usize| {
        ['=', '>'].iter().any(|&c| is_operator(tokens, i, ['=', c]))
            || ['.', '=', '<', '>', '!'].iter().any(|&c| ends_operator(tokens, i, [c, '=']))
    };
    (start..tokens.len()).find(|&i| is_punct(tokens.get(i), '=') && !compound(i)).map_or(start, |i| i + 1)
}

/// Whether braces hold match arms.
pub(crate) fn has_arms(tokens: &[TokenTree]) -> bool {
    (0..tokens.len()).any(|i| is_operator(tokens, i, ['=', '>']))
}

/// Whether a `|` at `at` opens the parameters of a closure, rather than being an operator or part of a pattern.
pub(crate) fn opens_closure(tokens: &[TokenTree], at: usize, arms: bool) -> bool {
    let Some(previous) = before(tokens, at) else { return !arms };
    match previous {
        TokenTree::Ident(word) => {
            PREFIX_WORDS.iter().any(|prefix| word == prefix) && word != "let" && word != "for"
                || at > 1 && is_punct(tokens.get(at - 2), '\'') && is_word(before(tokens, at - 2), "break")
        }
        TokenTree::Literal(_) => false,
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::Bracket && is_punct(before(tokens, at - 1), '#')
        }
        TokenTree::Punct(p) => match p.as_char() {
            ',' => !arms,
            '?' | '.' => false,
            '>' => ends_operator(tokens, at - 1, ['=', '>']),
            _ => true,
        },
    }
}

/// A closure: the place of its body, and the place after it.
pub(crate) struct Closure {
    pub(crate) body: usize,
    pub(crate) end: usize,
}

impl Closure {
    /// The closure whose first `|` is at `at`.
    pub(crate) fn at(tokens: &[TokenTree], at: usize) -> Option<Self> {
        let body = (at + 1..tokens.len()).find(|&i| is_punct(tokens.get(i), '|'))? + 1;
        if is_operator(tokens, body, ['-', '>']) {
            let mut block = body + 2;
            while !is_brace(tokens.get(block)) {
                block = match tokens.get(block) {
                    Some(token) if is_punct(Some(token), '<') => after_angles(tokens, block),
                    Some(_) => block + 1,
                    None => return None,
                };
            }
            return Some(Self { body: block, end: block + 1 });
        }
        let mut end = body;
        while let Some(token) = tokens.get(end) {
            if is_punct(Some(token), ',')
                || is_punct(Some(token), ';')
                || is_operator(tokens, end, ['=', '>'])
            {
                break;
            }
            end = if is_operator(tokens, end, [':', ':']) && is_punct(tokens.get(end + 2), '<') {
                after_angles(tokens, end + 2)
            } else {
                end + 1
            };
        }
        Some(Self { body, end })
    }
}

/// The place of the body of the function or item whose keyword is at `at`, or that of the `;` it has instead.
pub(crate) fn item_body(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let mut i = at;
    while let Some(token) = tokens.get(i) {
        if is_brace(Some(token)) || is_punct(Some(token), ';') {
            return Some(i);
        }
        i = if is_punct(Some(token), '<') { after_angles(tokens, i) } else { i + 1 };
    }
    None
}

/// Whether something that `return` or `break` could carry follows at `at`.
pub(crate) fn has_value(tokens: &[TokenTree], at: usize) -> bool {
    at < tokens.len() && !ends_value(tokens, at)
}

/// The place after the value at `at`.
pub(crate) fn after_value(tokens: &[TokenTree], at: usize) -> usize {
    (at..tokens.len()).find(|&i| ends_value(tokens, i)).unwrap_or(tokens.len())
}

fn ends_value(tokens: &[TokenTree], at: usize) -> bool {
    let token = tokens.get(at);
    is_punct(token, ';') || is_punct(token, ',') || is_operator(tokens, at, ['=', '>'])
}

/// The word at `at`, which is known to be one.
pub(crate) fn word(tokens: &[TokenTree], at: usize) -> Ident {
    match &tokens[at] {
        TokenTree::Ident(ident) => ident.clone(),
        other => Ident::new("_", other.span()),
    }
}

/// The span of the first of these tokens, or this one if there are none.
pub(crate) fn first_span(tokens: &[TokenTree], otherwise: Span) -> Span {
    tokens.first().map_or(otherwise, TokenTree::span)
}
