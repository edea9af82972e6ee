//! Writes a history while it happens.
//!
//! Constraint: it must cost little, for thousands of records a second are written by the process that also makes
//! the load. A record is encoded by whoever makes it; under the one lock it is only stamped and appended. Since
//! it is stamped there, the order of the lines is the order of `at`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use starling_protocol::UserId;

use crate::ClientRecorder;
use crate::history::{Phase, Record, What};

/// Many records to a system call.
const BUFFER: usize = 256 * 1024;

/// The time since the run's start.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// The history of one run, being written.
pub struct Recorder {
    clock: Clock,
    sink: Sink,
}

enum Sink {
    File(Mutex<Lines>),
    Memory(Mutex<Vec<Record>>),
}

struct Lines {
    writer: BufWriter<File>,
    /// The first thing that went wrong. Nothing is written after it: a hole would look like a fault.
    broken: Option<io::Error>,
}

impl Recorder {
    /// A recorder that writes to a new file at `path`. The run starts now.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Arc<Self>> {
        Self::create_with_clock(path, monotonic())
    }

    /// The same with the caller's clock, which must never go back.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create_with_clock(
        path: &Path,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        let lines = Lines {
            writer: BufWriter::with_capacity(BUFFER, File::create(path)?),
            broken: None,
        };
        Ok(Self::new(Sink::File(Mutex::new(lines)), clock))
    }

    /// A recorder that keeps the records, for [`Self::records`].
    pub fn in_memory() -> Arc<Self> {
        Self::in_memory_with_clock(monotonic())
    }

    /// The same with the caller's clock, which must never go back.
    pub fn in_memory_with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Arc<Self> {
        Self::new(Sink::Memory(Mutex::default()), clock)
    }

    fn new(sink: Sink, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            clock: Box::new(clock),
            sink,
        })
    }

    /// The part of one client, a device of `user`. Clients need different names.
    pub fn client(self: &Arc<Self>, client: &str, user: &UserId) -> ClientRecorder {
        ClientRecorder::new(Arc::clone(self), client, user)
    }

    /// A fault is about to begin.
    pub fn fault_start(&self, name: &str, detail: Option<&str>) {
        self.fault(name, Phase::Start, None, detail);
    }

    /// A fault has ended. `strikes`: how often it was seen to have struck.
    pub fn fault_stop(&self, name: &str, strikes: u64, detail: Option<&str>) {
        self.fault(name, Phase::Stop, Some(strikes), detail);
    }

    fn fault(&self, name: &str, phase: Phase, strikes: Option<u64>, detail: Option<&str>) {
        self.record(What::Fault {
            name: name.into(),
            phase,
            strikes,
            detail: detail.map(Into::into),
        });
    }

    /// All faults are over; from here on the cluster is left to itself.
    pub fn healed(&self) {
        self.record(What::Healed {});
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first thing that went wrong since the start, if anything did; the file ends before that.
    pub fn flush(&self) -> io::Result<()> {
        match &self.sink {
            Sink::Memory(_) => Ok(()),
            Sink::File(lines) => lines.lock().flush(),
        }
    }

    /// What was recorded so far, if it is kept in memory; otherwise nothing.
    pub fn records(&self) -> Vec<Record> {
        match &self.sink {
            Sink::Memory(records) => records.lock().clone(),
            Sink::File(_) => Vec::new(),
        }
    }

    pub(crate) fn record(&self, what: What) {
        match &self.sink {
            Sink::Memory(records) => {
                let mut records = records.lock();
                let at = self.now();
                records.push(Record { at, what });
            }
            Sink::File(file) => {
                let encoded = serde_json::to_string(&what);
                file.lock().write(encoded, || self.now());
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from((self.clock)().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Lines {
    /// Appends what happened, stamped now: the same line as a [`Record`]'s.
    fn write(&mut self, what: serde_json::Result<String>, now: impl Fn() -> u64) {
        if self.broken.is_some() {
            return;
        }
        let written = what.map_err(io::Error::other).and_then(|what| {
            let rest = what.strip_prefix('{').unwrap_or(&what);
            writeln!(self.writer, "{{\"at\":{},{rest}", now())
        });
        self.broken = written.err();
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.broken {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => self.writer.flush(),
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "measures real runs; those under paused time bring their clock"
)]
fn monotonic() -> impl Fn() -> Duration + Send + Sync + 'static {
    let start = std::time::Instant::now();
    move || start.elapsed()
}
