//! What several themes use: numbers that look random, and weights made of them.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use logitscope::decoding::StrategyKind;
use logitscope::gpu::{Device, Engine};
use logitscope::model::group_format::{GroupCodes, GroupFactors};
use logitscope::model::plan::Plan;
use logitscope::model::weight_format::BlockFormat;
use logitscope::model::weights::TensorInfo;
use logitscope::model::{LanguageModel, WeightFormat, Weights, WeightsError};
use logitscope::model::{blocks, grids};

/// The adapter that tests run on; fails loudly without one.
pub fn device() -> Arc<Device> {
    let device = Device::open(None).expect("tests need a Vulkan, Metal or DirectX 12 driver");
    device.passed_over.iter().for_each(|failed| println!("{}", failed.passed_over_for(&device.info)));
    Arc::new(device)
}

/// By how much logits may be off from another implementation's that computes in f32, as a share of the largest.
pub const EXACT: f32 = 1e-4;

/// The same for an engine: matrix units that a trial found to be the fastest round what they multiply to f16, one part in
/// 2048, in each of some dozen maps one after the other.
pub fn logits_tolerance(engine: &Engine) -> f32 {
    let rounds = (0..engine.plan().ops.len()).any(|op| engine.rounds_inputs(op, engine.max_rows()));
    if rounds { 5e-3 } else { EXACT }
}

/// The strategies that decide on this computer.
pub const OUR_STRATEGIES: [StrategyKind; 6] = [
    StrategyKind::Greedy,
    StrategyKind::Sample,
    StrategyKind::Beam,
    StrategyKind::Contrastive,
    StrategyKind::Speculative,
    StrategyKind::Lookahead,
];

/// The folder with these names in `tests/fixtures`. Where the tests were carried to another machine, the
/// variable that Cargo sets while they run tells where the repository's files are.
pub fn fixture(name: &str) -> PathBuf {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    root.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).join("tests/fixtures").join(name)
}

/// The program, likewise; `LOGITSCOPE` names another one. It looks for models nowhere in the user's own folders, and
/// keeps what it may keep.
pub fn program() -> Command {
    let mut command = Command::new(
        std::env::var_os("LOGITSCOPE").unwrap_or_else(|| env!("CARGO_BIN_EXE_logitscope").into()),
    );
    let nowhere = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nowhere");
    if std::env::var_os("XDG_CACHE_HOME").is_none()
        && let Some(home) = std::env::home_dir()
    {
        command.env("XDG_CACHE_HOME", home.join(".cache"));
    }
    for variable in ["HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS", "XDG_DATA_HOME"] {
        command.env(variable, &nowhere);
    }
    command
}

/// Where the handles of a made-up model's sequences begin: no two models have the same, as those of engines need not be.
pub fn handles() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1 << 16, Ordering::Relaxed)
}

/// A sequence of numbers in −1..1 that depends on the seed alone.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub fn next(&mut self) -> f32 {
        // xorshift64* (Vigna 2016).
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        bits as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Weights in memory.
pub struct MadeWeights {
    tensors: Vec<TensorInfo>,
    bytes: Vec<Vec<u8>>,
}

impl MadeWeights {
    /// Random tensors for a plan, matrices in `format`.
    pub fn random(plan: &Plan, format: WeightFormat, seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let mut made = Self { tensors: Vec::new(), bytes: Vec::new() };
        for spec in &plan.tensors {
            let format = if spec.rows == 1 { WeightFormat::F32 } else { format };
            let mut values = numbers.take(spec.rows * spec.columns);
            if spec.name.ends_with("rate.weight") {
                // What decays does not grow.
                values.iter_mut().for_each(|value| *value = -value.abs());
            }
            if spec.name.ends_with(".order") {
                // Each column once: backwards from the third on.
                let places = (0..spec.columns).map(|column| (spec.columns + 2 - column) % spec.columns);
                values = places.map(|place| place as f32).collect();
            }
            made.tensors.push(TensorInfo {
                name: spec.name.clone(),
                rows: spec.rows,
                columns: spec.columns,
                format,
            });
            made.bytes.push(encode(&values, format));
        }
        made
    }
}

impl MadeWeights {
    /// Stores a tensor in another format.
    pub fn store(&mut self, tensor: usize, format: WeightFormat) {
        let values = self.tensors[tensor].format.decode(&self.bytes[tensor]);
        self.bytes[tensor] = encode(&values, format);
        self.tensors[tensor].format = format;
    }

    /// Overwrites one f32 element of a tensor.
    pub fn set(&mut self, tensor: usize, element: usize, value: f32) {
        self.bytes[tensor][4 * element..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

impl Weights for MadeWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let row = self.tensors[index].row_bytes();
        Ok(Cow::Borrowed(&self.bytes[index][rows.start * row..rows.end * row]))
    }
}

fn encode(values: &[f32], format: WeightFormat) -> Vec<u8> {
    match format.encoding() {
        Some(encoding) => encoding.encode(values),
        None => values.chunks(format.block_elements()).flat_map(|values| block(values, format)).collect(),
    }
}

/// A block of random bits, with small factors, for formats that numbers are never brought into.
fn block(values: &[f32], format: WeightFormat) -> Vec<u8> {
    let bits = |value: &f32| (value * (1 << 23) as f32) as i32 as u8;
    let mut block: Vec<u8> = values.iter().map(bits).cycle().take(format.block_bytes()).collect();
    let factor = |place: usize| half::f16::from_f32(values[place] * 0.01);
    match format {
        WeightFormat::Grids(format) => grids::set_factor(format, &mut block, factor(0)),
        WeightFormat::Groups(format) => {
            // A step and a bias or a zero, whatever the floats: both halves are small numbers in f16, bf16 and f32.
            let (step, bias) = (0x3c00 + u32::from(block[0]), 0xbc00 + u32::from(block[1]));
            let second = match format.factors {
                GroupFactors::F16Bias | GroupFactors::Bf16Bias => bias,
                GroupFactors::F16Zero | GroupFactors::Bf16Zero => u32::from(block[1]) % 16,
                GroupFactors::F32 => 0x3c00,
            };
            block[..4].copy_from_slice(&(step | second << 16).to_le_bytes());
            if format.codes == GroupCodes::E4m3 {
                block[4..].iter_mut().for_each(|code| *code &= 0xbf);
            }
        }
        WeightFormat::Blocks(BlockFormat::Mxfp4) => block[0] = 120 + block[0] % 8,
        WeightFormat::Blocks(BlockFormat::Nvfp4Scaled) => {
            block[36..].copy_from_slice(&(values[0] * 0.01).to_le_bytes());
        }
        WeightFormat::Blocks(format) => {
            for &place in blocks::scale_places(format) {
                block[place..place + 2].copy_from_slice(&factor(place).to_le_bytes());
            }
        }
        _ => {}
    }
    block
}
