//! What every number on screen is: its definition, unit, and whether it was measured or computed. A number
//! without an entry here does not go on screen.

use egui::{Response, RichText, Ui};

use super::theme::{palette, semibold, size};

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// By a clock or a counter of the program.
    Measured,
    /// From other numbers, by the formula given.
    Computed,
    /// Read from the model's files or given by the driver or the user.
    Given,
    /// A forecast.
    Estimated,
    /// Sent by the server that the model is on, and not computed here.
    Sent,
    /// From what that server sent, by the formula given.
    FromSent,
}

/// The meaning of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What it is.
    pub meaning: &'static str,
    /// How it is computed; empty if it is not.
    pub formula: &'static str,
}

macro_rules! definitions {
    ($($id:ident = $name:literal, $unit:literal, $provenance:ident, $meaning:literal, $formula:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $id: Definition = Definition {
                name: $name,
                unit: $unit,
                provenance: Provenance::$provenance,
                meaning: $meaning,
                formula: $formula,
            };
        )*
        /// All definitions, for a test.
        pub const ALL: &[Definition] = &[$($id),*];
    };
}

definitions! {
    STEP = "Step", "", Measured, "Number of the decision, from 1. Step 1 chooses the first generated token, from the logits of initiation.", "";
    TOKEN_ID = "Token id", "", Given, "Position of the token in the model's vocabulary.", "";
    PIECE = "Piece", "", Given, "The token as the vocabulary spells it; byte-level vocabularies write a space as Ġ, others as ▁. Bytes that make no whole character stand as <0xE4>.", "";
    RANK = "Rank", "of the vocabulary", Computed, "Place of the chosen token when all logits are sorted, from 1.", "1 + number of tokens with a higher raw logit";
    PROBABILITY = "Probability", "%", Computed, "What the model itself gives the chosen token, before any stage changes it.", "p = exp(logit − log-sum-exp)";
    SEGMENT = "Segment", "tokens, seconds, nats", Computed, "A stretch of the text: the prompt, the model's thinking, its answer, or the call of a tool, told apart by the markers that models write around them. The seconds are those of the passes for its tokens (measured); the entropy is the mean over its tokens of what the model had before each of them.", "mean of −Σ p ln p over its tokens";
    PROMPT_RANK = "Rank", "of the vocabulary", Computed, "Place of this token when all logits in its place are sorted, from 1.", "1 + number of tokens with a higher raw logit";
    PROMPT_PROBABILITY = "Probability", "%", Computed, "What the model gives this token, from the tokens before it.", "p = exp(logit − log-sum-exp)";
    CHOSEN_FROM = "Chosen with", "%", Computed, "The token's probability in the distribution that the strategy chose from, after all stages.", "softmax over the tokens that the stages keep";
    SURPRISAL = "Surprisal", "nats", Computed, "How unexpected the chosen token was to the model: 0 when it was sure, 0.69 for a coin toss, one more for each factor of e. One nat is 1.443 bits.", "−ln p";
    LOGIT = "Logit", "", Computed, "The number that the LM head gives this token, before any stage.", "LM head row · final hidden state";
    ENTROPY = "Entropy", "nats", Computed, "How undecided the model was: 0 when sure of one token, ln V when all V tokens are equally likely. One nat is 1.443 bits.", "−Σ p ln p over the whole vocabulary";
    LOG_SUM_EXP = "Log-sum-exp", "nats", Computed, "The normaliser of the softmax: a logit minus this is a log-probability.", "ln Σ exp(logit) over the whole vocabulary";
    STEP_TIME = "Step", "ms", Measured, "The whole step by the clock, from its beginning to the chosen token.", "";
    ENCODE_TIME = "Encode", "ms", Measured, "Until the GPU has its commands, by the clock; those of a step as the one before are recorded ahead.", "";
    GPU_TIME = "GPU", "ms", Measured, "Computing on the GPU, by the GPU's own timestamps.", "";
    GPU_SILENCE = "Without an answer", "s", Measured, "How long the program has waited for work that it gave to the GPU, by the clock. It gives work in parts that take a fraction of a second.", "";
    BUS_TIME = "Wait for the bus", "ms", Measured, "Not computing on the GPU, because weights had to come from the computer's memory first, by the GPU's own timestamps.", "Σ from the end of each part of the pass to the beginning of the next";
    GPU_MEMORY_LIMIT = "GPU memory to use", "bytes", Given, "Most GPU memory that the model may take, together with those beside it. Layers that do not fit into it stay in the computer's memory and cross the bus in every pass. It holds for models loaded from now on, and is remembered. Type 6.5 for gigabytes, or a size such as 512MB.", "";
    LAYERS_ON_GPU = "Layers on the GPU", "", Computed, "Layers whose weights are in the GPU's memory. The others are in the computer's, and come to the GPU in every pass; of their experts those that are taken.", "as many as fit beside embeddings, LM head, activations, states, KV cache and the buffers in which the others take turns";
    BUS_BYTES = "Over the bus", "bytes a pass", Computed, "Bytes of weights that come to the GPU in every pass: once for a token, and once for a whole chunk of a prompt. With experts they all come for a chunk; for a token only those that it takes.", "Σ bytes of the layers in the computer's memory";
    STEP_BUS_BYTES = "Over the bus for a token", "bytes", Computed, "Bytes of weights that come to the GPU for one token: what every token needs of the layers in the computer's memory, and the experts that their routers choose for it. Experts that are still there from earlier tokens do not come again, so it may be fewer.", "Σ bytes without experts + Σ bytes of experts · experts a token takes ÷ experts";
    BUS_SPEED = "Expected", "tokens/s", Computed, "What the bus allows, one token a pass, with as many experts as a token takes. How fast it is was measured when a model was loaded on this adapter of which some layers crossed it.", "bytes a second ÷ bytes for a token";
    BUS_SPEED_ASSUMED = "Expected", "tokens/s", Computed, "What a bus allows that brings 12 GB a second, one token a pass, with as many experts as a token takes. How fast this adapter's is, is not known: it is measured when a model is loaded of which some layers cross it.", "12 GB a second ÷ bytes for a token";
    CHOOSE_TIME = "Choose", "ms", Measured, "Stages and choice on the CPU, by the clock.", "";
    OTHER_TIME = "Wait and read", "ms", Computed, "What is left of the step: waiting for the GPU, reading results, bookkeeping.", "step − GPU (or encode, without timestamps) − choose";
    PARENT = "Follows", "", Given, "The decision before this one; the first follows the prompt.", "";
    ROWS = "Rows", "token rows", Measured, "Token rows that the decoder computed for this step: the work. One with the KV cache, the whole sequence without.", "";
    CACHED = "KV cache", "positions", Measured, "Positions whose keys and values are kept after this step.", "";
    CACHE_BYTES = "KV memory", "bytes", Measured, "Bytes of KV cache pages in use after this step.", "";
    STATES = "States", "", Measured, "States that are stored after this step: the newest of each sequence, and checkpoints, to which a sequence can be cut back. A shared one counts once.", "";
    STATE_MEMORY = "State memory", "bytes", Measured, "Bytes of the states that are stored after this step.", "";
    RECOMPUTED = "Computed again", "positions", Measured, "Positions that this step computed once more, because no state was stored where the text was cut back. They are not among the rows.", "";
    CACHE_LAYERS = "Layers with a KV cache", "", Given, "Layers that keep keys and values of every position. A layer may have a KV cache, a state, both or neither.", "";
    STATE_LAYERS = "Layers with a state", "", Given, "Layers that keep a state, which stands for all positions so far and whose size stays the same. A layer may have a KV cache, a state, both or neither.", "";
    STATE_BYTES = "State a sequence", "bytes", Computed, "Bytes that the states of all layers take for one sequence, whatever its length.", "Σ over layers with a state: elements, with padding · 4 bytes";
    STATES_NEED = "States", "bytes", Computed, "GPU memory for the states of one sequence with all checkpoints that it may keep; it does not grow with the positions.", "(3 + checkpoints) · state a sequence";
    CACHE_NEED = "KV cache", "bytes", Computed, "GPU memory for the keys and values of so many positions.", "positions · KV a position";
    LOG_PROBABILITY = "Log-probability", "nats", Computed, "Logarithm of what the model itself gives the token, before any stage.", "ln p = logit − log-sum-exp";
    PINNED_RANK = "Rank", "of the vocabulary", Computed, "Place of the token when all logits of the step are sorted, from 1.", "1 + number of tokens with a higher raw logit";
    DRAW = "Draw", "", Computed, "The random number, 0 ≤ u < 1. The kept tokens lie end to end on 0–1; the one that contains u is chosen.", "a pure function of seed and step";
    SEED = "Seed", "", Given, "Key of the random numbers: the same seed, prompt and settings give the same text.", "";
    RAW_LOGIT = "Raw logit", "", Computed, "The number that the LM head gives a token, before any stage.", "LM head row · final hidden state";
    RAW_PROBABILITY = "Raw p", "%", Computed, "The token's share under the raw softmax, before any stage.", "exp(logit − log-sum-exp)";
    FINAL_PROBABILITY = "Probability", "%", Computed, "The token's share in the distribution that the strategy chooses from; 0 when cut.", "softmax over the tokens that the stages keep";
    STAGE_VALUE = "Value after the stage", "", Computed, "The token's logit after this stage; empty once the token is cut.", "";
    OTHERS = "All others", "", Computed, "Every vocabulary entry that is not listed, counted together.", "1 − Σ of the listed";
    LOAD_TIME = "Time", "s", Measured, "From the request to a model that is ready, by the clock.", "";
    WEIGHT_BYTES = "Weights", "bytes", Measured, "Bytes of weights on the GPU, as allocated.", "";
    SCRATCH_BYTES = "Scratch", "bytes", Measured, "Bytes of activations on the GPU, as allocated.", "";
    PARAMETERS = "Parameters", "", Given, "Number of weights; a tensor that is used twice counts once.", "";
    BYTES_A_POSITION = "KV a position", "bytes", Computed, "Bytes that one position takes in the KV cache.", "2 · layers with a KV cache · key/value heads · head width · bytes of an element; latent vectors count once, not twice";
    LATENT_PARTS = "Cached a layer", "elements", Given, "What a layer keeps of a position: a latent vector, of which keys and values of all heads are made, and the part of the keys that rotates, which all heads share.", "";
    TOKENISE_TIME = "Time", "ms", Measured, "From the text to ids, on the CPU, by the clock.", "";
    PROMPT_TOKENS = "Prompt tokens", "tokens", Measured, "Ids that the prompt became, special ones included.", "";
    INITIATION_TIME = "Time", "s", Measured, "From the first chunk of the prompt to the first token's logits, by the clock.", "";
    CONTINUED_POSITIONS = "From the cache", "tokens", Measured, "Prompt tokens, from the first on, that were in the KV cache before: from the turns before, or computed once for all lanes.", "";
    LONG_ROPE = "Rotary frequencies", "", Computed, "This model has two sets of rotary frequencies (LongRoPE): one for texts within the context that it was trained on first, one for longer ones. Prompt and most new tokens together decide before the run begins; a conversation that grows beyond that context is computed anew, because keys in the KV cache are turned by the one set or the other.", "long where prompt + most new tokens > first context";
    INITIATION_RATE = "Speed", "tokens/s", Computed, "Prompt tokens a second during initiation.", "rows ÷ seconds";
    INCREMENTAL_TIME = "Time", "s", Measured, "The incremental passes that gave the tokens of the line on show, by the clock; those of other lines are not in it.", "";
    INCREMENTAL_RATE = "Speed", "tokens/s", Computed, "Tokens of the line on show that the strategy chose in the incremental phase, a second of the passes that gave them. A token that you chose counts for neither.", "tokens ÷ seconds of their passes";
    INCREMENTAL_STEPS = "Passes", "", Measured, "Incremental passes that gave tokens of the line on show; the first token belongs to initiation.", "";
    LINE_ROWS = "Work", "token rows", Measured, "Token rows that these passes computed; in beam search those of the other hypotheses among them.", "";
    ALL_LINES = "All lines", "", Measured, "Incremental passes of all lines of the run, and their time by the clock: those that you left, and those that were pruned, too.", "";
    PHASE_ROWS = "Work", "token rows", Measured, "Token rows that the decoder computed in this phase.", "";
    DETOKENISE_TIME = "Time", "ms", Measured, "From ids to text, on the CPU, by the clock.", "";
    NEW_TOKENS = "New tokens", "tokens", Measured, "Tokens generated so far.", "";
    TIME_LEFT = "Time left", "s", Estimated, "How long it still takes if it goes on as so far.", "elapsed · left ÷ done";
    UPLOADED = "Uploaded", "bytes", Measured, "Weights that are on the GPU, of all there are.", "";
    KERNELS_MADE = "Kernels made", "", Measured, "Kernels made of their sources, of all that loading makes: one for each set of constants.", "";
    KERNELS_COMPILED = "Kernels compiled", "", Measured, "Kernels that ran once, of those that usual passes use.", "";
    PASSES_RUN = "Warm-up passes", "", Measured, "Passes on throwaway tokens that ran, of all of them.", "";
    PART_TIME_LEFT = "Left of this part", "s", Estimated, "How long this part of loading still takes if it goes on as so far.", "elapsed · left ÷ done";
    MEMORY = "GPU memory", "bytes", Computed, "What the program keeps on the GPU for this model.", "weights + scratch + KV cache and states in use";
    FILE_BYTES = "Weight files", "bytes", Given, "Bytes of the files that hold the weights.", "";
    LAYERS = "Layers", "", Given, "Number of decoder layers.", "";
    MODEL_WIDTH = "Width", "elements", Given, "Elements of the residual stream: what a layer takes and gives for each token.", "";
    HEADS = "Heads", "", Given, "Query heads of a layer, over how many key/value heads where several share one; and the elements of one head.", "";
    FEED_FORWARD_WIDTH = "Feed-forward width", "elements", Given, "Elements between the two linear maps of the feed-forward block; of one expert, where there are several.", "";
    VOCABULARY = "Vocabulary", "tokens", Given, "Number of tokens that the model can choose from.", "";
    WEIGHTS_NEED = "Weights", "bytes", Computed, "GPU memory for the weights, in the precision chosen, with padding.", "Σ rows · padded bytes of a row";
    MEMORY_NEED = "Memory", "bytes", Computed, "GPU memory that the model takes once so many positions are in its KV cache.", "weights + scratch + states + positions · KV a position";
    LARGEST_BINDING = "Largest binding", "bytes", Given, "Largest buffer that a kernel can see at once, as the adapter's driver reports. A layer's keys have to fit it.", "";
    DEVICE_MEMORY = "Device memory", "bytes", Given, "Size of the adapter's memory, as its driver reports; of software drivers and GPUs without memory of their own, their part of the machine's. Other programs use some of it.", "";
    LONGEST_CONTEXT = "Longest context there", "positions", Computed, "Longest sequence with which a layer's keys fit the adapter's largest binding, and everything together its memory, if nothing else uses that.", "min(the model's, binding ÷ bytes of a layer's keys, (memory − weights − scratch − states) ÷ KV a position)";
    BEAM_LOG_PROBABILITY = "Log-probability", "nats", Computed, "How probable the text since the prompt is to the model, after the stages; of a line that was taken up again or branched, the text since that step.", "Σ ln p over its tokens";
    BEAM_DRAWN = "Drawn value", "nats", Computed, "The log-probability with the noise by which the last token was drawn; the highest go on.", "log-probability + Gumbel noise of step, hypothesis and token";
    BEAM_SCORE = "Score", "", Computed, "By which the hypotheses of one search are compared; nearer to 0 is better. A line that is taken up again begins a search of its own: its scores say since which step, and compare with no others.", "log-probability ÷ length ^ length penalty, both since the search began";
    FALLEN_SCORE = "Score", "", Computed, "The best that the fallen hypothesis would have come to: of its continuations, or of itself if it had ended.", "of the same kind as the rival's";
    RIVAL_SCORE = "Rival's score", "", Computed, "Score of the lowest hypothesis that stayed: the fallen one is below it.", "of the same kind as the fallen one's";
    CONTRASTIVE_PROBABILITY = "Probability", "%", Computed, "The candidate's share under the raw softmax.", "p = exp(logit − log-sum-exp)";
    PENALTY = "Penalty", "", Computed, "Likeness of the candidate's final hidden state to the most similar earlier position, from −1 to 1.", "max over positions j of cos(h, h_j)";
    CONTRASTIVE_SCORE = "Score", "", Computed, "What the candidates are compared by; the highest is chosen (Su et al. 2022, equation 2).", "(1 − α) · p − α · penalty";
    MOST_SIMILAR = "Most like", "", Computed, "The token at the earlier position, of prompt or text, whose hidden state is most like the candidate's.", "argmax over positions j of cos(h, h_j)";
    ALPHA = "Penalty weight α", "", Given, "How much likeness to earlier positions counts against probability.", "";
    DRAFT_MODEL = "Draft model", "", Given, "The smaller model that drafts, or what drafts in its place where there is none.", "";
    DRAFTER = "Drafted by", "", Given, "A smaller model, the model's own head for multi-token prediction, or a lookup of what followed the same tokens earlier in prompt or text.", "";
    DRAFT_PROBABILITY = "Draft's q", "%", Computed, "The token's probability in the distribution that it was drafted from, after the stages; 100 % for a lookup.", "softmax of the draft over the tokens that the stages keep";
    TARGET_PROBABILITY = "Target's p", "%", Computed, "The token's probability in the target model's distribution, after the stages.", "softmax of the target over the tokens that the stages keep";
    ACCEPTANCE = "p / q", "", Computed, "A drafted token is accepted with this probability; then the text is distributed as the target alone would write it.", "min(1, p ÷ q)";
    VERDICT_DRAW = "Draw", "", Computed, "The random number that p / q was held against: below it the token is accepted. None where the highest decides.", "a pure function of seed, step and place";
    ACCEPTED = "Accepted", "tokens", Measured, "Drafted tokens that joined the text, of all drafted at this step.", "";
    TOKENS_PER_PASS = "Tokens a pass", "tokens", Computed, "Tokens that a pass of the model gave on average so far, on the line on show. Greedy decoding and sampling give 1.", "tokens ÷ passes, initiation included";
    DRAFT_PASSES = "Draft passes", "", Measured, "Passes of the draft model for this step.", "";
    DRAFT_TIME = "Draft time", "ms", Measured, "Drafting for this step, by the clock.", "";
    WINDOW = "Window", "tokens", Computed, "Guessed tokens that went into the pass: each column is a trajectory, the oldest guesses above (Fu et al. 2023).", "Jacobi iteration: each level follows from the one before";
    GUESS_HITS = "Guesses", "tokens", Measured, "n-grams of the pool that the pass verified, and how many of their tokens, from the first on, the model chose as well.", "";
    COLLECTED = "New in the pool", "n-grams", Measured, "n-grams that were new to the pool after the pass.", "";
    POOL = "Pool", "n-grams", Measured, "n-grams that are kept for guesses after this pass.", "";
    LENS = "Lens", "", Computed, "What the model says of the chosen token in this pass: its place among all tokens, its probability and its logit, before any stage.", "LM head · final norm(residual stream after the last layer)";
    LENS_RANK = "Rank", "of the vocabulary", Computed, "Place of the chosen token if the model ended after this layer, from 1.", "1 + number of tokens with a higher logit";
    LENS_PROBABILITY = "Probability", "%", Computed, "What the model would give the chosen token if it ended after this layer.", "softmax of LM head · final norm(residual stream after the layer)";
    STREAM_NORM = "Stream", "", Computed, "Length of the residual stream after the layer.", "√Σx²";
    ATTENTION_NORM = "Attention added", "", Computed, "Length of what attention, a block with a state, or both added to the residual stream.", "√Σ(x after − x before)²";
    FEED_FORWARD_NORM = "Feed-forward added", "", Computed, "Length of what the feed-forward block or the experts added to the residual stream.", "√Σ(x after − x before)²";
    ATTENTION_PART = "Attention's part", "", Computed, "What attention, a block with a state, or both added to the chosen token's logit directly. In the first row the embedding's part, in the last that of biases.", "LM head row · norm weight ⊙ (x after − x before) / divisor of the final norm";
    FEED_FORWARD_PART = "Feed-forward's part", "", Computed, "What the feed-forward block or the experts added to the chosen token's logit directly.", "LM head row · norm weight ⊙ (x after − x before) / divisor of the final norm";
    PARTS_SO_FAR = "So far", "", Computed, "The parts of all rows up to this one together.", "Σ of the parts";
    SUM_OF_PARTS = "Sum of the parts", "", Computed, "All parts together: it has to be the logit, but for rounding.", "embedding + Σ over layers of attention and feed-forward + biases";
    UNCAPPED_LOGIT = "Logit", "", Computed, "The chosen token's logit as the LM head gives it, times the model's factor and before its cap on logits, where it has these.", "LM head row · final hidden state";
    ROUTER_SCORE = "Router's scores", "", Computed, "What the router makes of the row for each expert; the brightest is the layer's highest.", "softmax or sigmoid of the router's results";
    EXPERT_SHARE = "Taken", "%", Computed, "The experts that computed the row, in the order of choice, and the share that each has in the result.", "score, divided by the sum of those taken where the model does so, times its factor";
    STATE_KEPT = "Kept", "%", Computed, "The share of its state that each head kept.", "exp(A · softplus(time step))";
    STATE_WROTE = "Wrote", "", Computed, "How strongly each head wrote. Of a delta rule: how far what the state gives for the key was moved towards the new value, 1 replaces it. Of Mamba 2: the time step, the factor on what was added; the brightest is the layer's highest.", "range · sigmoid(strength), or softplus(time step) within limits";
    ATTENTION_WEIGHT = "Attention weight", "%", Computed, "How much a position counts in what the head takes from the values of all positions.", "softmax over positions of the scores, with the head's sink where it has one";
    ATTENTION_SINK = "Sink", "%", Computed, "The share of a learned score that belongs to no position: what the head does not look at anything with.", "exp(sink) / (exp(sink) + Σ exp(score))";
    COMPARED_ROWS = "Rows", "token rows", Measured, "Token rows that the decoder computed for the new tokens on this way, as counted pass by pass.", "";
    COMPARED_TIME = "Time", "s", Measured, "The passes of this way by the clock, one after the other. Both ways take turns, step by step, after a pass that nobody measures.", "";
    ROWS_WITHOUT = "Rows without KV cache", "token rows", Computed, "Every step computes the whole text before its token. P are prompt tokens, N new ones.", "Σ over steps n = 1 … N of (P + n − 1) = N·P + N(N − 1)/2";
    ROWS_WITH = "Rows with KV cache", "token rows", Computed, "The first step computes the prompt, every other one row. The last token's own row is never needed. P are prompt tokens, N new ones.", "P + N − 1";
    PASS_ROWS = "Rows", "token rows", Measured, "Token rows that a pass computes.", "";
    PASS_TIME = "Time", "ms", Measured, "A pass by the clock, with its KV cache.", "";
    PASS_WEIGHTS = "Weights", "bytes", Computed, "Bytes of weights that the pass has to read: each once for each chunk of its rows, those of the LM head once; of experts as many as the rows may choose.", "chunks · Σ bytes of the matrices";
    PASS_CACHE = "Keys, values, states", "bytes", Computed, "Bytes that attention has to read from the KV cache, and states that are read and written.", "Σ over layers of 2 · positions seen · bytes of a key (once where values are a part of it) + 2 · states";
    MOVED = "Moved", "bytes/s", Computed, "Bytes that the pass has to move, a second, and as a share of the copy bandwidth.", "(weights + keys, values, states) ÷ time";
    COMPUTED = "Computed", "FLOP/s", Computed, "Operations of linear maps and attention a second, a multiply-add counting as two, and as a share of the device's f32 rate. Kernels that multiply f16 may do more.", "2 · multiply-adds ÷ time";
    COPY_BANDWIDTH = "Copy bandwidth", "bytes/s", Measured, "What the device reads and writes a second when it copies one large buffer to another, by the clock: the faster of the driver's own copies and of a kernel's, the best of three.", "";
    F32_RATE = "f32 arithmetic", "FLOP/s", Measured, "Multiply-adds in f32 that the device does a second when it does nothing else, each counting as two, by the clock: the best of three.", "";
    OP_COUNT = "Ops", "", Measured, "Operations of the plan that ran.", "";
    OP_TIME = "GPU time", "ms", Measured, "What the ops took, by the GPU's own timestamps: one after each op, which lets the GPU finish it first.", "";
    OP_SHARE = "Share", "%", Computed, "Of the time of all ops together.", "time ÷ Σ times";
    OP_WEIGHTS = "Weights", "bytes", Measured, "Bytes of weights that these ops read for one row, as they lie on the GPU; of experts those that a row chooses.", "";
    OPS_TOGETHER = "All ops", "ms", Computed, "The times of all ops together. In the run ops may overlap, and no timestamps stand between them.", "Σ times";
    PAGES_USED = "Pages in use", "", Measured, "Pages of the KV cache that some sequence uses, of those allocated. A page that several share counts once.", "";
    PAGES_SHARED = "Shared pages", "", Measured, "Pages that more than one sequence uses: what branches and hypotheses have in common.", "";
    PAGE_POSITIONS = "A page holds", "positions", Given, "Consecutive positions of one sequence, keys and values of all layers.", "";
    PAGE_BYTES = "Bytes a page", "bytes", Measured, "Bytes of a page over all layers, keys and values, as allocated.", "";
    CACHE_ALLOCATED = "Allocated", "bytes", Measured, "Bytes of the KV cache on the GPU, used or free.", "";
    WINDOW_LAYERS = "Layers with a window", "", Given, "Layers in which a row sees only so many positions before it.", "";
    LANE_LEAVES = "Leaves A at", "step", Computed, "The first step at which the lane is not as lane A: it has another token there, or one of the two has ended.", "first step whose tokens differ";
    LANE_TOKENS = "Tokens", "tokens", Measured, "Tokens of the lane's text so far.", "";
    LANE_PASSES = "Passes", "", Measured, "Passes of the model that the lane made: its own initiation, and one for each incremental step. What the lanes share is not in it.", "";
    LANE_ROWS = "Rows", "token rows", Measured, "Token rows that these passes computed: the work. What the lanes share of initiation is not in it.", "";
    LANE_TIME = "Time", "s", Measured, "What these passes took, by the clock, without what the lanes share of initiation and without the turns of the other lanes.", "";
    LANE_SHARED = "Shared", "", Measured, "The beginning of the prompt that was computed once for several lanes: all but its last token, whose row each lane computes itself.", "";
    LANE_SURPRISAL = "Surprisal", "nats", Computed, "Mean surprisal of the lane's tokens to the model itself, before any stage: low for a text that the model finds likely.", "Σ −ln p ÷ tokens";
    SECOND_TOP = "M's first", "", Computed, "The token that model M holds for most likely at this step, given lane A's text so far. Quiet where lane A's model holds the same one for most likely; ≠ where it is another one.", "token with the highest raw logit";
    SECOND_PROBABILITY = "p by A → by M", "%", Computed, "What both models themselves give the token that lane A chose, before any stage; lane A's model computes it once more, so that its last digits may differ from the run's.", "p = exp(logit − log-sum-exp)";
    KL_DIVERGENCE = "KL(A || M)", "nats", Computed, "Kullback–Leibler divergence of model M's distribution over the whole vocabulary from that of lane A's model, before any stage, both given lane A's text so far: how many nats it costs on average to expect what M says where A's model draws. 0 where they are the same; it is not the same the other way round. The bar is its share of the largest of this text.", "Σ p(A) · (ln p(A) − ln p(M))";
    TOP_AGREEMENT = "Same first token", "%", Computed, "Part of the steps read so far at which both models hold the same token for most likely (top-1 agreement).", "steps with the same token of the highest logit ÷ steps";
    MEAN_KL = "KL(A || M), mean", "nats", Computed, "Mean over the steps read so far of the divergence of model M's distribution from that of lane A's model.", "Σ KL(A || M) ÷ steps";
    LARGEST_KL = "KL(A || M), most", "nats", Computed, "The largest divergence of a step read so far, and which step that is.", "max KL(A || M)";
    SURPRISALS = "Surprisal A · M", "nats", Computed, "How unexpected lane A's tokens are on average to its own model, and to model M. Greedy text is by its making what its own model expects.", "Σ −ln p ÷ steps";
    PERPLEXITIES = "Perplexity A · M", "", Computed, "The same as a number of choices: a model with perplexity 3 is on average as undecided about lane A's tokens as between 3 equally likely ones.", "exp(mean surprisal)";
    STEPS_READ = "Steps read", "steps", Measured, "Steps of lane A that both models have read, of all that it has. They read while the lanes wait, a chunk at a time.", "";
    SENT_LOG_PROBABILITY = "Log-probability", "nats", Sent, "Logarithm of what the model itself gives the token, before any stage. A server sends these in place of logits.", "";
    SENT_PROBABILITY = "Probability", "%", FromSent, "What the model itself gives the chosen token, before any stage changes it.", "p = exp(log-probability)";
    SENT_RAW_PROBABILITY = "Raw p", "%", FromSent, "What the model itself gives the token, before any stage.", "exp(log-probability)";
    SENT_SURPRISAL = "Surprisal", "nats", FromSent, "How unexpected the chosen token was to the model: 0 when it was sure, 0.69 for a coin toss, one more for each factor of e. One nat is 1.443 bits.", "−log-probability";
    SENT_RANK = "Rank", "of the vocabulary", FromSent, "Place of the token among those whose log-probabilities the server sent, the highest first, from 1. A rank that begins with > is of a token below all of them: how far below is not told.", "1 + number of sent tokens with a higher log-probability";
    SENT_ENTROPY = "Entropy", "nats", FromSent, "How undecided the model was: 0 when sure of one token, ln V when all V tokens are equally likely. Of the tokens that the server did not send only the probability together is known: between its least value, where one of them has as much of it as it can, and its most, where all have the same, the entropy may be anything.", "−Σ p ln p over the whole vocabulary, bounds for what was not sent";
    SENT_CHOSEN_FROM = "Chosen with", "%", FromSent, "The token's probability in the distribution that the strategy chose from, after all stages, which run here.", "softmax over the tokens that the stages keep";
    SENT_FINAL_PROBABILITY = "Probability", "%", FromSent, "The token's share in the distribution that the strategy chooses from, after all stages, which run here; 0 when cut.", "softmax over the tokens that the stages keep";
    SERVER_PROBABILITY = "Probability", "%", FromSent, "What the model itself gives the token. The server chose, by stages of its own: what these made of it is not told.", "exp(log-probability)";
    SENT_STAGE_VALUE = "Value after the stage", "nats", FromSent, "The token's log-probability after this stage, which runs here; empty once the token is cut.", "the stage, of the value before it";
    NOT_SENT = "Not sent", "", FromSent, "Tokens whose log-probabilities the server did not send: how many, and their probability together.", "1 − Σ of the sent";
    SENT_OTHERS = "All others", "", FromSent, "Every vocabulary entry that is not listed, counted together. Of some of them the server sent log-probabilities, of the others only the sum is known.", "1 − Σ of the listed";
    SENT_SEGMENT = "Segment", "tokens, seconds, nats", FromSent, "A stretch of the text: the prompt, the model's thinking, its answer, or the call of a tool, told apart by the markers that models write around them. The seconds are those of the requests for its tokens (measured here); the entropy is the mean over its tokens of the least that the model can have had before each of them.", "mean over its tokens of the least −Σ p ln p";
    SERVER_TIME = "Computed there", "ms", Sent, "What the server says that it computed for this step.", "";
    WAY_TIME = "Way and waiting", "ms", Computed, "What is left of the step: the way to the server and back, and waiting there. A server that goes on by itself sends ahead: for a token that is here already nobody waits.", "step − computed there − choose";
    SERVER_AND_WAY_TIME = "Server and way", "ms", Computed, "What is left of the step: the way to the server and back, waiting there, and what it computes: this server does not tell how long that took. A server that goes on by itself sends ahead: for a token that is here already nobody waits.", "step − choose";
    SERVER_ROWS = "Rows", "token rows", Measured, "Rows that the server was asked for at this step. What it computed for them is its own matter: most servers keep what they have computed of a text.", "";
    SERVER_TOKENISE_TIME = "Time", "ms", Measured, "From the text to ids, by the clock: the server's own tokenizer is asked.", "";
    SERVER_TEXT_TIME = "Time", "ms", Measured, "From ids to text, by the clock. Of tokens that were not seen before the server is asked how they are spelled.", "";
    SERVER_PASSES = "Steps", "", Measured, "Rows that came from the server for the line on show; the first token belongs to initiation.", "";
    SERVER_INITIATION_TIME = "Time", "s", Measured, "From the request with the prompt to the first token's log-probabilities, by the clock here.", "";
    SERVER_INITIATION_RATE = "Speed", "tokens/s", Computed, "Prompt tokens a second during initiation, with the way there and back. The server may have kept a part of the prompt.", "prompt tokens ÷ seconds";
    SERVER_INCREMENTAL_TIME = "Time", "s", Measured, "The requests that gave the tokens of the line on show, by the clock here.", "";
    SERVER_INCREMENTAL_RATE = "Speed here", "tokens/s", Computed, "Tokens of the line on show that came in the incremental phase, a second of the requests that brought them: the server, the way and the choice together.", "tokens ÷ seconds of their requests";
    SERVER_OWN_RATE = "Speed there", "tokens/s", FromSent, "The same tokens, a second of what the server says that it computed for them.", "tokens ÷ Σ seconds that the server told";
    SERVER_CONNECT_TIME = "Time", "s", Measured, "From the request to a model that is ready, by the clock: connecting, and the small requests that find out what the server can do.", "";
    SERVER_ENGINE = "Engine", "", Sent, "The program that computes the model, with its version.", "";
    SERVER_VOCABULARY = "Vocabulary", "tokens", Sent, "Number of tokens that the model can choose from, as the server tells it or a whole row of its shows it.", "";
    SERVER_LISTS = "Log-probabilities", "", Sent, "How many of a row the server sends, the highest ones.", "";
    CONTEXT = "Context", "positions", Given, "Longest sequence, prompt and new tokens together.", "";
}

impl Provenance {
    fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Computed => "computed",
            Self::Given => "given",
            Self::Estimated => "estimated",
            Self::Sent => "sent by the server",
            Self::FromSent => "computed here from what the server sent",
        }
    }
}

impl Definition {
    /// Explains the number when the pointer rests on it.
    pub fn explain(&self, response: Response) -> Response {
        response.on_hover_ui(|ui| self.card(ui))
    }

    /// The explanation itself.
    pub fn card(&self, ui: &mut Ui) {
        let palette = palette(ui);
        ui.set_max_width(300.0);
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.horizontal(|ui| {
            ui.label(RichText::new(self.name).font(semibold(size::BODY)).color(palette.text));
            let unit = if self.unit.is_empty() { "no unit" } else { self.unit };
            ui.label(RichText::new(unit).size(size::SMALL).color(palette.tertiary));
        });
        ui.label(RichText::new(self.meaning).size(size::SMALL).color(palette.secondary));
        if !self.formula.is_empty() {
            ui.label(
                RichText::new(self.formula).font(super::theme::mono(size::SMALL - 0.5)).color(palette.text),
            );
        }
        ui.label(RichText::new(self.provenance.word()).size(size::CAPTION).color(palette.accent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_numbers_have_a_formula_and_all_have_a_meaning() {
        for definition in ALL {
            assert!(definition.meaning.ends_with('.'), "{}", definition.name);
            let bare =
                !matches!(definition.provenance, Provenance::Measured | Provenance::Given | Provenance::Sent)
                    && definition.formula.is_empty()
                    && definition.name != STAGE_VALUE.name;
            assert!(!bare, "{} is computed, but its formula is missing", definition.name);
        }
    }
}
