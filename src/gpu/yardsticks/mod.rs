//! What a device can do at most: what measurements are compared with.

mod arithmetic;
mod copy_bandwidth;
mod f32_rate;
mod launch;
mod turns;
mod wake;

pub use copy_bandwidth::copy_bandwidth;
pub use f32_rate::f32_rate;
pub use launch::launch_seconds;
pub use wake::wake;
