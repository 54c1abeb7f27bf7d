//! The pool of n-grams, and the tree of those that may follow the newest token.

use std::collections::{HashMap, VecDeque};

use crate::trace::strategies::NgramSource;

/// n-grams by their first token, of each the newest few.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// Those found or of use last come first.
    ngrams: HashMap<u32, VecDeque<Ngram>>,
    /// Most n-grams with one first token.
    most: usize,
}

/// An n-gram without its first token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ngram {
    /// The tokens after the first.
    pub rest: Vec<u32>,
    /// Where it was found first.
    pub source: NgramSource,
}

/// Guesses as a tree whose root is the newest token; those that begin alike share nodes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Token and parent of each node; a parent comes before its children, and `None` is the root.
    pub nodes: Vec<(u32, Option<usize>)>,
    /// The nodes of each guess, and where it came from.
    pub guesses: Vec<(Vec<usize>, NgramSource)>,
}

impl Pool {
    /// An empty one.
    pub(super) fn new(most: usize) -> Self {
        Self { ngrams: HashMap::new(), most }
    }

    /// Puts an n-gram of two tokens or more in front, or brings it there. Whether it is new.
    pub(super) fn insert(&mut self, ngram: &[u32], source: NgramSource) -> bool {
        let [first, rest @ ..] = ngram else { return false };
        let list = self.ngrams.entry(*first).or_default();
        let known = list.iter().position(|ngram| ngram.rest == rest).and_then(|place| list.remove(place));
        let new = known.is_none();
        list.push_front(known.unwrap_or_else(|| Ngram { rest: rest.to_vec(), source }));
        list.truncate(self.most);
        new
    }

    /// Puts the n-grams of `text` in that end at token `from` or after, and gives those that are new.
    pub(super) fn insert_text(&mut self, text: &[u32], from: usize, length: usize) -> Vec<Vec<u32>> {
        let from = (from + 1).saturating_sub(length);
        let ngrams = text[from..].windows(length);
        ngrams.filter(|ngram| self.insert(ngram, NgramSource::Prompt)).map(<[u32]>::to_vec).collect()
    }

    /// The n-grams that begin with a token, in their order.
    pub(super) fn with_first(&self, first: u32) -> impl Iterator<Item = &Ngram> {
        self.ngrams.get(&first).into_iter().flatten()
    }

    /// How many n-grams there are.
    pub(super) fn len(&self) -> usize {
        self.ngrams.values().map(VecDeque::len).sum()
    }
}

impl Tree {
    /// Adds a guess of at least one token, unless it would be the `most`-th node but one, or is there already.
    pub(super) fn add(&mut self, ngram: &Ngram, depth: usize, most: usize) {
        let tokens = &ngram.rest[..ngram.rest.len().min(depth)];
        let (mut path, mut fresh) = (Vec::new(), Vec::new());
        for &token in tokens {
            let parent = path.last().copied();
            let known = self.nodes.iter().position(|node| *node == (token, parent));
            let node = known.unwrap_or(self.nodes.len() + fresh.len());
            if known.is_none() {
                fresh.push((token, parent));
            }
            path.push(node);
        }
        let known = self.guesses.iter().any(|(other, _)| *other == path);
        if !path.is_empty() && !known && self.nodes.len() + fresh.len() <= most {
            self.nodes.extend(fresh);
            self.guesses.push((path, ngram.source));
        }
    }

    /// The node below `parent` with this token.
    pub(super) fn child(&self, parent: Option<usize>, token: u32) -> Option<usize> {
        self.nodes.iter().position(|node| *node == (token, parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_keeps_the_newest_and_those_that_came_again() {
        let mut pool = Pool::new(2);
        assert!(pool.insert(&[1, 2, 3], NgramSource::Prompt));
        assert!(pool.insert(&[1, 4, 5], NgramSource::Window));
        assert!(!pool.insert(&[1, 2, 3], NgramSource::Window), "it is known");
        assert!(pool.insert(&[1, 6, 7], NgramSource::Window));
        let listed: Vec<_> = pool.with_first(1).map(|ngram| (ngram.rest[0], ngram.source)).collect();
        assert_eq!(listed, [(6, NgramSource::Window), (2, NgramSource::Prompt)]);
        assert_eq!((pool.len(), pool.with_first(9).count()), (2, 0));
    }

    #[test]
    fn a_text_gives_its_ngrams_from_a_place_on() {
        let mut pool = Pool::new(4);
        assert_eq!(pool.insert_text(&[1, 2], 0, 3), [[0u32; 0]; 0]);
        assert_eq!(pool.insert_text(&[1, 2, 3, 4], 2, 3), [[1, 2, 3], [2, 3, 4]]);
        assert_eq!(pool.insert_text(&[1, 2, 3, 4, 5], 4, 3), [[3, 4, 5]]);
    }

    #[test]
    fn guesses_that_begin_alike_share_nodes() {
        let ngram = |rest: &[u32]| Ngram { rest: rest.to_vec(), source: NgramSource::Window };
        let mut tree = Tree::default();
        for rest in [[1, 2, 3], [1, 2, 4], [2, 2, 3], [1, 2, 3], [8, 8, 8]] {
            tree.add(&ngram(&rest), 3, 7);
        }
        let paths: Vec<_> = tree.guesses.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(paths, [[0, 1, 2], [0, 1, 3], [4, 5, 6]], "one is known, and for one there is no room");
        assert_eq!(
            (tree.child(None, 2), tree.child(Some(1), 4), tree.child(Some(1), 9)),
            (Some(4), Some(3), None)
        );
        tree.add(&ngram(&[5, 6, 7]), 0, 99);
        assert_eq!(tree.guesses.len(), 3);
    }
}
