//! A file and a store, read side by side.

use std::path::Path;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use starling_core::ports::{Archive, Part, Record};

use super::CHUNK;
use super::file::Reader;

/// What becomes of a chunk that the store does not hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Put,
    Verify,
}

/// The file and the store, side by side.
pub(super) struct Walk<'a> {
    pub(super) path: &'a Path,
    pub(super) store: &'a dyn Archive,
    pub(super) name: &'a str,
    /// What to do about it where they differ.
    pub(super) advice: &'static str,
}

impl Walk<'_> {
    /// Only what is empty, or holds the beginning of the same file, is imported into.
    pub(super) async fn refuse_others(&self) -> Result<()> {
        let mut reader = Reader::open(self.path)?;
        let (until, mut held) = (reader.until(), None);
        let mut firsts = std::collections::BTreeMap::new();
        loop {
            let chunk = reader.chunk(&mut held, CHUNK)?;
            let Some(first) = chunk.first() else { break };
            let part = first.part();
            firsts.entry(part).or_insert(chunk);
        }
        for part in Part::ALL {
            let there = self.store.page(part, until, None, CHUNK).await?;
            let ours = firsts.get(&part).map(Vec::as_slice).unwrap_or_default();
            self.missing(ours, &there, part)?;
        }
        Ok(())
    }

    /// Goes through both; says how many records were put.
    pub(super) async fn go(&self, bar: &ProgressBar, mode: Mode) -> Result<usize> {
        let mut reader = Reader::open(self.path)?;
        let (until, mut held, mut put) = (reader.until(), None, 0);
        let mut last: Option<Record> = None;
        let mut ended = Vec::new();
        loop {
            let chunk = reader.chunk(&mut held, CHUNK)?;
            let Some(first) = chunk.first() else { break };
            let part = first.part();
            let after = last.as_ref().filter(|last| last.part() == part);
            let there = self.store.page(part, until, after, chunk.len()).await?;
            let missing = self.missing(&chunk, &there, part)?;
            match (missing.first(), mode) {
                (Some(missing), Mode::Verify) => return Err(self.differ(missing)),
                (Some(_), Mode::Put) => self.store.put(&missing).await?,
                (None, _) => {}
            }
            put += missing.len();
            bar.inc(chunk.len() as u64);
            last = chunk.into_iter().next_back();
            ended.retain(|(of, _)| *of != part);
            ended.push((part, last.clone()));
        }
        if mode == Mode::Verify {
            for part in Part::ALL {
                let after = ended.iter().find(|(of, _)| *of == part);
                let after = after.and_then(|(_, last)| last.as_ref());
                if let Some(more) = self.store.page(part, until, after, 1).await?.first() {
                    return Err(self.differ(more));
                }
            }
        }
        Ok(put)
    }

    /// Which of our records are not there. Both are in order and begin at the same place.
    fn missing(&self, ours: &[Record], there: &[Record], part: Part) -> Result<Vec<Record>> {
        let last = ours.last().map(Record::key);
        let reaches = |record: &&Record| last.is_none_or(|last| record.key() <= last);
        let mut there = there.iter().take_while(reaches).peekable();
        let missing = ours.iter().filter(|record| there.next_if_eq(record).is_none());
        let missing: Vec<_> = missing.cloned().collect();
        match there.next() {
            Some(_) if ours.is_empty() => bail!(
                "{} holds {part:?} that are not in {}: import only into an empty store",
                self.name,
                self.path.display()
            ),
            Some(other) => Err(self.differ(other)),
            None => Ok(missing),
        }
    }

    fn differ(&self, at: &Record) -> anyhow::Error {
        anyhow::anyhow!(
            "{} differs from {} at {:?} {:?}: {}",
            self.name,
            self.path.display(),
            at.part(),
            at.key(),
            self.advice
        )
    }
}
