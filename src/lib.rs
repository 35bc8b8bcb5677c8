//! The root package holds the examples, the integration tests and, as doctests, the README and the book.
