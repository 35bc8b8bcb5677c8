//! A chat over asyncio's streams: what one member says, everybody hears. `nc 127.0.0.1 4000` takes part; the first line is
//! the name.
//!
//! With an address it serves until Ctrl-C: `cargo run --example chat_server 127.0.0.1:4000`. Without one three members of
//! its own have a short talk.
//!
//! ```sh
//! cargo run --example chat_server
//! ```
//! ```text
//! Ada hears: * Ada is here
//! Ada hears: * Bob is here
//! Ada hears: * Cleo is here
//! Ada hears: Ada: who has eggs?
//! Ada hears: Bob: six brown ones
//! Bob hears: * Bob is here
//! Bob hears: * Cleo is here
//! Bob hears: Ada: who has eggs?
//! Bob hears: Bob: six brown ones
//! Bob hears: * Ada has left
//! Cleo hears: * Cleo is here
//! Cleo hears: Ada: who has eggs?
//! Cleo hears: Bob: six brown ones
//! Cleo hears: * Ada has left
//! Cleo hears: * Bob has left
//! ```
use coro_core::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Who reads so slowly that so many bytes wait to be written is sent away.
const PATIENCE: usize = 1 << 20;

/// Everybody who is here.
#[derive(Default)]
struct Room {
    members: RefCell<BTreeMap<String, StreamWriter>>,
}

impl Room {
    /// Writing never waits: what the system does not take now is kept.
    fn tell(&self, text: &str) {
        for writer in self.members.borrow().values() {
            if writer.transport().get_write_buffer_size() > PATIENCE {
                writer.transport().abort();
            }
            let _ = writer.write(format!("{text}\n").as_bytes()); // an error only after `write_eof`
        }
    }
}

/// A member's place. However the member leaves, it is given up.
struct Seat {
    name: String,
    room: Rc<Room>,
}

impl Seat {
    fn take(name: String, writer: StreamWriter, room: Rc<Room>) -> Option<Self> {
        let taken = room.members.borrow().contains_key(&name);
        if taken || name.is_empty() {
            return None;
        }
        room.members.borrow_mut().insert(name.clone(), writer);
        room.tell(&format!("* {name} is here"));
        Some(Self { name, room })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let writer = self.room.members.borrow_mut().remove(&self.name);
        drop(writer); // the last handle on it: the connection is closed
        self.room.tell(&format!("* {} has left", self.name));
    }
}

fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim().to_owned()
}

async_fn! {
    /// Runs in a task of its own for each member.
    async fn serve(mut reader: StreamReader, writer: StreamWriter, room: Rc<Room>) {
        let name = text_of(&await!(reader.readline()));
        let Some(seat) = Seat::take(name, writer.clone(), room) else {
            writer.write(b"* this name is taken\n")?;
            writer.close();
            return;
        };
        drop(writer);
        async for line in reader {
            seat.room.tell(&format!("{}: {}", seat.name, text_of(&line)));
        }
    }

    async fn listen(address: String) {
        let room = Rc::new(Room::default());
        let server = await!(start_server(move |reader, writer| serve(reader, writer, room.clone()), address));
        println!("the chat is at {}", server.local_addrs()[0]);
        await!(server.serve_forever());
    }

    async fn program() {
        let room = Rc::new(Room::default());
        let server = await!(start_server(move |reader, writer| serve(reader, writer, room.clone()), "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let mut members = Vec::new();
        let mut heard = Vec::new();
        for name in ["Ada", "Bob", "Cleo"] {
            let (mut reader, writer) = await!(open_connection(address));
            writer.write(format!("{name}\n").as_bytes())?;
            heard.push(vec![await!(reader.readline())]);
            members.push((name, reader, writer));
        }
        members[0].2.write(b"who has eggs?\n")?;
        // Bob answers what he has heard.
        let bob = &mut members[1].1;
        for _ in ["* Cleo is here", "Ada: who has eggs?"] {
            heard[1].push(await!(bob.readline()));
        }
        members[1].2.write(b"six brown ones\n")?;
        for (number, more) in [(0, 4), (1, 1), (2, 2)] {
            for _ in 0..more {
                heard[number].push(await!(members[number].1.readline()));
            }
        }
        // One after the other leaves.
        for leaving in 0..members.len() {
            members[leaving].2.close();
            for staying in leaving + 1..members.len() {
                heard[staying].push(await!(members[staying].1.readline()));
            }
        }
        for ((name, ..), lines) in members.iter().zip(heard) {
            for line in lines {
                println!("{name} hears: {}", text_of(&line));
            }
        }
        server.close();
        await!(server.wait_closed());
    }
}

fn main() -> Result<()> {
    match std::env::args().nth(1) {
        Some(address) => coro_core::run(listen(address)),
        None => coro_core::run(program()),
    }
}
