//! The samples against their recorded truth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::Value;
use support::{check, samples, states};

fn truth() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(samples().join("truth.json")).unwrap()).unwrap()
}

#[test]
fn no_sample_is_ever_given_a_state_that_it_does_not_have() {
    for expected in truth() {
        let file = expected["file"].as_str().unwrap();
        let (_, got) = check(&samples().join(file), &[]);
        for cpu in expected["cpus"].as_array().unwrap() {
            let number = cpu["cpu"].as_u64().unwrap();
            let state = states(&got)
                .into_iter()
                .find(|(n, _)| *n == number)
                .map(|(_, s)| s);
            let state = state.unwrap_or_else(|| "unknown".into());
            assert!(
                state == "unknown" || state == cpu["state"],
                "{file}: CPU {number}: {state}, is {}",
                cpu["state"]
            );
        }
    }
}

#[test]
fn samples_are_decided_without_a_vmlinux() {
    for expected in truth() {
        let file = expected["file"].as_str().unwrap();
        let (status, got) = check(
            &samples().join(file),
            &["--select", "virt-disabled-all-cpus"],
        );
        assert_eq!(
            got["virtualization"]["verdict"], expected["verdict"],
            "{file}"
        );
        assert_eq!(
            got["virtualization"]["feature"], expected["feature"],
            "{file}"
        );
        assert_eq!(
            status,
            if expected["verdict"] == "all-off" {
                0
            } else {
                1
            },
            "{file}"
        );
        assert_eq!(got["crash"]["cpu"], expected["crash_cpu"], "{file}");
        assert_eq!(
            got["crash"]["nmi_shootdown"]["missing_cpus"], expected["missing_cpus"],
            "{file}"
        );
        let kinds: Vec<&Value> = got["splats"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| &s["kind"])
            .collect();
        let wanted: Vec<&Value> = expected["splats"].as_array().unwrap().iter().collect();
        assert_eq!(kinds, wanted, "{file}");
        if got["types_from"].is_null() {
            continue; // modules can't be read without types, so the callback stays open
        }
        for (key, value) in expected["callback"].as_object().unwrap() {
            assert_eq!(&got["callback"][key], value, "{file}: callback.{key}");
        }
    }
}

#[test]
fn every_statement_names_its_proof() {
    let (_, got) = check(&samples().join("svm-stuck-cpu2.kdump"), &[]);
    for cpu in got["virtualization"]["cpus"].as_array().unwrap() {
        let evidence = cpu["evidence"].as_array().unwrap();
        let side = |e: &&Value| e["says"] == cpu["state"];
        assert!(
            evidence
                .iter()
                .filter(side)
                .any(|e| e["strength"] == cpu["strength"]),
            "{cpu}"
        );
        for e in evidence.iter().filter(side) {
            assert!(!e["why"].as_str().unwrap().is_empty());
            assert!(
                e["address"].as_str().is_some_and(|a| a.starts_with("0x")),
                "{e}"
            );
            assert!(e["value"].is_string(), "{e}");
        }
    }
}
