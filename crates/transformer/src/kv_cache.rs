//! The decoder's memory: keys and values of what it has said so far, and of the encoder's output.

use candle_core::Tensor;

use crate::{KeyValue, Result};

/// Keys and values for one input. The cross-attention's are projected once and serve every beam; the
/// self-attention's grow with each token, one batch row for each beam.
#[derive(Debug)]
pub struct KvCache {
    cross_attention: Vec<KeyValue>,
    self_attention: Vec<Option<Buffer>>,
    positions: usize,
}

impl KvCache {
    /// An empty memory over an encoder's output: for each decoder layer its keys and values,
    /// `[1, heads, source positions, head_dim]`.
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

    /// Adds the newest positions of one layer, `[batch, heads, new, head_dim]`, and gives back everything so
    /// far, `[batch, heads, positions + new, head_dim]`.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit what is there.
    pub fn append(&mut self, layer: usize, new: &KeyValue) -> Result<KeyValue> {
        let end = self.positions + new.key.dim(2)?;
        let buffer = match self.self_attention[layer].take() {
            Some(buffer) => buffer.grown(self.positions, end)?,
            None => Buffer::with_room(new, end)?,
        };
        buffer.write(new, self.positions)?;
        let so_far = buffer.first(end)?;
        self.self_attention[layer] = Some(buffer);
        Ok(so_far)
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
        for buffer in self.self_attention.iter_mut().flatten() {
            buffer.select(parents)?;
        }
        Ok(())
    }
}

/// Room for more positions than there are, so that a token costs one row and not a copy of all before it.
#[derive(Debug)]
struct Buffer(KeyValue);

impl Buffer {
    const LEAST: usize = 16;

    /// Zeros for at least `positions`, otherwise shaped like `example`.
    fn with_room(example: &KeyValue, positions: usize) -> Result<Self> {
        let capacity = positions.next_power_of_two().max(Self::LEAST);
        let zeros = |like: &Tensor| -> Result<Tensor> {
            let (batch, heads, _, head_dim) = like.dims4()?;
            Ok(Tensor::zeros(
                (batch, heads, capacity, head_dim),
                like.dtype(),
                like.device(),
            )?)
        };
        Ok(Self(KeyValue {
            key: zeros(&example.key)?,
            value: zeros(&example.value)?,
        }))
    }

    /// Itself, or a larger one with the first `used` positions copied, where `needed` don't fit.
    fn grown(self, used: usize, needed: usize) -> Result<Self> {
        if needed <= self.0.key.dim(2)? {
            return Ok(self);
        }
        let larger = Self::with_room(&self.0, needed)?;
        let old = self.first(used)?;
        larger.write(&old, 0)?;
        Ok(larger)
    }

    fn write(&self, new: &KeyValue, at: usize) -> Result<()> {
        self.0.key.slice_set(&new.key.contiguous()?, 2, at)?;
        self.0.value.slice_set(&new.value.contiguous()?, 2, at)?;
        Ok(())
    }

    fn first(&self, positions: usize) -> Result<KeyValue> {
        Ok(KeyValue {
            key: self.0.key.narrow(2, 0, positions)?,
            value: self.0.value.narrow(2, 0, positions)?,
        })
    }

    fn select(&mut self, rows: &[u32]) -> Result<()> {
        let unchanged = rows.len() == self.0.key.dim(0)?
            && rows.iter().enumerate().all(|(i, &row)| i == row as usize);
        if !unchanged {
            let rows = Tensor::new(rows, self.0.key.device())?;
            self.0.key = self.0.key.index_select(&rows, 0)?;
            self.0.value = self.0.value.index_select(&rows, 0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn position(rows: &[f32]) -> KeyValue {
        let key = Tensor::new(rows, &Device::Cpu).unwrap();
        let key = key.reshape((rows.len(), 1, 1, 1)).unwrap();
        KeyValue {
            value: key.neg().unwrap(),
            key,
        }
    }

    fn values(tensor: &Tensor) -> Vec<Vec<f32>> {
        let (batch, _, positions, _) = tensor.dims4().unwrap();
        tensor
            .reshape((batch, positions))
            .unwrap()
            .to_vec2()
            .unwrap()
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
        let so_far = so_far.unwrap();
        assert_eq!(values(&so_far.key)[0], expected);
        assert_eq!(values(&so_far.value.neg().unwrap())[0], expected);
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
        assert_eq!(values(&so_far.key), expected);
        assert_eq!(values(&cache.cross_attention(0).key), [[9.]]);
        assert!(cache.reorder(&[3]).is_err());
    }
}
