//! From a store to a file.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use starling_core::ports::{Archive, Part};

use super::file::{Summary, Writer};
use super::walk::{Mode, Walk};
use super::{CHUNK, progress, store};
use crate::settings::Inputs;

/// Sign-ins that end within this time are left out: it is how long there is for an import.
const SIGN_INS_LAST: i64 = 24 * 3600 * 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The file to make. One that was not completed is gone on with.
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
}

pub(super) async fn run(inputs: &Inputs, args: &ExportArgs) -> Result<()> {
    let (source, name) = store::open(inputs).await?;
    let summary = take_out(&*source, &name, &args.file).await?;
    crate::commands::say(&format!(
        "exported {} records of {name} to {}, sha256 {}",
        summary.total(),
        args.file.display(),
        summary.sha256
    ))
}

async fn take_out(source: &dyn Archive, name: &str, path: &Path) -> Result<Summary> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut file = Writer::open(path, now + SIGN_INS_LAST)?;
    let (until, resumed, mut last) = (file.until(), file.count(), file.last().cloned());
    let mut total = 0;
    for part in Part::ALL {
        // Only for the bar. Counting much takes longer than a store may take for an answer.
        total += source.count(part).await.unwrap_or(0);
    }
    let bar = progress("exporting", total)?;
    bar.set_position(resumed);
    let from = last.as_ref().map_or(Part::ALL[0], |last| last.part());
    for part in Part::ALL.into_iter().filter(|part| *part >= from) {
        loop {
            let after = last.as_ref().filter(|last| last.part() == part);
            let page = source.page(part, until, after, CHUNK).await?;
            for record in &page {
                file.write(record)?;
            }
            bar.inc(page.len() as u64);
            let is_last = page.len() < CHUNK;
            last = page.into_iter().next_back().or(last);
            if is_last {
                break;
            }
        }
    }
    bar.finish_and_clear();
    file.flush()?;
    // A node that has worked on the store, between two runs of this or meanwhile, leaves a file that is of no one moment:
    // what was said last is not in it.
    let bar = progress("verifying", file.count())?;
    let walk = Walk {
        path,
        store: source,
        name,
        advice: "a node has worked on it since the export began; end all nodes, remove the file and begin again",
    };
    walk.go(&bar, Mode::Verify).await?;
    bar.finish_and_clear();
    file.complete()
}

#[cfg(test)]
mod tests {
    use starling_core::ports::Record;
    use starling_embedded::Store;
    use starling_protocol::UserId;

    use super::*;

    fn phone(number: u32) -> Record {
        Record::Phone {
            phone: format!("+4915{number:08}"),
            user: UserId::new(format!("user-{number}")).unwrap(),
            created_at: 7,
        }
    }

    #[tokio::test]
    async fn an_export_of_what_has_changed_meanwhile_is_no_export() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("data")).unwrap();
        store.put(&[phone(2), phone(4)]).await.unwrap();
        let path = directory.path().join("cut");
        let mut cut = Writer::open(&path, 1).unwrap();
        cut.write(&phone(2)).unwrap();
        drop(cut);
        let whole = directory.path().join("whole");
        std::fs::copy(&path, &whole).unwrap();
        assert_eq!(take_out(&store, "it", &whole).await.unwrap().total(), 2);

        // Before what the file holds already, where an export that goes on does not look.
        store.put(&[phone(1)]).await.unwrap();
        let refused = take_out(&store, "it", &path).await.unwrap_err().to_string();
        assert!(refused.contains("begin again"), "{refused}");
        let refused = take_out(&store, "it", &path).await.unwrap_err().to_string();
        assert!(
            refused.contains("begin again"),
            "nor when it is tried again: {refused}"
        );
    }
}
