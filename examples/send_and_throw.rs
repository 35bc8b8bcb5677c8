//! `send` and `throw`: a generator, and a coroutine, driven by hand instead of by a loop.
//!
//! ```sh
//! cargo run --example send_and_throw
//! ```
//! ```text
//! the average is 0
//! the average is 10
//! the average is 15
//! the average is 0
//! asked: what is your name?
//! asked: how old are you?
//! answer: ada, that is a secret
//! ```
use coro_core::{Awaited, Step, prelude::*, suspend};

#[derive(Debug, thiserror::Error)]
#[error("start again")]
struct StartAgain;

async_fn! {
    fn averager() yields f64 receives f64 {
        let (mut total, mut count, mut average) = (0.0, 0.0, 0.0);
        loop {
            match try_yield!(average) {
                Ok(number) => { total += number; count += 1.0; average = total / count; }
                Err(error) if error.is::<StartAgain>() => (total, count, average) = (0.0, 0.0, 0.0),
                Err(error) => raise!(error),
            }
        }
    }

    async fn interview() -> String {
        let name = ask("what is your name?")?;
        let age = ask("how old are you?").unwrap_or_else(|refusal| refusal.to_string());
        format!("{name}, {age}")
    }
}

/// Suspends with a question for whoever drives this coroutine, and returns what is sent back.
fn ask(question: &'static str) -> Result<String> {
    let answer = suspend(Awaited::Command(Box::new(question)))?;
    match answer.map(|answer| answer.downcast::<String>()) {
        Some(Ok(answer)) => Ok(*answer),
        _ => raise!("no answer"),
    }
}

fn main() -> Result<()> {
    let mut average = averager();
    for step in [average.start(), average.send(10.0), average.send(20.0), average.throw(StartAgain.into())] {
        if let GeneratorState::Yielded(average) = step? {
            println!("the average is {average}");
        }
    }

    let mut interview = interview();
    let ada = Box::new(String::from("ada"));
    let steps =
        [interview.send(None), interview.send(Some(ada)), interview.throw(Error::msg("that is a secret"))];
    for step in steps {
        match step? {
            Step::Suspended(Awaited::Command(question)) => {
                println!("asked: {}", question.downcast_ref::<&str>().unwrap())
            }
            Step::Suspended(other) => println!("waits for {other:?}"),
            Step::Returned(answer) => println!("answer: {answer}"),
        }
    }
    Ok(())
}
