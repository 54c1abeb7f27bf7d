//! Checksums, as the hub's tags have them: SHA-256 of large files, git's SHA-1 of small ones.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// A checksum that is being computed.
#[derive(Clone)]
pub(super) struct Digest {
    context: Option<Context>,
    expected: String,
}

impl Digest {
    /// For a file with this tag and so many bytes. A tag that is no checksum is not checked.
    pub(super) fn of(tag: &str, bytes: u64) -> Self {
        let is_hexadecimal = tag.bytes().all(|digit| digit.is_ascii_hexdigit());
        let context = match tag.len() {
            64 if is_hexadecimal => Some(Context::new(&SHA256)),
            40 if is_hexadecimal => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {bytes}\0").as_bytes());
                Some(context)
            }
            _ => None,
        };
        Self { context, expected: tag.to_lowercase() }
    }

    /// Takes in bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some(context) = &mut self.context {
            context.update(bytes);
        }
    }

    /// Whether what came is what was expected.
    pub(super) fn is_right(&self) -> bool {
        let Some(context) = &self.context else { return true };
        let hexadecimal: String =
            context.clone().finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        hexadecimal == self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_sha256sum_and_git() {
        // `printf 'hello\n' | sha256sum`, `… | git hash-object --stdin`
        for tag in [
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "some-other-tag",
        ] {
            let mut digest = Digest::of(tag, 6);
            digest.take(b"hel");
            digest.take(b"lo\n");
            assert!(digest.is_right(), "{tag}");
        }
        let mut wrong = Digest::of("ce013625030ba8dba906f756967f9e9ca394464a", 6);
        wrong.take(b"hello!");
        assert!(!wrong.is_right());
    }
}
