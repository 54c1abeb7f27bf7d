//! What a server can do, for people: a sentence for each thing.

use super::facts::{Answer, Capability, ServerFacts, ServerKind};
use crate::units::count;

/// The rows of a server's card. `told` is the context as the server tells it, `parallel` how many texts it computes at once.
pub(super) fn card(facts: &ServerFacts, told: Option<usize>, parallel: Option<usize>) -> Vec<Capability> {
    let row = |what, answer, detail: String| Capability { what, answer, detail };
    let whether = |yes| if yes { Answer::Yes } else { Answer::No };
    let mut rows = vec![if facts.knows_ids {
        row(
            "Log-probabilities",
            Answer::Yes,
            "It sends the log-probabilities of tokens, of the model's own logits, by the tokens' ids."
                .to_owned(),
        )
    } else {
        row(
            "Log-probabilities",
            Answer::No,
            "It does not send log-probabilities by the tokens' ids, so that no run can be shown.".to_owned(),
        )
    }];
    if facts.knows_ids {
        rows.push(listed(facts));
        rows.push(row(
            "Rows inside the prompt",
            whether(facts.prompt_rows),
            match facts.prompt_rows {
                true => "One request tells how probable every token of a prompt was.".to_owned(),
                false => {
                    "It tells only what follows a prompt; what stands in it takes a request for each token."
                        .to_owned()
                }
            },
        ));
        rows.push(row(
            "Several texts at once",
            whether(facts.several_at_once),
            match (facts.several_at_once, parallel) {
                (true, Some(slots)) => {
                    format!("One request may have several texts; it computes {slots} at the same time.")
                }
                (true, None) => "One request may have several texts.".to_owned(),
                (false, _) => "Each text takes a request of its own.".to_owned(),
            },
        ));
    }
    rows.push(context(told));
    rows.push(match facts.tokenises {
        true => row("Tokenizer", Answer::Yes, "It turns text into tokens and back.".to_owned()),
        false => row(
            "Tokenizer",
            Answer::No,
            "It does not turn text into tokens: the model's tokenizer file is needed here.".to_owned(),
        ),
    });
    rows.push(match facts.eos.len() {
        0 => row(
            "End of a text",
            Answer::Limited("unknown".to_owned()),
            "It does not tell which tokens end a text, and none of the usual ones does.".to_owned(),
        ),
        1 => row("End of a text", Answer::Yes, format!("Token {} ends a text.", facts.eos[0])),
        _ => {
            let ids: Vec<String> = facts.eos.iter().map(u32::to_string).collect();
            row("End of a text", Answer::Yes, format!("Each of the tokens {} ends a text.", ids.join(", ")))
        }
    });
    rows
}

fn listed(facts: &ServerFacts) -> Capability {
    let what = "Tokens of a row";
    match (facts.whole_rows, facts.vocabulary) {
        (true, Some(vocabulary)) => Capability {
            what,
            answer: Answer::Yes,
            detail: format!(
                "It sends whole rows: all {} tokens of the vocabulary.",
                count(vocabulary as u64)
            ),
        },
        (_, vocabulary) => {
            let most = count(facts.most_listed as u64);
            let of = vocabulary.map_or(String::new(), |all| format!(" of {}", count(all as u64)));
            let more = match facts.kind {
                ServerKind::Vllm => "; vLLM started with --max-logprobs -1 sends all",
                ServerKind::LlamaServer | ServerKind::OpenAi => "",
            };
            Capability {
                what,
                answer: Answer::Limited(most.clone()),
                detail: format!(
                    "It lists the {most} highest tokens{of}; the rest is known as a sum alone{more}."
                ),
            }
        }
    }
}

fn context(told: Option<usize>) -> Capability {
    let what = "Context";
    match told {
        Some(told) => {
            let told = count(told as u64);
            Capability { what, answer: Answer::Yes, detail: format!("A text has {told} positions at most.") }
        }
        None => Capability {
            what,
            answer: Answer::Limited("unknown".to_owned()),
            detail: "It does not tell how long a text may be; 2048 positions are assumed.".to_owned(),
        },
    }
}
