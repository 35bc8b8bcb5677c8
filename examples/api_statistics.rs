//! Three APIs asked at once, and what their answers say together. `api_statistics URL…` asks others that answer in
//! JSON; without arguments it serves three itself.
//!
//! ```sh
//! cargo run --example api_statistics
//! ```
//! ```text
//! /weights: 4 numbers, 58.25 on average, from 51 to 65
//! /minutes: 3 numbers, 6.00 on average, from 4 to 9
//! /prices: 2 numbers, 0.50 on average, from 0.35 to 0.65
//! all: 9 numbers, 28.00 on average, from 0.35 to 65
//! 0.3 seconds
//! ```
use coro_core::net::TcpListener;
use coro_core::prelude::*;
use hyper::{Request, Response, StatusCode, body::Incoming};
use serde_json::{Value, json};
use std::fmt;
use ureq::Agent;

#[path = "support/client.rs"]
mod client;
#[path = "support/server.rs"]
mod server;

/// The numbers of an answer, or of several.
#[derive(Clone, Default)]
struct Statistics(Vec<f64>);

impl Statistics {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.0.extend(number.as_f64()),
            Value::Array(values) => values.iter().for_each(|value| self.add(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.add(value)),
            _ => {}
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = &self.0;
        if numbers.is_empty() {
            return f.write_str("no numbers");
        }
        let average = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        write!(f, "{} numbers, {average:.2} on average, from {least} to {most}", numbers.len())
    }
}

async_fn! {
    async fn ask(agent: Agent, url: String) -> Statistics {
        let answer: Value = agent.get(&url).call()?.body_mut().read_json()?;
        let mut statistics = Statistics::default();
        statistics.add(&answer);
        statistics
    }

    async fn summary(urls: Vec<String>) {
        let agent = client::agent(Agent::config_builder().timeout_global(Some(secs(30))).build());
        let answers = await!(gather(urls.iter().map(|url| ask(agent.clone(), url.clone()))));
        for (url, answer) in urls.iter().zip(&answers) {
            let path = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| &url[at + 3 + slash..]));
            println!("{}: {answer}", path.unwrap_or(url));
        }
        println!("all: {}", Statistics(answers.into_iter().flat_map(|answer| answer.0).collect()));
    }

    async fn program() {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || server::serve(listener, None, kitchen)));
        let clock = get_running_loop()?;
        let started = clock.time();
        let urls = ["weights", "minutes", "prices"].map(|api| format!("http://{address}/{api}"));
        await!(summary(urls.to_vec()));
        println!("{:.1} seconds", (clock.time() - started).as_secs_f64()); // those of the slowest
        server.cancel();
    }
}

/// The three APIs. Each takes its time, and none of them keeps the others waiting.
async fn kitchen(request: Request<Incoming>) -> server::Answer {
    let (time, answer) = match request.uri().path() {
        "/weights" => (300, json!({"grams": [58, 51, 65, 59]})),
        "/minutes" => (200, json!({"soft": 4, "medium": 5, "hard": 9})),
        "/prices" => (100, json!([{"egg": "brown", "price": 0.35}, {"egg": "white", "price": 0.65}])),
        _ => (0, Value::Null),
    };
    let mut response = Response::new(answer.to_string().into());
    if answer.is_null() || sleep(millis(time)).await.is_err() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

fn main() -> Result<()> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    match urls.is_empty() {
        true => coro_core::run(program()),
        false => coro_core::run(summary(urls)),
    }
}
