//! The driver: runs every program in turns, round by round, and tells medians, ratios and a chart.
//!
//! `scripts/peers --help` says how it is called; README.md here says what is measured and how.

mod chart;
mod plan;
mod process;
mod requests;
mod results;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use plan::{CONTENDERS, Contender, Job, ROWS, Row};
use process::Programs;
use results::Results;

const HELP: &str = "\
Runs the same work on coro and on other runtimes, in turns, and compares them.

    scripts/peers                     everything, in seven rounds: about 40 minutes
    scripts/peers --quick             a tenth of the work, in three rounds, without a million sleepers
    scripts/peers --only a,b          these rows alone (see --list)
    scripts/peers --runtimes a,b      these runtimes alone (see --list)
    scripts/peers --rounds 3          so many rounds
    scripts/peers --list              the names of rows and runtimes
    scripts/peers --draw              the table and the chart again, from the figures of the last whole run

A whole run writes benches/peers/results.json and .md, and book/src/images/performance.svg. Any other writes the same
three files into the target folder, as peers/latest.*.
";

struct Options {
    quick: bool,
    rounds: usize,
    only: Vec<String>,
    runtimes: Vec<String>,
}

/// What the command line asks for instead of a measurement.
enum Other {
    Help,
    List,
    Draw,
}

fn options() -> Result<(Options, Option<Other>), String> {
    let (mut rounds, mut other) = (None, None);
    let mut options = Options { quick: false, rounds: 0, only: Vec::new(), runtimes: Vec::new() };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let names = |text: String| text.split(',').map(str::to_owned).collect();
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--rounds" => rounds = Some(value()?.parse().map_err(|_| "--rounds needs a number")?),
            "--only" => options.only = names(value()?),
            "--runtimes" => options.runtimes = names(value()?),
            "--help" => other = Some(Other::Help),
            "--list" => other = Some(Other::List),
            "--draw" => other = Some(Other::Draw),
            _ => return Err(format!("unknown argument {argument}\n\n{HELP}")),
        }
    }
    options.rounds = rounds.unwrap_or(if options.quick { 3 } else { 7 }).max(1);
    let unknown = |name: &&String, names: &[&str]| !names.contains(&name.as_str());
    let rows: Vec<_> = ROWS.iter().map(|row| row.key).collect();
    let runtimes: Vec<_> = CONTENDERS.iter().map(|contender| contender.key).collect();
    let row = options.only.iter().find(|name| unknown(name, &rows));
    match row.or(options.runtimes.iter().find(|name| unknown(name, &runtimes))) {
        Some(name) => Err(format!("{name} is neither a row nor a runtime: see --list")),
        None => Ok((options, other)),
    }
}

/// Where the files go: those of a whole run are kept with the sources.
fn outputs(whole: bool) -> [PathBuf; 3] {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if whole {
        let images = here.join("../../book/src/images");
        return [here.join("results.json"), here.join("results.md"), images.join("performance.svg")];
    }
    let folder = process::target().join("peers");
    ["json", "md", "svg"].map(|kind| folder.join(format!("latest.{kind}")))
}

fn list() {
    println!("rows:");
    ROWS.iter().for_each(|row| println!("    {:<22} {}", row.key, row.label));
    println!("runtimes:");
    CONTENDERS.iter().for_each(|contender| println!("    {:<22} {}", contender.key, contender.label));
}

fn measure(options: &Options) -> Results {
    let chosen = |names: &[String], key: &str| names.is_empty() || names.iter().any(|name| name == key);
    let rows: Vec<&Row> = ROWS.iter().filter(|row| chosen(&options.only, row.key)).collect();
    let contenders: Vec<&Contender> =
        CONTENDERS.iter().filter(|contender| chosen(&options.runtimes, contender.key)).collect();
    let mut jobs: Vec<Job> = Vec::new();
    for row in &rows {
        let left_out = options.quick && row.job.slow();
        if !left_out && !jobs.contains(&row.job) {
            jobs.push(row.job);
        }
    }
    process::allow_many_files();
    let programs = Programs::find(&contenders);
    let begun = Instant::now();
    let mut results = Results::new(options.quick, options.rounds, &programs);
    for round in 1..=options.rounds {
        for job in &jobs {
            eprintln!("{:>5} s, round {round} of {}: {job}", begun.elapsed().as_secs(), options.rounds);
            for contender in &contenders {
                // What never changes is counted once; what failed once is not asked again.
                if (job.once() && round > 1) || results.is_out(*job, contender) {
                    continue;
                }
                results.add(*job, contender, programs.run(*job, contender, options.quick));
            }
        }
    }
    results.fill(&rows, &contenders);
    results
}

fn write(results: &Results, whole: bool) -> std::io::Result<()> {
    let [json, table, chart] = outputs(whole);
    for path in [&json, &table, &chart] {
        fs::create_dir_all(path.parent().expect("it is a file in a folder"))?;
    }
    fs::write(&json, serde_json::to_string_pretty(results)? + "\n")?;
    fs::write(&table, results.table())?;
    fs::write(&chart, chart::draw(results))?;
    println!("{}", results.table());
    for path in [json, table, chart] {
        println!("written: {}", path.canonicalize()?.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let (options, other) = match options() {
        Ok(asked) => asked,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let whole = !options.quick && options.only.is_empty() && options.runtimes.is_empty();
    let written = match other {
        Some(Other::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Some(Other::List) => {
            list();
            Ok(())
        }
        Some(Other::Draw) => fs::read_to_string(&outputs(true)[0])
            .and_then(|text| Ok(serde_json::from_str(&text)?))
            .and_then(|results| write(&results, true)),
        None => write(&measure(&options), whole),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
