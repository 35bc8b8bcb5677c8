//! Signature and body → an ordinary function that returns a coroutine or generator.
//!
//! ```text
//! async fn name(x: X) -> T { BODY }      →    fn name(x: X) -> Coroutine<impl Body<T>> {
//!                                                 coroutine(DEFINITION, move || -> Result<T> {
//!                                                     let x = x;                  // lives as long as the body runs
//!                                                     let output: T = '__body: { BODY };  // `return x` is `break '__body x`
//!                                                     return Ok(output);
//!                                                 })
//!                                             }
//! async fn name(x: X) -> Result<T, E>    →    coroutine(DEFINITION, move || -> coro_core::Result<T> {
//!                                                 match call(move || -> Result<T, E> { let x = x; BODY }) { .. }
//!                                             })
//! ```

use crate::diagnostic::{Diagnostics, emitted_at, unknown};
use crate::rewrite::{Place, Rewriter};
use crate::scan;
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, GenericArgument, Generics, Pat, PathArguments, Token, Type, Visibility};

/// Which of the two ways of writing a body it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sugar {
    /// Within `async_fn!`: `await!`, `yield!`, `async for`, `async with`.
    Dsl,
    /// Under an attribute: ordinary Rust with `.await`.
    Attribute,
}

/// What a body's rewriting depends on.
pub(crate) struct Shape {
    pub(crate) sugar: Sugar,
    pub(crate) is_async: bool,
    pub(crate) yields: bool,
    /// The type of the value that the body ends with, `Ok`'s side of a declared `Result`.
    pub(crate) output: TokenStream,
    /// The declared return type, if it is spelled `Result`: the body then is ordinary Rust.
    pub(crate) declared_result: Option<TokenStream>,
}

impl Shape {
    /// The shape of a function that is not ours, but may hold mistakes or functions that are.
    pub(crate) fn ordinary() -> Self {
        let (output, declared_result) = (TokenStream::new(), None);
        Self { sugar: Sugar::Dsl, is_async: false, yields: false, output, declared_result }
    }
}

/// A function as it was written.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    default: Option<Ident>,
    pub(crate) is_async: bool,
    /// `const`, `unsafe`, `extern`: none of them can be had.
    qualifiers: Vec<(&'static str, Span)>,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) inputs: Punctuated<FnArg, Token![,]>,
    yields: Option<Type>,
    receives: Option<(Ident, Type)>,
    pub(crate) output: Option<Type>,
    pub(crate) body: Option<Group>,
    misplaced: Option<Ident>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let mut qualifiers = Vec::new();
        let (mut default, mut is_async) = (None, false);
        while !input.peek(Token![fn]) {
            let word = input.call(Ident::parse_any)?;
            match word.to_string().as_str() {
                "async" => is_async = true,
                "default" => default = Some(word),
                "const" => qualifiers.push(("const", word.span())),
                "unsafe" => qualifiers.push(("unsafe", word.span())),
                "extern" => {
                    qualifiers.push(("extern", word.span()));
                    input.parse::<Option<syn::LitStr>>()?;
                }
                _ => return Err(syn::Error::new(word.span(), "expected `fn`")),
            }
        }
        input.parse::<Token![fn]>()?;
        let name = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let arguments;
        syn::parenthesized!(arguments in input);
        let inputs = arguments.call(Punctuated::parse_terminated)?;
        let mut output = None;
        let mut clauses = Clauses::parse(input)?;
        if input.parse::<Option<Token![->]>>()?.is_some() {
            output = Some(input.parse()?);
        }
        let misplaced = (output.is_some() && clauses.yields.is_none() && is_clause(input))
            .then(|| input.fork().parse::<Ident>())
            .transpose()?;
        if misplaced.is_some() {
            clauses = Clauses::parse(input)?;
        }
        generics.where_clause = input.parse()?;
        let body = match input.parse::<TokenTree>()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            TokenTree::Punct(p) if p.as_char() == ';' => None,
            other => return Err(syn::Error::new(other.span(), "expected the body of the function, or `;`")),
        };
        let Clauses { yields, receives } = clauses;
        Ok(Self {
            attrs,
            vis,
            default,
            is_async,
            qualifiers,
            name,
            generics,
            inputs,
            yields,
            receives,
            output,
            body,
            misplaced,
        })
    }
}

/// `yields Y receives S`, both optional.
struct Clauses {
    yields: Option<Type>,
    receives: Option<(Ident, Type)>,
}

fn is_clause(input: ParseStream<'_>) -> bool {
    input.fork().parse::<Ident>().is_ok_and(|word| word == "yields" || word == "receives")
}

impl Parse for Clauses {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut clauses = Self { yields: None, receives: None };
        while is_clause(input) {
            let word: Ident = input.parse()?;
            if input.peek(syn::token::Brace) {
                let message =
                    format!("`{word}` needs a type: write `{word} u32`, or `{word} ()` for no value");
                return Err(syn::Error::new(word.span(), message));
            }
            if word == "yields" && clauses.yields.is_none() {
                clauses.yields = Some(input.parse()?);
            } else if word == "receives" && clauses.receives.is_none() {
                clauses.receives = Some((word, input.parse()?));
            } else {
                return Err(syn::Error::new(word.span(), format!("`{word}` is said twice")));
            }
        }
        Ok(clauses)
    }
}

/// A translated function, in the pieces that its forms put together differently.
pub(crate) struct Translation {
    /// The type that the function returns.
    pub(crate) returned: TokenStream,
    /// The arguments, each of them a plain name.
    pub(crate) inputs: TokenStream,
    /// The expression that makes the coroutine; none where there was no body.
    pub(crate) constructor: Option<TokenStream>,
    pub(crate) errors: Diagnostics,
}

impl Function {
    /// Whether it is one that the macros translate.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_async || self.yields.is_some() || self.receives.is_some()
    }

    /// Translates a function of `async_fn!` that is known to be one of ours.
    pub(crate) fn translate(tokens: TokenStream) -> TokenStream {
        match syn::parse2::<Self>(tokens) {
            Ok(function) => function.expand(Sugar::Dsl),
            Err(error) => error.into_compile_error(),
        }
    }

    /// The whole function, translated.
    pub(crate) fn expand(mut self, sugar: Sugar) -> TokenStream {
        let Translation { returned, inputs, constructor, errors } = self.translation(sugar);
        let Self { attrs, vis, default, name, generics, .. } = &self;
        let span = emitted_at(name.span());
        let where_clause = &generics.where_clause;
        let word = quote_spanned! {span=> fn };
        let head = quote! { #vis #default #word #name #generics (#inputs) };
        let errors = errors.into_tokens();
        // A report that it was never awaited names the line of the call.
        let is_tracked = attrs.iter().any(|attr| attr.path().is_ident("track_caller"));
        let tracked = (!is_tracked).then(|| quote_spanned! {span=> #[track_caller] });
        let head = match constructor {
            Some(_) => quote! { #(#attrs)* #tracked #head },
            None => quote! { #(#attrs)* #head },
        };
        match constructor {
            Some(constructor) => quote_spanned! {span=>
                #head -> #returned #where_clause { #errors #constructor }
            },
            None => quote_spanned! {span=> #errors #head -> #returned #where_clause; },
        }
    }

    /// Translates signature and body.
    pub(crate) fn translation(&mut self, sugar: Sugar) -> Translation {
        let mut errors = Diagnostics::default();
        self.check(&mut errors);
        let shape = self.shape(sugar);
        let body = self.body.take().map(|body| self.without_inner_attributes(&body));
        let (inputs, rebound) = self.arguments(&mut errors);
        let span = emitted_at(self.name.span());
        let output = &shape.output;
        let item =
            self.yields.take().map(ToTokens::into_token_stream).unwrap_or_else(|| quote_spanned!(span=> ()));
        let sent = self.receives.take().map(|(_, sent)| sent.into_token_stream());
        let sent = sent.unwrap_or_else(|| quote_spanned!(span=> ()));
        let returned = match (shape.yields, shape.is_async) {
            (false, _) => {
                quote_spanned! {span=> ::coro_core::Coroutine<impl ::coro_core::__private::Body<#output>> }
            }
            (true, false) => quote_spanned! {span=> ::coro_core::Generator<
                #item, #sent, #output, impl ::coro_core::__private::GeneratorBody<#item, #sent, #output>
            > },
            (true, true) => quote_spanned! {span=> ::coro_core::AsyncGenerator<
                #item, #sent, impl ::coro_core::__private::GeneratorBody<#item, #sent, ()>
            > },
        };
        let constructor = body.map(|body| {
            let mut rewriter = Rewriter::new(&shape, Place::Body);
            let body = rewriter.group(&body);
            let method = rewriter
                .postfix_await
                .then(|| quote_spanned! {span=> #[allow(unused_imports)] use ::coro_core::Awaitable as _; });
            errors.append(std::mem::take(&mut rewriter.errors));
            let closure = self.closure(&shape, &quote!(#method #rebound), &body);
            let definition = self.definition();
            match (shape.yields, shape.is_async) {
                (false, _) => {
                    quote_spanned! {span=> ::coro_core::__private::coroutine(#definition, #closure) }
                }
                (true, false) => quote_spanned! {span=>
                    ::coro_core::__private::generator::<#item, #sent, #output, _>(#definition, #closure)
                },
                (true, true) => quote_spanned! {span=>
                    ::coro_core::__private::async_generator::<#item, #sent, _>(#definition, #closure)
                },
            }
        });
        Translation { returned, inputs, constructor, errors }
    }

    /// The closure that is the body.
    fn closure(&self, shape: &Shape, rebound: &TokenStream, body: &Group) -> TokenStream {
        let span = emitted_at(self.name.span());
        let yielder = shape.yields.then(|| quote_spanned!(span=> __yielder));
        let output = &shape.output;
        let inside = match &shape.declared_result {
            None => quote_spanned! {span=>
                #rebound
                #[allow(clippy::diverging_sub_expression)]
                let __output: #output = '__body: #body;
                #[allow(unreachable_code)]
                return ::core::result::Result::Ok(__output);
            },
            Some(declared) => {
                let body = prefixed(rebound.clone(), body);
                let failed = failed(declared_span(self.output.as_ref(), self.name.span()));
                quote_spanned! {span=>
                    match ::coro_core::__private::call(move || -> #declared #body) {
                        ::core::result::Result::Ok(__value) => ::core::result::Result::Ok(__value),
                        ::core::result::Result::Err(__error) => #failed,
                    }
                }
            }
        };
        quote_spanned! {span=> move |#yielder| -> ::coro_core::Result<#output> { #inside } }
    }

    /// Where the function is defined, for reports.
    fn definition(&self) -> TokenStream {
        let span = emitted_at(self.name.span());
        let name = Literal::string(&self.name.unraw().to_string());
        let line = match line_of(self.name.span()) {
            0 => quote_spanned! {span=> ::core::line!() },
            line => Literal::u32_unsuffixed(line).into_token_stream(),
        };
        quote_spanned! {span=>
            const { &::coro_core::__private::Definition::new(#name, ::core::file!(), #line) }
        }
    }

    fn shape(&self, sugar: Sugar) -> Shape {
        let span = emitted_at(self.name.span());
        let unit = quote_spanned! {span=> () };
        let yields = self.yields.is_some();
        let mut shape =
            Shape { sugar, is_async: self.is_async, yields, output: unit.clone(), declared_result: None };
        if let Some(output) = &self.output {
            match ok_type(output) {
                Some(ok) => {
                    shape.output = ok.map_or(unit, ToTokens::to_token_stream);
                    shape.declared_result = Some(output.to_token_stream());
                }
                None => shape.output = output.to_token_stream(),
            }
        }
        shape
    }

    /// Finds what a signature cannot say, and takes it out, so that what follows is about something else.
    fn check(&mut self, errors: &mut Diagnostics) {
        let kind = if self.yields.is_some() { "a generator" } else { "an `async fn`" };
        for (qualifier, span) in self.qualifiers.drain(..) {
            let reason = match qualifier {
                "const" => "it runs when it is awaited, never at compile time",
                "unsafe" => "write an `unsafe { }` block within it",
                _ => "call it from an ordinary `extern` function with `co_await()`",
            };
            errors.at(span, format_args!("{kind} cannot be `{qualifier}`: {reason}"));
        }
        if let Some(word) = &self.misplaced {
            errors.at(
                word.span(),
                format_args!("`{word}` comes before the return type: `fn name() {word} T -> R`"),
            );
        }
        if let (None, Some((word, _))) = (&self.yields, &self.receives) {
            errors.at(word.span(), "`receives` needs `yields TYPE` before it");
            self.receives = None;
        }
        let moved = self.yields.iter().chain(self.receives.iter().map(|(_, sent)| sent));
        if let Some(word) = moved.filter_map(|ty| find_impl(ty.to_token_stream())).next() {
            errors.at(
                word,
                "a generator cannot yield or receive `impl Trait`: name the type, or use a `Box<dyn Trait>`",
            );
        }
        let Some(output) = &self.output else { return };
        if self.is_async && self.yields.is_some() {
            errors.at(
                output.span(),
                "an asynchronous generator returns no value: leave `-> …` out, or write a plain `fn … yields`",
            );
            self.output = None;
        } else if let Type::Never(never) = output {
            errors.at(
                never.span(),
                "a coroutine cannot return `!`: write `-> std::convert::Infallible`, or no type at all",
            );
            self.output = None;
        } else if let Some(word) = find_impl(output.to_token_stream()) {
            errors.at(
                word,
                "a coroutine cannot return `impl Trait`: name the type, or return a `Box<dyn Trait>`",
            );
            self.output = None;
            self.body = self.body.take().map(|body| Group::new(Delimiter::Brace, unknown(body.span())));
        }
    }

    /// The arguments as plain names, and the statements that bind them anew in the body: it owns all of them, those
    /// that it never mentions too.
    fn arguments(&self, errors: &mut Diagnostics) -> (TokenStream, TokenStream) {
        let mut inputs = TokenStream::new();
        let mut rebound = TokenStream::new();
        for (number, input) in self.inputs.iter().enumerate() {
            match input {
                FnArg::Receiver(receiver) => {
                    let span = emitted_at(receiver.self_token.span());
                    let this = &receiver.self_token;
                    rebound.extend(quote_spanned! {span=> let _ = &#this; });
                    inputs.extend(quote_spanned! {span=> #receiver, });
                }
                FnArg::Typed(argument) => {
                    let span = emitted_at(argument.pat.span());
                    let (attrs, pattern, ty) = (&argument.attrs, &argument.pat, &argument.ty);
                    // A lint is about the variable of the body; `cfg` is about both.
                    let is_cfg =
                        |attr: &&Attribute| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr");
                    let kept = attrs.iter().filter(is_cfg).collect::<Vec<_>>();
                    let kept = quote!(#(#kept)*);
                    match &**pattern {
                        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
                            let ident = &name.ident;
                            inputs.extend(quote_spanned! {span=> #kept #ident: #ty, });
                            rebound.extend(quote_spanned! {span=> #(#attrs)* let #pattern = #ident; });
                        }
                        Pat::Verbatim(_) => errors.at(pattern.span(), "this is not an argument"),
                        _ => {
                            let hidden = format_ident!("__argument{number}", span = span);
                            inputs.extend(quote_spanned! {span=> #kept #hidden: #ty, });
                            rebound.extend(quote_spanned! {span=>
                                #kept let #hidden = #hidden; #(#attrs)* let #pattern = #hidden;
                            });
                        }
                    }
                }
            }
        }
        (inputs, rebound)
    }

    /// Makes `#![…]` at the start of the body attributes of the function: the body becomes a block within it.
    fn without_inner_attributes(&mut self, body: &Group) -> Group {
        let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
        let mut at = 0;
        while scan::is_punct(tokens.get(at), '#') && scan::is_punct(tokens.get(at + 1), '!') {
            let Some(TokenTree::Group(brackets)) = tokens.get(at + 2) else { break };
            let hash = &tokens[at];
            if let Ok(attrs) = syn::parse::Parser::parse2(Attribute::parse_outer, quote!(#hash #brackets)) {
                self.attrs.extend(attrs);
            }
            at += 3;
        }
        if at == 0 {
            return body.clone();
        }
        let mut rest = Group::new(Delimiter::Brace, tokens[at..].iter().cloned().collect());
        rest.set_span(body.span());
        rest
    }
}

/// What makes an error of any type, `__error`, the `Err` of a body: boxed errors too, which `From` cannot convert.
pub(crate) fn failed(user: Span) -> TokenStream {
    let span = emitted_at(user);
    let error = quote_spanned!(span=> __error);
    let raised = quote_spanned! {user=> ::coro_core::__private::Failed(#error).into_error() };
    quote_spanned! {span=> {
        use ::coro_core::__private::IntoError as _;
        ::core::result::Result::Err(#raised)
    } }
}

fn declared_span(output: Option<&Type>, otherwise: Span) -> Span {
    output.map_or(otherwise, Spanned::span)
}

/// A block with statements put before its own: one block, since rustc warns of braces around a single expression.
pub(crate) fn prefixed(mut statements: TokenStream, block: &Group) -> Group {
    statements.extend(block.stream());
    let mut prefixed = Group::new(Delimiter::Brace, statements);
    prefixed.set_span(block.span());
    prefixed
}

/// `Ok`'s side of a type that is spelled `Result`; the inner value is none if it names no type, as `fmt::Result`.
fn ok_type(output: &Type) -> Option<Option<&Type>> {
    match output {
        Type::Group(inner) => ok_type(&inner.elem),
        Type::Paren(inner) => ok_type(&inner.elem),
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(None) };
            Some(arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            }))
        }
        _ => None,
    }
}

/// The place of the first `impl` in a type.
fn find_impl(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "impl" => Some(word.span()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// The line of a token, or 0 where there is none to be known.
fn line_of(span: Span) -> u32 {
    if proc_macro::is_available() { u32::try_from(span.unwrap().line()).unwrap_or(0) } else { 0 }
}
