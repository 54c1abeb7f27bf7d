//! How much memory a device has. wgpu has no such number, so the driver is asked past it, which so far is done on
//! Vulkan alone.

use wgpu::Adapter;

/// Bytes of the largest heap of the device's own memory, as its driver reports. Of software drivers and of GPUs that
/// share the machine's memory, that is their part of it.
#[cfg(any(target_os = "linux", windows))]
pub(super) fn bytes(adapter: &Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the guard keeps the adapter alive, and nothing of it is destroyed here.
    #[expect(unsafe_code, reason = "wgpu does not tell how much memory there is")]
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = adapter.shared_instance().raw_instance();
    // SAFETY: the adapter keeps its instance alive, of which this physical device is.
    #[expect(unsafe_code, reason = "as above")]
    let memory = unsafe { instance.get_physical_device_memory_properties(adapter.raw_physical_device()) };
    let heaps = memory.memory_heaps.iter().take(memory.memory_heap_count as usize);
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

/// Unknown: this system's drivers are asked in another way.
#[cfg(not(any(target_os = "linux", windows)))]
pub(super) fn bytes(_adapter: &Adapter) -> Option<u64> {
    None
}
