//! The integration tests: one binary, files by theme.

mod suite {
    mod decoding;
    mod fake_model;
    mod stages;
    mod tokenizer;
    mod trace_file;
}
