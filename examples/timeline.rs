//! A picture of what a program did: the egg boiler, one by one and all at once, as an SVG on standard output.
//!
//! ```sh
//! cargo run --example timeline > book/src/images/timeline.svg
//! ```
//! Each egg notes which task boiled it, from when to when. The clock is a virtual one: the seconds take no time, and the
//! picture is the same each time.
use coro_core::{RunBuilder, current_task, prelude::*};

/// Seconds that the eggs take.
const EGGS: [u64; 4] = [3, 2, 5, 4];

struct Span {
    egg: usize,
    task: String,
    from: Duration,
    to: Duration,
}

async_fn! {
    async fn boil(egg: usize) -> Span {
        let clock = get_running_loop()?;
        let task = current_task().expect("a task runs this").get_name();
        let from = clock.time();
        await!(sleep(secs(EGGS[egg])));
        Span { egg, task, from, to: clock.time() }
    }

    async fn one_by_one() -> Vec<Span> {
        let mut spans = Vec::new();
        for egg in 0..EGGS.len() {
            spans.push(await!(boil(egg)));
        }
        spans
    }

    async fn all_at_once() -> Vec<Span> {
        await!(gather((0..EGGS.len()).map(boil)))
    }
}

const LEFT: u64 = 64;
const SECOND: u64 = 27;
const LANE: u64 = 28;
const PANEL: u64 = 4 * LANE + 50;

/// Where a moment is in the picture, from left to right.
fn x(moment: Duration) -> u64 {
    LEFT + moment.as_secs() * SECOND
}

/// Draws `spans` below `top`, each egg in a lane of its own, over a line for each of `moments`.
fn draw(title: &str, spans: &[Span], moments: &[Duration], top: u64) {
    let end = spans.iter().map(|span| span.to).max().unwrap_or_default().as_secs();
    println!(r#"  <text x="16" y="{}" font-weight="bold">{title}: {end} s</text>"#, top + 14);
    for moment in moments {
        println!(r##"  <path d="M{} {}v{}" stroke="#d5d0c6"/>"##, x(*moment), top + 24, 4 * LANE);
    }
    for Span { egg, task, from, to } in spans {
        let y = top + 27 + *egg as u64 * LANE;
        let (left, width) = (x(*from), x(*to) - x(*from));
        println!(r#"  <text x="16" y="{}">egg {}</text>"#, y + 16, egg + 1);
        println!(r##"  <rect x="{left}" y="{y}" width="{width}" height="22" rx="4" fill="#f2c14e"/>"##);
        println!(r#"  <text x="{}" y="{}" font-size="13">{task}</text>"#, left + 6, y + 16);
    }
}

fn main() -> Result<()> {
    let one_by_one = RunBuilder::new().virtual_clock().run(one_by_one())?;
    let all_at_once = RunBuilder::new().virtual_clock().run(all_at_once())?;

    let end = EGGS.iter().sum();
    let moments: Vec<Duration> = (0..=end).step_by(2).map(secs).collect();
    let (width, height) = (x(secs(end)) + 28, 2 * PANEL + 28);
    println!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}""#);
    println!(r#"     width="{width}" height="{height}" role="img""#);
    println!(r##"     font-family="sans-serif" font-size="14" fill="#222">"##);
    println!("  <title>Four eggs, boiled one by one and all at once</title>");
    println!("  <desc>One task boils the eggs in a row, four tasks boil them at the same time.</desc>");
    println!(r##"  <rect width="{width}" height="{height}" rx="8" fill="#faf8f4"/>"##);
    draw("one by one", &one_by_one, &moments, 14);
    draw("all at once", &all_at_once, &moments, 14 + PANEL);
    for (moment, y) in moments.iter().map(|moment| (*moment, height - 16)) {
        let label = format!("{} s", moment.as_secs());
        println!(r#"  <text x="{}" y="{y}" font-size="13" text-anchor="middle">{label}</text>"#, x(moment));
    }
    println!("</svg>");
    Ok(())
}
