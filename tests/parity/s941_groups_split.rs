//! Groups of groups: split, subgroup, what `except*` leaves, and how they print.

use crate::harness::{OSError, run, trace};
use coro_core::{ValueError, prelude::*};

#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Mine(&'static str);

type Matches<'a> = &'a dyn Fn(&Error) -> bool;

fn group(message: &'static str, errors: Vec<Error>) -> ErrorGroup {
    ErrorGroup::new(message, errors)
}

fn value(text: &'static str) -> Error {
    ValueError::new(text).into()
}

fn os(text: &'static str) -> Error {
    OSError::new(text).into()
}

fn mine(text: &'static str) -> Error {
    Mine(text).into()
}

fn tree() -> ErrorGroup {
    let left = group("left", vec![os("2"), value("3")]);
    let deep = group("deep", vec![mine("4"), os("5")]);
    group("top", vec![value("1"), left.into(), group("right", vec![deep.into()]).into()])
}

fn message(group: &ErrorGroup) -> String {
    let text = group.to_string();
    text.rsplit_once(" (").map_or(text.clone(), |(message, _)| message.to_owned())
}

fn text(error: &Error) -> String {
    match error.downcast_ref::<ErrorGroup>() {
        Some(group) => text_of(group),
        None => format!("{}{error}", error.type_name()),
    }
}

fn text_of(group: &ErrorGroup) -> String {
    let parts: Vec<String> = group.errors().iter().map(text).collect();
    format!("{}[{}]", message(group), parts.join(" "))
}

fn or_none(group: Option<ErrorGroup>) -> String {
    group.as_ref().map_or_else(|| "None".to_owned(), text_of)
}

/// As `except* ValueError`, `except* OSError` and `except ExceptionGroup` around them.
fn starred(group: &ErrorGroup) {
    let mut rest = Some(group.clone());
    for (name, matches) in
        [("values", Error::is::<ValueError> as fn(&Error) -> bool), ("os", Error::is::<OSError>)]
    {
        let Some((matching, other)) = rest.as_ref().map(|rest| rest.split(matches)) else { return };
        if let Some(matching) = matching {
            trace!("{name} {}", text_of(&matching));
        }
        rest = other;
    }
    if let Some(rest) = rest {
        trace!("rest {}", text_of(&rest));
    }
}

fn named(error: &Error, name: &str) -> bool {
    error.downcast_ref::<ErrorGroup>().is_some_and(|group| message(group) == name)
}

async_fn! {
    async fn fails(error: Error) {
        await!(sleep(secs(0)));
        raise!(error);
    }

    async fn inner() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails(os("b")));
            tg.create_task(fails(mine("c")));
        }
    }

    async fn nested() {
        async with TaskGroup::new() as outer {
            outer.create_task(fails(value("a")));
            outer.create_task(inner());
        }
    }

    async fn main() {
        trace!("{}", text_of(&tree()));
        let all: [(&str, Matches); 8] = [
            ("value", &Error::is::<ValueError>),
            ("os", &Error::is::<OSError>),
            ("mine", &Error::is::<Mine>),
            ("group", &Error::is::<ErrorGroup>),
            ("none", &|_| false),
            ("all", &|_| true),
            ("left", &|e| named(e, "left")),
            ("deep", &|e| named(e, "deep")),
        ];
        for (name, matches) in all {
            let (matching, rest) = tree().split(matches);
            trace!("{name} {} | {} | {}", or_none(matching), or_none(rest), or_none(tree().subgroup(matches)));
        }
        trace!("{} {}", tree(), tree().errors().len());
        trace!("{}", group("one", vec![mine("x")]));
        let two = group("two", vec![mine("x"), group("in", vec![value("y")]).into()]);
        trace!("{}", format!("{two:?}").replace("ErrorGroup", "ExceptionGroup"));
        starred(&tree());
        match try_await!(nested()) {
            Err(e) if e.is::<ErrorGroup>() => {
                trace!("{}", text(&e));
                let nested = e.downcast_ref::<ErrorGroup>().expect("looked at above");
                trace!("{}", or_none(nested.subgroup(Error::is::<Mine>)));
                starred(nested);
            }
            other => other?,
        }
        // What was split keeps its parts: the same errors.
        let original = tree();
        let (matching, _) = original.split(Error::is::<ValueError>);
        let place = |group: &ErrorGroup| group.errors()[0].downcast_ref::<ValueError>().map(std::ptr::from_ref);
        trace!("{} {}", matching.is_some_and(|m| place(&m) == place(&original)), text_of(&original));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
