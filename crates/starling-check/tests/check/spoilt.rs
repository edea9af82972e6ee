//! Whatever a history says, the checker comes to a verdict.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use starling_check::{Record, check};

use crate::model;

const NUMBERS: [u64; 6] = [0, 1, 2, 1_000, u64::MAX - 1, u64::MAX];

/// Sets some of the numbers in it to others.
fn spoil(value: &mut Value, rng: &mut StdRng) {
    match value {
        Value::Number(number) if rng.random_bool(0.3) => {
            *number = NUMBERS[rng.random_range(0..NUMBERS.len())].into();
        }
        Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, rng)),
        Value::Object(map) => map.values_mut().for_each(|value| spoil(value, rng)),
        _ => {}
    }
}

fn spoil_some<T: serde::Serialize + serde::de::DeserializeOwned>(records: &mut Vec<T>, rng: &mut StdRng) {
    for record in records.iter_mut() {
        if rng.random_bool(0.05) {
            let mut value = serde_json::to_value(&*record).unwrap();
            spoil(&mut value, rng);
            // Not all numbers fit everywhere.
            if let Ok(spoilt) = serde_json::from_str(&in_order(&value)) {
                *record = spoilt;
            }
        }
    }
    for _ in 0..records.len() / 50 {
        let (from, to) = (
            rng.random_range(0..records.len()),
            rng.random_range(0..records.len()),
        );
        match rng.random_range(0..3) {
            0 => records.swap(from, to),
            1 => drop(records.remove(from)),
            _ => {
                let record = records.remove(from);
                records.insert(to.min(records.len()), record);
            }
        }
    }
}

/// As JSON with `at` first, where it is.
fn in_order(value: &Value) -> String {
    let mut parts: Vec<String> = value
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    parts.sort_by_key(|part| !part.starts_with("\"at\""));
    format!("{{{}}}", parts.join(","))
}

#[test]
fn nothing_that_a_history_says_brings_the_checker_down() {
    for seed in 0..30 {
        let mut run = model::run(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        spoil_some::<Record>(&mut run.history, &mut rng);
        spoil_some(&mut run.store, &mut rng);
        let report = check(&run.history, &run.store);
        assert!(report.is_violated());
        assert!(report.table().lines().count() <= 12);
        assert!(report.excerpts().len() < 60_000);
    }
}
