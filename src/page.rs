//! Everything that the page's panels share: the reader's sentence, the models, their answers, what is pointed at.

use unmask_protocol::{FilledMask, GenerateOptions};
use web_sys::AbortSignal;

use crate::engine::{self, Model, Read, Recording};
use crate::latest::{Latest, spawn};
use crate::library;
use crate::slot::{Slot, Status};
use crate::state::attention::{Attention, Attentions, Head};
use crate::state::catalogue::Catalogue;
use crate::state::decoding::Decoding;
use crate::state::draft::Stage;
use crate::state::grid::Grid;
use crate::state::library::{STORED, Shelf};
use crate::state::links::{Place, Pointer};
use crate::state::ramp::Scheme;
use crate::state::sentence::Sentence;
use crate::state::shapes::Sight;
use crate::var::{Derived, Var, effect};
use crate::writing::Writing;

/// The site's own BERT.
const BERT: &str = "bert";
/// Candidates shown for a mask.
const TOP_K: usize = 5;
/// The task that takes a question and a passage: the page asks it beside BERT's answer.
pub const ANSWER: &str = "answer";
/// The task for which BART reads one word instead of the sentence.
const PRONOUNCE: &str = "pronounce";

/// The recorded run of BERT on the opening sentence, shown until the model is here.
const RECORDING: &str = "fill-mask";

/// The opening sentence and the word that it hides: what comes after the mask decides what belongs there.
const OPENING: (&str, &str) = ("I want to go to the beach with you.", "go");

/// Which layer and head of a model is shown.
#[derive(Clone, Copy)]
pub struct Lens {
    /// Layer, counted from 0.
    pub layer: Var<usize>,
    /// Head, or the mean over them.
    pub head: Var<Head>,
    /// Whether the reader has chosen them.
    pub chosen: Var<bool>,
}

impl Lens {
    fn new() -> Self {
        Self {
            layer: Var::new(0),
            head: Var::new(Head::Mean),
            chosen: Var::new(false),
        }
    }

    /// Takes the reader's choice.
    pub fn choose(self, layer: usize, head: Head) {
        self.chosen.put(true);
        self.layer.put(layer);
        self.head.put(head);
    }
}

/// How tokens are shown wherever attention is drawn.
#[derive(Clone, Copy)]
pub struct Display {
    /// Word pieces put back together.
    pub whole_words: Var<bool>,
    /// Without `[CLS]`, `[SEP]` and their like.
    pub written_only: Var<bool>,
    /// With padding behind BERT's text.
    pub padding: Var<bool>,
    /// Weights below this leave no line, in percent.
    pub threshold: Var<usize>,
}

impl Display {
    /// The grid as the reader wants it (tracked).
    pub fn apply(self, grid: Grid) -> Grid {
        let grid = match self.whole_words.get() {
            true => grid.merged(),
            false => grid,
        };
        match self.written_only.get() {
            true => grid.without_special(),
            false => grid,
        }
    }
}

/// The page's shared state, handed to every view.
#[derive(Clone, Copy)]
pub struct Page {
    /// What this site carries.
    pub catalogue: Var<Catalogue>,
    /// The reader's text.
    pub sentence: Var<Sentence>,
    /// The model that fills.
    pub bert: Slot,
    /// The model that writes.
    pub bart: Slot,
    /// How BERT may look.
    pub sight: Var<Sight>,
    /// BERT's candidates for every mask.
    pub fills: Latest<Read<Vec<FilledMask>>>,
    /// The same with BERT's own mask, while the reader has chosen another: what to compare with.
    pub reference: Latest<Read<Vec<FilledMask>>>,
    /// BERT's attention.
    pub bert_attention: Latest<Attentions>,
    /// The word BART pronounces, by its place in the sentence; none takes the salient one.
    pub spoken: Var<Option<usize>>,
    /// What BART does, where it can do several things.
    pub task: Var<Option<String>>,
    /// Beams of BART's search.
    pub beams: Var<usize>,
    /// How else BART chooses.
    pub decoding: Var<Decoding>,
    /// The token written whose alternatives are shown, by its place.
    pub step: Var<usize>,
    /// What BART writes.
    pub writing: Writing,
    /// BART's attention over source and output.
    pub bart_attention: Latest<Attentions>,
    /// A recorded run of BERT, for its matrix while the model is on its way.
    recording: Var<Option<Recording>>,
    /// What is pointed at in the matrices.
    pub pointer: Var<Option<Pointer>>,
    /// Layer and head of BERT's matrix.
    pub bert_lens: Lens,
    /// Layer and head of BART's matrices.
    pub bart_lens: Lens,
    /// Which attention is shown head by head.
    pub part: Var<Place>,
    /// How tokens are shown.
    pub display: Display,
    /// Whether a click on BERT's matrix paints its mask.
    pub painting: Var<bool>,
    /// Light or dark.
    pub scheme: Var<Scheme>,
    /// The BART that the reader, or a link, asks for.
    pub wanted: Var<Option<String>>,
    /// The BERT that the reader, or a link, asks for: one that is kept on this machine.
    pub reader: Var<Option<String>>,
    /// What is kept on this machine.
    pub shelf: Var<Shelf>,
    /// Whether the reader has done anything yet.
    pub touched: Var<bool>,
    /// Names in the address that say nothing to this page.
    pub misread: Var<Vec<String>>,
}

impl Page {
    /// The attention that is shown head by head at first.
    pub const PART: Place = Place::Bert;
    /// Percent below which no line is drawn at first.
    pub const THRESHOLD: usize = 5;
    /// The numbers of beams on offer: one, and some widths.
    pub const ALL_BEAMS: [usize; 4] = [1, 2, 4, 8];
    /// Beams at first.
    pub const BEAMS: usize = Self::ALL_BEAMS[0];

    /// The sentence at first.
    pub fn opening() -> Sentence {
        Sentence::hiding(OPENING.0, OPENING.1)
    }

    /// The page as it opens, with every question wired to what it depends on.
    pub fn new() -> Self {
        let sentence = Var::new(Self::opening());
        let bert = Slot::new(BERT);
        let bart = Slot::new("bart-g2p");
        let sight = Var::new(Sight::default());
        let writing = Writing::new();
        let fills = Latest::new(move || {
            let text = sentence.with(Sentence::masked_if_any)?;
            let model = bert.model().filter(Model::fills)?;
            let sight = sight.get();
            Some(async move |signal: Option<AbortSignal>| {
                let mask = model.mask(&sight, &text, signal.clone()).await?;
                model.fill_mask(&text, TOP_K, mask.as_ref(), signal).await
            })
        });
        let reference = Latest::new(move || {
            let text = sentence.with(Sentence::masked_if_any)?;
            let model = bert.model().filter(Model::fills)?;
            if sight.with(Sight::as_trained) {
                return None;
            }
            Some(async move |signal| model.fill_mask(&text, 1, None, signal).await)
        });
        let bert_attention = Latest::new(move || {
            let text = sentence.with(Sentence::beginning)?;
            let (model, sight) = (bert.model()?, sight.get());
            Some(async move |signal: Option<AbortSignal>| {
                let mask = model.mask(&sight, &text, signal.clone()).await?;
                model
                    .attention(&text, None, None, mask.as_ref(), signal)
                    .await
            })
        });
        let bart_attention = Latest::new(move || {
            let draft = writing.draft.get();
            let done = matches!(draft.stage, Stage::Finished | Stage::Stopped);
            let model = bart.model().filter(|_| done && !draft.text().is_empty())?;
            Some(async move |signal| {
                let (target, task) = (Some(draft.text()), draft.controls.task.as_deref());
                model
                    .attention(&draft.source, target, task, None, signal)
                    .await
            })
        });
        let page = Self {
            catalogue: Var::new(Catalogue::default()),
            sentence,
            bert,
            bart,
            sight,
            fills,
            reference,
            bert_attention,
            spoken: Var::new(None),
            task: Var::new(None),
            beams: Var::new(Self::BEAMS),
            decoding: Var::new(Decoding::default()),
            step: Var::new(0),
            writing,
            bart_attention,
            recording: Var::new(None),
            pointer: Var::new(None),
            bert_lens: Lens::new(),
            bart_lens: Lens::new(),
            part: Var::new(Self::PART),
            display: Display {
                whole_words: Var::new(false),
                written_only: Var::new(false),
                padding: Var::new(false),
                threshold: Var::new(Self::THRESHOLD),
            },
            painting: Var::new(false),
            scheme: Var::new(Scheme::default()),
            wanted: Var::new(None),
            reader: Var::new(None),
            shelf: Var::new(Shelf::default()),
            touched: Var::new(false),
            misread: Var::new(Vec::new()),
        };
        page.write_when_anything_changes();
        page.open_lenses();
        page
    }

    /// Reads the catalogue and, if `at_once`, starts loading both models.
    pub fn open(self, at_once: bool) {
        spawn(async move {
            // Without a catalogue the models' own errors say what is wrong; only the sizes stay unknown.
            if let Ok(catalogue) = engine::catalogue().await {
                self.catalogue.set(catalogue);
            }
            // Only who asks for a model of their own waits until it is known what is kept.
            let own = [self.wanted, self.reader].iter().any(|wanted| {
                wanted.peek(|name| name.as_ref().is_some_and(|name| name.starts_with(STORED)))
            });
            if own {
                self.renew_shelf().await;
            }
            self.choose_reader();
            self.choose_writer();
            if at_once {
                self.bert.load();
                self.bart.load();
            }
            if !own && library::has_brought() {
                self.renew_shelf().await;
            }
        });
        spawn(async move {
            // Without it the matrix shows its mask alone, as for any other text.
            self.recording.set(engine::recording(RECORDING).await.ok());
        });
    }

    /// Finds out what is kept on this machine. Where that cannot be told, nothing is.
    pub async fn renew_shelf(self) {
        let shelf = library::kept().await.unwrap_or_default();
        self.shelf.put(shelf);
    }

    /// Takes the BART that is asked for, where this site or this machine has it, or else the site's first. It is loaded where
    /// the one before it was.
    pub fn choose_writer(self) {
        let writers = self.catalogue.peek(|catalogue| catalogue.writers());
        let wanted = self.wanted.now();
        let wanted = wanted.filter(|name| writers.contains(name) || self.keeps(name));
        let Some(name) = wanted.or_else(|| writers.into_iter().next()) else {
            return;
        };
        change(self.bart, name);
    }

    /// Takes the BERT that is asked for, where this machine keeps it, or else the site's own.
    pub fn choose_reader(self) {
        let wanted = self.reader.now().filter(|name| self.keeps(name));
        change(self.bert, wanted.unwrap_or_else(|| BERT.to_owned()));
    }

    /// Puts the page's own models back in the place of those that are kept no more.
    pub fn let_go(self) {
        for wanted in [self.reader, self.wanted] {
            let gone = |name: &String| name.starts_with(STORED) && !self.keeps(name);
            if wanted.peek(|name| name.as_ref().is_some_and(gone)) {
                wanted.set(None);
            }
        }
        self.choose_reader();
        self.choose_writer();
    }

    fn keeps(self, name: &str) -> bool {
        self.shelf.peek(|shelf| shelf.model(name).is_some())
    }

    /// Reads one attention of what the models answered last (tracked).
    pub fn attention<U>(self, place: Place, read: impl FnOnce(&Attention) -> U) -> Option<U> {
        let answer = match place {
            Place::Bert => self.bert_attention.answer,
            _ => self.bart_attention.answer,
        };
        answer.with(|answer| answer.as_ref()?.of(place).map(read))
    }

    /// Reads the recorded attention that stands in for BERT's while the model is on its way: on the very text that it
    /// would be asked about, and with its own mask; none at other places (tracked).
    pub fn recorded<U>(self, place: Place, read: impl FnOnce(&Attention) -> U) -> Option<U> {
        let live = self.bert_attention.answer.with(Option::is_some);
        if place != Place::Bert || live || !self.sight.with(Sight::as_trained) {
            return None;
        }
        let (name, text) = (
            self.bert.name.get(),
            self.sentence.with(Sentence::beginning)?,
        );
        self.recording.with(|run| {
            let run = run.as_ref()?;
            (run.model == name && run.text == text).then(|| read(&run.attentions.encoder))
        })
    }

    /// [`Self::grid`] of BERT's recorded attention; until the reader chooses a head, of the most telling one.
    pub fn recorded_grid(self) -> Option<Grid> {
        let lens = self.bert_lens;
        let (chosen, layer, head) = (lens.chosen.get(), lens.layer.get(), lens.head.get());
        self.recorded(Place::Bert, |attention| {
            let telling = attention.most_telling().filter(|_| !chosen);
            let (layer, head) =
                telling.map_or((layer, head), |(layer, head)| (layer, Head::One(head)));
            attention.grid(layer, head)
        })
    }

    /// Layer and head at which an attention is shown.
    pub fn lens(self, place: Place) -> Lens {
        match place {
            Place::Bert => self.bert_lens,
            _ => self.bart_lens,
        }
    }

    /// The live matrix of one attention at its lens, token by token (tracked).
    pub fn grid(self, place: Place) -> Option<Grid> {
        let lens = self.lens(place);
        self.attention(place, |attention| {
            attention.grid(lens.layer.get(), lens.head.get())
        })
    }

    /// Hides the word of BERT's text in which a token begins, or brings it back.
    pub fn hide_token(self, start: usize) {
        if let Some(word) = self.sentence.peek(|sentence| sentence.word_at(start)) {
            self.sentence.update(|sentence| sentence.toggle(word));
        }
    }

    /// Each model's first answer chooses the head that is shown until the reader chooses another: the one that points
    /// most sharply at words further away. A mean over heads blurs them all.
    fn open_lenses(self) {
        for place in [Place::Bert, Place::Cross] {
            let lens = self.lens(place);
            effect(move || {
                let telling = self.attention(place, Attention::most_telling).flatten();
                if let Some((layer, head)) = telling.filter(|_| !lens.chosen.now()) {
                    lens.choose(layer, Head::One(head));
                }
            });
        }
    }

    /// What BART is to do: the reader's choice where the model can do it, or else its first task.
    pub fn current_task(self) -> Option<String> {
        let tasks = self.tasks();
        let chosen = self.task.get().filter(|task| tasks.contains(task));
        chosen.or_else(|| tasks.into_iter().next())
    }

    /// What BART can do with the reader's sentence (tracked).
    pub fn tasks(self) -> Vec<String> {
        let mut tasks = self
            .bart
            .info()
            .map_or_else(Vec::new, |info| info.tasks.clone());
        tasks.retain(|task| task != ANSWER);
        tasks
    }

    /// The place of the word that BART pronounces (tracked).
    pub fn spoken_word(self) -> Option<usize> {
        self.sentence.with(|sentence| {
            let words = sentence.words();
            let chosen = self.spoken.get().filter(|&index| index < words.len());
            chosen.or_else(|| sentence.salient_word())
        })
    }

    /// The text of the word at `index`; a hidden one is what BERT thinks of first, or what it hides.
    pub fn word_text(self, index: usize) -> Option<String> {
        self.sentence.with(|sentence| {
            let word = sentence.words().get(index)?.clone();
            if !word.hidden {
                return Some(sentence.text()[word.range].to_owned());
            }
            let mask = sentence.mask_index(index)?;
            let guess = self.fills.answer.with(|answer| {
                let candidates = &answer.as_ref()?.answer.get(mask)?.candidates;
                Some(candidates.first()?.text.trim().to_owned())
            });
            guess.or_else(|| sentence.original(mask).map(str::to_owned))
        })
    }

    /// Whether BART reads one word instead of the sentence; so it does until its model says otherwise (tracked).
    pub fn pronounces(self) -> bool {
        self.current_task().is_none_or(|task| task == PRONOUNCE)
    }

    /// What BART reads (tracked).
    pub fn source(self) -> Option<String> {
        if self.pronounces() {
            return self.word_text(self.spoken_word()?);
        }
        // Every model understands this spelling of the mask.
        let text = self.sentence.with(Sentence::masked);
        (!text.trim().is_empty()).then_some(text)
    }

    fn write_when_anything_changes(self) {
        let request = Derived::new(move || {
            let controls = GenerateOptions {
                task: self.current_task(),
                ..self.decoding.get().options(self.beams.get())
            };
            self.source().map(|source| (source, controls))
        });
        effect(move || match (self.bart.model(), request.get()) {
            (Some(model), Some((source, controls))) => {
                self.writing.start(model, source, controls);
            }
            _ => self.writing.clear(),
        });
    }
}

/// Puts another model into a place; it is loaded where the one before it was.
fn change(slot: Slot, name: String) {
    if slot.name.now() == name {
        return;
    }
    slot.name.set(name);
    if !slot.status.peek(|status| matches!(status, Status::Asleep)) {
        slot.load();
    }
}
