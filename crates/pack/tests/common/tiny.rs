//! The smallest models of both kinds, as files whose texts can be replaced: what a hostile configuration is read with.

use serde_json::json;
use unmask_gguf::{Layout, TensorType, Value, Writer};

use super::{Memory, pack, safetensors, unpack};

/// Width of everything, and positions; words in the vocabulary.
const WIDTH: usize = 4;
const WORDS: usize = 8;

/// A file taken apart.
pub struct TinyModel {
    header: unmask_gguf::Header,
    tensors: Vec<Vec<u8>>,
}

impl TinyModel {
    /// A BERT of one layer with a head for masked words.
    pub fn bert() -> Self {
        let mut tensors = vec![
            (
                "bert.embeddings.word_embeddings.weight".into(),
                vec![WORDS, WIDTH],
            ),
            (
                "bert.embeddings.position_embeddings.weight".into(),
                vec![WORDS, WIDTH],
            ),
            (
                "bert.embeddings.token_type_embeddings.weight".into(),
                vec![2, WIDTH],
            ),
            ("cls.predictions.bias".into(), vec![WORDS]),
        ];
        norm(&mut tensors, "bert.embeddings.LayerNorm");
        let layer = "bert.encoder.layer.0";
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            linear(&mut tensors, &format!("{layer}.attention.{part}"));
        }
        norm(&mut tensors, &format!("{layer}.attention.output.LayerNorm"));
        linear(&mut tensors, &format!("{layer}.intermediate.dense"));
        linear(&mut tensors, &format!("{layer}.output.dense"));
        norm(&mut tensors, &format!("{layer}.output.LayerNorm"));
        linear(&mut tensors, "cls.predictions.transform.dense");
        norm(&mut tensors, "cls.predictions.transform.LayerNorm");
        let config = json!({ "model_type": "bert", "vocab_size": WORDS, "max_position_embeddings": WORDS,
            "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": WIDTH });
        Self::new(&config.to_string(), &tensors)
    }

    /// A BART of one layer on each side.
    pub fn bart() -> Self {
        let mut tensors = vec![("model.shared.weight".into(), vec![WORDS, WIDTH])];
        for (side, attentions) in [
            ("encoder", &["self_attn"][..]),
            ("decoder", &["self_attn", "encoder_attn"]),
        ] {
            let side = format!("model.{side}");
            tensors.push((
                format!("{side}.embed_positions.weight"),
                vec![WORDS + 2, WIDTH],
            ));
            norm(&mut tensors, &format!("{side}.layernorm_embedding"));
            for attention in attentions {
                for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                    linear(&mut tensors, &format!("{side}.layers.0.{attention}.{part}"));
                }
                norm(
                    &mut tensors,
                    &format!("{side}.layers.0.{attention}_layer_norm"),
                );
            }
            linear(&mut tensors, &format!("{side}.layers.0.fc1"));
            linear(&mut tensors, &format!("{side}.layers.0.fc2"));
            norm(&mut tensors, &format!("{side}.layers.0.final_layer_norm"));
        }
        let config = json!({ "model_type": "bart", "vocab_size": WORDS, "max_position_embeddings": WORDS,
            "d_model": WIDTH, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": WIDTH,
            "decoder_layers": 1, "decoder_attention_heads": 1, "decoder_ffn_dim": WIDTH,
            "decoder_start_token_id": 2, "eos_token_id": 3 });
        Self::new(&config.to_string(), &tensors)
    }

    fn new(config: &str, tensors: &[(String, Vec<usize>)]) -> Self {
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, shape)| (name.as_str(), &shape[..]))
            .collect();
        let folder = Memory::default()
            .with("config.json", config)
            .with("tokenizer.json", tokenizer())
            .with("model.safetensors", safetensors(&tensors));
        let (header, mut tensors) = unpack(&pack(&folder, "f32").unwrap());
        let tensors = header
            .tensors
            .iter()
            .map(|info| tensors.remove(&info.name).unwrap().1)
            .collect();
        Self { header, tensors }
    }

    /// The file with another text under a key of its metadata.
    pub fn with(&self, key: &str, text: &str) -> Vec<u8> {
        let mut metadata = self.header.metadata.clone();
        metadata.insert(key.to_owned(), Value::from(text));
        let records = self.header.tensors.iter();
        let records = records.map(|info| (info.name.clone(), info.shape.clone(), TensorType::F32));
        let layout = Layout::new(metadata, records.collect()).unwrap();
        let mut writer = Writer::new(layout, Vec::new()).unwrap();
        for (info, bytes) in self.header.tensors.iter().zip(&self.tensors) {
            writer.tensor(&info.name, bytes).unwrap();
        }
        writer.finish().unwrap()
    }
}

fn linear(tensors: &mut Vec<(String, Vec<usize>)>, name: &str) {
    tensors.push((format!("{name}.weight"), vec![WIDTH, WIDTH]));
    tensors.push((format!("{name}.bias"), vec![WIDTH]));
}

fn norm(tensors: &mut Vec<(String, Vec<usize>)>, name: &str) {
    tensors.push((format!("{name}.weight"), vec![WIDTH]));
    tensors.push((format!("{name}.bias"), vec![WIDTH]));
}

/// A tokenizer of words with BERT's special tokens.
fn tokenizer() -> String {
    let vocabulary = json!({ "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5, "b": 6, "c": 7 });
    let mask = json!({ "id": 4, "content": "[MASK]", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true });
    json!({ "version": "1.0", "added_tokens": [mask], "pre_tokenizer": { "type": "Whitespace" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" } })
    .to_string()
}
