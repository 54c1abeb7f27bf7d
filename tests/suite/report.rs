//! The report of a GPU: what it tells where things go wrong.

use serde_json::Value;

use super::support;

/// The report that this variable of the environment leads to, and its page.
fn report(variables: &[(&str, &str)], more: &[&str]) -> (Value, String) {
    let out = tempfile::tempdir().unwrap();
    let output = support::program()
        .args(["report", "--quick", "--out"])
        .arg(out.path())
        .args(more)
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).expect("the file is written");
    let entries = std::fs::read_dir(out.path()).unwrap().count();
    assert_eq!(entries, 3, "report.json, report.txt and report.log, and nothing else stays");
    (serde_json::from_str(&read("report.json")).expect("JSON"), read("report.txt"))
}

#[test]
fn a_missing_driver_is_told_by_every_part_and_none_keeps_the_others_from_running() {
    let nowhere = [("VK_DRIVER_FILES", "/nowhere.json"), ("VK_ICD_FILENAMES", "/nowhere.json")];
    let (report, page) = report(&nowhere, &[]);
    let parts = report["parts"].as_array().unwrap();
    let failed: Vec<&Value> = parts.iter().filter(|part| part["state"] == "failed").collect();
    assert!(failed.len() > 10, "{page}");
    assert!(parts.iter().all(|part| part["state"] == "failed" || part["state"] == "left_out"), "{page}");
    for part in failed {
        let error = part["error"].as_str().unwrap();
        assert!(error.starts_with("error: ") && error.contains("no Vulkan"), "{error}");
    }
    assert!(page.contains("WHAT WENT WRONG") && page.contains("adapters: error: "), "{page}");
}

#[test]
fn a_report_without_time_says_what_it_left_out() {
    let (report, page) = report(&[], &["--seconds", "5"]);
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(parts.last().unwrap()["state"], "left_out", "{page}");
    assert!(page.contains("Left out") && page.contains("no time was left"), "{page}");
    let speeds = parts.iter().filter(|part| part["command"].as_str().unwrap().contains("--layers 1"));
    let speeds: Vec<_> = speeds.map(|part| part["name"].as_str().unwrap()).collect();
    assert!(speeds.len() > 5 && speeds.iter().all(|name| name.starts_with("one layer of ")), "{speeds:?}");
    assert!(report["quick"].as_bool().unwrap() && report["seconds"].as_f64().unwrap() < 30.0);
}

#[test]
fn a_report_finds_that_the_gpu_computes_right() {
    let fixtures = support::fixture("");
    let (report, page) = report(
        &[],
        &["--only", "self-test of the b", "--only", "llama-f32", "--checkpoints", fixtures.to_str().unwrap()],
    );
    let part = |name: &str| {
        let parts = report["parts"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no part {name}"))
    };
    let adapter = &part("adapters")["answer"]["adapters"][0];
    assert!(adapter["limits"]["max_storage_buffer_binding_size"].as_u64().unwrap() >= 1 << 27, "{adapter}");
    assert!(!adapter["features"].as_array().unwrap().is_empty(), "{adapter}");
    let check = &part("self-test of the built-in model");
    assert_eq!((&check["state"], &check["answer"]["passed"]), (&"done".into(), &true.into()), "{page}");
    assert_eq!(part("self-test of llama-f32")["state"], "done", "{page}");
    // Nothing that a bug report need not tell.
    let told = report.to_string() + &page;
    assert!(!told.contains(fixtures.to_str().unwrap()), "a path of this machine");
}
