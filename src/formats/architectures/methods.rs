//! Ways to quantise a folder by the names that `config.json` has for them (`quant_method`), as transformers knows them: what is said
//! of those that cannot be read.

use crate::formats::fields::Fields;

/// Those that can be read, for people.
const KNOWN: &str =
    "fp8, mxfp8, fbgemm_fp8, compressed-tensors, ModelOpt, bitsandbytes, GPTQ, AWQ, metal and MLX's can";

/// Those that cannot, and what they are.
const REFUSED: [(&str, &str); 18] = [
    ("aqlm", "AQLM's codebooks of vectors"),
    ("auto-round", "AutoRound's own form"),
    ("bitnet", "BitNet's weights of −1, 0 and 1"),
    ("eetq", "EETQ's, whose codes lie as a GPU's kernel reads them,"),
    ("fouroversix", "Four Over Six' blocks"),
    ("fp_quant", "FP-Quant's turned blocks"),
    ("gemma", "Gemma's checkpoints of trained precisions"),
    ("gguf", "GGUF's blocks inside a folder"),
    ("higgs", "HIGGS' grids of vectors"),
    ("hqq", "HQQ's"),
    ("mxfp4", "floats of four bits as gpt-oss has them, in other families,"),
    ("nvfp4", "transformers' own nvfp4"),
    ("quanto", "Quanto's"),
    ("quark", "Quark's"),
    ("sinq", "SINQ's, which have factors for rows and for columns,"),
    ("spqr", "SpQR's, which keep outliers apart,"),
    ("torchao", "torchao's tensors"),
    ("vptq", "VPTQ's codebooks of vectors"),
];

/// Why weights that are quantised as `config.json` says cannot be read.
pub(super) fn refusal(config: &Fields) -> String {
    let settings = config.optional_object("quantization_config").ok().flatten();
    let method = settings.as_ref().and_then(|settings| settings.optional_text("quant_method").ok().flatten());
    let refused = REFUSED.iter().find(|(name, _)| Some(*name) == method);
    let what = refused.map_or("quantised weights of this kind", |(_, what)| what);
    format!("{what} cannot be read: {KNOWN}; use one of these, a GGUF file, or the original weights")
}
