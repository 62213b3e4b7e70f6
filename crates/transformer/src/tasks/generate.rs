//! From a reader's text to BART's: task, language codes, encoder, and a [`Generation`] to step through.

use super::require_text;
use crate::bart::{Bart, MaskPatterns};
use crate::generation::{GenerateOptions, Generation, Settings, Source};
use crate::{Capture, Encoding, Error, Result, TaskSpec, Token};

/// Reads `text` and gets ready to write.
///
/// # Errors
/// `Input` for an empty text, an unknown task or options that make no sense, `Unsupported` for a model that only
/// classifies.
pub fn generate<'m>(
    bart: &'m Bart,
    text: &str,
    options: &GenerateOptions,
    masks: &MaskPatterns,
) -> Result<Generation<'m>> {
    let task = bart.task(options.task.as_deref())?;
    let settings = bart.settings(task, options)?;
    let encoding = bart.source_encoding(text, task)?;
    bart.begin(&encoding, settings, masks, None)
}

impl Bart {
    /// The task of this name; the model's first without one; none for a model without tasks.
    pub(super) fn task(&self, name: Option<&str>) -> Result<Option<&TaskSpec>> {
        let Some(name) = name else {
            return Ok(self.tasks.first());
        };
        let found = self.tasks.iter().find(|task| task.name == name);
        found.map(Some).ok_or_else(|| {
            let names: Vec<_> = self.tasks.iter().map(|task| task.name.as_str()).collect();
            Error::input(
                format!("The model has no task named {name}."),
                match names.as_slice() {
                    [] => "Leave the task out: the model has just one.".to_owned(),
                    names => format!("Use one of its tasks: {}.", names.join(", ")),
                },
            )
        })
    }

    /// Settings for a task: its target token is what the decoder is made to say first, or, in an mBART whose
    /// decoder starts from a language, what it starts from.
    pub(super) fn settings(
        &self,
        task: Option<&TaskSpec>,
        options: &GenerateOptions,
    ) -> Result<Settings> {
        let mut settings = Settings::new(&self.config, &self.generation_config, options)?;
        if let Some(token) = task.and_then(|task| task.target_token.as_deref()) {
            let id = special_id(self.target_tokenizer(), token)?;
            if self.config.is_mbart() && !settings.eos.contains(&settings.start) {
                settings.start = id;
            } else {
                settings.forced_bos = Some(id);
            }
        }
        Ok(settings)
    }

    /// What the encoder reads: the tokenizer's special tokens around the text, with the task's source token in the
    /// place of the first of them, or, where a language code closes the sequence (mBART-25), of the last.
    pub(super) fn source_encoding(&self, text: &str, task: Option<&TaskSpec>) -> Result<Encoding> {
        require_text(text, "The text")?;
        let mut encoding =
            self.tokenizer
                .encode(text, None, self.config.max_position_embeddings)?;
        if let Some(spelling) = task.and_then(|task| task.source_token.as_deref()) {
            let id = special_id(&self.tokenizer, spelling)?;
            let opens = encoding.tokens.first().is_some_and(|token| token.special);
            let closes = encoding
                .tokens
                .last()
                .is_some_and(|token| token.special && !self.is_eos(token.id));
            let place = match (opens, closes) {
                (true, _) => 0,
                (false, true) => encoding.ids.len() - 1,
                (false, false) => {
                    return Err(Error::integrity(format!(
                        "The tokenizer leaves no place for the task's token {spelling}."
                    )));
                }
            };
            encoding.ids[place] = id;
            encoding.tokens[place].id = id;
            encoding.tokens[place].text = spelling.to_owned();
        }
        Ok(encoding)
    }

    /// Encodes the source and opens a generation; with a capture, both halves record.
    pub(super) fn begin(
        &self,
        encoding: &Encoding,
        settings: Settings,
        masks: &MaskPatterns,
        mut capture: Option<&mut Capture>,
    ) -> Result<Generation<'_>> {
        self.require_lm_head()?;
        let encoder_hidden_states =
            self.encode(&encoding.ids, masks.of_encoder(), capture.as_deref_mut())?;
        let source = Source {
            cache: self.cache(&encoder_hidden_states)?,
            masks: masks.clone(),
            settings,
            truncation: encoding.truncation,
            capture: capture.is_some(),
        };
        Ok(Generation::new(self, source))
    }

    pub(super) fn is_eos(&self, id: u32) -> bool {
        let eos = self.config.eos_token_id.as_ref();
        eos.is_some_and(|eos| eos.as_slice().contains(&id))
    }
}

fn special_id(tokenizer: &crate::Tokenizer, token: &str) -> Result<u32> {
    tokenizer.token_to_id(token).ok_or_else(|| {
        Error::integrity(format!(
            "The model's task names the token {token}, which its tokenizer lacks."
        ))
    })
}

/// Generated or forced tokens for people: each one's place in the text that `ids` decode to.
pub(super) fn target_tokens(bart: &Bart, ids: &[u32]) -> Result<Vec<Token>> {
    let tokenizer = bart.target_tokenizer();
    let mut end = 0;
    ids.iter()
        .enumerate()
        .map(|(i, &id)| {
            let text = tokenizer.decode(&ids[..=i], true)?;
            let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
            let start = end;
            end = text.encode_utf16().count();
            Ok(Token {
                id,
                text: tokenizer.id_to_token(id).unwrap_or_default(),
                start: start.min(end),
                end,
                segment: 0,
                special: tokenizer.decode(&[id], true)? != tokenizer.decode(&[id], false)?,
            })
        })
        .collect()
}
