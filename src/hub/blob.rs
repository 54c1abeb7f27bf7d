//! One file: asked about, received in as many parts as it takes, checked, and put where the cache has it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::error::HubError;
use super::http::{Answer, Ask, Client, Part, Subject};
use super::layout::Layout;
use super::lock::Lock;
use super::names::is_tag;
use super::order::{Order, RemoteFile};
use crate::http::{broken, escaped, header};

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;
/// How often a file may change while it is read.
const MOST_CHANGES: usize = 3;

/// What a download does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Asks the hub.
    Asking,
    /// Receives bytes.
    Receiving,
    /// Reads what came before, for the checksum.
    Checking,
    /// Waits for another program that downloads the same file.
    WaitingForAnother,
    /// Waits before another try, for this reason.
    WaitingToRetry(String),
}

/// How far a file is, in bytes, and what is being done.
pub(super) type Heard<'a> = &'a mut dyn FnMut(u64, Doing);

/// What the hub says of a file.
struct About {
    tag: String,
    bytes: u64,
}

/// How receiving ended.
#[derive(PartialEq, Eq)]
enum Came {
    Whole,
    /// The file is another one now.
    Changed,
}

/// A file of an order.
pub(super) struct Wanted<'a> {
    pub client: &'a Client,
    pub layout: &'a Layout,
    pub order: &'a Order,
    pub file: &'a RemoteFile,
}

impl Wanted<'_> {
    /// Gets it, unless it is here.
    pub(super) fn get(&self, heard: Heard<'_>) -> Result<(), HubError> {
        for _ in 0..MOST_CHANGES {
            if self.is_here() {
                return Ok(());
            }
            heard(0, Doing::Asking);
            let about = self.about()?;
            if self.put(&about, heard)? == Came::Whole {
                return Ok(());
            }
        }
        Err(HubError::Changes { file: self.file.path.clone() })
    }

    fn is_here(&self) -> bool {
        self.layout.pointer(&self.order.commit, &self.file.path).exists()
    }

    fn subject(&self) -> Subject<'_> {
        let Order { repository, revision, .. } = self.order;
        Subject { repository, revision, file: Some(&self.file.path) }
    }

    fn address(&self) -> String {
        let Order { repository, commit, .. } = self.order;
        let endpoint = &self.client.settings.endpoint;
        format!("{endpoint}/{repository}/resolve/{commit}/{}", escaped(&self.file.path))
    }

    fn about(&self) -> Result<About, HubError> {
        let (address, subject) = (self.address(), self.subject());
        let answer = self.client.patiently(|| self.client.once(&address, Ask::Head, subject))?;
        let tag = answer.linked.tag.filter(|tag| is_tag(tag));
        let tag = tag.ok_or_else(|| self.client.strange(format!("{} has no tag", self.file.path)))?;
        let whole = answer.response.status().is_success();
        let length = header(answer.response.headers(), "content-length").filter(|_| whole);
        let bytes = answer.linked.bytes.or_else(|| length?.parse().ok()).unwrap_or(self.file.bytes);
        Ok(About { tag, bytes })
    }

    /// Puts the file into the cache, while nobody else does.
    fn put(&self, about: &About, heard: Heard<'_>) -> Result<Came, HubError> {
        let lock = self.layout.lock(&about.tag);
        let _lock = Lock::take(&lock, &self.client.stop, &mut || heard(0, Doing::WaitingForAnother))?;
        if self.is_here() {
            return Ok(Came::Whole);
        }
        let blob = self.layout.blob(&about.tag);
        let was_there = fs::metadata(&blob).is_ok_and(|metadata| metadata.len() == about.bytes);
        if !was_there {
            let incomplete = self.layout.incomplete(&about.tag);
            if self.receive(about, &incomplete, heard)? == Came::Changed {
                // Of no use any more; that it cannot be deleted harms nobody.
                let _ = fs::remove_file(&incomplete);
                return Ok(Came::Changed);
            }
            fs::rename(&incomplete, &blob).map_err(HubError::file(&blob))?;
        }
        self.layout.point(&about.tag, &self.order.commit, &self.file.path, !was_there)?;
        Ok(Came::Whole)
    }

    /// Receives what is missing, and checks the whole.
    fn receive(&self, about: &About, incomplete: &Path, heard: Heard<'_>) -> Result<Came, HubError> {
        let mut partial = Partial::open(incomplete, about, self.client, heard)?;
        // The tag of the server that has the bytes, which the hub sends us to.
        let mut tag = None;
        let mut attempts = 0;
        while partial.have < partial.bytes {
            let before = partial.have;
            match self.receive_part(about, &mut partial, &mut tag, heard) {
                Ok(Came::Whole) => {}
                Ok(Came::Changed) => return Ok(Came::Changed),
                Err(error) if error.may_pass() => {
                    attempts = if partial.have > before { 1 } else { attempts + 1 };
                    let reason = error.to_string();
                    let Some(wait) = self.client.wait_after(&error, attempts) else {
                        return Err(match error {
                            HubError::Network { .. } | HubError::BrokenOff { .. } => {
                                HubError::Broken { file: self.file.path.clone(), reason }
                            }
                            error => error,
                        });
                    };
                    heard(partial.have, Doing::WaitingToRetry(reason));
                    self.client.stop.wait(wait)?;
                }
                Err(error @ HubError::WrongContents { .. }) => {
                    partial.throw_away();
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        match partial.finish()? {
            true => Ok(Came::Whole),
            false => Err(self.wrong("its checksum is another one")),
        }
    }

    /// Receives until the end or a break.
    fn receive_part(
        &self,
        about: &About,
        partial: &mut Partial<'_>,
        tag: &mut Option<String>,
        heard: Heard<'_>,
    ) -> Result<Came, HubError> {
        let part = (partial.have > 0).then_some(Part { from: partial.have, tag: tag.as_deref() });
        let answer = self.client.once(&self.address(), Ask::Get(part), self.subject())?;
        if answer.linked.tag.as_ref().is_some_and(|tag| *tag != about.tag) {
            return Ok(Came::Changed);
        }
        self.align(&answer, partial)?;
        let strong = header(answer.response.headers(), "etag").filter(|tag| tag.starts_with('"'));
        *tag = strong.map(str::to_owned);
        let Answer { response, host, .. } = answer;
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            self.client.stop.check()?;
            let broken_off = |reason| HubError::BrokenOff { host: host.clone(), reason };
            let count = match reader.read(&mut buffer) {
                Ok(0) if partial.have == partial.bytes => return Ok(Came::Whole),
                Ok(0) => return Err(broken_off("it ended too early".to_owned())),
                Ok(count) => count,
                Err(_) if self.client.stop.is_stopped() => return Err(HubError::Stopped),
                Err(error) => return Err(broken_off(broken(&error))),
            };
            if partial.have + count as u64 > partial.bytes {
                return Err(self.wrong("it is longer than announced"));
            }
            partial.take(&buffer[..count])?;
            heard(partial.have, Doing::Receiving);
        }
    }

    /// Makes what is here end where the answer begins.
    fn align(&self, answer: &Answer, partial: &mut Partial<'_>) -> Result<(), HubError> {
        let headers = answer.response.headers();
        let another_part =
            |what: &str| HubError::BrokenOff { host: answer.host.clone(), reason: what.to_owned() };
        match answer.response.status().as_u16() {
            206 => {
                let range = header(headers, "content-range").and_then(|range| range.strip_prefix("bytes "));
                let (from, total) = range.and_then(|range| range.split_once('/')).unwrap_or_default();
                let from = from.split_once('-').and_then(|(from, _)| from.parse().ok());
                let total: Option<u64> = total.parse().ok();
                if from == Some(partial.have) && total.is_none_or(|total| total == partial.bytes) {
                    return Ok(());
                }
                partial.begin_anew()?;
                Err(another_part("it sends another part of the file than it was asked for"))
            }
            416 => {
                partial.begin_anew()?;
                Err(another_part("it has no such part of the file"))
            }
            _ => {
                let length: Option<u64> =
                    header(headers, "content-length").and_then(|length| length.parse().ok());
                if length.is_some_and(|length| length != partial.bytes) {
                    // Such as the page of a hotel that asks for a password: what came before stays.
                    return Err(another_part("it sends something else than the file"));
                }
                // A server that knows no parts, or has another file now, begins at the beginning.
                if partial.have > 0 { partial.begin_anew() } else { Ok(()) }
            }
        }
    }

    fn wrong(&self, what: &str) -> HubError {
        HubError::WrongContents { file: self.file.path.clone(), what: what.to_owned() }
    }
}

/// What came of a file so far.
struct Partial<'a> {
    client: &'a Client,
    path: PathBuf,
    file: File,
    tag: String,
    have: u64,
    bytes: u64,
    digest: Digest,
}

impl<'a> Partial<'a> {
    /// Opens what came before, and reads it for the checksum.
    fn open(path: &Path, about: &About, client: &'a Client, heard: Heard<'_>) -> Result<Self, HubError> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(HubError::file(path))?;
        let have = file.metadata().map_err(HubError::file(path))?.len();
        let About { tag, bytes } = about;
        let digest = Digest::of(tag, *bytes);
        let path = path.to_owned();
        let mut partial = Self { client, path, file, tag: tag.clone(), have: 0, bytes: *bytes, digest };
        if have > *bytes {
            partial.begin_anew()?;
        } else {
            partial.read_before(have, heard)?;
        }
        Ok(partial)
    }

    fn read_before(&mut self, have: u64, heard: Heard<'_>) -> Result<(), HubError> {
        let mut buffer = vec![0; BUFFER];
        while self.have < have {
            self.client.stop.check()?;
            let most = usize::try_from(have - self.have).unwrap_or(BUFFER).min(BUFFER);
            let read = self.file.read(&mut buffer[..most]);
            let count = read.map_err(HubError::file(&self.path))?;
            if count == 0 {
                break;
            }
            self.digest.take(&buffer[..count]);
            self.have += count as u64;
            heard(self.have, Doing::Checking);
        }
        Ok(())
    }

    fn begin_anew(&mut self) -> Result<(), HubError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(HubError::file(&self.path))?;
        (self.have, self.digest) = (0, Digest::of(&self.tag, self.bytes));
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(|error| self.unwritten(error))?;
        self.digest.take(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn unwritten(&self, reason: std::io::Error) -> HubError {
        if matches!(reason.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            let folder = self.path.parent().unwrap_or(&self.path).to_owned();
            let free = (self.client.settings.free_space)(&folder).unwrap_or_default();
            return HubError::DiskFull { folder, needed: self.bytes - self.have, free };
        }
        HubError::File { path: self.path.clone(), reason }
    }

    /// Writes it out, and tells whether it is right; otherwise it is thrown away.
    fn finish(self) -> Result<bool, HubError> {
        self.file.sync_all().map_err(|error| self.unwritten(error))?;
        let is_right = self.digest.is_right();
        if !is_right {
            self.throw_away();
        }
        Ok(is_right)
    }

    fn throw_away(&self) {
        // If it cannot be deleted, its checksum is wrong the next time as well.
        let _ = fs::remove_file(&self.path);
    }
}
