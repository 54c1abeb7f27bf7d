//! Rotary embeddings as `config.json` describes them, in both of its spellings: `rope_theta` and
//! `rope_scaling` at the top, or `rope_parameters` with all of it.
//!
//! Defaults are those of Hugging Face transformers 5.23 (`modeling_rope_utils.py`).

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::rotary::{RampEnds, RotaryConfig, RotaryScaling};

/// What a family's rotary embeddings are where its configuration does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// The part of each head that rotates; `None` where it cannot be but the whole.
    pub share: Option<f64>,
    /// Fields of the scaling that the family reads itself.
    pub elsewhere: &'static [&'static str],
}

impl Default for Rope {
    fn default() -> Self {
        Self { theta: 10_000.0, share: None, elsewhere: &[] }
    }
}

/// Fields that some files carry where they change nothing.
/// Sections of heads rotate by an image's row and column; for text both are the position.
const IDLE_FIELDS: [&str; 4] =
    ["original_max_position_embeddings", "finetuned", "mrope_section", "mrope_interleaved"];

/// The rotary embedding of heads of `head_width` elements in a model of `context` positions.
pub(super) fn read(
    fields: &Fields,
    head_width: usize,
    context: usize,
    default: Rope,
) -> Result<RotaryConfig, FormatError> {
    let (old, new) = (fields.optional_object("rope_scaling")?, fields.optional_object("rope_parameters")?);
    let new = match new {
        Some(by_kind) if by_kind.names(OF_OTHERS) => by_kind.optional_object(OF_OTHERS)?,
        new => new,
    };
    read_object(fields, old.or(new), head_width, context, default)
}

/// The objects in `rope_parameters` where layers with a window have their own.
const OF_OTHERS: &str = "full_attention";
const OF_WINDOWS: &str = "sliding_attention";

/// The rotary embedding of layers with a window, in a model where those of the other layers may be stretched. The
/// older spelling has only a base for them, which `theta` finds; `share` is as [`Rope`] has it.
pub(super) fn of_windows(
    fields: &Fields,
    context: usize,
    head_width: usize,
    share: Option<f64>,
    theta: impl Fn(&Fields) -> Result<f64, FormatError>,
) -> Result<RotaryConfig, FormatError> {
    let theta = theta(fields)?;
    let own = match fields.optional_object("rope_parameters")? {
        Some(by_kind) if by_kind.names(OF_WINDOWS) => by_kind.optional_object(OF_WINDOWS)?,
        _ => None,
    };
    match own {
        Some(own) => {
            read_object(fields, Some(own), head_width, context, Rope { theta, share, ..Rope::default() })
        }
        None => Ok(RotaryConfig { width: head_width, theta, scaling: RotaryScaling::Plain }),
    }
}

fn read_object(
    fields: &Fields,
    rope: Option<Fields>,
    head_width: usize,
    context: usize,
    default: Rope,
) -> Result<RotaryConfig, FormatError> {
    let theta = fields.optional_number("rope_theta")?.unwrap_or(default.theta);
    if let Some(rope) = &rope
        && rope.optional_text("rope_type")? == Some("proportional")
    {
        return read_proportional(rope, head_width, theta, default.elsewhere);
    }
    let share = share(fields, default.share)?;
    let Some(rope) = rope else {
        let width = rotary_width(fields, head_width, share)?;
        return Ok(RotaryConfig { width, theta, scaling: RotaryScaling::Plain });
    };
    let share = self::share(&rope, default.share.and(share))?;
    let width = rotary_width(&rope, head_width, share)?;
    let theta = rope.optional_number("rope_theta")?.unwrap_or(theta);

    let (modern, old) = (rope.optional_text("rope_type")?, rope.optional_text("type")?);
    let scaling = match modern.or(old).unwrap_or("default") {
        "default" | "mrope" => RotaryScaling::Plain,
        // Hunyuan's, whatever factor it names beside.
        "dynamic" | "xdrope" if rope.get("alpha").is_some() => {
            for name in ["factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"] {
                rope.optional_number(name)?;
            }
            let (alpha, exponent) = (positive(&rope, "alpha")?, width as f64 / (width as f64 - 2.0));
            let scaling = RotaryScaling::Plain;
            refuse_unread(&rope, default.elsewhere)?;
            return Ok(RotaryConfig { width, theta: theta * alpha.powf(exponent), scaling });
        }
        // Frequencies change with the length of the text, but only beyond the context.
        "dynamic" => {
            positive(&rope, "factor")?;
            RotaryScaling::Plain
        }
        "linear" => RotaryScaling::Linear { factor: positive(&rope, "factor")? },
        "llama3" => RotaryScaling::Llama3 {
            factor: positive(&rope, "factor")?,
            low_frequency_factor: positive(&rope, "low_freq_factor")?,
            high_frequency_factor: positive(&rope, "high_freq_factor")?,
            original_context: original_context(fields, &rope, context)?,
        },
        "yarn" => yarn(fields, &rope, context)?,
        // "su" is what the first files with it call it.
        "longrope" | "su" => long_rope(fields, &rope, width / 2, context)?,
        other => {
            let field = if modern.is_some() { "rope_type" } else { "type" };
            let kinds = "default, dynamic, linear, llama3, longrope, proportional and yarn";
            let reason = format!("the scaling {other} is unknown; {kinds} are supported");
            return Err(rope.error(field, reason));
        }
    };
    refuse_unread(&rope, default.elsewhere)?;
    Ok(RotaryConfig { width, theta, scaling })
}

fn refuse_unread(rope: &Fields, elsewhere: &[&str]) -> Result<(), FormatError> {
    match rope.unread().find(|name| !IDLE_FIELDS.contains(name) && !elsewhere.contains(name)) {
        Some(unknown) => Err(rope.error(unknown, "it is unknown here, and might change the frequencies")),
        None => Ok(()),
    }
}

/// Heads of which a part of the pairs turns, with the frequencies of pairs of whole heads.
fn read_proportional(
    rope: &Fields,
    head_width: usize,
    theta: f64,
    elsewhere: &[&str],
) -> Result<RotaryConfig, FormatError> {
    let theta = rope.optional_number("rope_theta")?.unwrap_or(theta);
    let share = self::share(rope, Some(1.0))?;
    let turning = rotary_width(rope, head_width, share)?;
    let factor = match rope.get("factor") {
        Some(_) => positive(rope, "factor")?,
        None => 1.0,
    };
    refuse_unread(rope, elsewhere)?;
    Ok(proportional(head_width, turning, theta, factor))
}

/// A rotary embedding in which `turning` elements of a head rotate, each half of them at the beginning of a half of the
/// head, with the frequencies of whole heads over `factor`.
pub(super) fn proportional(head_width: usize, turning: usize, theta: f64, factor: f64) -> RotaryConfig {
    let divisor = |pair| if pair < turning / 2 { factor } else { f64::INFINITY };
    let divisors = (0..head_width / 2).map(divisor).collect();
    RotaryConfig { width: head_width, theta, scaling: RotaryScaling::Divided { divisors } }
}

/// YaRN, with the defaults of its published code.
fn yarn(fields: &Fields, rope: &Fields, context: usize) -> Result<RotaryScaling, FormatError> {
    let original_context = original_context(fields, rope, context)?;
    let factor = match rope.get("factor") {
        Some(_) => positive(rope, "factor")?,
        None => context as f64 / original_context,
    };
    // Zero counts as absent, as it does there.
    let set = |name: &str| Ok::<_, FormatError>(rope.optional_number(name)?.filter(|number| *number != 0.0));
    let magnitude = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let inferred = match (set("mscale")?, set("mscale_all_dim")?) {
        (Some(scale), Some(all_dimensions)) => magnitude(scale) / magnitude(all_dimensions),
        _ => magnitude(1.0),
    };
    let ramp_ends = match rope.optional_flag("truncate")? {
        Some(false) => RampEnds::Exact,
        _ => RampEnds::Whole,
    };
    Ok(RotaryScaling::Yarn {
        factor,
        original_context,
        beta_fast: set("beta_fast")?.unwrap_or(32.0),
        beta_slow: set("beta_slow")?.unwrap_or(1.0),
        attention_factor: rope.optional_number("attention_factor")?.unwrap_or(inferred),
        ramp_ends,
    })
}

/// LongRoPE: divisors of the frequencies for short and for long texts.
fn long_rope(
    fields: &Fields,
    rope: &Fields,
    pairs: usize,
    context: usize,
) -> Result<RotaryScaling, FormatError> {
    let original_context = original_context(fields, rope, context)?;
    let divisors = |name: &str| {
        let divisors = rope.optional_numbers(name)?.unwrap_or_default();
        let are_usable = divisors.len() == pairs && divisors.iter().all(|divisor| *divisor > 0.0);
        if are_usable {
            return Ok(divisors);
        }
        Err(rope.error(name, format!("it has to be a list of {pairs} numbers above 0")))
    };
    let factor = match rope.get("factor") {
        Some(_) => positive(rope, "factor")?,
        None => context as f64 / original_context,
    };
    let inferred = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original_context.ln()).sqrt() };
    Ok(RotaryScaling::LongRope {
        short_divisors: divisors("short_factor")?,
        long_divisors: divisors("long_factor")?,
        original_context,
        attention_factor: rope.optional_number("attention_factor")?.unwrap_or(inferred),
    })
}

/// The context before stretching: the configuration's own field, then the scaling's, then the present one.
fn original_context(fields: &Fields, rope: &Fields, context: usize) -> Result<f64, FormatError> {
    const NAME: &str = "original_max_position_embeddings";
    let inner = rope.get(NAME).map(|_| positive(rope, NAME)).transpose()?;
    let outer = fields.get(NAME).map(|_| positive(fields, NAME)).transpose()?;
    Ok(outer.or(inner).unwrap_or(context as f64))
}

fn positive(fields: &Fields, name: &str) -> Result<f64, FormatError> {
    let number = fields.number(name)?;
    if number > 0.0 { Ok(number) } else { Err(fields.error(name, "it has to be above 0")) }
}

const SHARE: &str = "partial_rotary_factor";

/// The part of each head that rotates.
fn share(fields: &Fields, default: Option<f64>) -> Result<Option<f64>, FormatError> {
    let given = fields.optional_number(SHARE)?;
    match (default, given) {
        (None, Some(share)) if share != 1.0 => Err(fields.error(SHARE, "only whole heads can rotate here")),
        (None, _) => Ok(None),
        (Some(default), given) => Ok(Some(given.unwrap_or(default))),
    }
}

fn rotary_width(fields: &Fields, head_width: usize, share: Option<f64>) -> Result<usize, FormatError> {
    let Some(share) = share else { return Ok(head_width) };
    if !(0.0..=1.0).contains(&share) {
        return Err(fields.error(SHARE, "it has to be a part of 1"));
    }
    Ok((head_width as f64 * share) as usize)
}
