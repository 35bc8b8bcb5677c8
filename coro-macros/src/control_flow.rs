//! Loops, `async for`, `async with`, and the jumps between them.
//!
//! The body of an `async with` is a closure, since its exit must see every way out. A jump that leaves it therefore
//! becomes a value: the closure returns `Flow::Way(n)` (or `Flow::Return(value)`), the exit runs, and the jump is
//! made once more, after it, by the code around. That code may itself be the body of an `async with`, and then the
//! same happens again. The frames of [`Rewriter`] tell which jumps stay within the innermost body.
//!
//! ```text
//! match EXPR { value => match in_frame(value) { mut manager => {
//!     let (entered, exit) = manager.enter()?;
//!     let left = run_body(|| -> Result<Flow<T>> {
//!         let value = '__return: { let PATTERN = entered; BODY return Ok(Flow::Through) };   // `return x` is `break '__return x`
//!         Ok(Flow::Return(value))
//!     });
//!     match exit(&mut manager, exit, left)? { Flow::Return(value) => return value, Flow::Way(0) => break 'outer, _ => {} }
//! } } }
//! ```

use crate::diagnostic::{emitted_at, unknown};
use crate::function::{failed, prefixed};
use crate::rewrite::{Place, Rewriter, copy, hidden_label};
use crate::scan::{self, Head, Label};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use std::ops::Range;

/// Something that a jump may refer to, or must pass.
pub(crate) enum Frame {
    /// A loop and its label.
    Loop(Option<String>),
    /// A labelled block.
    Block(String),
    /// The body of an `async with`.
    With(With),
}

/// The ways by which the body of one `async with` is left.
#[derive(Default)]
pub(crate) struct With {
    pub(crate) returns: bool,
    ways: Vec<Way>,
}

/// A `break` or `continue` out of the body.
struct Way {
    keyword: Ident,
    label: Option<Label>,
    valued: bool,
}

impl Way {
    fn is(&self, keyword: &Ident, label: Option<&Label>, valued: bool) -> bool {
        let label = label.map(|label| &label.name);
        self.keyword == *keyword
            && self.label.as_ref().map(|label| &label.name) == label
            && self.valued == valued
    }
}

/// One `EXPR as PATTERN` of an `async with`: the places of their tokens.
struct Manager {
    expression: Range<usize>,
    pattern: Option<Range<usize>>,
}

impl Rewriter<'_> {
    /// `break` or `continue`, as the prefix that does the same from here. A value, if there is one, follows it.
    pub(crate) fn jump(&mut self, keyword: &Ident, label: Option<&Label>, valued: bool) -> TokenStream {
        let mut native = keyword.to_token_stream();
        native.extend(label.iter().flat_map(|label| label.tokens.iter().cloned()));
        let mut passed = None;
        let mut found = false;
        for (i, frame) in self.frames.iter().enumerate().rev() {
            found = match (frame, label) {
                (Frame::Loop(_), None) => true,
                (Frame::Loop(Some(name)) | Frame::Block(name), Some(label)) => *name == label.name,
                _ => false,
            };
            if found {
                break;
            }
            if matches!(frame, Frame::With(_)) && passed.is_none() {
                passed = Some(i);
            }
        }
        let Some(passed) = passed else { return native };
        self.changes += 1;
        if !found {
            let message = match label {
                Some(label) => format!("no loop or block around this has the label `'{}`", label.name),
                None => format!("`{keyword}` outside of a loop"),
            };
            self.errors.at(keyword.span(), message);
            return unknown(keyword.span());
        }
        let Frame::With(with) = &mut self.frames[passed] else { return native };
        let known = with.ways.iter().position(|way| way.is(keyword, label, valued));
        let number = known.unwrap_or(with.ways.len());
        if known.is_none() {
            with.ways.push(Way { keyword: keyword.clone(), label: label.cloned(), valued });
        }
        let span = emitted_at(keyword.span());
        if valued {
            let value = hidden_label(&format!("__way{number}"), keyword.span());
            quote_spanned! {span=> break #value }
        } else {
            let number = way_number(number);
            quote_spanned! {span=> return ::core::result::Result::Ok(::coro_core::__private::Flow::Way(#number)) }
        }
    }

    /// `loop`, `while` or `for`: its body owns the jumps without a label.
    pub(crate) fn plain_loop(
        &mut self,
        tokens: &[TokenTree],
        at: usize,
        label: Option<&Label>,
        out: &mut TokenStream,
    ) -> usize {
        if let Some(label) = label {
            out.extend(label.tokens.iter().cloned());
            tokens[at - 1].to_tokens(out);
        }
        let head = match &tokens[at] {
            TokenTree::Ident(word) if word == "loop" => Some(at + 1),
            TokenTree::Ident(word) if word == "for" => scan::for_in(tokens, at + 1).map(|within| within + 1),
            _ => Some(at + 1),
        };
        let block = head.and_then(|head| {
            if scan::is_word(tokens.get(at), "loop") { Some(head) } else { scan::head_block(tokens, head) }
        });
        let Some((block, group)) =
            block.and_then(|block| Some((block, scan::group(tokens.get(block), Delimiter::Brace)?)))
        else {
            return copy(tokens, at, at + 1, out);
        };
        tokens[at].to_tokens(out);
        self.tokens(&tokens[at + 1..block], false).to_tokens(out);
        self.frames.push(Frame::Loop(label.map(|label| label.name.clone())));
        self.group(group).to_tokens(out);
        self.frames.pop();
        block + 1
    }

    /// `async for PATTERN in EXPR { }`.
    pub(crate) fn async_for(
        &mut self,
        tokens: &[TokenTree],
        at: usize,
        label: Option<&Label>,
        out: &mut TokenStream,
    ) -> usize {
        self.changes += 1;
        let keyword = scan::word(tokens, at + 1);
        let parts = scan::for_in(tokens, at + 2).and_then(|within| {
            let block = scan::head_block(tokens, within + 1)?;
            Some((within, block, scan::group(tokens.get(block), Delimiter::Brace)?))
        });
        let Some((within, block, body)) = parts else {
            self.errors.at(keyword.span(), "`async for` is written `async for PATTERN in EXPRESSION { … }`");
            return after_statement(tokens, at + 2);
        };
        let allowed = self.may_use_form("async for", &keyword);
        let source = &tokens[within + 1..block];
        let pattern = pattern_tokens(&tokens[at + 2..within]);
        let expression = self.tokens(source, false);
        self.frames.push(Frame::Loop(label.map(|label| label.name.clone())));
        let body = self.group(body);
        self.frames.pop();
        if !allowed {
            return block + 1;
        }
        let label = label.map(|label| {
            let label = &label.tokens;
            quote!(#(#label)* :)
        });
        let span = emitted_at(keyword.span());
        // The user's own span, as at `await!`.
        let user = scan::first_span(source, keyword.span());
        let next = on_hidden("__source", user, "next_item");
        let body = prefixed(quote_spanned! {span=> let #pattern = __item; }, &body);
        out.extend(quote_spanned! {span=>
            match #expression {
                __value => match unsafe { ::coro_core::__private::in_frame(__value) } {
                    mut __source => #label while let ::core::option::Option::Some(__item) = {
                        use ::coro_core::__private::AsyncSource as _;
                        #next?
                    } #body
                }
            }
        });
        block + 1
    }

    /// `async with EXPR as PATTERN, EXPR as PATTERN { }`.
    pub(crate) fn async_with(&mut self, tokens: &[TokenTree], at: usize, out: &mut TokenStream) -> usize {
        self.changes += 1;
        let keyword = scan::word(tokens, at + 1);
        let Some((managers, block)) = managers(tokens, at + 2) else {
            self.errors.at(keyword.span(), "`async with` is written `async with EXPRESSION as NAME { … }`");
            return after_statement(tokens, at + 2);
        };
        let TokenTree::Group(body) = &tokens[block] else { return block + 1 };
        if self.may_use_form("async with", &keyword) {
            self.with(&keyword, tokens, &managers, body).stream().to_tokens(out);
        } else {
            self.inside(self.place, |this| this.group(body));
        }
        block + 1
    }

    /// The managers from the first on, each within the body of the one before it.
    fn with(&mut self, keyword: &Ident, tokens: &[TokenTree], managers: &[Manager], body: &Group) -> Group {
        let Some((manager, inner)) = managers.split_first() else { return self.group(body) };
        let source = &tokens[manager.expression.clone()];
        let expression = self.tokens(source, false);
        let pattern = match &manager.pattern {
            Some(pattern) => pattern_tokens(&tokens[pattern.clone()]),
            None => quote!(_),
        };
        self.frames.push(Frame::With(With::default()));
        let body = self.with(keyword, tokens, inner, body);
        let Some(Frame::With(with)) = self.frames.pop() else { return body };

        let span = emitted_at(keyword.span());
        let user = scan::first_span(source, keyword.span());
        let slots = (0..with.ways.len()).filter(|&i| with.ways[i].valued).map(slot).collect::<Vec<_>>();
        let value = if with.returns { self.shape.output.clone() } else { quote_spanned!(span=> ()) };
        let entered = on_hidden("__manager", user, "enter");
        let within = self.with_body(&with, keyword, &pattern, &body);
        let arms = self.ways_out(&with, keyword);
        let statement = quote_spanned! {span=>
            match #expression {
                __value => match unsafe { ::coro_core::__private::in_frame(__value) } {
                    mut __manager => {
                        use ::coro_core::__private::ManagedSource as _;
                        let (__entered, __exit) = #entered?;
                        #(let mut #slots = ::core::option::Option::None;)*
                        let __left = ::coro_core::__private::run_body(
                            || -> ::coro_core::Result<::coro_core::__private::Flow<#value>> { #within }
                        );
                        match ::coro_core::__private::exit(&mut __manager, __exit, __left)? { #arms _ => {} }
                    }
                }
            }
        };
        let mut block = Group::new(Delimiter::Brace, statement);
        block.set_span(span);
        block
    }

    /// The inside of the closure: the body, and around it one labelled block for each value that leaves it.
    fn with_body(&self, with: &With, keyword: &Ident, pattern: &TokenStream, body: &Group) -> TokenStream {
        let span = emitted_at(keyword.span());
        let through = quote_spanned! {span=>
            #[allow(unreachable_code)]
            return ::core::result::Result::Ok(::coro_core::__private::Flow::Through);
        };
        let body = prefixed(quote_spanned! {span=> let #pattern = __entered; }, body);
        let mut code = quote_spanned! {span=> let __entered = __entered; #body #through };
        for (number, _) in with.ways.iter().enumerate().filter(|(_, way)| way.valued) {
            let (label, slot) = (hidden_label(&format!("__way{number}"), keyword.span()), slot(number));
            let number = way_number(number);
            code = quote_spanned! {span=>
                #slot = ::core::option::Option::Some(#label: { #code });
                #[allow(unreachable_code)]
                return ::core::result::Result::Ok(::coro_core::__private::Flow::Way(#number));
            };
        }
        if !with.returns {
            return code;
        }
        match &self.shape.declared_result {
            None => {
                let output = &self.shape.output;
                quote_spanned! {span=>
                    #[allow(clippy::diverging_sub_expression)]
                    let __returned: #output = '__return: { #code };
                    ::core::result::Result::Ok(::coro_core::__private::Flow::Return(__returned))
                }
            }
            // `return Err(e)` raises, so the exit sees it as an error.
            Some(declared) => {
                let failed = failed(keyword.span());
                quote_spanned! {span=>
                    #[allow(clippy::diverging_sub_expression)]
                    let __returned: #declared = '__return: { #code };
                    match __returned {
                        ::core::result::Result::Ok(__returned) => {
                            ::core::result::Result::Ok(::coro_core::__private::Flow::Return(__returned))
                        }
                        ::core::result::Result::Err(__error) => #failed,
                    }
                }
            }
        }
    }

    /// The match arms that make the jumps once more, after the exit.
    fn ways_out(&mut self, with: &With, keyword: &Ident) -> TokenStream {
        let span = emitted_at(keyword.span());
        let mut arms = TokenStream::new();
        if with.returns {
            let value = match self.shape.declared_result {
                None => quote_spanned! {span=> __value },
                Some(_) => quote_spanned! {span=> ::core::result::Result::Ok(__value) },
            };
            let leave = self.returning(keyword.span());
            arms.extend(
                quote_spanned! {span=> ::coro_core::__private::Flow::Return(__value) => #leave #value, },
            );
        }
        for (number, way) in with.ways.iter().enumerate() {
            let leave = self.jump(&way.keyword, way.label.as_ref(), way.valued);
            let slot = way.valued.then(|| {
                let slot = slot(number);
                quote_spanned! {span=> match #slot {
                    ::core::option::Option::Some(__value) => __value,
                    ::core::option::Option::None => ::core::unreachable!(),
                } }
            });
            let number = way_number(number);
            arms.extend(quote_spanned! {span=> ::coro_core::__private::Flow::Way(#number) => #leave #slot, });
        }
        arms
    }

    /// Whether `async for` and `async with` work here; if not, the reason is noted.
    fn may_use_form(&mut self, form: &str, keyword: &Ident) -> bool {
        let message = match self.place {
            Place::Body => return true,
            Place::Closure if form == "async for" => {
                "`async for` inside a closure: write `while let Some(x) = source.anext()? { … }` in a closure"
            }
            Place::Closure => {
                "`async with` inside a closure: move it into an `async fn` and call that with `.co_await()?`"
            }
            Place::Function if form == "async for" => {
                "`async for` needs an `async fn`; in an ordinary function write \
                 `while let Some(x) = source.anext()? { … }`"
            }
            Place::Function => "`async with` needs an `async fn`",
            Place::AsyncBlock => {
                "`async for` and `async with` do not work inside an `async` block: write an `async fn`"
            }
        };
        self.errors.at(keyword.span(), message);
        false
    }
}

/// `(variable).method()` of a hidden variable. The parentheses make the receiver the user's own place: an error
/// about a call whose parts stand in different expansions would underline the whole macro call.
fn on_hidden(variable: &str, user: Span, method: &str) -> TokenStream {
    let variable = Ident::new(variable, emitted_at(user));
    let method = Ident::new(method, user);
    quote_spanned! {user=> (#variable).#method() }
}

/// The variable that carries the value of a `break` across the exit.
fn slot(number: usize) -> Ident {
    format_ident!("__slot{number}", span = Span::mixed_site())
}

/// The place after the statement that goes on at `at`, whose form is not understood.
fn after_statement(tokens: &[TokenTree], at: usize) -> usize {
    let end = |&i: &usize| scan::is_brace(tokens.get(i)) || scan::is_punct(tokens.get(i), ';');
    (at..tokens.len()).find(end).map_or(tokens.len(), |end| end + 1)
}

fn way_number(number: usize) -> proc_macro2::Literal {
    proc_macro2::Literal::usize_unsuffixed(number)
}

/// A pattern as `let` takes it: alternatives need parentheses there.
fn pattern_tokens(tokens: &[TokenTree]) -> TokenStream {
    let pattern: TokenStream = tokens.iter().cloned().collect();
    if tokens.iter().any(|token| scan::is_punct(Some(token), '|')) { quote!((#pattern)) } else { pattern }
}

/// Splits what stands between `async with` and its body; the second value is the place of the body.
fn managers(tokens: &[TokenTree], start: usize) -> Option<(Vec<Manager>, usize)> {
    let mut managers = Vec::new();
    let mut start = start;
    loop {
        let (mut at, mut cast) = (start, None);
        let end = loop {
            let token = tokens.get(at)?;
            if scan::is_word(Some(token), "as") {
                cast = Some(at);
                at += 1;
            } else if scan::is_punct(Some(token), ',') {
                break at;
            } else if scan::is_operator(tokens, at, [':', ':']) && scan::is_punct(tokens.get(at + 2), '<') {
                at = scan::after_angles(tokens, at + 2);
            } else if cast.is_some_and(|cast| is_struct_pattern(tokens, cast + 1, at)) {
                at += 1;
            } else {
                match scan::head_step(tokens, start, at) {
                    Head::Block => break at,
                    Head::Next(next) => at = next,
                    Head::Stop => return None,
                }
            }
        };
        // Only the last `as` names the value; one before it is a cast.
        let named = cast.filter(|&cast| cast > start && cast + 1 < end);
        if end == start || cast.is_some() && named.is_none() {
            return None;
        }
        let expression = start..named.unwrap_or(end);
        managers.push(Manager { expression, pattern: named.map(|cast| cast + 1..end) });
        if scan::is_brace(tokens.get(end)) {
            return Some((managers, end));
        }
        start = end + 1;
    }
}

/// Whether the braces at `at` belong to a pattern such as `Point { x, y }` that starts at `start`.
fn is_struct_pattern(tokens: &[TokenTree], start: usize, at: usize) -> bool {
    let path = at > start
        && matches!(&tokens[at - 1], TokenTree::Ident(name)
            if name.to_string().starts_with(char::is_uppercase));
    let more = scan::is_brace(tokens.get(at + 1)) || scan::is_punct(tokens.get(at + 1), ',');
    path && more && scan::is_brace(tokens.get(at))
}
