//! One operation, so many times: what `scripts/budgets` runs under callgrind.
//!
//! `budgets NAME TIMES` does it; anything else does a little of each.

mod work;

use work::{OPERATIONS, Operation};

/// All timers by a virtual clock: how far a real one gets between two rounds is not the same in two runs.
fn perform(operation: &Operation, times: usize) {
    operation.run(true, |mut repeat| repeat(times).expect("an operation that is measured does not fail"));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [name, times] = &arguments[..] {
        let operation =
            OPERATIONS.iter().find(|operation| operation.name == name).expect("the name of an operation");
        perform(operation, times.parse().expect("a number"));
    } else {
        OPERATIONS.iter().for_each(|operation| perform(operation, 1_000));
        println!("all operations work; scripts/budgets counts their instructions");
    }
}
