//! The only place that names model families: one short file each.
