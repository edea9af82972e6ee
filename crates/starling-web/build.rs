//! Puts the page's files into the crate: as they are in `assets`, compressed, and each with a digest of what it holds.
//! They are built from `clients/web` beforehand, so that no cargo build needs npm.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

fn main() -> Result<()> {
    let assets = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("assets");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={}", assets.display());

    let mut names = Vec::new();
    list(&assets, "", &mut names)?;
    names.sort();
    let mut table = String::from("&[\n");
    for (index, name) in names.iter().enumerate() {
        let contents = fs::read(assets.join(name)).with_context(|| format!("cannot read {name}"))?;
        let compressed = out.join(format!("{index}.gz"));
        fs::write(&compressed, gzip(&contents)?)?;
        let digest = HEXLOWER.encode(&Sha256::digest(&contents)[..12]);
        writeln!(
            table,
            "Asset {{ path: {:?}, content_type: {:?}, is_hashed: {}, digest: {digest:?}, plain: include_bytes!({:?}), \
             gzip: include_bytes!({compressed:?}) }},",
            url_path(name),
            content_type(name)?,
            name.starts_with("assets/"),
            assets.join(name),
        )?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Adds the names of all files in a folder, with those of its folders before them.
fn list(dir: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn gzip(contents: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents)?;
    Ok(encoder.finish()?)
}

fn url_path(name: &str) -> String {
    match name {
        "index.html" => "/".to_owned(),
        _ => format!("/{name}"),
    }
}

fn content_type(name: &str) -> Result<&'static str> {
    Ok(match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => bail!("{name} is of a kind that the page is not made of"),
    })
}
