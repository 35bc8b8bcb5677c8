//! `gather`: many at once, results in the order of the arguments, whatever the order in which they come.
//!
//! ```sh
//! cargo run --example gather
//! ```
//! ```text
//! pages: ["page 3", "page 1", "page 2"]
//! a page and its length: page 1, 6
//! failed: page 0 does not exist
//! page 1
//! failed: page 0 does not exist
//! page 2
//! ```
use coro_core::{gather_return_exceptions, prelude::*};

async_fn! {
    async fn fetch_page(number: u32) -> String {
        await!(sleep(millis(100 * u64::from(number))));
        if number == 0 {
            raise!("page {number} does not exist");
        }
        format!("page {number}")
    }

    async fn page_length(number: u32) -> usize {
        await!(fetch_page(number)).len()
    }

    async fn program() {
        // An iterator of one type gives a Vec.
        println!("pages: {:?}", await!(gather([3, 1, 2].map(fetch_page))));

        // A tuple of different types gives a tuple.
        let (page, length) = await!(gather((fetch_page(1), page_length(1))));
        println!("a page and its length: {page}, {length}");

        // The first error leaves the gather; the others go on.
        if let Err(error) = try_await!(gather([1, 0, 2].map(fetch_page))) {
            println!("failed: {error}");
        }

        // return_exceptions=True: a Result for each.
        for result in await!(gather_return_exceptions([1, 0, 2].map(fetch_page))) {
            match result {
                Ok(page) => println!("{page}"),
                Err(error) => println!("failed: {error}"),
            }
        }
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
