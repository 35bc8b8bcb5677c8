//! Coroutines driven by a hand-made loop: awaitables that yield commands, results sent back in.

use crate::harness::{LookupError, show, trace};
use coro_core::{Awaited, Step, prelude::*, suspend};
use std::collections::BTreeMap;

type Command = (&'static str, String);

fn command(what: &'static str, of: &str) -> Result<Option<String>> {
    let sent = suspend(Awaited::Command(Box::new((what, of.to_owned()))))?;
    Ok(sent.and_then(|sent| sent.downcast().ok()).map(|answer| *answer))
}

async_fn! {
    async fn ask(question: &'static str) -> String {
        command("ask", question)?.unwrap_or_default()
    }

    async fn talk() -> &'static str {
        let name = await!(ask("name"));
        let age = match try_await!(ask("age")) {
            Err(e) if e.is::<LookupError>() => show(&e),
            other => other?,
        };
        command("say", &format!("{name} is {age}"))?;
        "goodbye"
    }
}

fn drive(answers: &BTreeMap<&str, &str>) -> Result<&'static str> {
    let mut coro = talk();
    let mut step = coro.send(None);
    loop {
        let what = match step? {
            Step::Returned(value) => return Ok(value),
            Step::Suspended(Awaited::Command(what)) => what,
            Step::Suspended(other) => raise!("no command: {other:?}"),
        };
        let Ok(what) = what.downcast::<Command>() else { raise!("an unknown command") };
        trace!("command {what:?}");
        step = match answers.get(&*what.1) {
            None if what.0 == "ask" => coro.throw(LookupError::new(what.1).into()),
            answer => coro.send(answer.map(|answer| Box::new((*answer).to_owned()) as _)),
        };
    }
}

pub fn scenario() -> Result<()> {
    trace!("{}", drive(&BTreeMap::from([("name", "Ada"), ("age", "36")]))?);
    trace!("{}", drive(&BTreeMap::from([("name", "Bob")]))?);
    Ok(())
}
