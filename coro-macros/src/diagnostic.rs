//! Compile errors on the user's own span, and the spans of everything the macros emit.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// The place of a user's token with the hygiene (and the edition) of this crate.
///
/// Everything emitted has such a span: rustc underlines the user's token, hidden names cannot clash with the user's,
/// and lints about emitted code stay quiet, because it counts as coming from another crate.
pub(crate) fn emitted_at(user: Span) -> Span {
    user.resolved_at(Span::mixed_site())
}

/// The errors found in one item, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Diagnostics(Vec<syn::Error>);

impl Diagnostics {
    /// Notes an error at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Adds what was found elsewhere.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The errors as statements, or as items: both may be written `compile_error! { .. }`.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().map(syn::Error::into_compile_error).collect()
    }
}

/// What stands for an expression that could not be translated, so that no second error follows from the first.
pub(crate) fn unknown(span: Span) -> TokenStream {
    let span = emitted_at(span);
    quote_spanned! {span=> ::core::unreachable!() }
}
