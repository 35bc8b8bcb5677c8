//! Programs that a test has cargo build, as a reader would: outside of the workspace, and without the network.
#![allow(dead_code)] // nobody uses all of it

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A place for what a test writes.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Where all of them are built, so that the library is compiled once.
pub fn target() -> PathBuf {
    folder("scratch-target")
}

/// The cargo that runs this test, without the flags that were meant for the outer build: those of a sanitizer would
/// need another standard library, and change the messages.
pub fn cargo(project: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project);
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let flags = name.ends_with("RUSTFLAGS") || name.ends_with("_WRAPPER");
        let choice = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
        if flags || choice.iter().any(|start| name.starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    cargo.env("CARGO_TERM_COLOR", "never").env("CARGO_INCREMENTAL", "0");
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_TARGET_DIR", target());
    cargo
}

/// Writes a file unless it says so already, so that cargo need not look at it again.
pub fn write_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return;
    }
    let folder = path.parent().expect("it is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .expect("the target directory can be written");
}

/// The versions that the workspace was built with are the ones that are here.
pub fn lock(project: &Path) {
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).expect("the workspace has a Cargo.lock");
}
