//! Files and folders: the names of [`std::fs`], which suspend the task where those block the thread.
//!
//! A thread of the loop's [`Executor`](crate::Executor) makes the call; the other tasks go on. Off any loop these functions simply make
//! it. In a callback, or in a task made from a std future, where blocking would hold up the loop, they give an error.
//!
//! # Errors
//! As those of std, with their kinds. Functions that take a path put it before the message; the original error, with
//! the number of the system, is the `source()`. Besides, a [`RuntimeError`](crate::RuntimeError) where nothing can
//! suspend.
//!
//! # Cancellation
//! It comes as an `io::Error` that leads to [`Cancelled`](crate::Cancelled); `?` and [`Error::new`](crate::Error::new)
//! find it. Only the waiting is cancelled: a call that has begun goes on to its end in its thread, and the end of
//! `run` waits for it. So a rename may have happened that was cancelled.
//!
//! ```
//! use coro_core::{fs, prelude::*};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("eggs.txt");
//! async_fn! {
//!     async fn program(path: &std::path::Path) {
//!         fs::write(path, "six eggs")?; // other tasks run meanwhile
//!         assert_eq!(fs::read_to_string(path)?, "six eggs");
//!         let error = fs::read("no such file").unwrap_err();
//!         assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
//!         assert!(error.to_string().starts_with("no such file: "));
//!     }
//! }
//! coro_core::run(program(&path))?;
//! # Ok::<(), Error>(())
//! ```
//
// Floor: above the library.

mod dir;
mod file;
mod options;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

pub use std::fs::{FileType, Metadata, Permissions};

pub use dir::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
pub use options::OpenOptions;

use crate::error::io_context;
use crate::in_place::in_thread;

/// Makes a call about `what` in a thread.
fn call<T: Send + 'static>(
    what: impl Display,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    in_thread(call)?.map_err(|error| io_context(error, what))
}

/// Makes a call about one path in a thread.
fn on_path<T: Send + 'static>(
    path: impl AsRef<Path>,
    f: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let path = path.as_ref();
    let owned = path.to_owned();
    call(path.display(), move || f(&owned))
}

/// Makes a call about two paths in a thread.
fn on_paths<T: Send + 'static>(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    f: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let owned = (from.to_owned(), to.to_owned());
    call(format_args!("{} -> {}", from.display(), to.display()), move || f(&owned.0, &owned.1))
}

/// The bytes of a file.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, [1, 2, 3])?;
///     assert_eq!(fs::read(&path)?, [1, 2, 3]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    on_path(path, |path| std::fs::read(path))
}

/// The text of a file.
///
/// # Errors
/// As the module says; of kind `InvalidData` if it is not UTF-8.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs.txt");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, "six")?;
///     assert_eq!(fs::read_to_string(&path)?, "six");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    on_path(path, |path| std::fs::read_to_string(path))
}

/// Makes a file with these contents, or puts them in the place of what it held.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// The contents are written all the same, if the thread has begun.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs.txt");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, "six")?;
///     fs::write(&path, "two")?;
///     assert_eq!(fs::read_to_string(&path)?, "two");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref().to_vec();
    on_path(path, move |path| std::fs::write(path, contents))
}

/// Copies a file, with its permissions. How many bytes it has.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let (from, to) = (folder.path().join("from"), folder.path().join("to"));
/// coro_core::run(coroutine(|| {
///     fs::write(&from, "six")?;
///     assert_eq!(fs::copy(&from, &to)?, 3);
///     assert_eq!(fs::read_to_string(&to)?, "six");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    on_paths(from, to, |from, to| std::fs::copy(from, to))
}

/// Gives a file or folder another name, in the place of what has that name.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let (from, to) = (folder.path().join("from"), folder.path().join("to"));
/// coro_core::run(coroutine(|| {
///     fs::write(&from, "six")?;
///     fs::rename(&from, &to)?;
///     assert!(!fs::exists(&from)? && fs::exists(&to)?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    on_paths(from, to, |from, to| std::fs::rename(from, to))
}

/// Makes another name of a file.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let (eggs, also) = (folder.path().join("eggs"), folder.path().join("also"));
/// coro_core::run(coroutine(|| {
///     fs::write(&eggs, "six")?;
///     fs::hard_link(&eggs, &also)?;
///     fs::remove_file(&eggs)?;
///     assert_eq!(fs::read_to_string(&also)?, "six");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    on_paths(original, link, |original, link| std::fs::hard_link(original, link))
}

/// What a symbolic link points to.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// # #[cfg(unix)] {
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir().unwrap();
/// # let link = folder.path().join("link");
/// std::os::unix::fs::symlink("eggs", &link).unwrap();
/// coro_core::run(coroutine(|| {
///     assert_eq!(fs::read_link(&link)?, std::path::Path::new("eggs"));
///     Ok(())
/// })).unwrap();
/// # }
/// ```
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    on_path(path, |path| std::fs::read_link(path))
}

/// The absolute path of what is there, without links.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// coro_core::run(coroutine(|| {
///     assert_eq!(fs::canonicalize(".")?, std::env::current_dir()?.canonicalize()?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    on_path(path, |path| std::fs::canonicalize(path))
}

/// What is known of the file or folder; links are followed.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// coro_core::run(coroutine(|| {
///     assert!(fs::metadata(".")?.is_dir());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    on_path(path, |path| std::fs::metadata(path))
}

/// What is known of the file, folder or link itself.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// # #[cfg(unix)] {
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir().unwrap();
/// # let link = folder.path().join("link");
/// std::os::unix::fs::symlink("nowhere", &link).unwrap();
/// coro_core::run(coroutine(|| {
///     assert!(fs::symlink_metadata(&link)?.is_symlink());
///     assert!(fs::metadata(&link).is_err());
///     Ok(())
/// })).unwrap();
/// # }
/// ```
pub fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    on_path(path, |path| std::fs::symlink_metadata(path))
}

/// Changes who may do what with it.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, "six")?;
///     let mut permissions = fs::metadata(&path)?.permissions();
///     permissions.set_readonly(true);
///     fs::set_permissions(&path, permissions)?;
///     assert!(fs::metadata(&path)?.permissions().readonly());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    on_path(path, |path| std::fs::set_permissions(path, permissions))
}

/// Whether anything is there; a link to nothing does not count.
///
/// # Errors
/// If that cannot be known.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// coro_core::run(coroutine(|| {
///     assert!(fs::exists(".")? && !fs::exists("no such file")?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    on_path(path, |path| std::fs::exists(path))
}

/// Removes a file or a link.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, "six")?;
///     fs::remove_file(&path)?;
///     assert!(!fs::exists(&path)?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path, |path| std::fs::remove_file(path))
}

/// Makes a folder.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::create_dir(&path)?;
///     let again = fs::create_dir(&path).unwrap_err();
///     assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path, |path| std::fs::create_dir(path))
}

/// Makes a folder, and those above it that are not there.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// coro_core::run(coroutine(|| {
///     fs::create_dir_all(folder.join("six/brown/eggs"))?;
///     assert!(fs::metadata(folder.join("six/brown"))?.is_dir());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path, |path| std::fs::create_dir_all(path))
}

/// Removes an empty folder.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: it may have happened, or happen yet.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::create_dir(&path)?;
///     fs::remove_dir(&path)?;
///     assert!(!fs::exists(&path)?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path, |path| std::fs::remove_dir(path))
}

/// Removes a folder with all that is in it. Links are removed, not followed.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled: the thread goes on.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// coro_core::run(coroutine(|| {
///     fs::create_dir_all(folder.join("six/brown/eggs"))?;
///     fs::remove_dir_all(folder.join("six"))?;
///     assert!(!fs::exists(folder.join("six"))?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path, |path| std::fs::remove_dir_all(path))
}
