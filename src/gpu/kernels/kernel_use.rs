//! A kernel with all that it is compiled by.

use super::kernel::Kernel;
use super::overrides::Override;
use super::source::Variant;

/// A kernel, and what it is specialised by.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelUse {
    /// The kernel as it is put together.
    pub variant: Variant,
    /// A value for each of its overrides.
    pub overrides: Vec<Override>,
}

impl KernelUse {
    /// A name with kernel, format and a number that the rest gives: the same use has the same in every run.
    pub fn id(&self) -> String {
        let Variant { kernel, format, reduction, units, tile } = self.variant;
        let mut rest = format!("{reduction:?} {units:?} {tile:?}");
        for (name, value) in self.constants() {
            rest += &format!(" {name}={value}");
        }
        let format = format.map_or_else(String::new, |format| format!("-{}", format.name()));
        format!("{}{format}-{:08x}", kernel.name(), fnv(rest.as_bytes()))
    }

    /// The overrides as pipelines take them.
    pub fn constants(&self) -> Vec<(&'static str, f64)> {
        self.overrides.iter().map(|value| (value.name(), value.value())).collect()
    }
}

impl From<Kernel> for KernelUse {
    /// A kernel without variants and overrides.
    fn from(kernel: Kernel) -> Self {
        Self { variant: kernel.into(), overrides: Vec::new() }
    }
}

/// The 32-bit FNV-1a hash.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_uses_apart_and_stay() {
        assert_eq!(fnv(b"foobar"), 0xbf9c_f968);
        let of = |overrides: &[Override]| {
            KernelUse { variant: Kernel::Add.into(), overrides: overrides.to_vec() }.id()
        };
        let [small, large] = [9, 10].map(|blocks| of(&[Override::Workgroup(16), Override::Columns4(blocks)]));
        assert!(small.starts_with("add-") && small.len() == "add-".len() + 8, "{small}");
        assert_ne!(small, large);
        assert_eq!(small, of(&[Override::Workgroup(16), Override::Columns4(9)]));
    }
}
