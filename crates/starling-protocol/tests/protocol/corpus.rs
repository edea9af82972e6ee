//! The fuzz target's function over its corpus, so that every run of the tests exercises it.

#[path = "../../fuzz/src/check.rs"]
mod shared;

pub(crate) use shared::check;

#[test]
fn the_corpus_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/decode");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        check(&std::fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files >= 30, "the corpus is there: {files} files");
}
