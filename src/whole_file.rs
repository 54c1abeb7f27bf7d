//! Files that appear whole or not at all, where there can be a file: what is written beside its place takes it at the end. A
//! link stays and its target is replaced, a file that was there hands on its mode and owner, and what is no file (a pipe, a
//! device) is written to as it is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most links that lead to each other.
const MOST_LINKS: usize = 40;

/// Writes a file beside its place and then renames it; if that fails, one that was there before is untouched.
pub fn write(path: &Path, fill: impl FnOnce(&mut WholeFile) -> io::Result<()>) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    fill(&mut file)?;
    file.finish()
}

/// Whether [`write()`] could begin there now. Nothing is left behind, and what is there stays as it is; a pipe is not opened,
/// since its reader would see its end.
pub fn check(path: &Path) -> io::Result<()> {
    match Place::of(path)? {
        Place::File { target, .. } => {
            let beside = beside(&target);
            File::create_new(&beside).map_err(without_folder)?;
            fs::remove_file(&beside)
        }
        Place::Stream(stream) if is_pipe(&stream) => Ok(()),
        Place::Stream(stream) => open(&stream).map(drop),
    }
}

/// A file under way. What was written is gone if [`WholeFile::finish`] is never called, or fails.
pub struct WholeFile {
    writer: BufWriter<File>,
    /// What is renamed, and to where; `None` of a stream, and after the end.
    pending: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Begins one; a pipe waits for its reader.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(match Place::of(path)? {
            Place::File { target, before } => {
                let beside = beside(&target);
                let file = File::create(&beside).map_err(without_folder)?;
                let begun = Self { writer: BufWriter::new(file), pending: Some((beside, target)) };
                if let Some(before) = before {
                    take_after(begun.writer.get_ref(), &before)?;
                }
                begun
            }
            Place::Stream(stream) => Self { writer: BufWriter::new(open(&stream)?), pending: None },
        })
    }

    /// Puts it in its place.
    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some((beside, target)) = &self.pending {
            self.writer.get_ref().sync_all()?;
            fs::rename(beside, target)?;
            self.pending = None;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.pending {
            // What was begun is of no use; that it may not even exist changes nothing about the error.
            let _ = fs::remove_file(beside);
        }
    }
}

/// A new file that is not found has no folder.
fn without_folder(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::NotFound => io::Error::new(kind, "its folder is not there; make it first"),
        _ => error,
    }
}

/// Where bytes go.
enum Place {
    /// A file: its path without links, and what was there before.
    File { target: PathBuf, before: Option<fs::Metadata> },
    /// What takes bytes one after the other: a pipe, a device, a descriptor of this process.
    Stream(PathBuf),
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let mut target = path.to_owned();
        for _ in 0..MOST_LINKS {
            // `/dev/stdout` leads here. Even where it is a file, others write to it as well.
            if is_descriptor(&target) {
                return Ok(Self::Stream(target));
            }
            match fs::symlink_metadata(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self::File { target, before: None });
                }
                Err(error) => return Err(error),
                Ok(found) if found.is_symlink() => {
                    let to = fs::read_link(&target)?;
                    target = target.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
                }
                Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                Ok(found) if found.is_file() => {
                    // One that may not be written is not to be replaced either.
                    File::options().write(true).open(&target)?;
                    return Ok(Self::File { target, before: Some(found) });
                }
                Ok(_) => return Ok(Self::Stream(target)),
            }
        }
        Err(io::Error::other("there are too many links, or they lead in a circle"))
    }
}

/// Whether a path is one of the open files of a process, as Linux and macOS list them.
fn is_descriptor(path: &Path) -> bool {
    cfg!(unix) && (path.starts_with("/proc") || path.starts_with("/dev/fd"))
}

/// Opens a stream: behind what others wrote there.
fn open(stream: &Path) -> io::Result<File> {
    File::options().append(true).open(stream)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Gives a new file the owner of the one before, as far as this process may, and its mode.
#[cfg(unix)]
fn take_after(file: &File, before: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    // Only an administrator's process can give files away.
    let _ = fchown(file, Some(before.uid()), Some(before.gid()));
    file.set_permissions(before.permissions())
}

/// A new file gets what its folder hands down.
#[cfg(not(unix))]
fn take_after(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// A name in the same folder, so that renaming stays within one file system; nobody else's, in no other thread either.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(|| OsString::from("trace"), OsString::from);
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    use super::*;

    /// A folder of a test's own.
    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("logitscope-whole-file-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn write_text(path: &Path, text: &str) -> io::Result<()> {
        write(path, |file| file.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode_and_a_link_its_place() {
        let folder = folder("mode");
        let (file, link, dangling) = (folder.join("file"), folder.join("link"), folder.join("dangling"));
        fs::write(&file, "before").expect("a file");
        for mode in [0o600, 0o640] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
            symlink("file", &link).expect("a link");
            write_text(&link, "after").expect("it is written");
            assert_eq!(fs::read_to_string(&file).expect("text"), "after");
            assert_eq!(file.metadata().expect("metadata").permissions().mode() & 0o777, mode);
            assert_eq!(fs::read_link(&link).expect("the link is there"), Path::new("file"));
            fs::remove_file(&link).expect("a link");
        }
        symlink("new", &dangling).expect("a link");
        write_text(&dangling, "new").expect("its target is made");
        assert_eq!(fs::read_to_string(folder.join("new")).expect("text"), "new");
        assert_eq!(names(&folder), ["dangling", "file", "new"]);
        fs::remove_dir_all(&folder).expect("a folder");
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let folder = folder("stream");
        let pipe = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        check(&pipe).expect("it can be written, and nobody has to read for that");
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe)
        });
        write_text(&pipe, "through").expect("it is written");
        assert_eq!(reader.join().expect("a thread").expect("text"), "through");
        assert!(fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo());
        assert_eq!(names(&folder), ["pipe"]);
        assert_eq!(write_text(&folder, "x").expect_err("a folder").kind(), io::ErrorKind::IsADirectory);
        fs::remove_dir_all(&folder).expect("a folder");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_says_so() {
        use std::os::fd::AsRawFd;
        // By its descriptor: a program that replaces devices would take this one from the whole machine.
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let path = PathBuf::from(format!("/proc/self/fd/{}", full.as_raw_fd()));
        check(&path).expect("it can be opened");
        assert_eq!(write_text(&path, "x").expect_err("no space").kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_check_leaves_nothing_behind() {
        let folder = folder("check");
        let file = folder.join("file");
        check(&file).expect("it can be written");
        assert_eq!(names(&folder), [""; 0]);
        fs::write(&file, "before").expect("a file");
        check(&file).expect("it can be written");
        assert_eq!(fs::read_to_string(&file).expect("text"), "before");
        assert_eq!(names(&folder), ["file"]);
        assert_eq!(check(&folder.join("no/file")).expect_err("no folder").kind(), io::ErrorKind::NotFound);
        assert_eq!(check(&folder).expect_err("a folder").kind(), io::ErrorKind::IsADirectory);
        let circle = folder.join("circle");
        symlink("circle", &circle).expect("a link");
        assert!(check(&circle).is_err());
        fs::remove_dir_all(&folder).expect("a folder");
    }

    #[test]
    fn what_is_given_up_leaves_what_was_there() {
        let folder = folder("given-up");
        let file = folder.join("file");
        fs::write(&file, "before").expect("a file");
        write(&file, |_| Err(io::Error::other("given up"))).expect_err("it is given up");
        assert_eq!(fs::read_to_string(&file).expect("text"), "before");
        assert_eq!(names(&folder), ["file"]);
        fs::remove_dir_all(&folder).expect("a folder");
    }
}
