//! The items of `async_fn! { … }`: which are ours, and where each of them ends.

use crate::attribute;
use crate::diagnostic::Diagnostics;
use crate::function::{Function, Shape};
use crate::rewrite::{Place, Rewriter, copy};
use crate::scan;
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// Words that may stand between the visibility of a function and its `fn`.
const QUALIFIERS: &[&str] = &["default", "const", "async", "unsafe", "safe", "extern"];

/// What an item is to the macro.
#[derive(PartialEq, Eq, Debug)]
enum Kind {
    Function,
    /// An `impl`, `trait` or `mod`, whose own items are looked at.
    Container,
    /// Something that ends with its first `;`, braces or not.
    Declaration,
    /// `async for` and its like, where no statement can be.
    Statement,
    Other,
}

/// Translates a list of items.
pub(crate) fn translate(stream: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while at < tokens.len() {
        let keyword = after_visibility(&tokens, at);
        let (kind, end) = item(&tokens, keyword);
        let tokens = &tokens[at..end];
        match kind {
            Kind::Function => function(tokens).to_tokens(&mut out),
            Kind::Container => container(tokens).to_tokens(&mut out),
            Kind::Statement => {
                let mut errors = Diagnostics::default();
                errors.at(
                    tokens[keyword - at].span(),
                    "this is a statement: it belongs in the body of an `async fn`",
                );
                errors.into_tokens().to_tokens(&mut out);
            }
            Kind::Declaration | Kind::Other => {
                copy(tokens, 0, tokens.len(), &mut out);
            }
        }
        at = end;
    }
    out
}

/// Whether these tokens, an item without what stands before it, are a function.
pub(crate) fn is_function(tokens: &[TokenTree]) -> bool {
    item(tokens, after_visibility(tokens, 0)).0 == Kind::Function
}

/// The place after attributes and visibility.
fn after_visibility(tokens: &[TokenTree], mut at: usize) -> usize {
    while scan::is_punct(tokens.get(at), '#') {
        at += if scan::is_punct(tokens.get(at + 1), '!') { 3 } else { 2 };
    }
    if scan::is_word(tokens.get(at), "pub") {
        at += 1;
        if scan::group(tokens.get(at), Delimiter::Parenthesis).is_some() {
            at += 1;
        }
    }
    // A visibility that came through another macro as one fragment.
    if scan::group(tokens.get(at), Delimiter::None).is_some() { at + 1 } else { at }
}

/// The kind of the item whose keyword is at `at`, and the place after it.
fn item(tokens: &[TokenTree], at: usize) -> (Kind, usize) {
    let mut word = at;
    while scan::is_any_word(tokens.get(word), QUALIFIERS) {
        word += 1;
        if matches!(tokens.get(word), Some(TokenTree::Literal(_))) {
            word += 1;
        }
    }
    let asynchronous = word > at && scan::is_word(tokens.get(word - 1), "async");
    let kind = if scan::is_word(tokens.get(word), "fn") {
        Kind::Function
    } else if scan::is_any_word(tokens.get(word), &["impl", "trait", "mod", "auto"]) {
        Kind::Container
    } else if asynchronous
        && scan::is_any_word(tokens.get(word), &["for", "with", "while", "if", "loop", "match"])
    {
        Kind::Statement
    } else if scan::is_any_word(tokens.get(at), &["use", "static", "type", "const"])
        || scan::is_word(tokens.get(at), "extern") && scan::is_word(tokens.get(at + 1), "crate")
    {
        Kind::Declaration
    } else {
        Kind::Other
    };
    let last = if kind == Kind::Declaration {
        (at..tokens.len()).find(|&i| scan::is_punct(tokens.get(i), ';'))
    } else {
        scan::item_body(tokens, at)
    };
    (kind, last.map_or(tokens.len(), |last| last + 1))
}

fn function(tokens: &[TokenTree]) -> TokenStream {
    let signature = || tokens.iter().take_while(|token| !scan::is_brace(Some(token)));
    if signature().any(|token| scan::is_any_word(Some(token), &["async", "yields", "receives"])) {
        return match syn::parse2::<Function>(tokens.iter().cloned().collect()) {
            Ok(function) if function.is_ours() => attribute::within_the_dsl(function),
            Ok(_) => ordinary(tokens),
            Err(error) => error.into_compile_error(),
        };
    }
    ordinary(tokens)
}

/// A function that stays as it is, but for functions of ours within it, and for the mistake of awaiting in it.
fn ordinary(tokens: &[TokenTree]) -> TokenStream {
    with_last_group(tokens, |body| {
        let shape = Shape::ordinary();
        let mut rewriter = Rewriter::new(&shape, Place::Function);
        let rewritten = rewriter.group(body);
        let mut stream = std::mem::take(&mut rewriter.errors).into_tokens();
        if stream.is_empty() {
            return rewritten;
        }
        stream.extend(rewritten.stream());
        Group::new(Delimiter::Brace, stream)
    })
}

fn container(tokens: &[TokenTree]) -> TokenStream {
    with_last_group(tokens, |body| Group::new(Delimiter::Brace, translate(body.stream())))
}

/// The same tokens with another group at their end, if they end with braces.
fn with_last_group(tokens: &[TokenTree], change: impl FnOnce(&Group) -> Group) -> TokenStream {
    let mut out = TokenStream::new();
    let Some((last, body)) =
        tokens.split_last().and_then(|(last, head)| Some((head, scan::group(Some(last), Delimiter::Brace)?)))
    else {
        copy(tokens, 0, tokens.len(), &mut out);
        return out;
    };
    copy(last, 0, last.len(), &mut out);
    let mut changed = change(body);
    changed.set_span(body.span());
    changed.to_tokens(&mut out);
    out
}

/// The span of the keyword of an item.
pub(crate) fn first_word(tokens: &[TokenTree]) -> Span {
    tokens.get(after_visibility(tokens, 0)).map_or_else(Span::call_site, TokenTree::span)
}
