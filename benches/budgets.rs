//! One operation, so many times: what `scripts/budgets` runs under callgrind.
//!
//! `budgets NAME TIMES` does it, `budgets --list` names the operations that have a budget, and how often they are to be
//! done. Anything else does a little of each.

mod work;

use work::{OPERATIONS, Operation};

/// All timers by a virtual clock: how far a real one gets between two rounds is not the same in two runs.
fn perform(operation: &Operation, times: usize) {
    operation.run(true, |mut repeat| repeat(times).expect("an operation that is measured does not fail"));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let with_budget = OPERATIONS.iter().filter(|operation| operation.counted > 0);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => with_budget.for_each(|operation| println!("{operation} {}", operation.counted)),
        [name, times] => {
            let operation =
                OPERATIONS.iter().find(|operation| operation.name == name).expect("the name of an operation");
            perform(operation, times.parse().expect("a number"));
        }
        _ => {
            with_budget.for_each(|operation| perform(operation, operation.counted));
            println!("scripts/budgets counts the instructions of these operations");
        }
    }
}
