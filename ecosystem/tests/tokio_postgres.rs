//! tokio-postgres without tokio's runtime: `connect_raw` over a `TcpStream`, by tokio-util's wrapper of the traits of
//! futures-io. The database is a real one, if it is installed.
#![cfg(unix)]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{at_once, beside_another_task, did_not_run, ends_when_broken_off, error_of};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// A database server of its own, in a folder that goes with it, on a port that was free a moment ago.
struct Server {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

const NOBODY: u32 = 65534;

impl Server {
    /// `None` if it is not installed.
    fn start() -> io::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        // It does not run as root: that one becomes nobody.
        if fs::metadata(folder.path())?.uid() == 0 {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let Some(mut initdb) = command("initdb", folder.path())? else { return Ok(None) };
        let made = initdb.args(["-U", "cook", "-A", "trust", "-E", "UTF8", "--no-sync"]).status()?;
        assert!(made.success(), "initdb: {made}");
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = command("postgres", folder.path())?
            .expect("it comes with initdb")
            .args(["-p", &address.port().to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .spawn()?;
        Ok(Some(Self { process, address, folder }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, it would leave its shared memory behind.
        if let Ok(Some(mut stop)) = command("pg_ctl", self.folder.path()) {
            let _ = stop.args(["stop", "-m", "immediate"]).status();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One of its programs, in the path or where Debian has it, run by whom the folder belongs to.
fn command(program: &str, folder: &Path) -> io::Result<Option<Command>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = std::env::split_paths(&path).chain(installed.map(|version| version.path().join("bin")));
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    let Some(program) = found else { return Ok(None) };
    let mut command = Command::new(program);
    command.arg("-D").arg(folder.join("data")).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if fs::metadata(folder)?.uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(Some(command))
}

/// A client, and the task that moves its bytes.
struct Database {
    client: Client,
    connection: Task<Result<(), tokio_postgres::Error>>,
}

impl Database {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut config = Config::new();
        config.user("cook").dbname("postgres");
        let (client, connection) = config.connect_raw(stream.compat(), NoTls).co_await()??;
        Ok(Self { client, connection: create_task(connection) })
    }
}

impl Drop for Database {
    /// Without this it would stay until the answers to all questions have come.
    fn drop(&mut self) {
        self.connection.cancel();
    }
}

fn open_as_soon_as_it_answers(address: SocketAddr) -> Result<Database> {
    loop {
        let error = match Database::open(address) {
            Ok(database) => return Ok(database),
            Err(error) => error,
        };
        let refused = error.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused);
        let code = error.downcast_ref().and_then(tokio_postgres::Error::code);
        assert!(refused || code == Some(&SqlState::CANNOT_CONNECT_NOW), "{error:?}");
        sleep(millis(10)).co_await()?;
    }
}

fn twenty_connections_are_used_at_once(address: SocketAddr) -> Result<()> {
    let kitchen = Database::open(address)?;
    let table = "CREATE TABLE orders (table_number int4, dish text)";
    kitchen.client.batch_execute(table).co_await()??;
    at_once(20, move |number| {
        let mut database = Database::open(address)?;
        let number = number as i32;
        let transaction = database.client.transaction().co_await()??;
        let insert = transaction.prepare("INSERT INTO orders VALUES ($1, $2)").co_await()??;
        for course in 0..10 {
            let dish = "eggs ".repeat(course * 100);
            assert_eq!(transaction.execute(&insert, &[&number, &dish]).co_await()??, 1);
        }
        transaction.commit().co_await()??;
        let count = "SELECT count(*), sum(length(dish)) FROM orders WHERE table_number = $1";
        let row = database.client.query_one(count, &[&number]).co_await()??;
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (10, 45 * 500));
        Ok(())
    })?;
    let row = kitchen.client.query_one("SELECT count(*) FROM orders", &[]).co_await()??;
    assert_eq!(row.get::<_, i64>(0), 200);
    Ok(())
}

fn a_hundred_tasks_share_a_connection(address: SocketAddr) -> Result<()> {
    let database = Rc::new(Database::open(address)?);
    let answers = at_once(100, move |number| {
        let row = database.client.query_one("SELECT $1::int8 * 2", &[&(number as i64)]).co_await()??;
        Ok(row.get::<_, i64>(0))
    })?;
    assert!(answers.into_iter().eq((0..100).map(|number| number * 2)));
    Ok(())
}

fn rows_come_one_by_one(address: SocketAddr) -> Result<()> {
    let database = Database::open(address)?;
    let series = "SELECT number FROM generate_series(1::int8, 100000) AS number";
    let rows = database.client.query_raw(series, [0_i64; 0]).co_await()??;
    let sum = rows.try_fold(0, |sum, row| async move { Ok(sum + row.get::<_, i64>(0)) }).co_await()??;
    assert_eq!(sum, 100_000 * 100_001 / 2);
    Ok(())
}

fn nap(address: SocketAddr, seconds: f64) -> Result<()> {
    let database = Database::open(address)?;
    database.client.execute("SELECT pg_sleep($1)", &[&seconds]).co_await()??;
    Ok(())
}

fn a_query_is_broken_off_by_another_connection(address: SocketAddr) -> Result<()> {
    let database = Rc::new(Database::open(address)?);
    let asking = database.clone();
    let query = create_task(coroutine(move || {
        Ok(asking.client.batch_execute("SELECT pg_sleep(60)").co_await()??)
    }));
    sleep(millis(50)).co_await()?;
    let stream = TcpStream::connect(address)?.compat();
    database.client.cancel_token().cancel_query_raw(stream, NoTls).co_await()??;
    let result = query.co_await();
    assert_eq!(error_of::<tokio_postgres::Error, _>(&result).code(), Some(&SqlState::QUERY_CANCELED));
    Ok(database.client.batch_execute("SELECT 1").co_await()??)
}

fn what_goes_wrong_is_an_error_of_tokio_postgres(address: SocketAddr) -> Result<()> {
    let database = Database::open(address)?;
    let result = database.client.batch_execute("SELECT eggs").co_await()?.map_err(Error::from);
    assert_eq!(error_of::<tokio_postgres::Error, _>(&result).code(), Some(&SqlState::UNDEFINED_COLUMN));

    // The server ends the connection.
    let end = "SELECT pg_terminate_backend(pg_backend_pid())";
    let result = database.client.batch_execute(end).co_await()?.map_err(Error::from);
    assert_eq!(error_of::<tokio_postgres::Error, _>(&result).code(), Some(&SqlState::ADMIN_SHUTDOWN));
    while !database.client.is_closed() {
        sleep(millis(1)).co_await()?;
    }
    let result = database.client.batch_execute("SELECT 1").co_await()?.map_err(Error::from);
    assert!(error_of::<tokio_postgres::Error, _>(&result).is_closed());
    Ok(())
}

/// One server for all of it: its start takes longer than the rest.
#[test]
fn a_real_database_is_used() {
    let Some(server) = Server::start().unwrap() else {
        return did_not_run("postgresql is not installed");
    };
    let address = server.address;
    coro_core::run(coroutine(move || {
        timeout(secs(30), || open_as_soon_as_it_answers(address))?;
        twenty_connections_are_used_at_once(address)?;
        a_hundred_tasks_share_a_connection(address)?;
        rows_come_one_by_one(address)?;
        beside_another_task(|| nap(address, 0.3))?;
        ends_when_broken_off(move || nap(address, 60.0))?;
        a_query_is_broken_off_by_another_connection(address)?;
        what_goes_wrong_is_an_error_of_tokio_postgres(address)
    }))
    .unwrap();
}
