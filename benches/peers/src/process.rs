//! Starting the programs: which are there, on which core they run, and what they answered.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, mem, thread};

use peers::UNSUPPORTED;

use crate::plan::{Contender, Job, Program};
use crate::requests;

/// Who needs longer than this for one piece of work has failed at it.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a job gave.
pub enum Outcome {
    Figures(Vec<f64>),
    /// It does not do such work.
    Unsupported,
    Failed(String),
}

/// The programs that are there.
pub struct Programs {
    go: Option<PathBuf>,
    /// Key and version of each contender that can run.
    pub versions: Vec<(&'static str, String)>,
    pub cores: Cores,
}

/// Where the work runs, and where who asks it questions.
#[derive(Clone, Copy)]
pub struct Cores {
    pub work: usize,
    pub client: usize,
}

/// The target folder that this program was built into.
pub fn target() -> PathBuf {
    let binary = env::current_exe().expect("a running program has a path");
    binary.ancestors().nth(2).expect("target/release/peers").to_owned()
}

/// What follows the version of a crate in our lock file.
fn locked(name: &str) -> Option<&'static str> {
    let entry = include_str!("../Cargo.lock")
        .split("[[package]]")
        .find(|entry| entry.lines().any(|line| line == format!("name = \"{name}\"")))?;
    entry.lines().find_map(|line| line.strip_prefix("version = \"")).map(|rest| rest.trim_end_matches('"'))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

impl Programs {
    /// Looks which programs of `contenders` can run here, and builds the one in Go.
    pub fn find(contenders: &[&Contender]) -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let go = target().join("peers-go");
        let built = contenders.iter().any(|contender| contender.program == Program::Go)
            && Command::new("go")
                .args(["build", "-o"])
                .args([&go, Path::new(".")])
                .current_dir(sources.join("go"))
                .status()
                .is_ok_and(|status| status.success());
        let go = built.then_some(go);
        let mut programs = Self { go, versions: Vec::new(), cores: Cores::choose() };
        for contender in contenders {
            let version = match contender.program {
                Program::Rust("coro", _) => our_version(),
                Program::Rust(_, package) => locked(package).map(str::to_owned),
                Program::Go | Program::Python => programs
                    .command(contender, "version", (0, 0))
                    .and_then(|mut command| output(&mut command)),
            };
            match version {
                Some(version) => programs.versions.push((contender.key, version)),
                None => eprintln!("{} is not installed: left out", contender.label),
            }
        }
        programs
    }

    pub fn has(&self, contender: &Contender) -> bool {
        self.versions.iter().any(|(key, _)| *key == contender.key)
    }

    /// How the program is called, if it is there.
    fn command(&self, contender: &Contender, work: &str, size: (usize, usize)) -> Option<Command> {
        let mut command = match contender.program {
            Program::Rust(name, _) => Command::new(target().join("release").join(name)),
            Program::Go => Command::new(self.go.as_ref()?),
            Program::Python => {
                let mut command = Command::new(env::var_os("PEERS_PYTHON").unwrap_or("python3".into()));
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/rows.py"));
                command
            }
        };
        command.arg(work).args([size.0, size.1].map(|number| number.to_string()));
        if !contender.variant.is_empty() {
            command.arg(contender.variant);
        }
        Some(command)
    }

    /// One job, once.
    pub fn run(&self, job: Job, contender: &Contender, quick: bool) -> Outcome {
        if !self.has(contender) {
            return Outcome::Unsupported;
        }
        if available_memory().is_some_and(|free| free < job.memory()) {
            return Outcome::Failed("not enough memory is free here".to_owned());
        }
        let size = job.size(quick, contender.program == Program::Python);
        let name = match job {
            Job::Work(name, ..) => name,
            Job::Requests(service, ..) => service.work(),
        };
        let Some(command) = self.command(contender, name, size) else { return Outcome::Unsupported };
        let outcome = match job {
            Job::Work(..) => self.ask(command),
            Job::Requests(service, connections, count) => {
                let native = matches!(contender.program, Program::Rust(..));
                requests::measure(self.cores, command, service, connections, count, native, quick)
            }
        };
        outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    /// Runs the program, and reads the line that it answers.
    fn ask(&self, command: Command) -> io::Result<Outcome> {
        let mut running = Running::start(command, self.cores.work)?;
        let Some(status) = running.wait(PATIENCE)? else {
            return Ok(Outcome::Failed(format!("not done after {} s", PATIENCE.as_secs())));
        };
        if status.code() == Some(UNSUPPORTED) {
            return Ok(Outcome::Unsupported);
        }
        if !status.success() {
            return Ok(Outcome::Failed(running.reason(status)));
        }
        let answer = running.line()?;
        let figures: Result<Vec<f64>, _> = answer.split_whitespace().map(str::parse).collect();
        Ok(match figures {
            Ok(figures) if !figures.is_empty() => Outcome::Figures(figures),
            _ => Outcome::Failed(format!("answered {answer:?}")),
        })
    }
}

/// Bytes of memory that the kernel says could be had.
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// The version of the library, and the commit that it was built from where that is known.
fn our_version() -> Option<String> {
    let version = locked("coro-core")?;
    let here = env!("CARGO_MANIFEST_DIR");
    let commit = output(Command::new("git").args(["-C", here, "describe", "--always", "--dirty"]));
    Some(commit.map_or(version.to_owned(), |commit| format!("{version} ({commit})")))
}

impl Cores {
    /// The first and the last core that this process may use.
    fn choose() -> Self {
        // SAFETY: a set of cores is bits, for which zero is a value.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: it writes one set.
        let status = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        let mut allowed = (0..libc::CPU_SETSIZE as usize)
            // SAFETY: it reads the set.
            .filter(|core| status == 0 && unsafe { libc::CPU_ISSET(*core, &set) });
        let work = allowed.next().unwrap_or(0);
        Self { work, client: allowed.next_back().unwrap_or(work) }
    }
}

/// Lets this process, and those it starts, have as many descriptors as they may.
pub fn allow_many_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes one limit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: it reads one limit. Where it is refused, what needs more says so.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}

/// Keeps the calling thread on `core`.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a set of cores is bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: it reads the set.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A program that runs, on its core. Dropped, it is ended.
pub struct Running {
    child: Child,
    errors: PathBuf,
}

impl Running {
    pub fn start(mut command: Command, core: usize) -> io::Result<Self> {
        let errors = target().join("peers").join("stderr.txt");
        fs::create_dir_all(errors.parent().expect("it is a file in a folder"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&errors)?);
        let pinned = move || {
            // SAFETY: it takes numbers alone. The program ends with the driver.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            pin(core)
        };
        // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
        unsafe { command.pre_exec(pinned) };
        Ok(Self { child: command.spawn()?, errors })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> io::Result<String> {
        let stdout = self.child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        // One line is all that a program prints: what is read beyond it is nothing.
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Waits for its end; `None` if it does not come.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// Asks it to end, as a terminal would.
    pub fn signal(&self, signal: i32) {
        // SAFETY: it takes numbers alone; the child was not waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// All that it wrote to standard error.
    pub fn errors(&self) -> String {
        let mut text = String::new();
        let _ = File::open(&self.errors).and_then(|file| file.take(1 << 20).read_to_string(&mut text));
        text
    }

    fn reason(&self, status: ExitStatus) -> String {
        let errors = self.errors();
        let said = errors
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("thread '"))
            .unwrap_or("");
        let how = status.signal().map_or(status.to_string(), |signal| format!("signal {signal}"));
        format!("{how}: {said}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
