//! The metadata of the finished file.

use std::collections::BTreeMap;

use unmask_gguf::{TensorType, Value};

use crate::architecture::Architecture;
use crate::convert::Options;
use crate::heads::Abilities;
use crate::json::Object;
use crate::read_at::{Folder, text};
use crate::tokenizer::Tokenizers;
use crate::{Error, Quantization};

const README_LIMIT: u64 = 4 << 20;

/// Everything the file says about itself.
pub(crate) fn metadata(
    folder: &dyn Folder,
    options: &Options,
    config: &Object,
    architecture: Architecture,
    abilities: &Abilities,
) -> Result<BTreeMap<String, Value>, Error> {
    let mut metadata = BTreeMap::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            metadata.insert(key.to_owned(), value);
        }
    };
    let said = |option: &Option<String>, key: &str| {
        option
            .clone()
            .or_else(|| config.str(key).map(str::to_owned))
    };
    let license = match said(&options.license, "unmask_license") {
        None => text(folder, "README.md", README_LIMIT)?
            .as_deref()
            .and_then(license_of),
        said => said,
    };
    put("general.architecture", Some(architecture.name().into()));
    put(
        "general.name",
        said(&options.name, "unmask_name")
            .or_else(|| folder.name())
            .map(Value::from),
    );
    put(
        "general.description",
        said(&None, "unmask_description").map(Value::from),
    );
    put("general.license", license.map(Value::from));
    let source = said(&options.source, "unmask_source");
    // Some name a place on the network, some tell a story.
    let is_url = source
        .as_ref()
        .is_some_and(|source| source.starts_with("http"));
    let key = if is_url {
        "general.source.url"
    } else {
        "general.source.description"
    };
    put(key, source.map(Value::from));
    put(
        "general.source.revision",
        said(&options.revision, "unmask_revision").map(Value::from),
    );
    put(
        "general.file_type",
        Some(Value::U32(file_type(options.quantization))),
    );
    put("general.quantization_version", Some(Value::U32(2)));
    put(
        "unmask.quantization",
        Some(options.quantization.name().into()),
    );
    put("unmask.heads", Some(list(&abilities.heads)?));
    put("unmask.tasks", Some(list(&abilities.tasks)?));
    put("config.huggingface.json", Some(config.text.as_str().into()));
    let generation = Object::read(folder, "generation_config.json")?;
    put(
        "generation_config.huggingface.json",
        generation.map(|object| object.text.into()),
    );
    let Tokenizers { source, target } = Tokenizers::read(folder, config)?;
    put("tokenizer.huggingface.json", Some(source.into()));
    put("tokenizer.target.huggingface.json", target.map(Value::from));
    Ok(metadata)
}

fn list<T: serde::Serialize>(items: &[T]) -> Result<Value, Error> {
    let text = serde_json::to_string(items).map_err(|error| Error::Heads {
        reason: error.to_string(),
    })?;
    Ok(text.into())
}

/// The number llama.cpp has for files that are mostly of one type.
fn file_type(quantization: Quantization) -> u32 {
    match quantization.0 {
        TensorType::F16 => 1,
        TensorType::Q4_0 => 2,
        TensorType::Q8_0 => 7,
        TensorType::Q4K => 14,
        TensorType::Q6K => 18,
        _ => 0,
    }
}

/// The licence in the head of a model card, which the hub writes between two lines of dashes.
fn license_of(readme: &str) -> Option<String> {
    let (head, _) = readme.strip_prefix("---\n")?.split_once("\n---")?;
    let license = head
        .lines()
        .find_map(|line| line.strip_prefix("license:"))?
        .trim()
        .trim_matches(['"', '\'']);
    (!license.is_empty()).then(|| license.to_owned())
}

#[cfg(test)]
mod tests {
    use super::license_of;

    #[test]
    fn the_licence_is_read_from_the_head_of_a_card() {
        assert_eq!(
            license_of("---\nlanguage: en\nlicense: apache-2.0\n---\n# BERT"),
            Some("apache-2.0".into())
        );
        assert_eq!(license_of("# BERT\nlicense: none"), None);
        assert_eq!(license_of("---\nlicense:\n---\n"), None);
    }
}
