//! Adapters that do not work: the command line passes them over, and says so. Mesa's driver for AMD GPUs provides one: it
//! opens made-up hardware, which is listed like any other and lost at once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The made-up hardware, as it is listed.
const BROKEN: &str = "Null hardware (RADV PHOENIX)";

/// Where drivers of Vulkan are registered on Linux.
const REGISTRIES: [&str; 4] = [
    "/usr/share/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/run/opengl-driver/share/vulkan/icd.d",
];

/// The file that registers the driver whose file's name begins so.
fn driver(name: &str) -> Option<PathBuf> {
    let folders = REGISTRIES.iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut files: Vec<PathBuf> = folders.flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let named = |file: &Path| {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&format!("{name}_icd.")) && !file.contains("i686")
    };
    files.into_iter().find(|file| named(file))
}

/// The made-up hardware, and beside it the software driver if that is asked for.
struct Machine {
    drivers: OsString,
}

impl Machine {
    /// `None` where Mesa's drivers are not installed, which is said.
    fn with_broken(names: &[&str]) -> Option<Self> {
        let files: Option<Vec<PathBuf>> = names.iter().map(|name| driver(name)).collect();
        let Some(files) = files else {
            // Past the capture of tests that pass: nobody shall take this for a test that was run.
            let line = format!(
                "SKIPPED: a broken adapter beside a working one: Mesa's drivers {names:?} are not installed\n"
            );
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            return None;
        };
        Some(Self { drivers: std::env::join_paths(files).expect("paths without colons") })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logitscope"));
        command.args(arguments).stdin(Stdio::null()).env_remove("WGPU_BACKEND");
        command.env("RADV_FORCE_FAMILY", "phoenix");
        // The second name is that of older loaders.
        command.env("VK_DRIVER_FILES", &self.drivers).env("VK_ICD_FILENAMES", &self.drivers);
        command.output().expect("the program starts")
    }

    /// What the program itself says on stderr: drivers have remarks of their own.
    fn run_and_read(&self, arguments: &[&str], code: i32) -> (String, Vec<String>) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        let ours = |line: &&str| line.starts_with("warning: ") || line.starts_with("error: ");
        let lines = stderr.lines().filter(ours).map(str::to_owned).collect();
        (String::from_utf8_lossy(&output.stdout).into_owned(), lines)
    }
}

fn model() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/llama-f32");
    folder.to_string_lossy().into_owned()
}

#[test]
fn without_a_choice_the_next_adapter_takes_the_place_of_a_broken_one() {
    let Some(machine) = Machine::with_broken(&["radeon", "lvp"]) else { return };
    let model = model();
    let logits = tempfile::NamedTempFile::new().expect("a file");
    let file = logits.path().to_string_lossy();
    let commands: [&[&str]; 4] = [
        &["generate", "-m", &model, "--prompt-ids", "3,1,4", "-n", "2", "--json"],
        &["logits", "-m", &model, "--prompt-ids", "3,1,4", "-o", &file, "--json"],
        &["check", "-m", &model, "--json"],
        &["bench", "-m", &model, "--pp", "4", "--tg", "2", "--repeat", "1", "--json"],
    ];
    for command in commands {
        let (_, told) = machine.run_and_read(command, 0);
        let [warning] = &told[..] else { panic!("{command:?}: {told:?}") };
        for part in ["warning: adapter 0, ", BROKEN, "lost", "llvmpipe", "is used instead"] {
            assert!(warning.contains(part), "{command:?}: {warning}");
        }
    }
}

#[test]
fn a_draft_model_shares_the_device_and_the_warning() {
    let Some(machine) = Machine::with_broken(&["radeon", "lvp"]) else { return };
    let model = model();
    let arguments =
        ["generate", "-m", &model, "--prompt-ids", "3,1,4", "-n", "2", "--strategy", "speculative"];
    let (_, told) = machine.run_and_read(&[&arguments[..], &["--draft-model", &model]].concat(), 0);
    assert_eq!(told.iter().filter(|line| line.contains(BROKEN)).count(), 1, "{told:?}");
}

#[test]
fn a_chosen_adapter_that_is_broken_is_an_error_that_names_the_others() {
    let Some(machine) = Machine::with_broken(&["radeon", "lvp"]) else { return };
    for choice in ["0", "null hardware"] {
        let arguments = ["generate", "-m", &model(), "--prompt-ids", "3", "-n", "2", "--adapter", choice];
        let (printed, told) = machine.run_and_read(&arguments, 1);
        let [error] = &told[..] else { panic!("{told:?}") };
        for part in ["error: ", "adapter 0, ", BROKEN, "lost", "Others: 1, llvmpipe"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(printed, "");
    }
}

#[test]
fn a_machine_whose_only_adapter_is_broken_gets_one_error() {
    let Some(machine) = Machine::with_broken(&["radeon"]) else { return };
    let (_, told) = machine.run_and_read(&["generate", "-m", &model(), "--prompt-ids", "3"], 1);
    let [error] = &told[..] else { panic!("{told:?}") };
    for part in ["error: ", "no adapter of this machine works", BROKEN, "lost", "driver"] {
        assert!(error.contains(part), "{error}");
    }
    let chosen = ["generate", "-m", &model(), "--prompt-ids", "3", "--adapter", "0"];
    let (_, told) = machine.run_and_read(&chosen, 1);
    assert!(told.len() == 1 && told[0].contains("There is no other adapter"), "{told:?}");
}

#[test]
fn the_list_says_of_each_adapter_why_it_cannot_be_used() {
    let Some(machine) = Machine::with_broken(&["radeon", "lvp"]) else { return };
    let (printed, _) = machine.run_and_read(&["adapters", "-v", "--json"], 0);
    let list: Value = serde_json::from_str(&printed).expect("JSON");
    let (broken, working) = (&list["adapters"][0], &list["adapters"][1]);
    assert_eq!(broken["name"], BROKEN);
    assert!(broken["problem"].as_str().is_some_and(|problem| problem.contains("lost")), "{broken}");
    assert_eq!(broken.get("variants"), None);
    assert_eq!(working.get("problem"), None);
    assert!(working["variants"].as_array().is_some_and(|variants| !variants.is_empty()), "{working}");
    let (printed, _) = machine.run_and_read(&["adapters", "-v"], 0);
    assert!(printed.contains("cannot be used: its driver does not open it"), "{printed}");
}
