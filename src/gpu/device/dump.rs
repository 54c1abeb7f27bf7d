//! Writes the sources that are compiled to a folder, for a look at what a driver gets.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::gpu::kernels::KernelUse;

/// The environment variable with the folder. Without it, nothing is written.
const FOLDER: &str = "LOGITSCOPE_DUMP_WGSL";

/// Writes the source of a kernel to the folder of the environment, if it names one.
pub(super) fn dump_if_asked(kernel: &KernelUse, source: &str) {
    let Some(folder) = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else { return };
    match write(Path::new(&folder), kernel, source) {
        Ok(file) => log::debug!("wrote {}", file.display()),
        Err(error) => log::warn!("{FOLDER}: {}: {error}", Path::new(&folder).display()),
    }
}

/// Writes a source, below a comment with what it is specialised by.
fn write(folder: &Path, kernel: &KernelUse, source: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join(format!("{}.wgsl", kernel.id()));
    std::fs::write(&file, format!("{}\n{source}", header(kernel)))?;
    Ok(file)
}

fn header(kernel: &KernelUse) -> String {
    let mut header = format!("// {}\n//\n", kernel.id());
    for (name, value) in kernel.constants() {
        // A string takes all that is written to it.
        let _ = writeln!(header, "// {name} = {value}");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::{Kernel, Override, kernel_source};

    #[test]
    fn a_file_has_the_source_below_its_overrides() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = vec![Override::Workgroup(16), Override::Columns4(9), Override::Factor(0.5)];
        let kernel = KernelUse { variant: Kernel::Scale.into(), overrides };
        let source = kernel_source(kernel.variant);
        let file = write(&folder.path().join("deeper"), &kernel, &source).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(name, format!("{}.wgsl", kernel.id()));
        let written = std::fs::read_to_string(file).unwrap();
        assert!(written.contains("// WORKGROUP = 16\n// COLUMNS4 = 9\n// FACTOR = 0.5\n"), "{written}");
        assert!(written.ends_with(&source));
    }
}
