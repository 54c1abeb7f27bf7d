//! What the numbers of a page are, for its readers.

/// What the page's numbers are: name, unit, where it comes from, meaning.
pub(super) const OWN: &[[&str; 4]] = &[
    [
        "Step",
        "",
        "counted",
        "Number of the decision, from 1: step 1 chooses the first new token, from the prompt's pass.",
    ],
    ["Logit", "", "computed", "The number that the model gives a token, before any stage changes it."],
    [
        "Probability, p",
        "%",
        "computed",
        "The token's share under the softmax of all raw logits: exp(logit − log-sum-exp).",
    ],
    [
        "Chosen with",
        "%",
        "computed",
        "The token's share among the tokens that the stages kept, from which the strategy chose.",
    ],
    ["Rank", "", "computed", "The token's place when all raw logits are sorted, from 1."],
    ["Surprisal", "nats", "computed", "−ln p: 0 when the model was sure, 0.69 for a coin toss."],
    ["Entropy", "nats", "computed", "−Σ p ln p over the whole vocabulary: how undecided the model was."],
    [
        "Log-sum-exp",
        "nats",
        "computed",
        "ln Σ exp(logit) over the whole vocabulary: the softmax's normaliser.",
    ],
    [
        "Stages",
        "",
        "computed",
        "Each column of the pipeline is a logit after one stage, in the order applied. “cut” is the stage that took the token out.",
    ],
    ["All others", "", "computed", "Every vocabulary entry that is not listed, counted together."],
    [
        "Random number",
        "0–1",
        "computed",
        "A function of seed and step. The kept tokens lie end to end on 0–1; the one that contains it is chosen.",
    ],
    ["Step time", "s", "measured", "From the step's beginning to the chosen token, by the clock."],
    [
        "GPU",
        "s",
        "measured",
        "Computing on the GPU, by the GPU's own timestamps. Encode: until it had its commands. Choose: stages and choice on the CPU. The rest is waiting and reading.",
    ],
    [
        "Token rows",
        "rows",
        "counted",
        "Rows that the decoder computed for the step: one with a KV cache, the whole text without.",
    ],
    ["KV cache", "positions", "counted", "Positions whose keys and values are kept after the step."],
    [
        "Phases",
        "s",
        "measured",
        "Load: weights to the GPU. Tokenise: text to ids. Initiation: the pass over the prompt. Incremental: the passes after it, of all lines. Detokenise: ids to text.",
    ],
];

/// The same for a model on a server.
pub(super) const SERVED: &[[&str; 4]] = &[
    [
        "Step",
        "",
        "counted",
        "Number of the decision, from 1: step 1 chooses the first new token, from what follows the prompt.",
    ],
    [
        "Log-probability",
        "nats",
        "sent by the server",
        "Logarithm of what the model gives a token, before any stage changes it. A server sends these in place of logits.",
    ],
    [
        "Probability, p",
        "%",
        "computed here from what the server sent",
        "What the model gives the token: exp(log-probability).",
    ],
    [
        "Chosen with",
        "%",
        "computed here from what the server sent",
        "The token's share among the tokens that the stages kept, from which the strategy chose. Where the server chose, what its \
         own stages kept is not told: then it is what the model gives the token.",
    ],
    [
        "Rank",
        "",
        "computed here from what the server sent",
        "The token's place among those that the server sent, the highest first, from 1; > where it is below all of them.",
    ],
    [
        "Surprisal",
        "nats",
        "computed here from what the server sent",
        "−log-probability: 0 when the model was sure, 0.69 for a coin toss.",
    ],
    [
        "Entropy",
        "nats",
        "computed here from what the server sent",
        "−Σ p ln p over the whole vocabulary: how undecided the model was. Of tokens that were not sent only the probability \
         together is known; then it lies between two ends.",
    ],
    [
        "Stages",
        "nats",
        "computed here from what the server sent",
        "Each column of the pipeline is a log-probability after one stage, in the order applied. “cut” is the stage that took the token out.",
    ],
    [
        "Not sent, all others",
        "",
        "computed here from what the server sent",
        "Every vocabulary entry that is not listed, counted together: 1 − Σ of the listed.",
    ],
    [
        "Random number",
        "0–1",
        "computed",
        "A function of seed and step. The kept tokens lie end to end on 0–1; the one that contains it is chosen.",
    ],
    ["Step time", "s", "measured", "From the step's beginning to the chosen token, by the clock here."],
    [
        "Computed there",
        "s",
        "sent by the server",
        "What the server says that it computed for the step. The rest is the way there and back, waiting, and the choice here.",
    ],
    [
        "Phases",
        "s",
        "measured",
        "Load: connecting, and finding out what the server can do. Tokenise: text to ids. Initiation: until the first row came. \
         Incremental: the requests after it, of all lines. Detokenise: ids to text.",
    ],
];
