//! The one thread that writes: group commit.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};
use starling_core::ports::Unavailable;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::WorkError;
use crate::store::SERVICE;

/// The windows in which a crash would hurt most, in the order in which a commit passes them: fail points, as those of
/// `starling_core::WINDOWS`.
pub const WINDOWS: &[&str] = &["before_commit", "after_commit"];

/// Pieces of work that wait. More wait for room.
const QUEUE: usize = 1_024;
/// Pieces of work that share a commit at most, so that none waits long for the others.
const GROUP: usize = 256;

/// The way to the thread, which ends when this is dropped and its work is done.
pub(crate) struct Writer {
    /// Taken by the drop.
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A piece of work.
trait Work: Send {
    fn carry_out(&mut self, db: &Connection) -> Result<(), WorkError>;
    /// Tells whoever waits. `Err`: it was carried out, but not committed.
    fn answer(self: Box<Self>, committed: Result<(), Unavailable>);
}

struct Job<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, Unavailable>>,
    answer: oneshot::Sender<Result<T, Unavailable>>,
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, WorkError> + Send,
{
    fn carry_out(&mut self, db: &Connection) -> Result<(), WorkError> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let outcome = work(db);
        match outcome {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                self.outcome = Some(Err(Unavailable::new(SERVICE, &error)));
                Err(error)
            }
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Unavailable>) {
        let not_begun = || Err(Unavailable::new(SERVICE, "it was not carried out"));
        let outcome = self.outcome.unwrap_or_else(not_begun);
        // Who has given up is not told.
        let _ = self.answer.send(committed.and(outcome));
    }
}

impl Writer {
    /// Starts the thread, which holds on to `lock`: the next process must not begin before this one's last commit.
    pub(crate) fn start(db: Connection, lock: File) -> Self {
        let (queue, work) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let thread = thread.spawn(move || {
            run(db, work);
            drop(lock);
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "the thread that writes cannot be started");
        }
        Self {
            queue: Some(queue),
            thread: Mutex::new(thread.ok()),
        }
    }

    /// Has `work` carried out, and committed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Job {
            work: Some(work),
            outcome: None,
            answer,
        });
        let ended = || Unavailable::new(SERVICE, "the thread that writes has ended");
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(job).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.lock().take() {
            // It has done what was queued; a panic there was reported there.
            let _ = thread.join();
        }
    }
}

fn run(mut db: Connection, mut queue: mpsc::Receiver<Box<dyn Work>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let began = Instant::now();
        let committed = commit(&mut db, &mut group);
        metrics::histogram!("starling_sqlite_commit_seconds").record(began.elapsed());
        metrics::histogram!("starling_sqlite_commit_writes").record(group.len() as f64);
        if let Err(error) = &committed {
            tracing::error!(%error, writes = group.len(), "a commit failed");
        }
        for job in group {
            let committed = committed
                .as_ref()
                .map_err(|error| Unavailable::new(SERVICE, error));
            job.answer(committed.copied());
        }
    }
}

/// All of the group or nothing, but for pieces that fail by themselves.
fn commit(db: &mut Connection, group: &mut [Box<dyn Work>]) -> Result<(), WorkError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let run = |sql: &str| transaction.prepare_cached(sql)?.execute([]).map(drop);
    for job in group {
        run("SAVEPOINT piece")?;
        // One piece's defect is not to take the way to the disk from all others: it is taken back like any that fails.
        let carried_out = catch_unwind(AssertUnwindSafe(|| job.carry_out(&transaction)));
        if let Err(error) = carried_out.unwrap_or(Err(WorkError::Panicked)) {
            // After some errors (a full disk) SQLite has taken back the whole transaction.
            if transaction.is_autocommit() {
                return Err(error);
            }
            tracing::error!(%error, "a write failed");
            run("ROLLBACK TO piece")?;
        }
        run("RELEASE piece")?;
    }
    starling_core::window(WINDOWS[0]);
    transaction.commit()?;
    starling_core::window(WINDOWS[1]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_piece_of_work_that_panics_is_taken_back_alone() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE said (what TEXT)").unwrap();
        let writer = Writer::start(db, tempfile::tempfile().unwrap());
        let say = async |what: &'static str, good: bool| {
            let work = move |db: &Connection| {
                db.execute("INSERT INTO said VALUES (?1)", [what])?;
                assert!(good, "as a test wants it");
                Ok(())
            };
            writer.write(work).await
        };
        let (first, bad, last) = tokio::join!(say("first", true), say("bad", false), say("last", true));
        assert_eq!((first.is_ok(), bad.is_ok(), last.is_ok()), (true, false, true));
        let said = writer.write(|db| {
            let mut all = db.prepare("SELECT what FROM said")?;
            let all: Result<Vec<String>, _> = all.query_map([], |row| row.get(0))?.collect();
            Ok(all?)
        });
        assert_eq!(said.await.unwrap(), ["first", "last"]);
    }
}
