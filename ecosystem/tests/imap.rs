//! imap, a blocking client for mail: `Client::new` over a `TcpStream`. The server is a small one.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};
use imap::{Client, Session};

/// A post box with one letter, which is as long as the name of its owner says: `cook-500`.
fn serve(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut output = &stream;
    output.write_all(b"* OK kitchen\r\n")?;
    let mut letter = String::new();
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        sleep(pause).co_await()?;
        let mut answer = String::new();
        match words[1] {
            "LOGIN" => {
                let Some((_, length)) = words[2].trim_matches('"').split_once('-') else {
                    write!(output, "{} NO who is that?\r\n", words[0])?;
                    continue;
                };
                letter = "x".repeat(length.parse()?);
            }
            "SELECT" => answer = "* 1 EXISTS\r\n* 0 RECENT\r\n* FLAGS ()\r\n".to_owned(),
            "FETCH" => {
                answer = format!("* 1 FETCH (BODY[TEXT] {{{}}}\r\n{letter})\r\n", letter.len());
            }
            "LOGOUT" => answer = "* BYE until tomorrow\r\n".to_owned(),
            other => panic!("{other}"),
        }
        write!(output, "{answer}{} OK done\r\n", words[0])?;
        if words[1] == "LOGOUT" {
            break;
        }
    }
    Ok(())
}

fn log_in(address: SocketAddr, name: &str) -> Result<Session<TcpStream>> {
    // It has no `source()`: a cancellation would not be known as one.
    Error::see_into::<imap::Error>(|error| match error {
        imap::Error::Io(error) => Some(error),
        _ => None,
    });
    let mut client = Client::new(TcpStream::connect(address)?);
    client.read_greeting()?;
    Ok(client.login(name, "secret").map_err(|(error, _)| error)?)
}

/// The length of the letter.
fn read_letter(address: SocketAddr, name: &str) -> Result<usize> {
    let mut session = log_in(address, name)?;
    assert_eq!(session.select("INBOX")?.exists, 1);
    let letters = session.fetch("1", "BODY[TEXT]")?;
    let letter = letters.get(0).expect("there is one");
    let length = letter.text().expect("it was asked for").len();
    session.logout()?;
    Ok(length)
}

#[test]
fn a_hundred_post_boxes_are_read_at_once() {
    run(|| {
        with_server(
            |stream| serve(stream, millis(1)),
            |address| {
                let lengths =
                    at_once(100, move |number| read_letter(address, &format!("cook-{}", number * 1000)))?;
                assert!(lengths.into_iter().eq((0..100).map(|number| number * 1000)));
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_an_answer_is_waited_for() {
    run(|| {
        with_server(
            |stream| serve(stream, PAUSE),
            |address| beside_another_task(|| read_letter(address, "cook-3")),
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_command() {
    run(|| {
        with_server(
            |mut stream| {
                stream.write_all(b"* OK kitchen\r\n")?;
                say_nothing(stream)
            },
            |address| ends_when_broken_off(move || read_letter(address, "cook-3")),
        )
    });
}

#[test]
fn what_goes_wrong_is_an_error_of_imap() {
    run(|| {
        with_server(
            |stream| serve(stream, millis(0)),
            |address| {
                let result = read_letter(address, "nobody");
                match error_of(&result) {
                    imap::Error::No(no) if no.information.contains("who is that?") => Ok(()),
                    other => panic!("{other:?}"),
                }
            },
        )?;
        with_server(
            |mut stream| {
                stream.write_all(b"* OK kitchen\r\n")?;
                BufReader::new(&stream).read_line(&mut String::new())?;
                Ok(())
            },
            |address| {
                let result = read_letter(address, "cook-3");
                assert!(matches!(error_of(&result), imap::Error::ConnectionLost), "{result:?}");
                Ok(())
            },
        )
    });
}
