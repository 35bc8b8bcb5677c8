//! Many pages fetched at once, so many at a time, each saved to a file, with progress bars on a terminal.
//! `web_scraper [--at-once N] [--folder FOLDER] URL…` fetches those; without arguments it serves a small site itself.
//!
//! ```sh
//! cargo run --example web_scraper
//! ```
//! ```text
//! 0_index.html: 24 bytes
//! 1_brown: 11 bytes
//! 2_white: 11 bytes
//! 3_burnt: http status: 404
//! 4_quail: 11 bytes
//! 4 of 5 pages
//! ```
use coro_core::fs::{self, File};
use coro_core::net::TcpListener;
use coro_core::prelude::*;
use hyper::{Request, Response, StatusCode, body::Incoming};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::rc::Rc;
use ureq::Agent;

#[path = "support/client.rs"]
mod client;
#[path = "support/server.rs"]
mod server;

/// What the fetches share.
struct Scraper {
    agent: Agent,
    folder: PathBuf,
    turns: Semaphore,
    bars: MultiProgress,
}

impl Scraper {
    fn new(folder: PathBuf, at_once: usize) -> Self {
        let config = Agent::config_builder()
            .max_idle_connections(at_once) // one for each task that has its turn
            .max_idle_connections_per_host(at_once)
            .timeout_global(Some(secs(60)))
            .build();
        let agent = client::agent(config);
        Self { agent, folder, turns: Semaphore::new(at_once), bars: MultiProgress::new() }
    }

    /// A bar that fills up if it is known how much comes, and runs if not.
    fn bar(&self, bytes: Option<u64>, name: &str) -> ProgressBar {
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style =
            if bytes.is_some() { "{bar:30} {bytes:>10}  {msg}" } else { "{spinner:30} {bytes:>10}  {msg}" };
        let style = ProgressStyle::with_template(style).expect("the template is right");
        self.bars.add(bar.with_style(style).with_message(name.to_owned()))
    }
}

/// The file for a page: its number, and the end of its URL.
fn file_name(number: usize, url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url).split_once("://").map_or(url, |(_, rest)| rest);
    let end = path.split('/').skip(1).last().filter(|end| !end.is_empty()).unwrap_or("index.html");
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("{number}_{}", end.chars().map(plain).collect::<String>())
}

async_fn! {
    /// Saves one page, and tells how long it is.
    async fn save(scraper: Rc<Scraper>, url: String, name: String) -> u64 {
        let _turn = await!(scraper.turns.acquire());
        let body = scraper.agent.get(&url).call()?.into_body();   // suspends here …
        let bar = scraper.bar(body.content_length(), &name);
        let mut file = File::create(scraper.folder.join(&name))?; // … and here …
        let copied = std::io::copy(&mut bar.wrap_read(body.into_reader()), &mut file); // … and here, many times
        bar.finish_and_clear();
        copied?
    }

    /// Saves all pages: for each its file, and its length or what went wrong.
    pub async fn scrape(urls: Vec<String>, folder: PathBuf, at_once: usize) -> Vec<(String, Result<u64>)> {
        fs::create_dir_all(&folder)?;
        let scraper = Rc::new(Scraper::new(folder, at_once));
        let total = scraper.bars.add(ProgressBar::new(urls.len() as u64));
        let names: Vec<String> = urls.iter().enumerate().map(|(number, url)| file_name(number, url)).collect();
        let pages = urls.into_iter().zip(&names).map(|(url, name)| {
            let page = create_task(save(scraper.clone(), url, name.clone()));
            let total = total.clone();
            page.add_done_callback(move |_| total.inc(1));
            page
        });
        let lengths = await!(gather_return_exceptions(pages));
        total.finish_and_clear();
        names.into_iter().zip(lengths).collect()
    }

    async fn report(urls: Vec<String>, folder: PathBuf, at_once: usize) {
        let pages = await!(scrape(urls, folder, at_once));
        for (name, length) in &pages {
            match length {
                Ok(length) => println!("{name}: {length} bytes"),
                Err(error) => println!("{name}: {error}"),
            }
        }
        println!("{} of {} pages", pages.iter().filter(|(_, length)| length.is_ok()).count(), pages.len());
    }

    async fn program() {
        let folder = tempfile::tempdir()?; // removed at the end
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let site = format!("http://{}", listener.local_addr()?);
        let server = create_task(coroutine(move || server::serve(listener, None, eggs)));
        let urls = ["", "brown", "white", "burnt", "quail"].map(|page| format!("{site}/{page}"));
        await!(report(urls.to_vec(), folder.path().into(), 2));
        server.cancel();
    }
}

async fn eggs(request: Request<Incoming>) -> server::Answer {
    match request.uri().path() {
        "/" => Response::new("brown white burnt quail\n".into()),
        "/burnt" => {
            let mut gone = Response::new("nobody wants to see it\n".into());
            *gone.status_mut() = StatusCode::NOT_FOUND;
            gone
        }
        path => Response::new(format!("{} eggs\n", &path[1..]).into()),
    }
}

fn main() -> Result<()> {
    let (mut urls, mut at_once, mut folder) = (Vec::new(), 10, PathBuf::from("pages"));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (&*argument, argument.starts_with("--").then(|| arguments.next()).flatten()) {
            ("--at-once", Some(number)) => at_once = number.parse()?,
            ("--folder", Some(path)) => folder = path.into(),
            (option, _) if option.starts_with("--") => raise!("what is {option}?"),
            (_, _) => urls.push(argument),
        }
    }
    match urls.is_empty() {
        true => coro_core::run(program()),
        false => coro_core::run(report(urls, folder, at_once)),
    }
}
