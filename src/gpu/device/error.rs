//! Why no device could be had.

use super::failures::FailedAdapter;
use crate::model::ModelError;

/// Why no device could be had.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No driver offers an adapter.
    #[error(
        "no GPU was found: no Vulkan, Metal or DirectX 12 driver answered. Install your GPU's driver; without a GPU, a software Vulkan driver works (on Linux: package mesa-vulkan-drivers, Mesa 25 or newer)"
    )]
    NoAdapter,
    /// The choice matches none of the adapters.
    #[error("adapter {choice}: there is no such adapter. Found: {found}")]
    UnknownAdapter {
        /// What was asked for.
        choice: String,
        /// What there is.
        found: String,
    },
    /// What was chosen does not work.
    #[error("{}. {}", sentences(failed), others_of(others))]
    ChosenFails {
        /// The adapters that the choice stands for.
        failed: Vec<FailedAdapter>,
        /// The others, with their numbers, as far as they are not known to fail.
        others: Vec<String>,
    },
    /// Nothing was chosen, and nothing works.
    #[error(
        "no adapter of this machine works: {}. Update the GPU's driver; without a GPU, a software Vulkan driver works (on Linux: package mesa-vulkan-drivers, Mesa 25 or newer)",
        sentences(.0)
    )]
    NoneWorks(Vec<FailedAdapter>),
    /// Something failed on the open device.
    #[error(transparent)]
    Device(#[from] ModelError),
}

impl GpuError {
    /// What is wrong, without what to do.
    pub fn problem(&self) -> String {
        match self {
            Self::ChosenFails { failed, .. } | Self::NoneWorks(failed) if failed.len() == 1 => {
                failed[0].problem.to_string()
            }
            other => other.to_string(),
        }
    }
}

fn sentences(failed: &[FailedAdapter]) -> String {
    failed.iter().map(FailedAdapter::to_string).collect::<Vec<_>>().join("; ")
}

fn others_of(others: &[String]) -> String {
    match others {
        [] => "There is no other adapter: update its driver".to_owned(),
        others => {
            format!("Others: {}. Without a choice, the first one that works is taken", others.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapter_info::AdapterInfo;
    use super::super::failures::Problem;
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_with_what_there_is_instead() {
        let info =
            AdapterInfo { name: "card".to_owned(), backend: "Dx12".to_owned(), ..AdapterInfo::default() };
        let failed = vec![FailedAdapter { info, problem: Problem::Silent { seconds: 20 } }];
        let chosen = |others| GpuError::ChosenFails { failed: failed.clone(), others };
        let told = chosen(vec!["1, card (Vulkan)".to_owned()]).to_string();
        assert!(
            told.contains("adapter 0, card (Dx12)") && told.contains("Others: 1, card (Vulkan)"),
            "{told}"
        );
        assert!(chosen(Vec::new()).to_string().contains("no other adapter"));
        let none = GpuError::NoneWorks(failed.clone());
        assert!(none.to_string().contains("no adapter of this machine works: adapter 0, card"), "{none}");
        assert_eq!(none.problem(), "it did not do its first work within 20 s");
    }
}
