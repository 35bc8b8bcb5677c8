//! Folders: [`read_dir`] and [`DirBuilder`].

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileType, Metadata, call, on_path};
use crate::async_iter::AsyncIterator;
use crate::error::{Result, io_context};
use crate::in_place::{Shared, in_thread};

/// So many entries are fetched at a time.
const BATCH: usize = 64;

/// Goes over what is in a folder, in no particular order.
///
/// # Errors
/// As the [module](super) says.
///
/// # Cancellation
/// Nothing is lost.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// async_fn! {
///     async fn names(folder: &std::path::Path) -> Vec<String> {
///         let mut names = Vec::new();
///         async for entry in fs::read_dir(folder)? {
///             names.push(entry.file_name().to_string_lossy().into_owned());
///         }
///         names.sort();
///         names
///     }
/// }
/// std::fs::write(folder.join("eggs"), "six")?;
/// std::fs::write(folder.join("milk"), "one")?;
/// assert_eq!(coro_core::run(names(folder))?, ["eggs", "milk"]);
/// # Ok::<(), Error>(())
/// ```
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path: Arc<Path> = path.as_ref().into();
    let entries = on_path(&path, |path| std::fs::read_dir(path))?;
    let state = Shared::new(State { entries: Some(entries), fetched: VecDeque::new() });
    Ok(ReadDir { path, state })
}

/// What [`read_dir`] returns: an `Iterator` of results whose `next` suspends, and an [`AsyncIterator`].
///
/// # Cancellation
/// No entry is lost: it can be asked again.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// coro_core::run(coroutine(|| {
///     fs::write(folder.join("eggs"), "six")?;
///     let mut entries: fs::ReadDir = fs::read_dir(folder)?;
///     assert_eq!(entries.next().unwrap()?.file_name(), "eggs");
///     assert!(entries.next().is_none());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct ReadDir {
    path: Arc<Path>,
    state: Shared<State>,
}

struct State {
    /// `None` when the last one was fetched.
    entries: Option<std::fs::ReadDir>,
    fetched: VecDeque<io::Result<DirEntry>>,
}

impl State {
    /// Fetches some entries. Runs in a thread.
    fn fetch(&mut self) {
        let Some(entries) = &mut self.entries else { return };
        let made = |entry: std::fs::DirEntry| {
            // Most systems have it at hand.
            let kind = entry.file_type().ok();
            DirEntry { kind, entry: Arc::new(entry) }
        };
        self.fetched.extend(entries.take(BATCH).map(|entry| entry.map(made)));
        if self.fetched.is_empty() {
            self.entries = None;
        }
    }
}

impl ReadDir {
    fn fetched(&self) -> io::Result<Option<DirEntry>> {
        let mut turn = self.state.turn()?;
        if turn.fetched.is_empty() && turn.entries.is_some() {
            turn = in_thread(move || {
                turn.fetch();
                turn
            })?;
        }
        let next = turn.fetched.pop_front();
        next.transpose().map_err(|error| io_context(error, self.path.display()))
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        self.fetched().transpose()
    }
}

impl AsyncIterator for ReadDir {
    type Item = DirEntry;

    fn anext(&mut self) -> Result<Option<DirEntry>> {
        Ok(self.fetched()?)
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.path).finish()
    }
}

/// One of those that are in a folder.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// coro_core::run(coroutine(|| {
///     fs::write(folder.join("eggs"), "six")?;
///     for entry in fs::read_dir(folder)? {
///         let entry: fs::DirEntry = entry?;
///         assert_eq!(entry.path(), folder.join("eggs"));
///         assert_eq!(entry.metadata()?.len(), 3);
///     }
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct DirEntry {
    entry: Arc<std::fs::DirEntry>,
    kind: Option<FileType>,
}

impl DirEntry {
    /// The path of the folder as it was given, with the name.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::write(folder.join("eggs"), "six")?;
    /// let entry = fs::read_dir(folder)?.next().unwrap()?;
    /// assert_eq!(fs::read_to_string(entry.path())?, "six");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name alone.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::write(folder.join("eggs"), "six")?;
    /// assert_eq!(fs::read_dir(folder)?.next().unwrap()?.file_name(), "eggs");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// What is known of it; a link is not followed.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::write(folder.join("eggs"), "six")?;
    /// assert_eq!(fs::read_dir(folder)?.next().unwrap()?.metadata()?.len(), 3);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.entry);
        call(self.path().display(), move || entry.metadata())
    }

    /// Whether it is a file, a folder or something else; a link is not followed. It rarely has to wait.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::create_dir(folder.join("eggs"))?;
    /// assert!(fs::read_dir(folder)?.next().unwrap()?.file_type()?.is_dir());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.kind {
            Some(kind) => Ok(kind),
            None => {
                let entry = Arc::clone(&self.entry);
                call(self.path().display(), move || entry.file_type())
            }
        }
    }

    /// The number of its inode.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// use std::os::unix::fs::MetadataExt;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::write(folder.join("eggs"), "six")?;
    /// let entry = fs::read_dir(folder)?.next().unwrap()?;
    /// assert_eq!(entry.ino(), entry.metadata()?.ino());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn ino(&self) -> u64 {
        std::os::unix::fs::DirEntryExt::ino(&*self.entry)
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}

/// How folders are made; `std::fs::DirBuilder`.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// coro_core::run(coroutine(|| {
///     fs::DirBuilder::new().recursive(true).create(folder.join("six/eggs"))?;
///     assert!(fs::metadata(folder.join("six/eggs"))?.is_dir());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// As [`create_dir`](super::create_dir) makes them.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// let builder = fs::DirBuilder::new();
    /// assert!(builder.create(folder.join("six/eggs")).is_err()); // there is no `six`
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether those above are made as well; it is no error then if it is there.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// let mut builder = fs::DirBuilder::new();
    /// builder.recursive(true).create(folder.join("six/eggs"))?;
    /// builder.create(folder.join("six/eggs"))?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions, before the umask; 0o777 if nothing is said.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// use std::os::unix::fs::PermissionsExt;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::DirBuilder::new().mode(0o700).create(folder.join("secret"))?;
    /// assert_eq!(fs::metadata(folder.join("secret"))?.permissions().mode() & 0o777, 0o700);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: it may have happened, or happen yet.
    ///
    /// ```
    /// # use coro_core::{fs, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # coro_core::run(coroutine(|| {
    /// fs::DirBuilder::new().create(folder.join("eggs"))?;
    /// assert!(fs::metadata(folder.join("eggs"))?.is_dir());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        on_path(path, move |path| builder.create(path))
    }
}
