//! Following a log file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Prints what is appended to a log file, each line after the name of the process.
pub(super) struct Follower {
    name: String,
    path: PathBuf,
    position: u64,
    /// The beginning of a line whose end is not there yet.
    unfinished: Vec<u8>,
}

impl Follower {
    pub(super) fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_path_buf(),
            position: 0,
            unfinished: Vec::new(),
        }
    }

    pub(super) fn print_new_lines(&mut self) {
        for line in self.new_lines() {
            println!("{:<8} {line}", self.name);
        }
    }

    /// A log that cannot be read has nothing new: it may not be there yet, or not any more.
    fn new_lines(&mut self) -> Vec<String> {
        let Ok(mut file) = File::open(&self.path) else {
            return Vec::new();
        };
        if file.seek(SeekFrom::Start(self.position)).is_err() {
            return Vec::new();
        }
        self.position += file.read_to_end(&mut self.unfinished).unwrap_or_default() as u64;
        let Some(last_end) = self.unfinished.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.unfinished.split_off(last_end + 1);
        let whole = std::mem::replace(&mut self.unfinished, rest);
        String::from_utf8_lossy(&whole)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_given_once_and_whole() {
        let dir = std::env::temp_dir().join(format!("starling-follower-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log");
        let mut log = Follower::new("node1", &path);
        assert!(log.new_lines().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(log.new_lines(), ["one"]);
        assert!(log.new_lines().is_empty());
        file.write_all(b"o\nthree\n").unwrap();
        assert_eq!(log.new_lines(), ["two", "three"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
