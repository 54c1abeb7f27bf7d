// The grid read where it is stored: for kernels that look up little, or that have no workgroup memory.

fn grid_word(index: u32) -> u32 { return scales[index]; }
