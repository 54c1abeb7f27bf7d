//! Every kernel as real GPUs' compilers make it, without those GPUs: registers, spills, waves, and what a turn of the
//! busiest loop issues.
//!
//! Mesa's driver for AMD compiles for any generation, on any Linux. The kernels are those of real models' plans as the
//! program would specialise them, in every format of weights.
//!
//!     cargo bench --bench compiled -- [--filter TEXT] [--gpus NAME,NAME] [--since FILE] [--listings DIR] [--json]
//!
//!     cargo bench --bench compiled -- --here [--filter TEXT] [--json]
//!
//! A filter is words of a line, such as `gemv_per_workgroup q4_k`. Waves and instructions are followed by those of an earlier
//! run where they differ: of the newest in `benches/runs/`, or of `--since`. With `--listings` each kernel's assembly is
//! written to a file of DIR; with `--json` each kernel is one line for `benches/runs/`. With `--here` the driver of this machine's
//! own GPU is asked, and what it counts is told by its own names.

mod driver;
mod here;
mod listing;
mod row;
#[path = "../shared/mod.rs"]
mod shared;
mod subjects;
mod translate;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use driver::{CompilingDevice, for_generation};
use row::{COLUMNS, Row};

/// Integrated GPUs of four generations (Vega, RDNA 2, RDNA 3, RDNA 3.5), and a large one.
const GPUS: [&str; 5] = ["renoir", "rembrandt", "phoenix", "gfx1151", "navi31"];

/// What was asked for.
struct Options {
    filter: Vec<String>,
    gpus: Vec<String>,
    since: Option<PathBuf>,
    listings: Option<PathBuf>,
    json: bool,
    /// Whether this machine's own driver is asked.
    here: bool,
    /// The generation that this process compiles for, where another started it.
    child: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    if options.here {
        return here::tell(&options);
    }
    match &options.child {
        Some(gpu) => compile(&options, gpu),
        None => tell(&options, &compile_for_each(&options)?),
    }
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self {
            filter: Vec::new(),
            gpus: GPUS.map(str::to_owned).to_vec(),
            since: None,
            listings: None,
            json: false,
            here: false,
            child: None,
        };
        let known = "--filter TEXT, --gpus NAME,NAME, --since FILE, --listings DIR, --here, --json";
        shared::read_options(known, |option, value| {
            match option {
                "--filter" => options.filter = value()?.split_whitespace().map(str::to_owned).collect(),
                "--gpus" => options.gpus = value()?.split(',').map(str::to_owned).collect(),
                "--since" => options.since = Some(value()?.into()),
                "--listings" => options.listings = Some(value()?.into()),
                "--json" => options.json = true,
                "--here" => options.here = true,
                "--child" => options.child = Some(value()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(options)
    }

    /// Whether a kernel of this name has all words of the filter.
    fn wants(&self, name: &str) -> bool {
        let words: Vec<&str> = name.split(' ').collect();
        self.filter.iter().all(|wanted| words.contains(&wanted.as_str()))
    }
}

/// Compiles for one generation, and prints a line for each kernel.
fn compile(options: &Options, gpu: &str) -> Result<(), Box<dyn Error>> {
    let device = CompilingDevice::open()?;
    println!("{}", json!({"device": device.name, "driver": device.driver}));
    for subject in subjects::all(device.has_matrix_units) {
        if !options.wants(&subject.name) {
            continue;
        }
        let (row, assembly) =
            Row::of(&device, &subject).map_err(|error| format!("{}: {error}", subject.name))?;
        if let Some(folder) = &options.listings {
            std::fs::write(folder.join(format!("{}-{gpu}.s", subject.name.replace(' ', "-"))), assembly)?;
        }
        println!("{}", json!({"kernel": subject.name, "row": row.to_json()}));
    }
    Ok(())
}

/// What every generation's compiler said.
struct Results {
    driver: String,
    /// By kernel, then by generation.
    rows: BTreeMap<String, BTreeMap<String, Row>>,
}

/// A process for each generation, as the driver reads its name but once: two at a time.
fn compile_for_each(options: &Options) -> Result<Results, Box<dyn Error>> {
    if let Some(folder) = &options.listings {
        std::fs::create_dir_all(folder)?;
    }
    let mut results = Results { driver: String::new(), rows: BTreeMap::new() };
    for pair in options.gpus.chunks(2) {
        let children: Vec<Child> = pair.iter().map(|gpu| start(gpu)).collect::<Result<_, _>>()?;
        for (gpu, child) in pair.iter().zip(children) {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                return Err(format!("{gpu}: {}", output.status).into());
            }
            for line in String::from_utf8(output.stdout)?.lines() {
                let line: Value = serde_json::from_str(line)?;
                if let Some(driver) = line["driver"].as_str() {
                    results.driver = driver.to_owned();
                }
                if let (Some(kernel), Some(row)) = (line["kernel"].as_str(), Row::from_json(&line["row"])) {
                    results.rows.entry(kernel.to_owned()).or_default().insert(gpu.clone(), row);
                }
            }
        }
    }
    Ok(results)
}

fn start(gpu: &str) -> Result<Child, Box<dyn Error>> {
    let mut child =
        for_generation(gpu).ok_or("Mesa's driver for AMD is not installed (mesa-vulkan-drivers)")?;
    child.args(std::env::args().skip(1)).args(["--child", gpu]).stdout(Stdio::piped());
    Ok(child.spawn()?)
}

fn tell(options: &Options, results: &Results) -> Result<(), Box<dyn Error>> {
    if options.json {
        println!("{}", json!({"commit": shared::commit(), "driver": results.driver, "columns": COLUMNS}));
        for (kernel, rows) in &results.rows {
            let by_gpu: serde_json::Map<String, Value> =
                rows.iter().map(|(gpu, row)| (gpu.clone(), row.to_json())).collect();
            println!("{}", json!({"compiled": kernel, "gpus": by_gpu}));
        }
        return Ok(());
    }
    let earlier = match options.since.clone().or_else(newest_run) {
        Some(file) => earlier(&std::fs::read_to_string(&file)?),
        None => BTreeMap::new(),
    };
    println!("{}", results.driver);
    println!(
        "registers of a lane (+ spilled) · waves of a SIMD · vector instructions of a turn (of which multiply and add), loads · a weight"
    );
    for (kernel, rows) in &results.rows {
        println!("{kernel}");
        for (gpu, row) in rows {
            let before = earlier.get(kernel).and_then(|rows| rows.get(gpu)).filter(|before| *before != row);
            let before = before.map_or_else(String::new, |before| format!("   before: {before}"));
            println!("  {gpu:<10} {row}{before}");
        }
    }
    Ok(())
}

/// The rows of a file of `benches/runs/`; later ones of a kernel take the place of earlier ones.
fn earlier(text: &str) -> BTreeMap<String, BTreeMap<String, Row>> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some(kernel), Some(gpus)) = (line["compiled"].as_str(), line["gpus"].as_object()) {
            let rows = gpus.iter().filter_map(|(gpu, row)| Some((gpu.clone(), Row::from_json(row)?)));
            all.insert(kernel.to_owned(), rows.collect());
        }
    }
    all
}

/// The newest file of rows, whose names begin with the day.
fn newest_run() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/runs");
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|file| file.path());
    files.filter(|path| path.to_string_lossy().ends_with("-compiled.jsonl")).max()
}
