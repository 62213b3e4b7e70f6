//! The decoder's memory: keys and values of what it has said so far, and of the encoder's output.

use candle_core::Tensor;

use crate::{KeyValue, Result};

/// Positions that there is room for at least.
const LEAST: usize = 16;

/// Keys and values for one input. The cross-attention's are projected once and serve every beam; the
/// self-attention's grow with each token, one batch row for each beam.
#[derive(Debug)]
pub struct KvCache {
    cross_attention: Vec<KeyValue>,
    /// `[batch, room, 2 * d_model]`.
    self_attention: Vec<Option<Tensor>>,
    positions: usize,
}

impl KvCache {
    /// An empty memory over an encoder's output: for each decoder layer its keys and values, in a batch of one.
    pub fn new(cross_attention: Vec<KeyValue>) -> Self {
        Self {
            self_attention: cross_attention.iter().map(|_| None).collect(),
            cross_attention,
            positions: 0,
        }
    }

    /// Decoder positions so far.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// What layer `layer` attends to across.
    pub fn cross_attention(&self, layer: usize) -> &KeyValue {
        &self.cross_attention[layer]
    }

    /// Adds the newest positions of one layer, one batch row for each hypothesis, and gives back everything so far.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit what is there.
    pub fn append(&mut self, layer: usize, new: &KeyValue) -> Result<KeyValue> {
        let end = self.positions + new.positions;
        let states = match self.self_attention[layer].take() {
            Some(states) if end <= states.dim(1)? => states,
            Some(states) => {
                let larger = with_room(&states, end)?;
                larger.slice_set(&states, 1, 0)?;
                larger
            }
            None => with_room(&new.states, end)?,
        };
        states.slice_set(&new.states, 1, self.positions)?;
        self.self_attention[layer] = Some(states.clone());
        Ok(KeyValue {
            states,
            positions: end,
        })
    }

    /// Every layer has appended `new` positions.
    pub(crate) fn advance(&mut self, new: usize) {
        self.positions += new;
    }

    /// Continues with other hypotheses: row `i` becomes what row `parents[i]` was. The encoder's keys stay.
    ///
    /// # Errors
    /// `Engine` where a parent isn't there.
    pub fn reorder(&mut self, parents: &[u32]) -> Result<()> {
        for states in self.self_attention.iter_mut().flatten() {
            let unchanged = parents.len() == states.dim(0)?
                && (0..).zip(parents).all(|(row, &parent)| row == parent);
            if !unchanged {
                *states = states.index_select(&Tensor::new(parents, states.device())?, 0)?;
            }
        }
        Ok(())
    }
}

/// Zeros for at least `positions`, in every other dimension as large as `example`: room for more than there are, so that
/// a token costs one row and not a copy of all before it.
fn with_room(example: &Tensor, positions: usize) -> Result<Tensor> {
    let (batch, _, width) = example.dims3()?;
    let shape = (batch, positions.next_power_of_two().max(LEAST), width);
    Ok(Tensor::zeros(shape, example.dtype(), example.device())?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn position(rows: &[f32]) -> KeyValue {
        let key = Tensor::new(rows, &Device::Cpu).unwrap();
        let key = key.reshape((rows.len(), 1, 1)).unwrap();
        let value = key.neg().unwrap();
        KeyValue {
            states: Tensor::cat(&[key, value], 2).unwrap(),
            positions: 1,
        }
    }

    /// The keys of each row; the values are their negatives.
    fn keys(key_value: &KeyValue) -> Vec<Vec<f32>> {
        let states = key_value.states.narrow(1, 0, key_value.positions).unwrap();
        let part = |column| states.narrow(2, column, 1).unwrap().squeeze(2).unwrap();
        let [keys, values] = [part(0), part(1).neg().unwrap()];
        let keys = keys.to_vec2::<f32>().unwrap();
        assert_eq!(keys, values.to_vec2::<f32>().unwrap());
        keys
    }

    #[test]
    fn it_remembers_every_position_while_it_grows() {
        let mut cache = KvCache::new(vec![position(&[9.])]);
        let mut so_far = None;
        for i in 0..40 {
            so_far = Some(cache.append(0, &position(&[i as f32])).unwrap());
            cache.advance(1);
        }
        let expected: Vec<f32> = (0..40).map(|i| i as f32).collect();
        assert_eq!(keys(&so_far.unwrap())[0], expected);
        assert_eq!(cache.positions(), 40);
    }

    #[test]
    fn reordering_moves_the_decoders_rows_and_leaves_the_encoders() {
        let mut cache = KvCache::new(vec![position(&[9.])]);
        cache.append(0, &position(&[0.])).unwrap();
        cache.advance(1);
        cache.reorder(&[0, 0, 0]).unwrap();
        cache.append(0, &position(&[1., 2., 3.])).unwrap();
        cache.advance(1);
        cache.reorder(&[2, 0, 2]).unwrap();
        let so_far = cache.append(0, &position(&[4., 5., 6.])).unwrap();
        let expected = [[0., 3., 4.], [0., 1., 5.], [0., 3., 6.]];
        assert_eq!(keys(&so_far), expected);
        assert_eq!(keys(cache.cross_attention(0)), [[9.]]);
        assert!(cache.reorder(&[3]).is_err());
    }
}
