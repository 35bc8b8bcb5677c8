//! The attribute forms: `#[stackful]`, `#[main]`, `#[test]`.

use crate::diagnostic::emitted_at;
use crate::function::{Function, Sugar, Translation};
use crate::items;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Meta, Token};

/// An attribute that starts an event loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Main,
    Test,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Main => &["debug", "stack_size"],
            Self::Test => &["real_clock", "debug", "seed", "ordered", "stack_size"],
        }
    }
}

/// One `name` or `name = value` in the parentheses of an attribute.
struct AttributeOption {
    name: Ident,
    value: Option<Expr>,
}

impl Parse for AttributeOption {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let value = input.parse::<Option<Token![=]>>()?.map(|_| input.parse()).transpose()?;
        Ok(Self { name, value })
    }
}

/// `#[stackful]`.
pub(crate) fn stackful(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = match async_function(item, "stackful") {
        Ok(function) => function,
        Err(tokens) => return tokens,
    };
    let error = options
        .into_iter()
        .next()
        .map(|option| syn::Error::new(option.span(), "`#[stackful]` takes no options").into_compile_error());
    if let Some(attr) = take_entry(&mut function) {
        let name = attr.1.name();
        let message =
            format!("`#[coro_core::{name}]` makes the function stackful by itself: leave `#[stackful]` out");
        return syn::Error::new(attr.0.span(), message).into_compile_error();
    }
    let function = function.expand(Sugar::Attribute);
    quote!(#error #function)
}

/// `#[coro_core::main]` and `#[coro_core::test]`.
pub(crate) fn entry(entry: Entry, options: TokenStream, item: TokenStream) -> TokenStream {
    match async_function(item, entry.name()) {
        Ok(function) => wrapped(entry, options, function, Sugar::Attribute),
        Err(tokens) => tokens,
    }
}

/// A function of `async_fn!`, which may have one of the attributes too.
pub(crate) fn within_the_dsl(mut function: Function) -> TokenStream {
    match take_entry(&mut function) {
        Some((Meta::List(options), entry)) => wrapped(entry, options.tokens, function, Sugar::Dsl),
        Some((_, entry)) => wrapped(entry, TokenStream::new(), function, Sugar::Dsl),
        None => function.expand(Sugar::Dsl),
    }
}

/// Takes `#[coro_core::main]` or `#[coro_core::test]` from a function.
fn take_entry(function: &mut Function) -> Option<(Meta, Entry)> {
    let found = function.attrs.iter().enumerate().find_map(|(i, attr)| {
        let segments: Vec<String> = attr.path().segments.iter().map(|s| s.ident.to_string()).collect();
        match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["coro_core", "main"] => Some((i, Entry::Main)),
            ["coro_core", "test"] => Some((i, Entry::Test)),
            _ => None,
        }
    })?;
    Some((function.attrs.remove(found.0).meta, found.1))
}

/// The `async fn` that an attribute stands before; the error side is what to emit instead.
fn async_function(item: TokenStream, attribute: &str) -> Result<Function, TokenStream> {
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let name =
        if attribute == "stackful" { "stackful".to_owned() } else { format!("coro_core::{attribute}") };
    let refuse = |span: Span, message: String| {
        let error = syn::Error::new(span, message).into_compile_error();
        Err(quote!(#error #item))
    };
    if !items::is_function(&tokens) {
        let first = items::first_word(&tokens);
        return refuse(first, format!("`#[{name}]` goes before an `async fn`, and this is no function"));
    }
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) if function.is_async => Ok(function),
        Ok(function) => refuse(
            function.name.span(),
            format!("`#[{name}]` goes before an `async fn`: write `async fn {}`", function.name),
        ),
        Err(error) => Err(error.into_compile_error()),
    }
}

/// The function that starts a loop and runs the coroutine on it. Errors go before it: rustc drops the tests, and what
/// is in them, from all that is no test build.
fn wrapped(entry: Entry, options: TokenStream, mut function: Function, sugar: Sugar) -> TokenStream {
    let mut errors = TokenStream::new();
    let mut refuse = |span: Span, message: String| {
        errors.extend(syn::Error::new(span, message).into_compile_error());
    };
    let name = entry.name();
    if let Some(argument) = function.inputs.first() {
        refuse(argument.span(), format!("the `{name}` function takes no arguments"));
        function.inputs.clear();
    }
    if let Some(parameter) = function.generics.params.first() {
        refuse(parameter.span(), format!("the `{name}` function cannot be generic"));
    }
    if entry == Entry::Main && function.name != "main" {
        refuse(function.name.span(), "`#[coro_core::main]` goes before `async fn main`".to_owned());
    }
    if let Some(attr) = function.attrs.iter().find(|attr| attr.path().is_ident("test")) {
        refuse(attr.span(), "`#[coro_core::test]` makes this a test already: leave `#[test]` out".to_owned());
        function.attrs.retain(|attr| !attr.path().is_ident("test"));
    }
    let options = match Punctuated::<AttributeOption, Token![,]>::parse_terminated.parse2(options) {
        Ok(options) => options.into_iter().collect(),
        Err(error) => {
            refuse(error.span(), error.to_string());
            Vec::new()
        }
    };
    let options = option_fields(entry, &options, function.name.span(), &mut refuse);

    let Translation { constructor, errors: found, .. } = function.translation(sugar);
    errors.extend(found.into_tokens());
    let Function { attrs, vis, name, .. } = &function;
    let span = emitted_at(name.span());
    let word = quote_spanned! {span=> fn };
    match entry {
        Entry::Main => quote_spanned! {span=>
            #errors
            #(#attrs)* #vis #word #name() -> impl ::std::process::Termination {
                ::coro_core::__private::main(::coro_core::__private::MainOptions { #options }, #constructor)
            }
        },
        Entry::Test => {
            let run = quote_spanned! {span=>
                ::coro_core::__private::test(::coro_core::__private::TestOptions { #options }, #constructor)
            };
            // rustc wants a test that should panic to return nothing, so there an error panics.
            let (returned, run) = if attrs.iter().any(|attr| attr.path().is_ident("should_panic")) {
                (None, quote_spanned! {span=> ::core::result::Result::unwrap(#run) })
            } else {
                (Some(quote_spanned! {span=> -> ::coro_core::Result<()> }), run)
            };
            quote_spanned! {span=>
                #errors
                #[::core::prelude::v1::test] #(#attrs)* #vis #word #name() #returned { #run }
            }
        }
    }
}

/// The fields of the options struct, each with its default where it was not said.
fn option_fields(
    entry: Entry,
    said: &[AttributeOption],
    otherwise: Span,
    refuse: &mut impl FnMut(Span, String),
) -> TokenStream {
    let known = entry.options();
    for (i, option) in said.iter().enumerate() {
        let name = &option.name;
        if !known.iter().any(|known| name == known) {
            refuse(name.span(), format!("there is no option `{name}` here; there are: {}", known.join(", ")));
        } else if said[..i].iter().any(|earlier| earlier.name == *name) {
            refuse(name.span(), format!("`{name}` is said twice"));
        } else if option.value.is_none() && !is_switch(&name.to_string()) {
            refuse(name.span(), format!("`{name}` needs a value: write `{name} = …`"));
        }
    }
    let fields = known.iter().map(|&known| {
        let option = said.iter().find(|option| option.name == known);
        let span = emitted_at(option.map_or(otherwise, |option| option.name.span()));
        let field = Ident::new(known, span);
        let value = match option {
            Some(AttributeOption { value: Some(value), .. }) if is_switch(known) => value.to_token_stream(),
            Some(AttributeOption { value: Some(value), .. }) => {
                quote_spanned! {span=> ::core::option::Option::Some(#value) }
            }
            Some(_) if is_switch(known) => quote_spanned! {span=> true },
            None if is_switch(known) => quote_spanned! {span=> false },
            _ => quote_spanned! {span=> ::core::option::Option::None },
        };
        quote_spanned! {span=> #field: #value, }
    });
    fields.collect()
}

/// Whether an option is said by its name alone.
fn is_switch(option: &str) -> bool {
    matches!(option, "debug" | "ordered" | "real_clock")
}
