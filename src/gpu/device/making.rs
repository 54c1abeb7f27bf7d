//! Making kernels on several threads: drivers compile them one by one for tens of milliseconds each, on the thread that asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use super::handle::Device;
use crate::gpu::kernels::KernelUse;
use crate::gpu::progress::Share;
use crate::model::ModelError;

/// Most threads that make kernels.
const MOST_THREADS: usize = 8;

/// Kernels that threads are making; dropped, they begin no other one.
pub(crate) struct Making<'a> {
    work: Arc<Work<'a>>,
    /// Hears of each kernel that a thread made, and ends when they are through.
    made: Receiver<()>,
}

/// What the threads share.
struct Work<'a> {
    device: &'a Device,
    kernels: Vec<KernelUse>,
    /// The next one that nobody has begun.
    next: AtomicUsize,
    done: AtomicUsize,
    stopped: AtomicBool,
}

impl Device {
    /// Makes kernels on several threads, as far as they are not there yet.
    pub(crate) fn make<'k>(
        &self,
        kernels: impl IntoIterator<Item = &'k KernelUse>,
    ) -> Result<(), ModelError> {
        let missing = self.missing(kernels);
        if missing.is_empty() {
            return Ok(());
        }
        std::thread::scope(|scope| Making::start(scope, self, missing).finish(|_| Ok(())))
    }

    /// Those of some kernels that are not there yet, each once.
    pub(crate) fn missing<'k>(&self, kernels: impl IntoIterator<Item = &'k KernelUse>) -> Vec<KernelUse> {
        let mut missing: Vec<KernelUse> = Vec::new();
        let mut known: Vec<&KernelUse> = Vec::new();
        for kernel in kernels {
            if !known.contains(&kernel) {
                known.push(kernel);
                missing.extend((!self.has_pipeline(kernel)).then(|| kernel.clone()));
            }
        }
        missing
    }
}

impl<'a> Making<'a> {
    /// Has threads of this scope make these kernels.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        device: &'a Device,
        kernels: Vec<KernelUse>,
    ) -> Self
    where
        'a: 'scope,
    {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = processors.min(MOST_THREADS).min(kernels.len());
        let (next, done, stopped) = Default::default();
        let work = Arc::new(Work { device, kernels, next, done, stopped });
        let (tell, made) = channel();
        for _ in 0..threads {
            let (work, tell) = (Arc::clone(&work), tell.clone());
            // A thread that the system refuses leaves its share to the others, and to the one that waits.
            let builder = Builder::new().name("kernels".to_owned());
            if let Err(error) = builder.spawn_scoped(scope, move || work.make_all(&tell)) {
                log::debug!("a thread for kernels: {error}");
            }
        }
        Self { work, made }
    }

    /// Makes what nobody has begun, and waits for the rest; hears how far they are.
    pub(crate) fn finish<E: From<ModelError>>(
        self,
        mut told: impl FnMut(Share) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { work, made } = &self;
        told(work.share())?;
        while work.make_one()? {
            told(work.share())?;
        }
        for () in made {
            told(work.share())?;
        }
        Ok(work.device.check()?)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.work.stopped.store(true, Ordering::Relaxed);
    }
}

impl Work<'_> {
    /// What a thread does. An error ends it; the device remembers it for the one that waits.
    fn make_all(&self, tell: &Sender<()>) {
        while !self.stopped.load(Ordering::Relaxed) && self.make_one() == Ok(true) {
            // Nobody listens any more after an error.
            let _ = tell.send(());
        }
    }

    /// Makes one that nobody has begun, and returns whether there was one.
    fn make_one(&self) -> Result<bool, ModelError> {
        let Some(kernel) = self.kernels.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
            return Ok(false);
        };
        self.device.pipeline(kernel)?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn share(&self) -> Share {
        Share::of(self.done.load(Ordering::Relaxed), self.kernels.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::{Kernel, Override};

    fn device() -> Device {
        Device::open(None).unwrap()
    }

    /// A kernel, another one for each number.
    fn scale(blocks: u32) -> KernelUse {
        let overrides = vec![Override::Workgroup(8), Override::Columns4(blocks), Override::Factor(0.5)];
        KernelUse { variant: Kernel::Scale.into(), overrides }
    }

    /// One that does not compile: its overrides are missing.
    fn broken() -> KernelUse {
        Kernel::Scale.into()
    }

    #[test]
    fn each_kernel_is_made_once_however_many_threads_want_it() {
        let device = device();
        let before = device.pipelines();
        let kernels: Vec<KernelUse> = (1..=6).chain(1..=6).map(scale).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| device.make(&kernels).unwrap());
            }
        });
        assert_eq!(device.pipelines() - before, 6);
        assert!(device.missing(&kernels).is_empty());
        assert_eq!(device.missing([&scale(7), &kernels[0], &scale(7)]), [scale(7)]);
        let pipelines = [0, 6].map(|index| device.pipeline(&kernels[index]).unwrap());
        assert_eq!(pipelines[0], pipelines[1]);
    }

    #[test]
    fn progress_counts_up_to_all_of_them() {
        let device = device();
        let mut heard = Vec::new();
        std::thread::scope(|scope| {
            let making = Making::start(scope, &device, (1..=5).map(scale).collect());
            making.finish(|share| {
                heard.push(share);
                Ok::<_, ModelError>(())
            })
        })
        .unwrap();
        assert_eq!(heard.last(), Some(&Share::of(5, 5)));
        assert!(heard.is_sorted_by_key(|share| share.done), "{heard:?}");
    }

    #[test]
    fn one_that_does_not_compile_is_one_error_that_names_it() {
        let device = device();
        let kernels = [scale(1), broken(), scale(2), scale(3), scale(4)];
        let error = device.make(&kernels).unwrap_err();
        assert!(matches!(&error, ModelError::Device { reason } if reason.contains("scale")), "{error:?}");
        assert_eq!(device.check(), Err(error));
    }

    #[test]
    fn given_up_it_begins_no_other_kernel() {
        let device = device();
        let before = device.pipelines();
        std::thread::scope(|scope| {
            let making = Making::start(scope, &device, (1..=400).map(scale).collect());
            making.finish(|_| Err(ModelError::Interrupted)).unwrap_err();
        });
        assert!(device.pipelines() - before < 100, "{}", device.pipelines() - before);
    }
}
