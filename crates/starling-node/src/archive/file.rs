//! The file: a line that says what it is, a line for each record, and a line with their counts and the digest of all
//! lines before it.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use starling_core::ports::{Part, Record};

/// The version of the format.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    starling_export: u32,
    /// Sign-ins that end sooner are not in it, in milliseconds since the Unix epoch: they may be gone from the store at
    /// any time.
    until: i64,
}

/// What the last line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// How many records there are, by sort.
    pub(super) records: BTreeMap<Part, u64>,
    /// SHA-256 of all lines before, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Summary {
    pub(super) fn total(&self) -> u64 {
        self.records.values().sum()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: Summary,
}

/// What has gone through so far.
#[derive(Default)]
struct Sum {
    records: BTreeMap<Part, u64>,
    digest: Sha256,
}

impl Sum {
    fn count(&mut self, record: &Record) {
        *self.records.entry(record.part()).or_default() += 1;
    }

    fn summary(&self) -> Summary {
        Summary {
            records: self.records.clone(),
            sha256: HEXLOWER.encode(&self.digest.clone().finalize()),
        }
    }
}

/// A file that is written.
pub(super) struct Writer {
    out: BufWriter<File>,
    sum: Sum,
    until: i64,
    last: Option<Record>,
}

impl Writer {
    /// Begins a file, or goes on with one that was not completed.
    pub(super) fn open(path: &Path, until: i64) -> Result<Self> {
        // One without a byte in it was cut off before its first line.
        if path.metadata().map_or(true, |there| there.len() == 0) {
            let mut writer = Self {
                out: BufWriter::new(create_private(path)?),
                sum: Sum::default(),
                until,
                last: None,
            };
            let head = Head {
                starling_export: FORMAT,
                until,
            };
            writer.line(&head)?;
            // From here on it can be gone on with.
            writer.flush()?;
            return Ok(writer);
        }
        let mut reader = Reader::open(path)?;
        let mut last = None;
        let mut end = reader.position;
        loop {
            match reader.next() {
                Ok(Some(record)) => last = Some(record),
                Ok(None) if reader.summary.is_some() => bail!("{} is complete already", path.display()),
                Ok(None) => break,
                Err(error) if reader.is_cut_off => {
                    tracing::debug!(%error, "the last line goes");
                    break;
                }
                // Nothing that a cut leaves behind. What is damaged must not become whole again by a new last line.
                Err(error) => return Err(error),
            }
            end = reader.position;
        }
        let mut file = File::options().write(true).open(path)?;
        file.set_len(end)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            out: BufWriter::new(file),
            until: reader.until,
            sum: reader.sum,
            last,
        })
    }

    /// See [`Head::until`].
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    /// The last record that it holds.
    pub(super) fn last(&self) -> Option<&Record> {
        self.last.as_ref()
    }

    /// How many records it holds.
    pub(super) fn count(&self) -> u64 {
        self.sum.records.values().sum()
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<()> {
        self.line(record)?;
        self.sum.count(record);
        Ok(())
    }

    /// Others that read the file see all that was written.
    pub(super) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// Completes the file; it is on the disk then.
    pub(super) fn complete(mut self) -> Result<Summary> {
        let summary = self.sum.summary();
        self.line(&End { end: summary.clone() })?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(summary)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.sum.digest.update(&line);
        self.out.write_all(&line)?;
        Ok(())
    }
}

/// It holds what people have said to each other.
fn create_private(path: &Path) -> Result<File> {
    let created = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let private = created.and_then(|file| {
        // An empty one may have been there.
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    });
    private.with_context(|| format!("cannot make {}", path.display()))
}

/// A file that is read from its beginning.
pub(super) struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    number: u64,
    /// In bytes, behind the last line that was read whole.
    position: u64,
    /// The line after that one ends in the middle.
    is_cut_off: bool,
    sum: Sum,
    until: i64,
    summary: Option<Summary>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut reader = Self {
            path: path.to_owned(),
            lines: BufReader::new(file),
            number: 0,
            position: 0,
            is_cut_off: false,
            sum: Sum::default(),
            until: 0,
            summary: None,
        };
        let head = reader.line()?.unwrap_or_default();
        let head: Head = serde_json::from_slice(&head)
            .with_context(|| format!("{} is no export of Starling's", path.display()))?;
        ensure!(
            head.starling_export == FORMAT,
            "{} has format {}, and this version of starling knows {FORMAT}",
            path.display(),
            head.starling_export
        );
        reader.until = head.until;
        Ok(reader)
    }

    /// See [`Head::until`].
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    /// The next record; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        if line.starts_with(b"{\"end\":") {
            let end: End = serde_json::from_slice(&line).with_context(|| self.place())?;
            ensure!(
                end.end == self.sum.summary(),
                "{} was damaged: its records are not those that its last line tells of",
                self.path.display()
            );
            self.summary = Some(end.end);
            return Ok(None);
        }
        let record = serde_json::from_slice(&line).with_context(|| self.place())?;
        self.sum.count(&record);
        Ok(Some(record))
    }

    /// At most so many records of one sort, in their order.
    pub(super) fn chunk(&mut self, held: &mut Option<Record>, limit: usize) -> Result<Vec<Record>> {
        let mut chunk: Vec<Record> = held.take().into_iter().collect();
        while chunk.len() < limit {
            match self.next()? {
                Some(next) if chunk.first().is_none_or(|first| first.part() == next.part()) => {
                    chunk.push(next)
                }
                other => {
                    *held = other;
                    break;
                }
            }
        }
        Ok(chunk)
    }

    /// What its last line says. An error where there is none.
    pub(super) fn summary(&self) -> Result<&Summary> {
        self.summary.as_ref().with_context(|| {
            format!(
                "{} is not complete: run the export again, it goes on",
                self.path.display()
            )
        })
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.is_cut_off = !line.ends_with(b"\n");
        ensure!(!self.is_cut_off, "{} is cut off", self.place());
        if !line.starts_with(b"{\"end\":") {
            self.sum.digest.update(&line);
        }
        self.position += read as u64;
        Ok(Some(line))
    }

    fn place(&self) -> String {
        format!("line {} of {}", self.number, self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use starling_protocol::UserId;

    use super::*;

    fn phone(number: u32) -> Record {
        Record::Phone {
            phone: format!("+4915{number:08}"),
            user: UserId::new(format!("user-{number}")).unwrap(),
            created_at: 7,
        }
    }

    /// Writes what is missing of so many records, as an export does; says which that were.
    fn export(path: &Path, records: u32) -> Result<u64> {
        let mut file = Writer::open(path, 1)?;
        let there = file.count();
        for number in 0..records {
            let record = phone(number);
            if file.last().is_none_or(|last| last.key() < record.key()) {
                file.write(&record)?;
            }
        }
        file.complete()?;
        Ok(there)
    }

    fn whole(directory: &Path) -> Vec<u8> {
        let path = directory.join("whole");
        export(&path, 3).unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn a_file_goes_on_wherever_it_was_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let (whole, path) = (whole(directory.path()), directory.path().join("cut"));
        let head = 1 + whole.iter().position(|byte| *byte == b'\n').unwrap();
        for length in std::iter::once(0).chain((head..whole.len()).step_by(5)) {
            fs::write(&path, &whole[..length]).unwrap();
            export(&path, 3).unwrap();
            assert!(fs::read(&path).unwrap() == whole, "cut off at {length}");
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert!(length > 0 || mode & 0o777 == 0o600, "{mode:o}");
        }
        assert!(export(&path, 3).is_err(), "it is complete");
    }

    #[test]
    fn a_file_can_be_gone_on_with_as_soon_as_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("begun");
        let writer = Writer::open(&path, 1).unwrap();
        assert_eq!(Reader::open(&path).unwrap().until(), 1);
        drop(writer);
        assert_eq!(export(&path, 3).unwrap(), 0);
    }

    #[test]
    fn what_is_damaged_does_not_become_whole_again() {
        let directory = tempfile::tempdir().unwrap();
        let (whole, path) = (whole(directory.path()), directory.path().join("damaged"));
        let text = String::from_utf8(whole).unwrap();
        for (good, bad) in [("user-1", "user-7"), ("{\"end\":", "[\"end\":")] {
            let damaged = text.replacen(good, bad, 1);
            fs::write(&path, &damaged).unwrap();
            assert!(export(&path, 3).is_err(), "{bad}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "{bad}");
        }
    }
}
