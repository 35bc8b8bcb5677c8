//! [`OpenOptions`].

use std::io;
use std::path::Path;

use super::{File, on_path};

/// How a file is opened; `std::fs::OpenOptions`.
///
/// ```
/// use coro_core::{fs, prelude::*};
/// use std::io::Write;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("log");
/// coro_core::run(coroutine(|| {
///     for line in ["one", "two"] {
///         let mut log = fs::OpenOptions::new().append(true).create(true).open(&path)?;
///         writeln!(log, "{line}")?;
///     }
///     assert_eq!(fs::read_to_string(&path)?, "one\ntwo\n");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

/// Settings that are on or off.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// ```
        /// # use coro_core::fs::OpenOptions;
        #[doc = concat!("let options = OpenOptions::new().", stringify!($name), "(true).clone();")]
        #[doc = concat!("assert!(format!(\"{options:?}\").contains(\"", stringify!($name), ": true\"));")]
        /// ```
        pub fn $name(&mut self, $name: bool) -> &mut Self {
            self.0.$name($name);
            self
        }
    )*};
}

impl OpenOptions {
    /// Everything off: at least reading, writing or appending must be chosen.
    ///
    /// ```
    /// use coro_core::{fs::OpenOptions, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let error = OpenOptions::new().open("eggs").unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[expect(clippy::new_without_default, reason = "as std's")]
    pub fn new() -> Self {
        Self(std::fs::OpenOptions::new())
    }

    settings! {
        /// Whether it can be read.
        read;
        /// Whether it can be written.
        write;
        /// Whether every write goes to the end.
        append;
        /// Whether what it holds is thrown away.
        truncate;
        /// Whether it is made if it is not there.
        create;
        /// Whether it must not be there, and is made.
        create_new;
    }

    /// The permissions of a file that is made, before the umask; 0o666 if nothing is said.
    ///
    /// ```
    /// use coro_core::{fs::OpenOptions, prelude::*};
    /// use std::os::unix::fs::PermissionsExt;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("secret");
    /// coro_core::run(coroutine(|| {
    ///     let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    ///     assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.0, mode);
        self
    }

    /// Flags of the system for `open`, in addition to those that the settings make.
    ///
    /// ```
    /// use coro_core::{fs::OpenOptions, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(".")?;
    ///     assert!(folder.metadata()?.is_dir());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// The file may have been made.
    ///
    /// ```
    /// use coro_core::{fs::OpenOptions, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     OpenOptions::new().write(true).create_new(true).open(&path)?;
    ///     let again = OpenOptions::new().write(true).create_new(true).open(&path).unwrap_err();
    ///     assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let options = self.0.clone();
        on_path(path, move |path| options.open(path)).map(File::from_std)
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        Self(options)
    }
}
