//! A node that needs no services: `starling` as a newcomer starts it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::config::Env;
use crate::dirs::{Files, LastDuty, make_dirs};
use crate::node::Node;
use crate::paths::temporary_clusters_dir;
use crate::ports::ReservedPort;
use crate::token::mint_token;

/// How long it may take until it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// One node in standalone mode on a free port, running or not, with its data in a directory of its own under
/// `target/clusters/`. Dropping it kills what runs, and removes the directory unless the thread panics.
#[derive(Debug)]
pub struct Standalone {
    node: Node,
    _port: ReservedPort,
    /// Dropped last: it removes what the others use.
    files: Files,
}

impl Standalone {
    /// Not started yet. It is told where to listen, and `env`; nothing else.
    pub fn new(name: &str, binary: &Path, env: Env) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not the name of a cluster, which are counted by themselves.
        let dir = temporary_clusters_dir().join(format!("{name}-standalone-{}-{count}", std::process::id()));
        make_dirs(&dir)?;
        let port = ReservedPort::any()?;
        let listen = format!("127.0.0.1:{}", port.number());
        let mut own = Env::from([
            ("STARLING_LISTEN".to_owned(), listen),
            ("NO_COLOR".to_owned(), "1".to_owned()),
        ]);
        own.extend(env);
        Ok(Self {
            node: Node::new(&dir, NAME, port.number(), binary, own, READY_TIMEOUT),
            _port: port,
            files: Files {
                dir,
                last_duty: LastDuty::WipeAll,
            },
        })
    }

    /// Where it keeps everything.
    pub fn data_dir(&self) -> PathBuf {
        self.files.dir.join("data").join(NAME).join("data")
    }

    /// What it signs tokens with: it has made it at its first start.
    pub fn secret(&self) -> Result<String> {
        let path = self.data_dir().join("secret");
        let secret =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(secret.trim_end().to_owned())
    }

    /// A token of this user.
    pub fn token(&self, user: &str) -> Result<String> {
        mint_token(&self.secret()?, user, Duration::from_secs(24 * 3600))
    }
}

const NAME: &str = "standalone";

impl Deref for Standalone {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}
