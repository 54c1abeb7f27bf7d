//! What the driver of this machine's own GPU counts of each kernel, by its own names.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::driver::CompilingDevice;
use super::shared::commit;
use super::translate::spirv;
use super::{Options, subjects};

/// Threads that compile at once, at most.
const MOST_THREADS: usize = 16;

/// Compiles every kernel that is asked for, and prints a line for each as it is done.
pub(crate) fn tell(options: &Options) -> Result<(), Box<dyn Error>> {
    let device = CompilingDevice::open()?;
    let mut subjects = subjects::all(device.has_matrix_units);
    subjects.retain(|subject| options.wants(&subject.name));
    if options.json {
        println!("{}", json!({"commit": commit(), "device": device.name, "driver": device.driver}));
    } else {
        println!("{}, {}", device.name, device.driver);
    }
    let (next, out) = (AtomicUsize::new(0), Mutex::new(()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counts = spirv(&subject.used)
                        .and_then(|spirv| device.compile(&spirv).map_err(|error| error.to_string()))
                        .map(|compiled| compiled.counts);
                    let _turn = out.lock();
                    print(&subject.name, counts, options.json);
                }
            });
        }
    });
    Ok(())
}

fn print(name: &str, counts: Result<BTreeMap<String, u64>, String>, in_json: bool) {
    match (counts, in_json) {
        (Ok(counts), true) => println!("{}", json!({"compiled": name, "here": counts})),
        (Err(error), true) => println!("{}", json!({"compiled": name, "error": error})),
        (Ok(counts), false) => {
            let told = counts.iter().map(|(what, count)| format!("{what} {count}"));
            println!("{name:<70} {}", told.collect::<Vec<_>>().join(", "));
        }
        (Err(error), false) => println!("{name:<70} {error}"),
    }
}
