//! The figures: gathered, condensed to medians, told as a table; serialised as they are.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::plan::{CONTENDERS, Contender, Goal, Job, Most, Program, ROWS, Role, Row};
use crate::process::{Outcome, Programs};

/// What a run gave.
#[derive(Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub quick: bool,
    pub rounds: usize,
    /// The contenders that ran, and their versions.
    pub versions: Vec<Version>,
    pub rows: Vec<Measured>,
    /// What each job gave each contender, round by round.
    #[serde(skip)]
    gathered: Vec<(Job, &'static str, Gathered)>,
}

#[derive(Serialize, Deserialize)]
pub struct Machine {
    /// Seconds since 1970.
    pub time: u64,
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub rustc: String,
}

#[derive(Serialize, Deserialize)]
pub struct Version {
    pub runtime: String,
    pub version: String,
}

/// A line of the table.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub row: String,
    pub label: String,
    pub unit: String,
    pub figures: Vec<Figure>,
}

/// What one contender reached in one row.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    pub runtime: String,
    /// In order of size; empty where it failed.
    pub samples: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
}

#[derive(Default)]
struct Gathered {
    rounds: Vec<Vec<f64>>,
    unsupported: bool,
    failed: Option<String>,
}

impl Figure {
    pub fn median(&self) -> Option<f64> {
        let middle = self.samples.len() / 2;
        match self.samples.len() {
            0 => None,
            len if len % 2 == 1 => Some(self.samples[middle]),
            _ => Some(self.samples[middle - 1].midpoint(self.samples[middle])),
        }
    }
}

impl Measured {
    pub fn median(&self, runtime: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.runtime == runtime)?.median()
    }

    /// The best of the peers, and what it reached.
    fn best_peer(&self) -> Option<(&'static str, f64)> {
        let peers = CONTENDERS.iter().filter(|contender| contender.role == Role::Peer);
        let reached = peers.filter_map(|peer| Some((peer.label, self.median(peer.key)?)));
        reached.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

impl Results {
    pub fn new(quick: bool, rounds: usize, programs: &Programs) -> Self {
        let version = |(key, version): &(&'static str, String)| Version {
            runtime: (*key).to_owned(),
            version: version.clone(),
        };
        let versions = programs.versions.iter().map(version).collect();
        Self { machine: Machine::this(), quick, rounds, versions, rows: Vec::new(), gathered: Vec::new() }
    }

    fn of(&mut self, job: Job, contender: &Contender) -> &mut Gathered {
        let found = self.gathered.iter().position(|(of, key, _)| *of == job && *key == contender.key);
        let index = found.unwrap_or_else(|| {
            self.gathered.push((job, contender.key, Gathered::default()));
            self.gathered.len() - 1
        });
        &mut self.gathered[index].2
    }

    /// Whether asking it again is of no use.
    pub fn is_out(&mut self, job: Job, contender: &Contender) -> bool {
        let gathered = self.of(job, contender);
        gathered.unsupported || gathered.failed.is_some()
    }

    pub fn add(&mut self, job: Job, contender: &Contender, outcome: Outcome) {
        let gathered = self.of(job, contender);
        match outcome {
            Outcome::Figures(figures) => gathered.rounds.push(figures),
            Outcome::Unsupported => gathered.unsupported = true,
            Outcome::Failed(reason) => {
                eprintln!("    {} fails: {reason}", contender.label);
                gathered.failed = Some(reason);
            }
        }
    }

    /// Makes the lines of the table out of what was gathered.
    pub fn fill(&mut self, rows: &[&Row], contenders: &[&Contender]) {
        for row in rows {
            let mut figures = Vec::new();
            for contender in contenders {
                let gathered = self.of(row.job, contender);
                let failed = gathered.failed.clone();
                let one = |round: &Vec<f64>| round.get(row.figure).copied();
                let mut samples: Vec<f64> = match failed {
                    Some(_) => Vec::new(),
                    None => gathered.rounds.iter().filter_map(one).collect(),
                };
                samples.sort_by(f64::total_cmp);
                if failed.is_some() || !samples.is_empty() {
                    figures.push(Figure { runtime: contender.key.to_owned(), samples, failed });
                }
            }
            if !figures.is_empty() {
                let [row, label, unit] = [row.key, row.label, row.unit].map(str::to_owned);
                self.rows.push(Measured { row, label, unit, figures });
            }
        }
    }

    /// How often all of it was measured, in words.
    pub fn turns(&self) -> String {
        match self.rounds {
            1 => "one round".to_owned(),
            rounds => format!("{rounds} rounds in turns"),
        }
    }

    /// The table, in Markdown that can be read as text.
    pub fn table(&self) -> String {
        let ran: Vec<&Contender> = CONTENDERS
            .iter()
            .filter(|contender| {
                self.rows.iter().any(|row| row.figures.iter().any(|figure| figure.runtime == contender.key))
            })
            .collect();
        let mut medians = vec![vec!["median".to_owned(), "unit".to_owned()]];
        medians[0].extend(ran.iter().map(|contender| contender.label.to_owned()));
        let header = ["ratio", "to the floor", "to the best peer", "which is", "goal"];
        let mut ratios = vec![header.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let cell = |contender: &&Contender| {
                let figure = row.figures.iter().find(|figure| figure.runtime == contender.key);
                match figure {
                    None => "-".to_owned(),
                    Some(figure) => figure.median().map_or("fails".to_owned(), short),
                }
            };
            let mut line = vec![row.label.clone(), row.unit.clone()];
            line.extend(ran.iter().map(cell));
            medians.push(line);
            ratios.extend(self.ratios(row));
        }
        let mut text = String::new();
        let kind = if self.quick { "a quick run, " } else { "" };
        let _ =
            writeln!(text, "Medians of {}; {kind}CPU time of all threads. Less is better.\n", self.turns());
        text += &aligned(&medians, 2);
        text += "\n`coro` (or what is named) beside the others; a goal is a number that it should not exceed.\n\n";
        text += &aligned(&ratios, 1);
        let machine = &self.machine;
        let _ = write!(
            text,
            "\nOn {} ({} cores), Linux {}, {}.",
            machine.cpu, machine.cores, machine.kernel, machine.rustc
        );
        for Version { runtime, version } in &self.versions {
            // Two ways of writing for one runtime are of one version.
            let variant = |contender: &Contender| matches!(contender.variant, "futures" | "tuned");
            let Some(contender) = ran.iter().find(|contender| contender.key == runtime) else { continue };
            let of = match contender.program {
                Program::Rust("floor" | "epoll", package) => format!(" ({package})"),
                _ => String::new(),
            };
            if !variant(contender) {
                let _ = write!(text, " {}{of} {version}.", contender.label);
            }
        }
        text.push('\n');
        for (runtime, reason, labels) in self.failures() {
            let _ = write!(text, "\n- {runtime}: {reason} ({})", labels.join("; "));
        }
        text.trim_end().to_owned() + "\n"
    }

    /// Who failed, why, and at what.
    fn failures(&self) -> Vec<(&str, &str, Vec<&str>)> {
        let mut failures: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for row in &self.rows {
            for figure in &row.figures {
                let Some(reason) = &figure.failed else { continue };
                match failures
                    .iter_mut()
                    .find(|(runtime, same, _)| *runtime == figure.runtime && same == reason)
                {
                    Some((.., rows)) => rows.push(&row.row),
                    None => failures.push((&figure.runtime, reason, vec![&row.row])),
                }
            }
        }
        failures
    }

    /// Lines of the table of ratios: one for coro, and one for each other of ours that has a goal here.
    fn ratios(&self, row: &Measured) -> Vec<Vec<String>> {
        let Some(planned) = ROWS.iter().find(|planned| planned.key == row.row) else { return Vec::new() };
        let mut ours = vec!["coro"];
        ours.extend(planned.goals.iter().map(|goal| goal.ours).filter(|ours| *ours != "coro"));
        let floor = row.median("floor").or(row.median("epoll"));
        let mut lines = Vec::new();
        for ours in ours {
            let Some(reached) = row.median(ours) else { continue };
            let goal = planned.goals.iter().find(|goal| goal.ours == ours);
            let goal = goal.and_then(|goal| self.allowed(row, goal)).map(|most| {
                let verdict = if reached <= most { "reached" } else { "missed" };
                format!("{}: {verdict}", short(most))
            });
            let ratio = |other: Option<f64>| {
                let ratio = other.filter(|other| *other > 0.0).map(|other| reached / other);
                ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let peer = row.best_peer();
            let label = if ours == "coro" { row.label.clone() } else { format!("{} ({ours})", row.label) };
            lines.push(vec![
                label,
                ratio(floor),
                ratio(peer.map(|(_, figure)| figure)),
                peer.map_or("-", |(name, _)| name).to_owned(),
                goal.unwrap_or("-".to_owned()),
            ]);
        }
        lines
    }

    /// The figure that a goal allows, in this run.
    fn allowed(&self, row: &Measured, goal: &Goal) -> Option<f64> {
        match goal.most {
            Most::Figure(most) => Some(most),
            Most::Peer(peer, factor, more) => Some(row.median(peer)? * factor + more),
            Most::Row(key, factor) => {
                Some(self.rows.iter().find(|row| row.row == key)?.median(goal.ours)? * factor)
            }
        }
    }
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        Self {
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            cpu: cpu.map_or("an unknown processor", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: rustc.split(" (").next().unwrap_or_default().trim().to_owned(),
        }
    }
}

/// Three digits of a number, or all before its point.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        ..10.0 => format!("{figure:.2}"),
        ..100.0 => format!("{figure:.1}"),
        _ => whole(figure),
    }
}

/// A number without what follows its point, its thousands grouped.
pub fn whole(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if left.is_multiple_of(3) && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table, its columns padded; the first `left` of them are text, the others numbers.
fn aligned(lines: &[Vec<String>], left: usize) -> String {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column < left {
                true => write!(text, "| {cell:<width$} "),
                false => write!(text, "| {cell:>width$} "),
            };
        }
        text += "|\n";
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "| {}{} ", "-".repeat(width - 1), if column < left { '-' } else { ':' });
            }
            text += "|\n";
        }
    }
    text
}
