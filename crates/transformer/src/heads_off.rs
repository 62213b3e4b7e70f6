//! Attention heads that are turned off, to see what a model does without them (Michel et al. 2019,
//! <https://arxiv.org/abs/1905.10650>).

use crate::{Error, MaskPattern, Result};

/// Heads of one attention whose output is zero before the output projection, in every position.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HeadsOff(Vec<(usize, usize)>);

/// The heads of one layer that are off.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerHeadsOff<'a>(&'a [(usize, usize)]);

static NONE: HeadsOff = HeadsOff(Vec::new());

impl HeadsOff {
    /// Heads as (layer, head), both counted from 0; a head may be named twice.
    pub fn new(mut heads: Vec<(usize, usize)>) -> Self {
        heads.sort_unstable();
        heads.dedup();
        Self(heads)
    }

    /// Those of one layer.
    pub(crate) fn of_layer(&self, layer: usize) -> LayerHeadsOff<'_> {
        let start = self.0.partition_point(|&(other, _)| other < layer);
        let end = self.0.partition_point(|&(other, _)| other <= layer);
        LayerHeadsOff(&self.0[start..end])
    }

    /// Refuses heads that the attention named `of` lacks.
    pub(crate) fn require_within(&self, layers: usize, heads: usize, of: &str) -> Result<()> {
        let beyond = |&&(layer, head): &&(usize, usize)| layer >= layers || head >= heads;
        match self.0.iter().find(beyond) {
            None => Ok(()),
            Some((layer, head)) => Err(Error::input(
                format!("The {of} has no head {head} in layer {layer}."),
                format!("Counting from 0, it has {layers} layers of {heads} heads each."),
            )),
        }
    }
}

impl LayerHeadsOff<'_> {
    /// Whether this head is off.
    pub fn contains(&self, head: usize) -> bool {
        self.0.iter().any(|&(_, other)| other == head)
    }
}

/// How a self-attention is used: who may look at whom, and which heads do nothing. A mask alone turns none off.
#[derive(Clone, Copy, Debug)]
pub struct Attending<'a> {
    /// Which position may attend to which.
    pub mask: &'a MaskPattern,
    /// Which heads are off.
    pub heads_off: &'a HeadsOff,
}

impl<'a> From<&'a MaskPattern> for Attending<'a> {
    fn from(mask: &'a MaskPattern) -> Self {
        Self {
            mask,
            heads_off: &NONE,
        }
    }
}
