//! The integration tests: one binary, files by theme.

#![expect(unreachable_pub, reason = "what modules of one test binary share")]

mod suite {
    mod adapters;
    mod architecture;
    mod attention;
    mod bans;
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
    mod expert_kernels;
    mod fake_model;
    mod families;
    mod formats;
    mod fused;
    mod fuzz;
    mod gates;
    mod generation;
    mod gguf;
    mod gguf_edit;
    mod gguf_families;
    mod gguf_keys;
    mod gguf_tokenizer;
    mod grammar;
    mod hybrid;
    mod imports;
    mod json;
    mod kept;
    mod kernels;
    mod loading;
    mod lookahead;
    mod malformed;
    mod matrices;
    mod measuring;
    mod merges;
    mod model_card;
    mod names;
    mod recurrences;
    mod report;
    mod routers;
    mod selection;
    mod sentencepiece;
    mod session;
    mod shaders;
    mod speculative;
    mod stage_properties;
    mod stages;
    mod states;
    mod support;
    mod token_kinds;
    mod tokenizer;
    mod trace_file;

    mod weights;
    mod window;
    mod window_comfort;
    mod window_floods;
    mod window_pictures;
    mod window_plots;
    mod window_prompt;
    mod window_script;
    mod window_strategies;
    mod window_traces;
    mod wrappers;
}
