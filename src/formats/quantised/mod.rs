//! Quantised matrices of safetensors folders, which are stored in several tensors each: brought together into one of a group
//! format, before any family looks for its tensors.
//!
//! `config.json` says by which scheme; that a tensor is quantised is seen by the tensors themselves. A scheme knows nothing of
//! families.

mod awq;
mod bits_and_bytes;
mod eight_bits;
mod floats_of_four;
mod four_bits;
mod gptq;
mod joined;
mod matrices;
mod mlx;
mod model_opt;
mod numbers;
mod order;
mod packed;
mod parts;
mod words;
mod words_of_codes;

use super::error::FormatError;
use super::fields::Fields;
use super::folder::Folder;
pub(super) use joined::Joined;
use parts::Parts;
pub(super) use parts::{Part, PartsFile};
use serde_json::Value;

/// How a folder's matrices are quantised.
enum Scheme<'a> {
    /// MLX's.
    Mlx(mlx::Settings<'a>),
    /// Floats or whole numbers of eight bits, with scales for rows, blocks or whole matrices.
    EightBits { block: [usize; 2] },
    /// Those of compressed-tensors: as before, and codes in words.
    CompressedTensors(packed::Settings),
    /// ModelOpt's: floats of four bits, or of eight as before.
    ModelOpt,
    /// bitsandbytes'.
    BitsAndBytes,
    /// GPTQ's.
    Gptq(gptq::Settings),
    /// AWQ's.
    Awq(awq::Settings),
}

impl<'a> Scheme<'a> {
    /// That of `config.json`; none where nothing is quantised, or by a scheme that is unknown here.
    fn of(config: &Fields<'a>) -> Result<Option<Self>, FormatError> {
        if let Some(settings) = config.optional_object("quantization")? {
            return mlx::Settings::of(settings).map(|settings| Some(Self::Mlx(settings)));
        }
        match config.optional_object("quantization_config")? {
            Some(settings) if settings.optional_text("quant_method")? == Some("metal") => {
                mlx::Settings::metal(settings).map(|settings| Some(Self::Mlx(settings)))
            }
            Some(settings) => Self::of_method(settings.optional_text("quant_method")?, &settings),
            None => Ok(None),
        }
    }

    /// That of a method's settings; none of a method that is unknown here.
    fn of_method(method: Option<&str>, settings: &Fields) -> Result<Option<Self>, FormatError> {
        Ok(match method {
            Some("fp8" | "mxfp8" | "fbgemm_fp8") => {
                Some(Self::EightBits { block: eight_bits::block(settings, "weight_block_size")? })
            }
            Some("compressed-tensors") => Some(Self::CompressedTensors(packed::Settings::of(settings)?)),
            Some("modelopt" | "modelopt_fp4" | "modelopt_mixed") => Some(Self::model_opt(settings)?),
            Some("bitsandbytes" | "bitsandbytes_4bit" | "bitsandbytes_8bit") => Some(Self::BitsAndBytes),
            Some("gptq") => Some(Self::Gptq(gptq::Settings::of(settings)?)),
            Some("awq") => Some(Self::Awq(awq::Settings::of(settings)?)),
            // As its first versions have it.
            None if ["load_in_4bit", "load_in_8bit"].iter().any(|field| settings.names(field)) => {
                Some(Self::BitsAndBytes)
            }
            _ => None,
        })
    }

    fn model_opt(settings: &Fields) -> Result<Self, FormatError> {
        model_opt::check(settings).map(|()| Self::ModelOpt)
    }
}

/// A file beside `config.json` that may say in its place how matrices are quantised.
struct OtherFile {
    name: &'static str,
    /// By which method, if it does not say so itself.
    method: &'static str,
    /// What the names of some tensors end with if it counts.
    codes: &'static str,
}

/// ModelOpt's, AutoGPTQ's and AutoAWQ's.
const OTHER_FILES: [OtherFile; 3] = [
    OtherFile { name: "hf_quant_config.json", method: "modelopt", codes: ".weight" },
    OtherFile { name: "quantize_config.json", method: "gptq", codes: ".qweight" },
    OtherFile { name: "quant_config.json", method: "awq", codes: ".qweight" },
];

impl OtherFile {
    /// What it says, and where, if it is there and counts for these tensors.
    fn read(&self, folder: &Folder, stored: &[Part]) -> Result<Option<(String, Value)>, FormatError> {
        if !stored.iter().any(|part| part.stored.name.ends_with(self.codes)) {
            return Ok(None);
        }
        Ok(folder.read_json(self.name)?.map(|settings| (folder.place(self.name), settings)))
    }
}

/// Whether `config.json` names a scheme that is known here.
pub(super) fn is_known(config: &Fields) -> bool {
    Scheme::of(config).is_ok_and(|scheme| scheme.is_some())
}

/// The scheme by the first of the other files that is there.
fn of_other_files<'a>(folder: &Folder, stored: &[Part]) -> Result<Option<Scheme<'a>>, FormatError> {
    for file in &OTHER_FILES {
        let Some((place, settings)) = file.read(folder, stored)? else { continue };
        let fields = Fields::new(&place, &settings)?;
        let method = fields.optional_text("quant_method")?.unwrap_or(file.method);
        return Scheme::of_method(Some(method), &fields);
    }
    Ok(None)
}

/// Brings together what belongs together by the scheme of `config.json`, or of a file beside it: each tensor that is left, and how
/// it is read where several make it. `files` are those that hold them.
pub(super) fn join(
    config: &Fields,
    folder: &Folder,
    files: &[PartsFile],
    stored: Vec<Part>,
) -> Result<Vec<(Part, Option<Joined>)>, FormatError> {
    let scheme = match Scheme::of(config)? {
        None if !config.names("quantization_config") => of_other_files(folder, &stored)?,
        scheme => scheme,
    };
    let Some(scheme) = scheme else {
        return Ok(stored.into_iter().map(|part| (part, None)).collect());
    };
    let mut parts = Parts::new(files, stored);
    let joined = match scheme {
        Scheme::Mlx(settings) => mlx::join(&settings, &mut parts)?,
        Scheme::EightBits { block } => eight_bits::join(block, &mut parts)?,
        Scheme::CompressedTensors(settings) => {
            let mut joined = packed::join(&settings, &mut parts)?;
            joined.extend(floats_of_four::join(&floats_of_four::COMPRESSED_TENSORS, &mut parts)?);
            joined.extend(eight_bits::join(settings.block, &mut parts)?);
            joined
        }
        Scheme::ModelOpt => {
            let mut joined = floats_of_four::join(&floats_of_four::MODEL_OPT, &mut parts)?;
            joined.extend(eight_bits::join(eight_bits::USUAL_BLOCK, &mut parts)?);
            joined
        }
        Scheme::BitsAndBytes => bits_and_bytes::join(&mut parts)?,
        Scheme::Gptq(settings) => gptq::join(&settings, &mut parts)?,
        Scheme::Awq(settings) => awq::join(&settings, &mut parts)?,
    };
    let left = parts.into_left().into_iter().map(|part| (part, None));
    Ok(left.chain(joined.into_iter().map(|(part, joined)| (part, Some(joined)))).collect())
}
