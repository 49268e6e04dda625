//! Runs every input of the fuzzing corpus on stable Rust without the fuzzer, so that fixed bugs stay fixed.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

#[test]
fn every_corpus_input_satisfies_its_fuzz_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Printed before the run, because a panic in a target does not name the file.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 5, "the corpus of {name} has fewer than 5 inputs");
    }
}

#[test]
fn every_fuzz_target_is_declared_and_has_inputs() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in targets::TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
    let corpora = fs::read_dir(fuzz.join("corpus")).unwrap().count();
    assert_eq!(corpora, targets::TARGETS.len(), "the number of corpora differs from the number of targets");
}
