//! The chart: a line for each row, a dot for each runtime, on a logarithmic axis. Plain SVG.
//!
//! It brings its own background, and changes its colours with the reader's scheme: it can be read on any page. It is
//! narrow, since a phone makes it as narrow as itself, and the letters with it.

use std::fmt::Write;

use crate::plan::{Panel, ROWS};
use crate::results::{Measured, Results, short, whole};

/// How a contender is drawn: its key, what the legend says, a colour for light and for dark pages, and whether it is a
/// ring. Ours comes last, on top of the others.
struct Mark(&'static str, &'static str, &'static str, &'static str, bool);

const MARKS: &[Mark] = &[
    Mark("uvloop", "uvloop", "#8a6d00", "#d8b730", true),
    Mark("asyncio", "asyncio", "#8a6d00", "#d8b730", false),
    Mark("go", "Go", "#00838f", "#4dc4d2", false),
    Mark("may", "may", "#7b4fb0", "#b694e6", false),
    Mark("smol", "smol", "#2e7d32", "#74c476", false),
    Mark("tokio-tuned", "tokio, tuned", "#1f5fbf", "#76a9f5", true),
    Mark("tokio", "tokio", "#1f5fbf", "#76a9f5", false),
    Mark("coro-futures", "coro, std futures", "#d1341f", "#ff7a63", true),
    Mark("coro", "coro", "#d1341f", "#ff7a63", false),
];

const WIDTH: f64 = 500.0;
const MARGIN: f64 = 24.0;
/// A row is its label and, below that, its dots.
const ROW: f64 = 42.0;
/// Entries in a line of the legend.
const COLUMNS: usize = 3;

pub fn draw(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 34.0;
    let _ = writeln!(body, "<text class='title' x='{MARGIN}' y='{y}'>What it costs, on one core</text>");
    let medians = format!("Medians of {}, CPU time.", results.turns());
    for note in [medians.as_str(), "Logarithmic, further left is better. The figure is coro's."] {
        y += 20.0;
        let _ = writeln!(body, "<text class='note' x='{MARGIN}' y='{y}'>{note}</text>");
    }
    y = legend(results, &mut body, y + 30.0);
    for (panel, title) in
        [(Panel::Time, "nanoseconds each"), (Panel::Memory, "bytes each, page tables included")]
    {
        let drawn =
            |row: &&Measured| ROWS.iter().any(|plan| plan.key == row.row && plan.panel == Some(panel));
        let rows: Vec<&Measured> = results.rows.iter().filter(drawn).collect();
        if !rows.is_empty() {
            y = axis(&rows, title, &mut body, y + 20.0);
        }
    }
    let height = y + 12.0;
    let mut text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' \
         role='img' aria-label='Costs of common operations on coro and other runtimes'>\n"
    );
    text += &style();
    let _ = writeln!(
        text,
        "<rect class='page' x='0.5' y='0.5' width='{}' height='{}' rx='8'/>",
        WIDTH - 1.0,
        height - 1.0
    );
    text + &body + "</svg>\n"
}

fn style() -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    for (index, Mark(_, _, on_light, on_dark, ring)) in MARKS.iter().enumerate() {
        // A ring is filled with the page, so that lines do not run through it.
        let (fill, fill_dark) = if *ring { ("#ffffff", "#161b22") } else { (*on_light, *on_dark) };
        let _ = writeln!(light, ".m{index} {{ fill: {fill}; stroke: {on_light}; stroke-width: 2 }}");
        let _ = writeln!(dark, ".m{index} {{ fill: {fill_dark}; stroke: {on_dark} }}");
    }
    format!(
        "<style>\n\
         text {{ font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }}\n\
         .title {{ font-size: 18px; font-weight: 600 }}\n\
         .note, .tick {{ font-size: 12px; fill: #59636e }}\n\
         .ours {{ font-size: 12px; font-weight: 600; fill: #d1341f }}\n\
         .page {{ fill: #ffffff; stroke: #d1d9e0 }}\n\
         .grid {{ stroke: #e4e8ec }}\n\
         .span {{ stroke: #c3cad1; stroke-width: 2 }}\n\
         {light}\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #e6edf3 }}\n\
         .note, .tick {{ fill: #9198a1 }}\n\
         .ours {{ fill: #ff7a63 }}\n\
         .page {{ fill: #161b22; stroke: #3d444d }}\n\
         .grid {{ stroke: #262c34 }}\n\
         .span {{ stroke: #4a525c }}\n\
         {dark}}}\n\
         </style>\n"
    )
}

/// What the dots mean; returns where it ends.
fn legend(results: &Results, body: &mut String, top: f64) -> f64 {
    let measured = |mark: &Mark| results.rows.iter().any(|row| row.median(mark.0).is_some());
    let marks = MARKS.iter().enumerate().rev().filter(|(_, mark)| measured(mark));
    let mut y = top;
    for (place, (index, Mark(_, label, ..))) in marks.enumerate() {
        let x = MARGIN + 6.0 + (WIDTH - 2.0 * MARGIN) / COLUMNS as f64 * (place % COLUMNS) as f64;
        y = top + 22.0 * (place / COLUMNS) as f64;
        let _ = writeln!(body, "<circle class='m{index}' cx='{x:.1}' cy='{:.1}' r='5'/>", y - 4.0);
        let _ = writeln!(body, "<text x='{:.1}' y='{y}'>{label}</text>", x + 11.0);
    }
    y
}

/// Rows over a common axis; returns where they end.
fn axis(rows: &[&Measured], title: &str, body: &mut String, top: f64) -> f64 {
    let shown = |row: &&&Measured| MARKS.iter().filter_map(|mark| row.median(mark.0)).collect::<Vec<_>>();
    let figures: Vec<f64> = rows.iter().flat_map(|row| shown(&row)).filter(|figure| *figure > 0.0).collect();
    let (least, most) = figures.iter().fold((f64::MAX, f64::MIN), |(a, b), f| (a.min(*f), b.max(*f)));
    let (first, last) = ((least / 1.5).log10(), (most * 1.5).log10());
    let x = |figure: f64| MARGIN + (WIDTH - 2.0 * MARGIN) * (figure.log10() - first) / (last - first);
    let begin = top + 40.0;
    let _ = writeln!(body, "<text class='note' x='{MARGIN}' y='{:.1}'>{title}</text>", top + 14.0);
    let powers: Vec<f64> =
        (first.ceil() as i32..=last.floor() as i32).map(|power| 10_f64.powi(power)).collect();
    for power in &powers {
        let (at, y, tick) = (x(*power), top + 34.0, whole(*power));
        let _ =
            writeln!(body, "<text class='tick' x='{at:.1}' y='{y:.1}' text-anchor='middle'>{tick}</text>");
    }
    for (index, row) in rows.iter().enumerate() {
        let top = begin + ROW * index as f64;
        let y = top + 32.0;
        for at in powers.iter().map(|power| x(*power)) {
            let (y1, y2) = (y - 8.0, y + 8.0);
            let _ =
                writeln!(body, "<line class='grid' x1='{at:.1}' y1='{y1:.1}' x2='{at:.1}' y2='{y2:.1}'/>");
        }
        let label = label(row);
        let _ = writeln!(body, "<text x='{MARGIN}' y='{:.1}'>{label}</text>", top + 18.0);
        let figures = shown(&row);
        let (a, b) = figures.iter().fold((f64::MAX, f64::MIN), |(a, b), f| (a.min(*f), b.max(*f)));
        let _ =
            writeln!(body, "<line class='span' x1='{:.1}' y1='{y:.1}' x2='{:.1}' y2='{y:.1}'/>", x(a), x(b));
        for (index, Mark(key, name, ..)) in MARKS.iter().enumerate() {
            let Some(figure) = row.median(key) else { continue };
            let (at, radius) = (x(figure), if *key == "coro" { 6.5 } else { 4.5 });
            let what = format!("{name}: {} {}", short(figure), row.unit);
            let _ = writeln!(
                body,
                "<circle class='m{index}' cx='{at:.1}' cy='{y:.1}' r='{radius}'><title>{what}</title></circle>"
            );
            if *key == "coro" {
                let _ = writeln!(
                    body,
                    "<text class='ours' x='{:.1}' y='{:.1}' text-anchor='end'>{}</text>",
                    WIDTH - MARGIN,
                    top + 18.0,
                    short(figure)
                );
            }
        }
    }
    begin + ROW * rows.len() as f64
}

/// The row's label; one that goes on the line before it says what it means.
fn label(row: &Measured) -> String {
    match row.row.as_str() {
        "park-all" => "create 100,000 that suspend once, then await all".to_owned(),
        _ => row.label.replace(": each sleep", "").replace(": each", "").replace(": memory each", ""),
    }
}
