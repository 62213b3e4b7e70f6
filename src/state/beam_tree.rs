//! The tree of a beam search: every beam that ever lived, what became of it, and the way of the winner through it.

use unmask_protocol::{Beam, GeneratedToken};

/// What became of a branch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is part of the text that won.
    Won,
    /// It or one that grew from it lived to the last step.
    Lived,
    /// Nothing that grew from it lived to the last step.
    Pruned,
}

/// One token of one beam.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// Which step made it, from 0.
    pub step: usize,
    /// As the vocabulary spells it.
    pub token: String,
    /// The beam's text with it.
    pub text: String,
    /// Of the token, given the beam before it.
    pub probability: f32,
    /// What became of it.
    pub fate: Fate,
    /// What grew from it, best first, by places in [`Tree::branches`].
    pub children: Vec<usize>,
}

/// Every beam of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Parents before children.
    pub branches: Vec<Branch>,
    /// Those of the first step.
    pub roots: Vec<usize>,
}

impl Tree {
    /// The tree of each step's live beams; empty where the search had one beam. `winner` is the text that won, token by token: its end
    /// is in no step, since a beam that has ended lives no more.
    pub fn grow(steps: &[Vec<Beam>], winner: &[GeneratedToken]) -> Self {
        let mut tree = Self::default();
        // Of the step before: each beam's branch and score; of the winner: its branch, while it is followed.
        let mut before: Vec<(usize, f32)> = Vec::new();
        let mut way: Option<usize> = None;
        let mut followed = 0;
        let mut last = Vec::new();
        for (step, beams) in steps.iter().enumerate() {
            let mut now = Vec::with_capacity(beams.len());
            let wanted = winner.get(step).filter(|_| followed == step);
            let from = way;
            for beam in beams {
                let parent = match step {
                    0 => None,
                    // What grew from no beam is left out.
                    _ => match before.get(beam.parent) {
                        Some(&parent) => Some(parent),
                        None => continue,
                    },
                };
                let wins = parent.map(|(place, _)| place) == from
                    && wanted.is_some_and(|wanted| wanted.id == beam.id);
                let earlier = parent.map_or(0.0, |(_, score)| score);
                let place = tree.add(
                    parent.map(|(place, _)| place),
                    Branch {
                        step,
                        token: beam.token.clone(),
                        text: beam.text.clone(),
                        probability: (beam.score - earlier).exp(),
                        fate: if wins { Fate::Won } else { Fate::Pruned },
                        children: Vec::new(),
                    },
                );
                if wins {
                    way = Some(place);
                    followed = step + 1;
                }
                now.push((place, beam.score));
            }
            last.clear();
            last.extend(now.iter().map(|&(place, _)| place));
            before = now;
        }
        for place in last {
            if tree.branches[place].fate == Fate::Pruned {
                tree.branches[place].fate = Fate::Lived;
            }
        }
        // Parents come before children: backwards, life passes up.
        for place in (0..tree.branches.len()).rev() {
            let lives = |&child: &usize| tree.branches[child].fate == Fate::Lived;
            if tree.branches[place].fate == Fate::Pruned
                && tree.branches[place].children.iter().any(lives)
            {
                tree.branches[place].fate = Fate::Lived;
            }
        }
        if let (Some(end), true) = (
            winner.get(followed),
            followed > 0 && followed + 1 == winner.len(),
        ) {
            let text = way.map(|way| tree.branches[way].text.clone());
            tree.add(
                way,
                Branch {
                    step: followed,
                    token: end.text.clone(),
                    text: text.unwrap_or_default(),
                    probability: end.probability,
                    fate: Fate::Won,
                    children: Vec::new(),
                },
            );
        }
        tree
    }

    fn add(&mut self, parent: Option<usize>, branch: Branch) -> usize {
        let place = self.branches.len();
        self.branches.push(branch);
        match parent {
            Some(parent) => self.branches[parent].children.push(place),
            None => self.roots.push(place),
        }
        place
    }

    /// The winner's branches, from the first token to the last.
    #[cfg(test)]
    fn trunk(&self) -> Vec<usize> {
        let mut trunk = Vec::new();
        let mut level = &self.roots;
        let won = |&&place: &&usize| self.branches[place].fate == Fate::Won;
        while let Some(&place) = level.iter().find(won) {
            trunk.push(place);
            level = &self.branches[place].children;
        }
        trunk
    }

    /// A branch and those that follow it as long as only one does: nothing forks within.
    pub fn run(&self, place: usize) -> Vec<usize> {
        let mut run = vec![place];
        while let [next] = self.branches[run[run.len() - 1]].children[..] {
            run.push(next);
        }
        run
    }

    /// Branches that were cut off for good.
    pub fn pruned(&self) -> usize {
        let pruned = |branch: &&Branch| branch.fate == Fate::Pruned;
        self.branches.iter().filter(pruned).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(beams: &[(usize, u32, f32)]) -> Vec<Beam> {
        let beam = |&(parent, id, score): &(usize, u32, f32)| Beam {
            parent,
            id,
            token: id.to_string(),
            text: format!("…{id}"),
            score,
        };
        beams.iter().map(beam).collect()
    }

    fn token(id: u32) -> GeneratedToken {
        GeneratedToken {
            id,
            text: id.to_string(),
            probability: 0.25,
            alternatives: Vec::new(),
        }
    }

    fn spelling(tree: &Tree, places: &[usize]) -> Vec<String> {
        let branches = places.iter().map(|&place| &tree.branches[place]);
        branches.map(|branch| branch.token.clone()).collect()
    }

    fn steps() -> Vec<Vec<Beam>> {
        vec![
            step(&[(0, 1, -0.5), (0, 2, -1.0)]),
            step(&[(0, 3, -1.5), (0, 4, -2.0)]),
            step(&[(1, 5, -2.25), (1, 6, -3.0)]),
        ]
    }

    #[test]
    fn the_winners_way_is_the_trunk_and_what_ends_early_is_pruned() {
        let winner = [1, 3, 9].map(token);
        let tree = Tree::grow(&steps(), &winner);
        assert_eq!(spelling(&tree, &tree.trunk()), ["1", "3", "9"]);
        let fate = |id: &str| {
            tree.branches
                .iter()
                .find(|branch| branch.token == id)
                .unwrap()
                .fate
        };
        assert_eq!(fate("2"), Fate::Pruned);
        assert_eq!((fate("4"), fate("5")), (Fate::Lived, Fate::Lived));
        assert_eq!(tree.pruned(), 1);
        assert_eq!(spelling(&tree, &tree.run(tree.roots[1])), ["2"]);
        let last = &tree.branches[tree.trunk()[2]];
        assert_eq!((last.step, last.probability), (2, 0.25));
    }

    #[test]
    fn a_childs_probability_is_what_it_adds_to_its_parent() {
        let tree = Tree::grow(&steps(), &[]);
        let branch = tree
            .branches
            .iter()
            .find(|branch| branch.token == "5")
            .unwrap();
        assert!((branch.probability - (-0.25f32).exp()).abs() < 1e-6);
        assert_eq!(tree.trunk(), [0; 0]);
    }

    #[test]
    fn no_beams_no_tree_and_a_parent_that_never_was_is_left_out() {
        assert_eq!(Tree::grow(&[], &[token(1)]), Tree::default());
        let lost = [step(&[(0, 1, -0.5)]), step(&[(7, 2, -0.6)])];
        assert_eq!(Tree::grow(&lost, &[]).branches.len(), 1);
    }
}
