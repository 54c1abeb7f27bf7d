//! The integration tests: one binary, files by theme.

mod suite {
    mod counting_model;
    mod decoding;
    mod fake_model;
    mod session;
    mod stages;
    mod tokenizer;
    mod trace_file;
}
