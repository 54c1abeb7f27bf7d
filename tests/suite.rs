//! The integration tests: one binary, files by theme.

mod suite {
    mod architecture;
    mod attention;
    mod beams;
    mod branches;
    mod chained;
    mod chat;
    mod checkpoints;
    mod cli;
    mod contrastive;
    mod counting_model;
    mod decoding;
    mod drafts;
    mod engine;
    mod fake_model;
    mod families;
    mod formats;
    mod fused;
    mod fuzz;
    mod gguf;
    mod gguf_families;
    mod gguf_tokenizer;
    mod grammar;
    mod kernels;
    mod lookahead;
    mod malformed;
    mod matrices;
    mod measuring;
    mod merges;
    mod model_card;
    mod selection;
    mod sentencepiece;
    mod session;
    mod shaders;
    mod speculative;
    mod stage_properties;
    mod stages;
    mod support;
    mod tokenizer;
    mod trace_file;

    mod weights;
    mod window;
    mod window_floods;
    mod window_pictures;
    mod window_plots;
    mod window_script;
    mod window_strategies;
    mod window_traces;
}
