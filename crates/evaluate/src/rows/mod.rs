//! The rows of the table: what is measured, and what is asked of it.

mod answers;
mod denoising;
pub mod held_out;
mod labels;
mod pronunciation;
mod writing;

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;

use crate::data::Data;
use crate::error::{Error, Result};

pub use denoising::{Permuted, Spoilt, permuted, spoilt};

/// One row for models of one architecture.
pub struct Row<M: 'static> {
    /// What is measured, for people.
    pub name: &'static str,
    /// The head or task that it measures.
    pub needs: &'static str,
    /// What each figure has to reach.
    pub bar: Bar,
    /// Measures.
    pub measure: fn(&M, &Data, Limit) -> Result<Measured>,
}

/// What the figures of a row have to reach, one number a figure.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// The higher the better.
    AtLeast {
        /// Good enough.
        accept: &'static [f64],
        /// Hoped for.
        aim: &'static [f64],
    },
    /// The lower the better.
    AtMost {
        /// Good enough.
        accept: &'static [f64],
        /// Hoped for.
        aim: &'static [f64],
    },
    /// Reported alone.
    None,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The figures, mostly percentages.
    pub figures: Vec<f64>,
    /// What the figures are about: masks, pairs, words.
    pub unit: &'static str,
    /// How many of these were measured.
    pub items: usize,
    /// Whether there are more of them.
    pub is_sample: bool,
}

impl Measured {
    /// The share of items that came out right.
    fn share(right: &[bool], unit: &'static str, is_sample: bool) -> Self {
        let count = right.iter().filter(|&&right| right).count();
        Self {
            figures: vec![percent(count, right.len())],
            unit,
            items: right.len(),
            is_sample,
        }
    }

    /// The mean of the items' scores, each from 0 to 1.
    fn mean(scores: Vec<f64>, unit: &'static str, is_sample: bool) -> Self {
        Self {
            items: scores.len(),
            figures: vec![100. * mean(scores)],
            unit,
            is_sample,
        }
    }
}

/// Most items to measure, where somebody is in a hurry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit(pub Option<usize>);

impl Limit {
    /// As many of `items` as it allows, evenly spread, and whether some are left out.
    fn of<T>(self, items: Vec<T>) -> (Vec<T>, bool) {
        let most = self.0.unwrap_or(items.len()).max(1);
        if items.len() <= most {
            return (items, false);
        }
        let (count, mut taken) = (items.len(), 0);
        let chosen = items.into_iter().enumerate().filter(|(i, _)| {
            let wanted = i * most >= taken * count;
            taken += usize::from(wanted);
            wanted
        });
        (chosen.map(|(_, item)| item).collect(), true)
    }
}

/// The rows for BERTs.
pub const BERT: &[Row<Bert>] = &[
    Row {
        name: "masked words, held-out prose, first guess / among five",
        needs: "masked-lm",
        bar: Bar::AtLeast {
            accept: &[42., 62.],
            aim: &[55., 75.],
        },
        measure: held_out::masked_words,
    },
    Row {
        name: "next sentence, held-out prose",
        needs: "next-sentence",
        bar: Bar::AtLeast {
            accept: &[90.],
            aim: &[95.],
        },
        measure: held_out::next_sentences,
    },
    Row {
        name: "sentiment, SST-2 dev",
        needs: "sentiment",
        bar: Bar::AtLeast {
            accept: &[88.],
            aim: &[91.5],
        },
        measure: labels::sentiment,
    },
    Row {
        name: "natural language inference, SNLI's own split",
        needs: "nli",
        bar: Bar::AtLeast {
            accept: &[75.],
            aim: &[84.],
        },
        measure: labels::nli,
    },
    Row {
        name: "topic, held-out textbook paragraphs",
        needs: "topic",
        bar: Bar::AtLeast {
            accept: &[75.],
            aim: &[88.],
        },
        measure: labels::topic,
    },
    Row {
        name: "named entities, F1, Wikigold test",
        needs: "ner",
        bar: Bar::AtLeast {
            accept: &[65.],
            aim: &[78.],
        },
        measure: labels::wikigold,
    },
    Row {
        name: "named entities, F1, WNUT 2017 test",
        needs: "ner",
        bar: Bar::None,
        measure: labels::wnut,
    },
    Row {
        name: "extractive answers, F1 on XQuAD-en, always answering",
        needs: "qa",
        bar: Bar::AtLeast {
            accept: &[60.],
            aim: &[80.],
        },
        measure: answers::always,
    },
    Row {
        name: "extractive answers, F1 on XQuAD-en, free to refuse",
        needs: "qa",
        bar: Bar::None,
        measure: answers::refusing,
    },
];

/// The rows for BARTs.
pub const BART: &[Row<Bart>] = &[
    Row {
        name: "denoising, 30% infilled, held-out prose: words kept / recovered",
        needs: "denoise",
        bar: Bar::AtLeast {
            accept: &[95., 15.],
            aim: &[99., 30.],
        },
        measure: denoising::infilling,
    },
    Row {
        name: "order of three sentences put right, held-out prose",
        needs: "denoise",
        bar: Bar::AtLeast {
            accept: &[50.],
            aim: &[75.],
        },
        measure: denoising::permutation,
    },
    Row {
        name: "summaries, ROUGE-L above the first sentence's",
        needs: "summarize",
        bar: Bar::AtLeast {
            accept: &[3.],
            aim: &[8.],
        },
        measure: writing::summaries,
    },
    Row {
        name: "written answers, F1 on XQuAD-en",
        needs: "answer",
        bar: Bar::AtLeast {
            accept: &[35.],
            aim: &[60.],
        },
        measure: writing::answers,
    },
    Row {
        name: "translation, Tatoeba en-de test, BLEU",
        needs: "translate",
        bar: Bar::AtLeast {
            accept: &[25.],
            aim: &[38.],
        },
        measure: writing::tatoeba,
    },
    Row {
        name: "translation, Multi30k test 2016 en-de, BLEU",
        needs: "translate",
        bar: Bar::AtLeast {
            accept: &[],
            aim: &[25.],
        },
        measure: writing::multi30k,
    },
    Row {
        name: "wrong phonemes, CMU dictionary, held-out words",
        needs: "pronounce",
        bar: Bar::AtMost {
            accept: &[9.],
            aim: &[6.],
        },
        measure: pronunciation::without_stress,
    },
    Row {
        name: "wrong phonemes, stress included",
        needs: "pronounce",
        bar: Bar::None,
        measure: pronunciation::with_stress,
    },
];

/// Does `work` on every item, on all cores, and gives the results in the items' order.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { break };
            done.push((i, work(item)?));
        }
        Ok(done)
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Result<Vec<_>>>| {
            let broken = |_| Error::Said("A measuring thread broke.".into());
            worker.join().map_err(broken)?
        };
        workers.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    results.sort_by_key(|(i, _)| *i);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// A share in percent.
fn percent(part: usize, whole: usize) -> f64 {
    100. * part as f64 / whole.max(1) as f64
}

/// Their mean; none of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .into_iter()
        .fold((0., 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_spreads_evenly() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(Limit(Some(4)).of(items.clone()), (vec![0, 3, 5, 8], true));
        assert_eq!(Limit(Some(10)).of(items.clone()), (items.clone(), false));
        assert_eq!(Limit(None).of(items.clone()), (items, false));
    }

    #[test]
    fn results_come_in_the_order_of_items_and_an_error_is_told() {
        let items: Vec<u32> = (0..50).collect();
        let twice = each(&items, |item| Ok(item * 2)).unwrap();
        assert!(
            twice
                .iter()
                .zip(&items)
                .all(|(twice, item)| *twice == item * 2)
        );
        let failed = each(&items, |&item| match item {
            17 => Err(Error::Said("seventeen".into())),
            _ => Ok(()),
        });
        assert_eq!(failed.unwrap_err().to_string(), "seventeen");
    }
}
