//! The token walk through a body: `await!`, `yield!`, `raise!`, `.await`, `return`, and what keeps them out of
//! closures, nested functions and `async` blocks. Loops, `async for` and `async with` are in `control_flow.rs`.
//!
//! Bodies are rewritten as tokens and never parsed, so a syntax error comes from rustc at the user's own token, and
//! the sugar works within the arguments of other macros too. A body without any sugar comes out as it went in.

use crate::control_flow::Frame;
use crate::diagnostic::{Diagnostics, emitted_at, unknown};
use crate::function::{Function, Shape, Sugar};
use crate::scan::{self, Closure, Label};
use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

/// What kind of code the walk is in, counted from the function whose body is rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The body itself: all sugar works.
    Body,
    /// A closure: it has its own `return` and `?`.
    Closure,
    /// An ordinary function, by itself or nested.
    Function,
    /// An `async { }` block or an async closure, which are rustc's own.
    AsyncBlock,
}

/// A walk through the body of one function.
pub(crate) struct Rewriter<'f> {
    pub(crate) shape: &'f Shape,
    pub(crate) place: Place,
    /// The loops, labelled blocks and `async with` bodies around the current token, innermost last.
    pub(crate) frames: Vec<Frame>,
    pub(crate) errors: Diagnostics,
    /// Whether `.await` was seen, which needs the trait in scope.
    pub(crate) postfix_await: bool,
    /// Counts rewritings: a group without any keeps its tokens and their spans.
    pub(crate) changes: usize,
}

impl<'f> Rewriter<'f> {
    pub(crate) fn new(shape: &'f Shape, place: Place) -> Self {
        let errors = Diagnostics::default();
        Self { shape, place, frames: Vec::new(), errors, postfix_await: false, changes: 0 }
    }

    /// Rewrites all tokens of a stream.
    pub(crate) fn stream(&mut self, stream: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let arms = scan::has_arms(&tokens);
        self.tokens(&tokens, arms)
    }

    /// Rewrites what a group holds.
    pub(crate) fn group(&mut self, group: &Group) -> Group {
        let before = self.changes;
        let stream = self.stream(group.stream());
        if self.changes == before {
            return group.clone();
        }
        let mut rewritten = Group::new(group.delimiter(), stream);
        rewritten.set_span(group.span());
        rewritten
    }

    /// Rewrites a run of tokens; `arms` says that they are the inside of a `match`.
    pub(crate) fn tokens(&mut self, tokens: &[TokenTree], arms: bool) -> TokenStream {
        let mut out = TokenStream::new();
        let mut at = 0;
        while at < tokens.len() {
            at = self.step(tokens, at, arms, &mut out);
        }
        out
    }

    /// Rewrites the construct at `at` and returns the place after it.
    fn step(&mut self, tokens: &[TokenTree], at: usize, arms: bool, out: &mut TokenStream) -> usize {
        match &tokens[at] {
            TokenTree::Group(group) => {
                self.group(group).to_tokens(out);
                at + 1
            }
            TokenTree::Ident(word) => self.word(tokens, at, word, out),
            TokenTree::Punct(p) => match p.as_char() {
                '#' => copy(tokens, at, attribute_end(tokens, at), out),
                '\'' => self.label(tokens, at, out),
                '.' if self.is_postfix_await(tokens, at) => self.dot_await(tokens, at, out),
                '|' if scan::opens_closure(tokens, at, arms) => self.closure(tokens, at, out),
                // The second half of `||` must not be looked at by itself.
                '|' if scan::is_operator(tokens, at, ['|', '|']) => copy(tokens, at, at + 2, out),
                _ => copy(tokens, at, at + 1, out),
            },
            TokenTree::Literal(_) => copy(tokens, at, at + 1, out),
        }
    }

    fn word(&mut self, tokens: &[TokenTree], at: usize, word: &Ident, out: &mut TokenStream) -> usize {
        let text = word.to_string();
        match text.as_str() {
            "await" | "try_await" | "yield" | "try_yield" | "yield_from" | "try_yield_from" | "raise" => {
                if let Some(arguments) = scan::macro_arguments(tokens, at) {
                    self.sugar(&text, word, arguments).to_tokens(out);
                    return at + 3;
                }
                if text == "await" || text == "yield" {
                    self.python_order(&text, word, tokens, at);
                    return at + 1;
                }
                copy(tokens, at, at + 1, out)
            }
            "return" => {
                let valued = scan::has_value(tokens, at + 1);
                self.leave_function(word).to_tokens(out);
                if valued && self.place == Place::Body && self.shape.yields && self.shape.is_async {
                    self.errors.at(word.span(), "'return' with value in async generator: write `return;`");
                    return scan::after_value(tokens, at + 1);
                }
                at + 1
            }
            "break" | "continue" => {
                let label = Label::at(tokens, at + 1);
                let after = if label.is_some() { at + 3 } else { at + 1 };
                let valued = text == "break" && scan::has_value(tokens, after);
                self.jump(word, label.as_ref(), valued).to_tokens(out);
                after
            }
            "loop" | "while" | "for" => self.plain_loop(tokens, at, None, out),
            "async" => self.asynchronous(tokens, at, None, out),
            "fn" if matches!(tokens.get(at + 1), Some(TokenTree::Ident(_))) => {
                self.nested_function(tokens, at, out)
            }
            "async_fn" if scan::macro_arguments(tokens, at).is_some() => copy(tokens, at, at + 3, out),
            "macro_rules" if scan::is_punct(tokens.get(at + 1), '!') => copy(tokens, at, at + 4, out),
            _ => copy(tokens, at, at + 1, out),
        }
    }

    /// One of the bang forms, such as `await!(e)`.
    fn sugar(&mut self, name: &str, word: &Ident, arguments: &Group) -> TokenStream {
        self.changes += 1;
        let mut values = Group::new(Delimiter::Parenthesis, self.stream(arguments.stream()));
        values.set_span(arguments.span());
        let empty = values.stream().is_empty();
        if name == "raise" {
            return self.raise(word, arguments, &values);
        }
        let span = emitted_at(word.span());
        let allowed = match name {
            "await" | "try_await" => self.may_await(name, word),
            _ => self.may_yield(name, word),
        };
        if empty && !matches!(name, "yield" | "try_yield") {
            self.errors
                .at(arguments.span(), format_args!("`{name}!` needs an expression: write `{name}!(…)`"));
        } else if allowed {
            // The call has the user's own span: `#[track_caller]` then tells the line of the `await!`, whereas
            // anything that counts as expanded would tell that of `async_fn!`.
            let user = word.span();
            let mark = (!name.starts_with("try_")).then(|| quote_spanned!(span=> ?));
            let delegates = name.ends_with("yield_from");
            if !name.ends_with("yield") && !delegates {
                return quote_spanned! {user=> ::coro_core::__private::co_await #values #mark };
            }
            let yielder = quote_spanned!(span=> __yielder);
            let values = if empty { quote_spanned!(user=> (())) } else { values.to_token_stream() };
            let method = Ident::new(if delegates { "yield_from" } else { "yield_" }, user);
            return quote_spanned! {user=> #yielder.#method #values #mark };
        }
        unknown(word.span())
    }

    /// Whether `await!` and its like work here; if not, the reason is noted.
    pub(crate) fn may_await(&mut self, name: &str, word: &Ident) -> bool {
        let native = if name == "await" { "co_await()?" } else { "co_await()" };
        let message = match self.place {
            Place::Body => return true,
            Place::Closure => format!("`{name}!` inside a closure: use `.{native}` in a closure"),
            Place::Function => {
                format!("`{name}!` needs an `async fn`; in an ordinary function write `{native}`")
            }
            Place::AsyncBlock => format!("`{name}!` inside an `async` block: write `.await` there"),
        };
        self.errors.at(word.span(), message);
        false
    }

    /// Whether `yield!` and its like work here; if not, the reason is noted.
    fn may_yield(&mut self, name: &str, word: &Ident) -> bool {
        let message = match (self.place, self.shape) {
            (Place::Body, Shape { yields: true, is_async: true, .. }) if name.ends_with("yield_from") => {
                "'yield from' inside async function: write `async for x in g { yield!(x); }`".to_owned()
            }
            (Place::Body, Shape { yields: true, .. }) => return true,
            (Place::Body, _) if self.shape.sugar == Sugar::Attribute => {
                format!(
                    "`{name}!` works in `async_fn!`, in a function that says `yields TYPE` after its arguments"
                )
            }
            (Place::Closure, Shape { yields: true, .. }) => {
                format!("`{name}!` inside a closure: a generator yields from its own body; write a loop")
            }
            (Place::AsyncBlock, Shape { yields: true, .. }) => {
                format!("`{name}!` inside an `async` block: a generator yields from its own body")
            }
            _ => {
                format!("`{name}!` needs a generator: add `yields TYPE` after the arguments of the function")
            }
        };
        self.errors.at(word.span(), message);
        false
    }

    /// `raise!(error)` or `raise!("text {value}")`: it leaves the closure or function it is written in.
    fn raise(&mut self, word: &Ident, arguments: &Group, values: &Group) -> TokenStream {
        let (user, span) = (word.span(), emitted_at(word.span()));
        let mut tokens = arguments.stream().into_iter();
        let error = match (tokens.next(), tokens.next()) {
            (None, _) => {
                self.errors.at(
                    arguments.span(),
                    "`raise!` needs an error: write `raise!(e)` or `raise!(\"text {x}\")`",
                );
                return unknown(word.span());
            }
            (Some(TokenTree::Literal(text)), next)
                if (next.is_none() || scan::is_punct(next.as_ref(), ',')) && is_string(&text.to_string()) =>
            {
                let text = quote_spanned! {span=> ::std::format! #values };
                quote_spanned! {user=> ::coro_core::Error::msg(#text) }
            }
            _ => {
                let raised = quote_spanned! {user=> ::coro_core::__private::Failed #values.into_error() };
                quote_spanned! {span=> {
                    use ::coro_core::__private::IntoError as _;
                    #raised
                } }
            }
        };
        quote_spanned! {span=> return ::core::result::Result::Err(::core::convert::From::from(#error)) }
    }

    /// `return`, as the prefix that does the same from here. A value, if there is one, follows it.
    fn leave_function(&mut self, word: &Ident) -> TokenStream {
        if self.place != Place::Body {
            return word.to_token_stream();
        }
        self.returning(word.span())
    }

    /// The prefix that returns from the function whose body is rewritten.
    pub(crate) fn returning(&mut self, span: Span) -> TokenStream {
        let span = emitted_at(span);
        let within = self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::With(with) => Some(with),
            _ => None,
        });
        if let Some(with) = within {
            with.returns = true;
            self.changes += 1;
            quote_spanned! {span=> break '__return }
        } else if self.shape.declared_result.is_none() {
            self.changes += 1;
            quote_spanned! {span=> break '__body }
        } else {
            quote_spanned! {span=> return }
        }
    }

    /// `await x`, `yield x`: what Python writes.
    fn python_order(&mut self, name: &str, word: &Ident, tokens: &[TokenTree], at: usize) {
        self.changes += 1;
        let end = scan::after_value(tokens, at + 1);
        let value: TokenStream = tokens[at + 1..end].iter().cloned().collect();
        let value = value.to_string();
        let short = !value.is_empty() && value.len() <= 40 && !value.contains('\n');
        let example = if short { value.as_str() } else { "…" };
        let end = if name == "yield" { ";" } else { "" };
        self.errors
            .at(word.span(), format_args!("`{name}` is a macro here: write `{name}!({example}){end}`"));
    }

    /// Whether the `.` at `at` begins a `.await` that is ours and not that of an `async` block.
    fn is_postfix_await(&self, tokens: &[TokenTree], at: usize) -> bool {
        scan::is_word(tokens.get(at + 1), "await")
            && scan::macro_arguments(tokens, at + 1).is_none()
            && !(at > 0 && scan::is_operator(tokens, at - 1, ['.', '.']))
    }

    fn dot_await(&mut self, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        let word = tokens[at + 1].span();
        match self.place {
            // rustc's own `.await`, or rustc's own error about it.
            Place::AsyncBlock | Place::Function => return copy(tokens, at, at + 2, out),
            Place::Closure => {
                self.errors.at(word, "`.await` inside a closure: use `.co_await()?` in a closure");
            }
            Place::Body => {}
        }
        self.changes += 1;
        self.postfix_await = true;
        let span = emitted_at(word);
        tokens[at].to_tokens(out);
        out.extend(quote_spanned! {word=> co_await() });
        if self.place == Place::Body {
            out.extend(quote_spanned! {span=> ? });
        } else {
            out.extend(quote_spanned! {span=> .unwrap() });
        }
        at + 2
    }

    fn closure(&mut self, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        self.closure_in(Place::Closure, tokens, at, out)
    }

    fn closure_in(&mut self, place: Place, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        let Some(Closure { body, end }) = Closure::at(tokens, at) else {
            return copy(tokens, at, at + 1, out);
        };
        copy(tokens, at, body, out);
        // What is in a closure of a nested function or async block is told so already.
        let place = if self.place == Place::Body { place } else { self.place };
        self.inside(place, |this| this.tokens(&tokens[body..end], false)).to_tokens(out);
        end
    }

    /// Rewrites something that has a control flow of its own.
    pub(crate) fn inside<T>(&mut self, place: Place, walk: impl FnOnce(&mut Self) -> T) -> T {
        let frames = std::mem::take(&mut self.frames);
        let before = std::mem::replace(&mut self.place, place);
        let result = walk(self);
        self.place = before;
        self.frames = frames;
        result
    }

    /// What `async` begins: a block, a closure, a nested function, `async for`, `async with`, or a mistake.
    fn asynchronous(
        &mut self,
        tokens: &[TokenTree],
        at: usize,
        label: Option<&Label>,
        out: &mut TokenStream,
    ) -> usize {
        let moved = scan::is_word(tokens.get(at + 1), "move");
        let start = if moved { at + 2 } else { at + 1 };
        if let Some(block) = scan::group(tokens.get(start), Delimiter::Brace) {
            copy(tokens, at, start, out);
            self.inside(Place::AsyncBlock, |this| this.group(block)).to_tokens(out);
            return start + 1;
        }
        if scan::is_punct(tokens.get(start), '|') {
            copy(tokens, at, start, out);
            return self.closure_in(Place::AsyncBlock, tokens, start, out);
        }
        let Some(TokenTree::Ident(form)) = tokens.get(at + 1) else { return copy(tokens, at, at + 1, out) };
        match form.to_string().as_str() {
            "fn" => self.nested_function(tokens, at, out),
            "for" => self.async_for(tokens, at, label, out),
            "with" => self.async_with(tokens, at, out),
            word @ ("while" | "if" | "loop" | "match") => {
                self.changes += 1;
                let message = format!(
                    "there is no `async {word}`: write `{word}`, with `await!` in it; the forms are `async fn`, \
                     `async for x in y {{ }}`, `async with x as y {{ }}`, `async {{ }}`"
                );
                self.errors.at(form.span(), message);
                at + 1
            }
            _ => copy(tokens, at, at + 1, out),
        }
    }

    /// A label before a loop or block.
    fn label(&mut self, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        let labels =
            scan::is_punct(tokens.get(at + 2), ':') && !scan::is_operator(tokens, at + 2, [':', ':']);
        let Some(label) = Label::at(tokens, at).filter(|_| labels) else {
            return copy(tokens, at, at + 1, out);
        };
        let next = at + 3;
        if let Some(block) = scan::group(tokens.get(next), Delimiter::Brace) {
            copy(tokens, at, next, out);
            self.frames.push(Frame::Block(label.name));
            self.group(block).to_tokens(out);
            self.frames.pop();
            return next + 1;
        }
        if scan::is_any_word(tokens.get(next), &["loop", "while", "for"]) {
            return self.plain_loop(tokens, next, Some(&label), out);
        }
        if scan::is_word(tokens.get(next), "async") && scan::is_word(tokens.get(next + 1), "for") {
            return self.asynchronous(tokens, next, Some(&label), out);
        }
        if scan::is_word(tokens.get(next), "async") && scan::is_word(tokens.get(next + 1), "with") {
            // A block that `break 'label` leaves.
            copy(tokens, at, next, out);
            self.frames.push(Frame::Block(label.name));
            let mut block = TokenStream::new();
            let end = self.asynchronous(tokens, next, None, &mut block);
            self.frames.pop();
            quote!({ #block }).to_tokens(out);
            return end;
        }
        copy(tokens, at, next, out)
    }

    /// A function within the body: an ordinary one, or one more of ours.
    fn nested_function(&mut self, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        let Some(body) = scan::item_body(tokens, at) else { return copy(tokens, at, tokens.len(), out) };
        let signature = &tokens[at..body];
        let ours = self.shape.sugar == Sugar::Dsl
            && signature.iter().any(|token| scan::is_any_word(Some(token), &["async", "yields"]));
        if ours {
            self.changes += 1;
            Function::translate(tokens[at..=body].iter().cloned().collect()).to_tokens(out);
            return body + 1;
        }
        copy(tokens, at, body, out);
        match &tokens[body] {
            TokenTree::Group(block) if !scan::is_word(tokens.get(at), "async") => {
                self.inside(Place::Function, |this| this.group(block)).to_tokens(out);
            }
            other => other.to_tokens(out),
        }
        body + 1
    }
}

/// Copies the tokens from `from` up to `to`, and returns the place after them.
pub(crate) fn copy(tokens: &[TokenTree], from: usize, to: usize, out: &mut TokenStream) -> usize {
    let to = to.min(tokens.len());
    out.extend(tokens[from..to].iter().cloned());
    to
}

/// The place after the attribute whose `#` is at `at`.
fn attribute_end(tokens: &[TokenTree], at: usize) -> usize {
    let inner = scan::is_punct(tokens.get(at + 1), '!');
    let brackets = if inner { at + 2 } else { at + 1 };
    match scan::group(tokens.get(brackets), Delimiter::Bracket) {
        Some(_) => brackets + 1,
        None => at + 1,
    }
}

/// Whether a literal is that of a string.
fn is_string(literal: &str) -> bool {
    literal.starts_with('"') || literal.starts_with("r\"") || literal.starts_with("r#")
}

/// A lifetime or label of ours.
pub(crate) fn hidden_label(name: &str, span: Span) -> TokenStream {
    let span = emitted_at(span);
    let mut tick = proc_macro2::Punct::new('\'', Spacing::Joint);
    tick.set_span(span);
    let name = Ident::new(name, span);
    quote!(#tick #name)
}
