//! The file in which a driver's compiled kernels are kept from run to run: a header that tells whose they are and that they are
//! whole, and then the driver's own bytes.
//!
//! A file that is missing, broken, somebody else's or cannot be written costs the time of compiling, no more.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::adapter_info::AdapterInfo;
use crate::user_folders::UserFolders;
use crate::whole_file;

/// Most bytes of kernels that are kept. Drivers' caches only grow, so with more than these the file goes, and the next start begins
/// a new one.
const MOST_BYTES: usize = 64 << 20;
/// What a file begins with.
const MAGIC: &str = "logitscope kernels 1";
/// Bytes of the number that tells whether the kernels are whole.
const SUM_BYTES: usize = 8;

/// Where the kernels of one adapter, with its driver, are kept.
pub(super) struct KernelFile {
    path: PathBuf,
    /// Adapter, driver and program, a line each.
    key: String,
}

impl KernelFile {
    /// In the user's cache folder, if there is one; `device` is what wgpu tells devices apart by.
    pub(super) fn of_user(info: &AdapterInfo, device: &str) -> Option<Self> {
        let adapter = format!("{}, {device}", info.full_name());
        Some(Self::within(&UserFolders::of_process().own_caches()?.join("kernels"), &adapter, &info.driver))
    }

    /// In this folder.
    pub(super) fn within(folder: &Path, adapter: &str, driver: &str) -> Self {
        // One line each, whatever a driver calls itself.
        let [adapter, driver] = [adapter, driver].map(|text| text.replace(['\n', '\r'], " "));
        let key = format!("{adapter}\n{driver}\n{}", env!("CARGO_PKG_VERSION"));
        let name = format!("{:016x}-{:016x}.bin", fnv(adapter.as_bytes()), fnv(key.as_bytes()));
        Self { path: folder.join(name), key }
    }

    /// The kernels of an earlier run.
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let header = self.header();
        let most = header.len() + SUM_BYTES + MOST_BYTES;
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&self.path).and_then(|file| {
            // One more than may be there, so that a file that is too long does not pass for a whole one.
            file.take(most as u64 + 1).read_to_end(&mut bytes)
        });
        if let Err(error) = read {
            log::debug!("{}: {error}", self.path.display());
            return None;
        }
        let (sum, kernels) = bytes.strip_prefix(header.as_bytes())?.split_at_checked(SUM_BYTES)?;
        (sum == fnv(kernels).to_le_bytes()).then(|| kernels.to_vec())
    }

    /// Keeps kernels for the next run, in place of those of other drivers and versions of the program.
    pub(super) fn write(&self, kernels: &[u8]) {
        if let Err(error) = self.try_write(kernels) {
            log::debug!("{}: {error}", self.path.display());
        }
    }

    fn try_write(&self, kernels: &[u8]) -> io::Result<()> {
        if kernels.len() > MOST_BYTES {
            return std::fs::remove_file(&self.path);
        }
        let Some(folder) = self.path.parent() else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        whole_file::write(&self.path, |file| {
            file.write_all(self.header().as_bytes())?;
            file.write_all(&fnv(kernels).to_le_bytes())?;
            file.write_all(kernels)
        })?;
        self.remove_others(folder)
    }

    /// Removes what else there is of the same adapter.
    fn remove_others(&self, folder: &Path) -> io::Result<()> {
        let Some(own) = self.path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let Some((adapter, _)) = own.split_once('-') else { return Ok(()) };
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_of_adapter = name.strip_prefix(adapter).is_some_and(|rest| rest.starts_with('-'));
            if is_of_adapter && !name.starts_with(own) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn header(&self) -> String {
        format!("{MAGIC}\n{}\n", self.key)
    }
}

/// The 64-bit FNV-1a hash.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, driver: &str) -> KernelFile {
        KernelFile::within(folder, "Voodoo 2 (Vulkan), 4660_22136", driver)
    }

    /// The published test vector.
    #[test]
    fn sums_are_those_of_the_standard() {
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn kernels_come_back_as_they_were_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deeper");
        let kept = file(&folder, "1.0");
        assert_eq!(kept.read(), None);
        kept.write(b"kernels");
        assert_eq!(kept.read().as_deref(), Some(&b"kernels"[..]));
        assert_eq!(file(&folder, "1.1").read(), None);
        // Somebody else's under this name.
        std::fs::copy(&kept.path, &file(&folder, "1.1").path).unwrap();
        assert_eq!(file(&folder, "1.1").read(), None);
    }

    #[test]
    fn those_of_other_drivers_go_and_those_of_other_adapters_stay() {
        let folder = tempfile::tempdir().unwrap();
        let other = KernelFile::within(folder.path(), "Voodoo 3", "1.0");
        let [old, new] = ["1.0", "1.1"].map(|driver| file(folder.path(), driver));
        other.write(b"other");
        old.write(b"old");
        // What a program left behind that ended while it wrote.
        std::fs::write(old.path.with_extension("bin.77-0.part"), b"ol").unwrap();
        new.write(b"new");
        assert_eq!((old.read(), new.read().as_deref()), (None, Some(&b"new"[..])));
        assert_eq!(other.read().as_deref(), Some(&b"other"[..]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_broken_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let kept = file(folder.path(), "1.0");
        kept.write(&[7; 100]);
        let whole = std::fs::read(&kept.path).unwrap();
        for bytes in 0..whole.len() {
            std::fs::write(&kept.path, &whole[..bytes]).unwrap();
            assert_eq!(kept.read(), None, "its first {bytes} bytes");
            let mut changed = whole.clone();
            changed[bytes] ^= 1;
            std::fs::write(&kept.path, &changed).unwrap();
            assert_eq!(kept.read(), None, "byte {bytes} is another one");
        }
        std::fs::write(&kept.path, [&whole[..], &[0]].concat()).unwrap();
        assert_eq!(kept.read(), None, "one byte more");
        kept.write(&[8; 100]);
        assert_eq!(kept.read(), Some(vec![8; 100]), "it is replaced");
    }

    #[test]
    fn too_many_are_not_kept_and_a_new_file_begins() {
        let folder = tempfile::tempdir().unwrap();
        let kept = file(folder.path(), "1.0");
        kept.write(b"kernels");
        kept.write(&vec![0; MOST_BYTES + 1]);
        assert_eq!(kept.read(), None);
        assert!(!kept.path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let stands_in_the_way = folder.path().join("file");
        std::fs::write(&stands_in_the_way, b"").unwrap();
        let kept = file(&stands_in_the_way, "1.0");
        kept.write(b"kernels");
        assert_eq!(kept.read(), None);
    }

    #[test]
    fn several_that_write_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 1..=4_u8 {
                let kept = file(folder.path(), "1.0");
                scope.spawn(move || (0..20).for_each(|_| kept.write(&vec![number; 50_000])));
            }
        });
        let kernels = file(folder.path(), "1.0").read().unwrap();
        assert!(kernels.len() == 50_000 && kernels.iter().all(|byte| *byte == kernels[0]));
    }
}
