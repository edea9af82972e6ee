//! The effective settings, as a settings file with a note on where each comes from.

use std::fmt::Write;

use super::Loaded;
use super::keys::{KEYS, Kind, Shown};
use super::mask::{origin_only, without_passwords};

/// Writes all settings. What is secret is masked.
pub(crate) fn print(loaded: &Loaded) -> String {
    let mut out = format!(
        "# starling {}: the effective settings\n",
        env!("CARGO_PKG_VERSION")
    );
    for key in KEYS {
        let given = loaded
            .effective
            .get(key.name)
            .filter(|given| !given.text.is_empty());
        let line = match given {
            None => format!("# {} is not set", key.name),
            Some(given) => {
                let shown = match key.shown {
                    Shown::Whole => given.text.clone(),
                    Shown::WithoutPassword => without_passwords(&given.text),
                    Shown::Origin => origin_only(&given.text),
                    Shown::Not => "***".to_owned(),
                };
                let value = if key.kind == Kind::Bare && is_bare(&shown) {
                    shown
                } else {
                    quoted(&shown)
                };
                format!("{} = {value}  # {}", key.name, given.source)
            }
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{line}");
    }
    out
}

/// Whether TOML reads it as a number or a truth value.
fn is_bare(text: &str) -> bool {
    let number = text.parse::<f64>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit());
    (number && !text.starts_with('0')) || matches!(text, "0" | "true" | "false")
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
