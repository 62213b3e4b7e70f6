//! Text to tokens and back by the model's own `tokenizer.json`, with places in the reader's text.

use serde_json::Value;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::tokenizer::PostProcessor;
use tokenizers::{
    AddedToken, TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings,
};

use crate::{Error, Result};

mod charsmap;
mod suspicion;

/// Longer texts are refused: tokenizing takes some hundred bytes of memory a byte.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// The largest tokenizers of the field (250,000 pieces) have about 20 MB.
const MAX_JSON_BYTES: usize = 32 << 20;

/// How people write a mask, whatever the model calls it.
const MASK: &str = "[MASK]";

/// One token and its place in the reader's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub text: String,
    /// First UTF-16 unit in its segment's text.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// 0 for the first text, 1 for the pair.
    pub segment: u32,
    /// Added by the tokenizer (`[CLS]`, `</s>`), absent from the text: its place is `0..0`.
    pub special: bool,
}

/// What was cut off to fit. The tokenizer's own special tokens don't count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Truncation {
    /// Tokens kept.
    pub kept: usize,
    /// Tokens dropped.
    pub dropped: usize,
    /// First UTF-16 unit of the (first truncated) text that the model does not read.
    pub from: usize,
}

/// A tokenized text, or a pair of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Encoding {
    /// Vocabulary ids.
    pub ids: Vec<u32>,
    /// BERT's token types: 0 for the first segment, 1 for the second.
    pub type_ids: Vec<u32>,
    /// The same tokens for people.
    pub tokens: Vec<Token>,
    /// Number of the word in its segment that a token is a piece of; none for special tokens.
    pub words: Vec<Option<u32>>,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// A `tokenizer.json`, except for its truncation and padding: the model's size decides those.
pub struct Tokenizer {
    /// Without its post-processor, so that cutting happens between the two.
    inner: tokenizers::Tokenizer,
    processor: Option<PostProcessorWrapper>,
    mask: Option<AddedToken>,
    /// Stands for the mask token where that isn't spelled `[MASK]`.
    mask_alias: Option<u32>,
}

impl Tokenizer {
    /// Reads the JSON of a `tokenizer.json`.
    ///
    /// # Errors
    /// `Integrity` where it is not one.
    pub fn new(json: &str) -> Result<Self> {
        let damaged = |error: tokenizers::Error| {
            Error::integrity(format!("The model's tokenizer.json does not fit: {error}."))
        };
        if json.len() > MAX_JSON_BYTES {
            let bytes = json.len();
            let problem = format!("it has {bytes} bytes, more than {MAX_JSON_BYTES}");
            return Err(damaged(problem.into()));
        }
        suspicion::check(json).map_err(damaged)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(damaged)?;
        inner.with_truncation(None).map_err(damaged)?;
        inner.with_padding(None);
        let processor = inner.get_post_processor().cloned();
        if let Some(processor) = &processor {
            let json = serde_json::to_value(processor).map_err(|error| damaged(error.into()))?;
            check_templates(&json).map_err(|problem| damaged(problem.into()))?;
        }
        inner.with_post_processor(None::<PostProcessorWrapper>);

        let added = inner.get_added_tokens_decoder();
        let by_name = |name: &str| added.values().find(|token| token.content == name);
        let mask = by_name(MASK).or_else(|| by_name("<mask>")).cloned();
        let mask_alias = match &mask {
            Some(mask) if mask.content != MASK => {
                let alias = AddedToken {
                    content: MASK.to_owned(),
                    ..mask.clone()
                };
                inner.add_special_tokens([alias]).map_err(damaged)?;
                inner.token_to_id(MASK)
            }
            _ => None,
        };
        Ok(Self {
            inner,
            processor,
            mask,
            mask_alias,
        })
    }

    /// Tokens of `text`, and of `pair` behind it, with the special tokens that the model wants around them.
    /// Where they are more than `max_positions`, the longer text loses its end first.
    ///
    /// # Errors
    /// `Input` where a text is beyond all measure, `Unsupported` where the special tokens alone take all positions.
    pub fn encode(&self, text: &str, pair: Option<&str>, max_positions: usize) -> Result<Encoding> {
        let places = [Places::new(text), Places::new(pair.unwrap_or_default())];
        let params = TruncationParams {
            max_length: self.room(pair.is_some(), max_positions)?,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
            stride: 0,
        };
        let (first, second) = (self.pieces(text)?, pair.map(|pair| self.pieces(pair)));
        let (mut first, mut second) =
            truncate_encodings(first, second.transpose()?, &params).map_err(engine)?;

        let mut truncation = None;
        for (encoding, places) in [Some(&mut first), second.as_mut()].into_iter().zip(&places) {
            let Some(encoding) = encoding else { continue };
            let rest = encoding.take_overflowing();
            if let Some(cut) = rest.first() {
                let from = cut.get_offsets().first().map_or(0, |offsets| offsets.0);
                let whole = truncation.get_or_insert(Truncation {
                    kept: 0,
                    dropped: 0,
                    from: places.floor(from),
                });
                whole.dropped += rest.iter().map(|part| part.len()).sum::<usize>();
            }
        }
        if let Some(truncation) = &mut truncation {
            truncation.kept = first.len() + second.as_ref().map_or(0, |second| second.len());
        }
        let mut encoding = self.assemble(first, second, &places)?;
        encoding.truncation = truncation;
        Ok(encoding)
    }

    /// `question` before each window of `context`: as many tokens of it as fit `max_positions`, the next window
    /// beginning `stride` tokens before the end of the one before.
    ///
    /// # Errors
    /// `Input` where the question leaves less than half of the positions to the context.
    pub fn encode_windows(
        &self,
        question: &str,
        context: &str,
        max_positions: usize,
        stride: usize,
    ) -> Result<Vec<Encoding>> {
        let places = [Places::new(question), Places::new(context)];
        let (question, mut context) = (self.pieces(question)?, self.pieces(context)?);
        let room = self
            .room(true, max_positions)?
            .saturating_sub(question.len());
        if room < max_positions / 2 {
            return Err(Error::input(
                format!(
                    "The question has {} tokens, which leaves no room for the passage.",
                    question.len()
                ),
                "Ask a shorter question.",
            ));
        }
        let overlap = stride.min(room.saturating_sub(1));
        context.truncate(room, overlap, TruncationDirection::Right);
        let rest = context.take_overflowing();
        std::iter::once(context)
            .chain(rest)
            .map(|window| self.assemble(question.clone(), Some(window), &places))
            .collect()
    }

    /// Text of `ids`.
    ///
    /// # Errors
    /// `Engine` where the decoder refuses.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner.decode(ids, skip_special).map_err(engine)
    }

    /// What `id` adds to a text that it stands in, without spaces around it: `##ing` adds `ing`.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn text_of(&self, id: u32) -> Result<String> {
        let Some(mask) = self.mask_id() else {
            return Ok(self.decode(&[id], false)?.trim().to_owned());
        };
        let (before, both) = (
            self.decode(&[mask], false)?,
            self.decode(&[mask, id], false)?,
        );
        let text = both.strip_prefix(&before).unwrap_or(&both);
        Ok(text.trim().to_owned())
    }

    /// Id of a token as the vocabulary spells it.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as the vocabulary spells it.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The mask token, where the vocabulary has one. Texts may always write it `[MASK]`.
    pub fn mask_token(&self) -> Option<&str> {
        Some(&self.mask.as_ref()?.content)
    }

    /// The mask token's id.
    pub fn mask_id(&self) -> Option<u32> {
        self.token_to_id(self.mask_token()?)
    }

    /// How many of `max_positions` the special tokens leave.
    fn room(&self, is_pair: bool, max_positions: usize) -> Result<usize> {
        let specials = self
            .processor
            .as_ref()
            .map_or(0, |processor| processor.added_tokens(is_pair));
        match max_positions.checked_sub(specials) {
            Some(room @ 1..) => Ok(room),
            _ => Err(Error::unsupported(
                format!("A model of {max_positions} positions has no room for any text."),
                "Choose another model.",
            )),
        }
    }

    /// All pieces of one text, no special tokens.
    fn pieces(&self, text: &str) -> Result<tokenizers::Encoding> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::input(
                format!("The text is {} bytes long.", text.len()),
                format!("Give at most {MAX_TEXT_BYTES} bytes at a time."),
            ));
        }
        self.inner.encode(text, false).map_err(engine)
    }

    /// Special tokens around pieces, and offsets from bytes to UTF-16.
    fn assemble(
        &self,
        first: tokenizers::Encoding,
        mut second: Option<tokenizers::Encoding>,
        places: &[Places; 2],
    ) -> Result<Encoding> {
        if let Some(second) = &mut second {
            second.set_type_ids(vec![1; second.len()]);
        }
        let whole = match (&self.processor, second) {
            (Some(processor), second) => processor.process(first, second, true).map_err(engine)?,
            (None, Some(second)) => tokenizers::Encoding::merge([first, second], false),
            (None, None) => first,
        };
        let segments = whole.get_sequence_ids();
        let specials = whole.get_special_tokens_mask();
        let mut ids = whole.get_ids().to_vec();
        let mut tokens = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter_mut().enumerate() {
            let segment = segments.get(i).copied().flatten().unwrap_or(0);
            let special = specials[i] == 1;
            let (start, end) = whole.get_offsets()[i];
            let places = &places[segment.min(1)];
            let mut text = whole.get_tokens()[i].clone();
            if let Some(mask) = self
                .mask_alias
                .filter(|alias| alias == id)
                .and(self.mask_id())
            {
                *id = mask;
                text = self.mask_token().unwrap_or_default().to_owned();
            }
            tokens.push(Token {
                id: *id,
                text,
                start: if special { 0 } else { places.floor(start) },
                end: if special { 0 } else { places.ceil(end) },
                segment: whole.get_type_ids()[i].min(1).max(segment as u32),
                special,
            });
        }
        Ok(Encoding {
            ids,
            type_ids: whole.get_type_ids().to_vec(),
            tokens,
            words: whole.get_word_ids().to_vec(),
            truncation: None,
        })
    }
}

/// What the library trusts a `TemplateProcessing` with, and panics at: that its template names special tokens that it
/// lists, with as many ids as spellings, and that only the template for pairs has a second sequence.
fn check_templates(processor: &Value) -> Result<(), String> {
    if let Some(processors) = processor["processors"].as_array() {
        return processors.iter().try_for_each(check_templates);
    }
    let listed = &processor["special_tokens"];
    let fits = |piece: &Value, second: &str| match piece["SpecialToken"]["id"].as_str() {
        Some(id) => listed.get(id).is_some_and(|token| {
            let length = |field: &str| token[field].as_array().map(Vec::len);
            length("ids").is_some() && length("ids") == length("tokens")
        }),
        None => ["A", second]
            .map(Some)
            .contains(&piece["Sequence"]["id"].as_str()),
    };
    for (template, second) in [("single", "A"), ("pair", "B")] {
        let mut pieces = processor[template].as_array().into_iter().flatten();
        if let Some(piece) = pieces.find(|piece| !fits(piece, second)) {
            return Err(format!(
                "its template for a {template} cannot place {piece}"
            ));
        }
    }
    Ok(())
}

/// UTF-16 positions in one text by byte.
struct Places {
    /// For each byte and the end: UTF-16 units before the character that it belongs to.
    utf16: Vec<u32>,
}

impl Places {
    fn new(text: &str) -> Self {
        let mut utf16 = Vec::with_capacity(text.len() + 1);
        let mut units = 0;
        for character in text.chars() {
            utf16.resize(utf16.len() + character.len_utf8(), units);
            units += character.len_utf16() as u32;
        }
        utf16.push(units);
        Self { utf16 }
    }

    /// The character that holds `byte`.
    fn floor(&self, byte: usize) -> usize {
        let last = self.utf16.len() - 1; // `new` pushes one at least
        self.utf16[byte.min(last)] as usize
    }

    /// The first character that begins at `byte` or later.
    fn ceil(&self, byte: usize) -> usize {
        let last = self.utf16.len() - 1;
        let byte = byte.min(last);
        if byte == 0 || self.utf16[byte] != self.utf16[byte - 1] {
            return self.utf16[byte] as usize;
        }
        let after = self.utf16[byte..]
            .iter()
            .find(|&&unit| unit != self.utf16[byte]);
        *after.unwrap_or(&self.utf16[last]) as usize
    }
}

fn engine(error: tokenizers::Error) -> Error {
    Error::engine(format!("The tokenizer failed: {error}."))
}

/// The part of `text` between two UTF-16 positions, widened to whole characters.
pub(crate) fn utf16_slice(text: &str, units: std::ops::Range<usize>) -> &str {
    let mut at = 0;
    let (mut from, mut to) = (text.len(), 0);
    for (byte, character) in text.char_indices() {
        let next = at + character.len_utf16();
        if next > units.start && at < units.end {
            from = from.min(byte);
            to = byte + character.len_utf8();
        }
        at = next;
    }
    text.get(from..to).unwrap_or_default()
}
