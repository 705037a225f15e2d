//! The sandbox's file: loaded, saved atomically, and locked while someone works on it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cluster::{Cluster, FORMAT};

/// The file's name in the directory given.
const STATE: &str = "sandbox.json";
/// The lock's name beside it. The lock is the operating system's: it ends with the process.
const LOCK: &str = "sandbox.lock";

/// The sandbox's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Another process works on it.
    #[error(
        "the sandbox in `{dir}` is in use by another tsinfra{holder}; wait until that one has ended",
        dir = dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// ` (process 4711)` where that is known.
        holder: String,
    },
    /// It is no sandbox, or not a whole one.
    #[error(
        "`{file}` cannot be read as a sandbox ({why}); delete the file to start with a fresh one",
        file = file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later tsinfra wrote it.
    #[error(
        "`{file}` was written by a newer tsinfra (format {found}, this one knows {FORMAT}); \
         use that one, or delete the file to start with a fresh sandbox",
        file = file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The operating system refused.
    #[error("cannot {doing} `{path}`", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A directory with a sandbox in it, locked for this process.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    /// Held open: closing it ends the lock.
    _lock: File,
}

impl Store {
    /// Takes the directory for this process, making it if need be.
    pub(super) fn lock(dir: &Path) -> Result<Self, SandboxError> {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let path = dir.join(LOCK);
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = opened.map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut lock);
                return Err(SandboxError::Locked { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        // Only told to whoever finds it locked.
        let told = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        told.map_err(failed("write", &path))?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// Replaces the file by this state: a reader sees the old file or the new one, whole.
    pub(super) fn save(&self, cluster: &Cluster) -> Result<(), SandboxError> {
        let path = self.dir.join(STATE);
        let written = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            file.write_all(&serde_json::to_vec(cluster)?)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        written().map_err(failed("write", &path))
    }
}

/// The sandbox saved in a directory, if there is one.
pub(super) fn load(dir: &Path) -> Result<Option<Cluster>, SandboxError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let file = dir.join(STATE);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", &file)(error)),
    };
    let damaged = |error: serde_json::Error| SandboxError::Damaged {
        file: file.clone(),
        why: error.to_string(),
    };
    let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
    if head.format > FORMAT {
        return Err(SandboxError::Newer { file, found: head.format });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!(" (process {text})")
        }
        _ => String::new(),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::Io { doing, path, source }
}
